/* A number beyond a slider's ends: Gradio sets it to the nearer end when one leaves its box, without a
   word. Here the field says what was given and what it was set to, until it is changed again. */
"use strict";
(() => {
  const told = new Map(); // field -> {input, end, note}

  /* What leaving the box changes, as a sentence; nothing if it changes nothing. */
  function sentence({ value, min, max }) {
    const given = Number(value);
    if (value === "") return [min, `Empty; set to ${min}.`];
    if (given > Number(max)) return [max, `${value} is more than ${max}; set to ${max}.`];
    if (given < Number(min)) return [min, `${value} is less than ${min}; set to ${min}.`];
    return null;
  }

  function untell(field) {
    told.get(field)?.note.remove();
    told.delete(field);
  }

  function tell(field, input, [end, text]) {
    untell(field);
    const note = darkroom.node("p", "dk-set-text", text);
    note.setAttribute("role", "status");
    field.append(note);
    told.set(field, { input, end, note });
  }

  // Before Gradio hears of it, which is at the box itself; "blur" does not bubble.
  document.addEventListener("blur", ({ target }) => {
    const field = target.matches?.('input[type="number"][min][max]') && target.closest(".dk-field:has(input[type=range])");
    const said = field && sentence(target);
    if (said) tell(field, target, said);
  }, true);

  document.addEventListener("input", ({ target }) => untell(target.closest?.(".dk-field")));
  // A recipe, a button or a script has put something else there.
  document.addEventListener("darkroom:form", () => {
    for (const [field, { input, end }] of told) if (input.value !== end) untell(field);
  });
})();
