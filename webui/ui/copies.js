/* Copy as: a dialog that shows a request as curl, Python, a command line and a script.

   Knows neither forms nor pictures: it is given what to ask the server for. */
"use strict";
(() => {
  const { node, button } = darkroom;
  const KEPT = "darkroom.copies"; // which of them was looked at last
  let dialog = null, shown = [], chosen = 0, opener = null;

  /* The place beside a tab's Generate hears what request its form is. */
  darkroom.copyForm = (tab, props, watch) => watch("answer", () => {
    if (!props.answer) return;
    const { error, request } = props.answer;
    if (error) darkroom.complain(error, tab);
    else open({ request }, document.getElementById(`${tab}_copy_as`)).catch((problem) => complain(problem, tab));
  });

  /* Of a saved picture, -1 of all of a job's. Throws what is wrong. */
  darkroom.copyAs = (job, image, from) => open({ job, image }, from);

  function complain(problem, tab) {
    darkroom.complain({ text: problem.message, ...(darkroom.fieldOf?.(problem.field) ?? {}) }, tab);
  }

  async function open(body, from) {
    const address = new URL(".", document.baseURI).href;
    const { copies } = await darkroom.send("POST", "api/v1/copies", { ...body, address });
    shown = copies;
    opener = from;
    dialog ??= build();
    const last = kept();
    chosen = Math.max(0, shown.findIndex(({ kind }) => kind === last));
    draw();
    dialog.showModal();
    tabs()[chosen].focus();
  }

  // --- the dialog -----------------------------------------------------------------------------------

  const find = (name) => dialog.querySelector(`.${name}`);
  const tabs = () => [...find("dk-copies-tabs").children];

  function build() {
    const made = node("dialog", "dk-copies");
    made.id = "copies";
    made.setAttribute("aria-labelledby", "copies-title");
    const head = node("div", "dk-copies-head");
    const title = Object.assign(node("h2", "", "Copy as"), { id: "copies-title" });
    const close = button("\u00d7", () => made.close(), "dk-copies-close");
    close.setAttribute("aria-label", "Close");
    head.append(title, close);
    const list = node("div", "dk-copies-tabs");
    list.setAttribute("role", "tablist");
    list.addEventListener("keydown", walk);
    const body = node("div", "dk-copies-body");
    body.setAttribute("role", "tabpanel");
    const text = Object.assign(node("pre", "dk-copies-text"), { tabIndex: 0, id: "copies-text" });
    body.append(node("ul", "dk-copies-notes"), text);
    const foot = node("div", "dk-copies-foot");
    const copy = button("Copy", () => darkroom.copy(copy, shown[chosen].text, text), "dk-plain dk-primary");
    copy.id = "copies-copy";
    foot.append(node("p", "dk-copies-lead"), copy);
    made.append(head, list, body, foot);
    made.addEventListener("click", (event) => { if (event.target === made) made.close(); }); // beside it
    made.addEventListener("close", () => opener?.focus());
    document.body.append(made);
    return made;
  }

  function draw() {
    find("dk-copies-tabs").replaceChildren(...shown.map(({ kind, label }, place) => {
      const made = button(label, () => choose(place), "dk-copies-tab");
      made.id = `copies-${kind}`;
      made.setAttribute("role", "tab");
      made.setAttribute("aria-selected", String(place === chosen));
      made.tabIndex = place === chosen ? 0 : -1;
      return made;
    }));
    const { kind, text, notes } = shown[chosen];
    dialog.dataset.kind = kind;
    find("dk-copies-body").setAttribute("aria-labelledby", `copies-${kind}`);
    find("dk-copies-notes").replaceChildren(...notes.map((each) => node("li", "", each)));
    find("dk-copies-notes").hidden = notes.length === 0;
    find("dk-copies-text").textContent = text;
    find("dk-copies-text").hidden = !text;
    find("dk-copies-text").scrollTop = 0;
    document.getElementById("copies-copy").disabled = !text;
    find("dk-copies-lead").textContent = LEADS[kind] ?? "";
  }

  const LEADS = {
    curl: "For bash or zsh. Says only what differs from the defaults.",
    python: "Needs httpx and this project's folder on the path.",
    command: "To be run in this project's folder.",
    diffusers: "Needs diffusers and torch, not Darkroom.",
  };

  function choose(place) {
    chosen = place;
    try { localStorage.setItem(KEPT, shown[place].kind); } catch { /* private mode */ }
    draw();
    tabs()[place].focus();
  }

  function kept() {
    try { return localStorage.getItem(KEPT); } catch { return null; }
  }

  function walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = step ? chosen + step : { Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    choose((to + shown.length) % shown.length);
  }
})();
