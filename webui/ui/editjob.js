/* Editing a job that waits: its recipe stands in the form until it is saved back or left.

   What stood in the form before comes back either way; a refresh in between changes nothing. */
"use strict";
(() => {
  const KEPT = "darkroom.edit";
  const { node } = darkroom;
  let forms = {}; // tab -> {box, save}
  let edited = null; // {tab, id, name, before}
  let begun = false;
  let saving = false;
  try { edited = JSON.parse(darkroom.reads(sessionStorage, KEPT)); } catch { /* none */ }

  darkroom.editJob = (element, tab, props, watch, save) => {
    forms[tab] = { box: element.querySelector(".dk-editing"), save };
    watch("answer", () => answered(props.answer));
    if (edited?.tab === tab) draw();
  };

  function keep(now) {
    edited = now;
    begun = saving = false;
    darkroom.keeps(sessionStorage, KEPT, JSON.stringify(now));
    draw();
  }

  darkroom.edit = async (id, recipe) => {
    try {
      const { request } = await darkroom.queueAsk("GET", `jobs/${encodeURIComponent(id)}`);
      const { values } = await darkroom.queueAsk("GET", `jobs/${encodeURIComponent(id)}/recipe`);
      const tab = darkroom.tabOf(request);
      if (edited && edited.tab !== tab) await leave("");
      const before = edited?.before; // of one edited already: the form as it was before that
      darkroom.fillForm(tab, { recipe: values }, (stood) => {
        keep({ tab, id, name: recipe, before: before ?? stood });
        forms[tab].box.scrollIntoView({ block: "nearest" });
        forms[tab].box.focus({ preventScroll: true });
      });
    } catch (error) {
      darkroom.queueSay(error.message);
    }
  };

  /* For Gradio's event: the form, and the id of the job to put it into. */
  darkroom.editedJob = (sent) => [...sent.slice(0, -1), edited?.id ?? ""];

  function answered(answer) {
    saving = false;
    if (!answer || !edited) return;
    darkroom.clearComplaint();
    if (answer.error) {
      darkroom.complain(answer.error, edited.tab);
      draw();
    } else {
      leave("Saved to the queue.");
    }
  }

  async function leave(text) {
    const { tab, before } = edited;
    const hadFocus = forms[tab].box.contains(document.activeElement);
    await darkroom.fillForm(tab, { form: before }, () => {});
    keep(null);
    if (hadFocus) document.querySelector(`#${tab}_generate`)?.focus({ preventScroll: true });
    if (text) darkroom.queueSay(text);
    darkroom.queueDo(async () => {});
  }

  document.addEventListener("darkroom:news", ({ detail }) => {
    if (!edited || begun || detail.running !== edited.id) return;
    begun = true;
    draw();
  });

  function button(text, className, action) {
    const made = Object.assign(node("button", className, text), { type: "button" });
    made.addEventListener("click", action);
    return made;
  }

  function draw() {
    for (const [tab, { box, save }] of Object.entries(forms)) {
      box.hidden = edited?.tab !== tab;
      if (box.hidden) continue;
      const words = begun ? "This job has begun meanwhile and stays as it was. Generate makes a new one of the form." : "The form holds a job that waits:";
      const text = node("p", "dk-editing-text", words);
      if (!begun) text.append(" ", node("strong", "", edited.name));
      const actions = node("p", "dk-editing-actions");
      if (!begun) actions.append(button("Save to queue", "dk-plain dk-primary", () => { if (!saving) { saving = true; save(); } }));
      actions.append(button(begun ? "Back to my form" : "Leave it as it was", "dk-plain", () => leave("")));
      box.replaceChildren(text, actions);
    }
  }
})();
