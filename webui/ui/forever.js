/* Generate forever: when the last of its jobs begins, the next is queued, of the form as it then is.

   It ends by its button, with a form that is refused, with a job that failed or was thrown away, and
   with the page: a refresh ends it. What was queued stays. */
"use strict";
(() => {
  const { node, button, plural } = darkroom;
  const WAITS = ["queued", "paused"];
  const ENDS = { failed: "a run failed", cancelled: "a run was cancelled", interrupted: "a run was interrupted" };
  const boxes = {}; // tab -> its notice
  const LATE = 20_000; // milliseconds without an answer to a press
  let going = null; // {tab, last: id, pending: since when, 0 if nothing is, stale, count}
  let menu = null;

  darkroom.forever = (element, tab) => { boxes[tab] = element.querySelector(".dk-going"); };
  darkroom.turnForever = (tab) => {
    const other = going?.tab !== tab;
    if (going) end("");
    if (other) begin(tab);
  };

  function begin(tab) {
    going = { tab, last: null, pending: 0, stale: 0, count: 0 };
    next();
  }

  function next() {
    going.pending = Date.now();
    draw();
    document.getElementById(`${going.tab}_generate`).click();
  }

  function end(why) {
    const { tab, count } = going;
    going = null;
    draw();
    if (why) show(tab, `Generate forever has ended after ${plural(count, "run")}: ${why}.`, "Dismiss", () => { boxes[tab].hidden = true; });
  }

  // what came of a press of Generate, by us or by hand
  document.addEventListener("darkroom:answered", ({ detail: { job, tab } }) => {
    if (going?.tab !== tab) return;
    if (!job) {
      if (going.pending) end("the form was refused");
      return;
    }
    if (going.pending) going.count += 1;
    Object.assign(going, { last: job, pending: 0, stale: 1 });
    draw();
  });

  document.addEventListener("darkroom:news", ({ detail: { mine } }) => {
    if (going?.pending && Date.now() - going.pending > LATE) end("the server did not answer");
    if (!going || going.pending || !mine) return;
    if (mine.id !== going.last && going.stale-- > 0) return; // an answer from before the last press
    if (mine.id === going.last && ENDS[mine.state]) end(ENDS[mine.state]);
    else if (!WAITS.includes(mine.state)) next();
  });

  // --- saying -------------------------------------------------------------------------------------
  function draw() {
    for (const button of document.querySelectorAll(".dk-forever")) button.setAttribute("aria-pressed", String(button.id === `${going?.tab}_forever`));
    for (const [tab, box] of Object.entries(boxes)) if (going?.tab !== tab) box.hidden = true;
    if (!going) return;
    const seed = darkroom.formValues(going.tab).seed;
    const same = seed !== undefined && seed !== null && Number(seed) !== -1 ? " The seed is fixed: every run makes the same." : "";
    show(going.tab, `Generating forever: ${plural(going.count, "run")} queued so far.${same}`, "End", () => end(""));
  }

  function show(tab, text, label, action) {
    const box = boxes[tab];
    box.hidden = false;
    if (box.firstChild?.textContent === text) return;
    const held = box.contains(document.activeElement);
    const made = button(label, action);
    box.replaceChildren(node("span", "dk-going-text", text), made);
    if (held) made.focus({ preventScroll: true });
  }

  // --- A1111's menu on Generate -------------------------------------------------------------------
  function close() {
    menu?.remove();
    menu = null;
  }

  document.addEventListener("contextmenu", (event) => {
    const generate = event.target.closest?.(".dk-generate");
    close();
    if (!generate) return;
    event.preventDefault();
    menu = node("div", "dk-menu");
    menu.setAttribute("role", "menu");
    const tab = generate.id.replace(/_generate$/, "");
    const turn = () => { close(); generate.focus(); darkroom.turnForever(tab); };
    const item = button(going?.tab === tab ? "Cancel generate forever" : "Generate forever", turn, "");
    item.setAttribute("role", "menuitem");
    menu.append(item);
    document.body.append(menu);
    const box = generate.getBoundingClientRect(), size = menu.getBoundingClientRect();
    const [x, y] = event.clientX || event.clientY ? [event.clientX, event.clientY] : [box.left, box.bottom]; // by the keyboard
    menu.style.left = `${Math.max(4, Math.min(x, innerWidth - size.width - 4))}px`;
    menu.style.top = `${Math.max(4, Math.min(y, innerHeight - size.height - 4))}px`;
    item.focus();
  });
  document.addEventListener("pointerdown", (event) => { if (!event.target.closest?.(".dk-menu")) close(); });
  document.addEventListener("keydown", (event) => { if (menu && (event.key === "Escape" || event.key === "Tab")) close(); });
})();
