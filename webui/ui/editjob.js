/* Editing a job that waits: its recipe stands in the form until it is saved back or left.

   What stood in the form before comes back either way; a refresh in between changes nothing. The line
   does not wait for it: a job that begins meanwhile runs as it was, and what was typed stays. */
"use strict";
(() => {
  const KEPT = "darkroom.edit";
  const WAITS = ["queued", "paused"];
  const LATE = 15_000; // milliseconds that saving may take
  const { node, button } = darkroom;
  let forms = {}; // tab -> {box, save}
  let edited = null; // {tab, id, name, before}
  let over = ""; // why it cannot be saved back any more
  let saving = 0; // a timer, until the answer is there
  let line = ""; // how the line stood when the job was last asked for
  try { edited = JSON.parse(darkroom.reads(sessionStorage, KEPT)); } catch { /* none */ }

  darkroom.editJob = (element, tab, props, watch, save) => {
    forms[tab] = { box: element.querySelector(".dk-editing"), save };
    watch("answer", () => answered(props.answer));
    if (edited?.tab === tab) draw();
  };

  function keep(now) {
    edited = now;
    over = line = "";
    saved();
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

  function saveIt(save) {
    if (saving) return;
    saving = setTimeout(() => { saving = 0; draw(); darkroom.queueSay("The server did not answer. The form still holds the job."); }, LATE);
    draw();
    save();
  }

  function saved() {
    clearTimeout(saving);
    saving = 0;
  }

  function answered(answer) {
    saved();
    if (!answer || !edited) return;
    darkroom.clearComplaint();
    if (answer.error) {
      darkroom.complain(answer.error, edited.tab);
      draw();
      look();
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
    const now = `${detail.server} ${detail.running} ${detail.waiting}`;
    if (!edited || over || now === line) return;
    line = now;
    look();
  });

  /* Whether it still waits. */
  async function look() {
    const { id } = edited;
    const { status, said } = await darkroom.ask(`api/v1/jobs/${encodeURIComponent(id)}`);
    if (edited?.id !== id || (status !== 200 && status !== 404) || WAITS.includes(said?.state)) return;
    const what = said?.state === "cancelled" && !said.started ? "was cancelled meanwhile" : said?.state ? "has begun meanwhile, as it was" : "is gone";
    over = `This job ${what}. Your changes still stand in the form: Generate makes a new job of them.`;
    draw();
  }

  function draw() {
    for (const [tab, { box, save }] of Object.entries(forms)) {
      box.hidden = edited?.tab !== tab;
      if (box.hidden) continue;
      const focused = box.contains(document.activeElement) && document.activeElement !== box;
      const text = node("p", "dk-editing-text", over || "The form holds a job that waits:");
      if (over) text.setAttribute("role", "alert");
      else text.append(" ", node("strong", "", edited.name));
      const actions = node("p", "dk-editing-actions");
      if (!over) actions.append(button(saving ? "Saving…" : "Save to queue", () => saveIt(save), "dk-plain dk-primary"));
      actions.append(button(over ? "Back to my form" : "Leave it as it was", () => leave("")));
      box.replaceChildren(text, actions);
      if (focused) box.focus({ preventScroll: true }); // what had it is gone
    }
  }
})();
