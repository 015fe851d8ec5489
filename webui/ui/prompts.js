/* Asks the server what it reads in the prompts while somebody types: the counter, and what is odd.

   One question at a time, a moment after the last key; an answer to what stands there no more is
   thrown away. Who wants to draw an answer listens to "darkroom:looked". */
"use strict";
(() => {
  const PAUSE = 140; // milliseconds without a key
  const AGAIN = 3000; // after no answer
  const FIELDS = { prompt: "prompt", negative_prompt: "neg_prompt" };
  const COUNTERS = { prompt: "token_counter", negative_prompt: "negative_token_counter" };
  const looks = {}; // tab -> {timer, asking, asked, answer}

  const boxOf = (tab, field) => document.querySelector(`#${tab}_${FIELDS[field]} textarea`);
  const tabOf = (box) => box.closest('.dk-field[id$="_prompt"]').id.split("_")[0];
  darkroom.promptBoxOf = boxOf;
  darkroom.promptTab = tabOf;
  darkroom.lookedAt = (tab) => looks[tab]?.answer ?? null;

  // --- asking -------------------------------------------------------------------------------------
  function question(tab) {
    const form = darkroom.formValues(tab);
    const steps = Number.isInteger(form.steps) && form.steps >= 1 && form.steps <= 150 ? form.steps : null; // half typed
    const given = { model: form.model, steps, emphasis: form.emphasis };
    const asked = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null && value !== ""));
    for (const field of Object.keys(FIELDS)) asked[field] = boxOf(tab, field)?.value ?? "";
    return JSON.stringify(asked);
  }

  function soon(tab, pause = PAUSE) {
    const look = looks[tab] ??= { timer: 0, asking: false, asked: "", answer: null };
    clearTimeout(look.timer);
    look.timer = setTimeout(() => ask(tab, look), pause);
  }

  /* For what may read otherwise now: there is an embedding more. */
  darkroom.lookAgain = (tab) => {
    if (looks[tab]) looks[tab].asked = "";
    soon(tab, 0);
  };

  async function ask(tab, look) {
    if (look.asking || !boxOf(tab, "prompt")) return; // who is asking asks again by itself
    const asked = question(tab);
    if (asked === look.asked) return;
    look.asking = true;
    const answer = await post(asked);
    look.asking = false;
    if (question(tab) !== asked) { soon(tab, 0); return; }
    if (answer === undefined) { soon(tab, AGAIN); return; }
    look.asked = asked;
    look.answer = answer && { ...answer, asked: JSON.parse(asked) };
    draw(tab, look.answer);
  }

  /* The answer; null if the server does not take the question, undefined if it cannot be reached. */
  async function post(body) {
    try {
      const answer = await fetch("api/v1/prompts/look", {
        method: "POST", headers: { "Content-Type": "application/json" }, body, signal: AbortSignal.timeout(10_000),
      });
      if (answer.ok) return await answer.json();
      return answer.status < 500 ? null : undefined;
    } catch {
      return undefined;
    }
  }

  document.addEventListener("input", (event) => {
    const box = darkroom.promptBox(event.target);
    if (box && !event.isComposing) soon(tabOf(box));
  });
  document.addEventListener("compositionend", (event) => {
    const box = darkroom.promptBox(event.target);
    if (box) soon(tabOf(box));
  });
  document.addEventListener("darkroom:form", (event) => soon(event.detail));

  // --- drawing ------------------------------------------------------------------------------------
  function draw(tab, answer) {
    for (const field of Object.keys(FIELDS)) {
      count(document.getElementById(`${tab}_${COUNTERS[field]}`), answer?.[field]);
      remark(tab, field, remarks(answer?.[field], answer?.asked[field] ?? ""));
    }
    document.dispatchEvent(new CustomEvent("darkroom:looked", { detail: { tab, answer } }));
  }

  /* What is wrong with it as a whole, and what is odd in it. */
  const remarks = (read, text) => (read?.error ? [{ text: read.error, start: 0, end: text.length }] : read?.notes ?? []);

  function count(element, read) {
    if (!element) return;
    const { tokens, of } = read?.counter ?? {};
    const place = element.querySelector("output") ?? element.appendChild(document.createElement("output"));
    const text = of ? `${tokens}/${of}` : read ? "\u2013" : "";
    if (place.textContent !== text) place.textContent = text;
    element.dataset.windows = of ? String(of / 75) : "";
    place.title = !of ? "" : of > 75
      ? `${tokens} tokens in ${of / 75} windows; the model reads 75 at a time`
      : `${tokens} of the 75 tokens that the model reads at a time`;
  }

  /* One line that is always there, so that nothing jumps; more than one note fold out on demand. */
  function remark(tab, field, notes) {
    const element = document.getElementById(`${tab}_${FIELDS[field]}_notes`);
    if (!element) return;
    const key = JSON.stringify(notes);
    if (element.dataset.notes === key) return;
    element.dataset.notes = key;
    const list = document.createElement("div");
    list.className = "dk-notes";
    list.setAttribute("role", "status");
    for (const note of notes) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = note.text.charAt(0).toUpperCase() + note.text.slice(1);
      button.title = `${button.textContent} (click to see the place)`;
      button.addEventListener("click", () => darkroom.point(tab, field, note));
      list.append(button);
    }
    if (notes.length > 1) list.append(unfolding(list, notes.length - 1));
    element.replaceChildren(list);
  }

  function unfolding(list, more) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "dk-more";
    const turn = (open) => {
      list.dataset.open = open ? "yes" : "no";
      button.setAttribute("aria-expanded", String(open));
      button.textContent = open ? "less" : `+${more}`;
    };
    button.addEventListener("click", () => turn(list.dataset.open !== "yes"));
    turn(false);
    return button;
  }

  // --- places -------------------------------------------------------------------------------------
  /* Python counts characters, a text box counts halves of some of them. */
  darkroom.place = (text, characters) => {
    let at = 0;
    for (let i = 0; i < characters && at < text.length; i += 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
    return at;
  };

  /* Selects what a note is about. */
  darkroom.point = (tab, field, { start, end }) => {
    const box = boxOf(tab, field);
    if (!box) return;
    box.focus();
    box.setSelectionRange(darkroom.place(box.value, start), darkroom.place(box.value, end));
  };
})();
