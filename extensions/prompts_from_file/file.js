/* The lines out of a file: chosen, or dropped on their box. They take the place of what stands there,
   which one press puts back. */
"use strict";
(() => {
  const { node, button, plural, quoted, size } = darkroom;
  const TABS = ["txt2img", "img2img", "inpaint"];
  const MOST = 100_000; // characters that the box takes
  const EXAMPLE = 'a red fox\n--prompt "a blue fox" --steps 30 --seed 5';
  const BYTES = 4; // of a character at most
  const part = (tab, name) => document.getElementById(`${tab}_prompts_from_file_${name}`);
  const box = (tab) => part(tab, "lines")?.querySelector("textarea");
  const count = (text) => text.split(/\r\n|\r|\n/).filter((line) => line.trim()).length;

  /* As if it were typed: Gradio hears of it. */
  function type(tab, text) {
    const field = box(tab);
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /* Of a file, or of a promise of one. Throws an Error with a sentence. */
  async function textOf({ name, blob: given }) {
    const blob = await given;
    if (blob.size > BYTES * MOST) throw new Error(`${quoted(name)} has ${size(blob.size)}, which is more than a text of ${MOST} characters.`);
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const sixteen = { "255 254": "utf-16le", "254 255": "utf-16be" }[`${bytes[0]} ${bytes[1]}`];
    let text = "\0";
    try { text = new TextDecoder(sixteen ?? "utf-8", { fatal: true }).decode(bytes); } catch { /* it is none */ }
    if (text.includes("\0")) throw new Error(`${quoted(name)} is no text; save it as UTF-8.`);
    if (text.length > MOST) throw new Error(`${quoted(name)} has ${text.length} characters; at most ${MOST} fit.`);
    if (!text.trim()) throw new Error(`${quoted(name)} is empty.`);
    return text;
  }

  function build(tab) {
    const place = part(tab, "lines");
    if (!place || place.querySelector(".pff-row") || !box(tab)) return;
    const row = node("div", "pff-row"), said = node("span", "pff-said");
    const chooser = Object.assign(document.createElement("input"), { type: "file", accept: ".txt,text/plain", multiple: true, hidden: true });
    chooser.setAttribute("aria-label", "A file of lines");
    const choose = button("Choose a file…", () => chooser.click());
    choose.title = "A text file, a job for each of its lines; or drop it on the box";
    said.setAttribute("role", "status");
    row.append(choose, chooser, said);
    place.append(row);
    box(tab).placeholder = EXAMPLE;

    function say(text, wrong = false, before = "") {
      said.replaceChildren(text);
      said.classList.toggle("pff-wrong", wrong);
      if (before) said.append(" ", button("Put back what stood here", () => { type(tab, before); say(""); }, "pff-link"));
    }

    async function take(files) {
      const before = box(tab).value;
      try {
        const texts = await Promise.all(files.map(textOf));
        const text = texts.map((each) => each.trimEnd()).join("\n");
        type(tab, text);
        const on = part(tab, "on")?.querySelector("input");
        if (on && !on.checked) on.click();
        const names = files.length > 1 ? plural(files.length, "file") : quoted(files[0].name);
        say(`${plural(count(text), "line")} of ${names}.`, false, before.trim() && before !== text ? before : "");
      } catch (error) { say(error.message, true); }
    }

    chooser.addEventListener("change", () => {
      take([...chooser.files].map((file) => ({ name: file.name, blob: file })));
      chooser.value = ""; // the same file may be chosen again
    });
    place.addEventListener("input", (event) => { if (event.isTrusted) say(""); });
    darkroom.takesDrops(place, "Drop to fill the lines", take);
  }

  let building = 0;
  const later = () => { building ||= setTimeout(() => { building = 0; TABS.forEach(build); }, 200); };
  new MutationObserver(later).observe(document.documentElement, { childList: true, subtree: true });
  later();
})();
