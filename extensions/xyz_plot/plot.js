/* The plot as it grows: a table of its cells, each with its picture once it is there.

   Everything is read from the server, so that a refresh, a restart and another page show the same. */
"use strict";
(() => {
  const ASK = "api/v1/extensions/xyz_plot/plots", KEPT = "darkroom.xyz";
  const GOING = ["queued", "running", "paused", "interrupted"];
  const SAYS = { queued: "", running: "", paused: "held back", interrupted: "interrupted", failed: "failed", cancelled: "—", gone: "—", stopped: "", done: "" };
  let root = null, shown = "", drawnAs = "", buttons = [], timer = 0, picked = false, followed = "", fold = null;

  function built() {
    const panel = document.getElementById("strip_panel");
    if (!panel) return null;
    const made = Object.assign(darkroom.node("section", "xyz-plot"), { id: "xyz-plot", hidden: true });
    made.setAttribute("aria-label", "X/Y/Z plot");
    const head = darkroom.node("div", "xyz-head"), acts = darkroom.node("p", "xyz-acts");
    const facts = Object.assign(darkroom.node("p", "xyz-facts"), { id: "xyz-facts" });
    facts.setAttribute("role", "status");
    const open = Object.assign(document.createElement("a"), { textContent: "Open the grid", target: "_blank", rel: "noopener", hidden: true, id: "xyz-open" });
    const stop = Object.assign(darkroom.button("Cancel all", cancel, "xyz-link"), { id: "xyz-cancel" });
    const hide = darkroom.button("Hide", () => {}, "xyz-link");
    acts.append(open, hide, stop, darkroom.button("Close", () => { show(""); darkroom.keeps(sessionStorage, KEPT, ""); }, "xyz-link"));
    head.append(darkroom.node("p", "xyz-title", "X/Y/Z plot"), facts, acts);
    made.append(head, Object.assign(darkroom.node("div", "xyz-scroll"), { tabIndex: 0 }));
    panel.before(made);
    fold = darkroom.foldsToHead(made, hide);
    return made;
  }

  function show(id) {
    clearTimeout(timer);
    [shown, drawnAs, picked, followed] = [id, "", false, ""];
    root ??= built();
    if (root && !id) root.hidden = true;
    if (root && id) read();
  }

  async function read() {
    clearTimeout(timer);
    const mine = shown;
    const { status, said } = await darkroom.ask(`${ASK}/${encodeURIComponent(mine)}`);
    if (mine !== shown) return;
    if (status === 200) draw(said);
    else if (status === 404) { show(""); return; }
    const going = status !== 200 || said.active > 0 || !said.over;
    if (going) timer = setTimeout(read, document.hidden ? 4000 : status === 200 ? 900 : 2000);
  }

  // --- drawing ------------------------------------------------------------------------------------
  function draw(plot) {
    root.hidden = false;
    root.dataset.state = plot.over ? "over" : "running";
    const failed = plot.cells.filter(({ state }) => state === "failed").length;
    const left = plot.active && plot.seconds ? `about ${darkroom.duration(plot.seconds)} left` : "";
    const lost = plot.problem ? `the grid could not be saved: ${plot.problem}` : "";
    root.querySelector("#xyz-facts").textContent = [`${plot.done} of ${plot.of}`, failed ? `${failed} failed` : "", left, lost].filter(Boolean).join(" · ");
    root.querySelector("#xyz-cancel").hidden = !plot.active;
    const open = root.querySelector("#xyz-open");
    open.hidden = !plot.grid;
    if (plot.grid) open.href = plot.grid;
    if (drawnAs !== plot.id) { table(plot); drawnAs = plot.id; }
    plot.cells.forEach((cell, i) => fill(buttons[i], cell));
    follow(plot);
  }

  /* A table for each place on Z, one under the other. */
  function table({ axes, sizes, cells }) {
    const values = Object.fromEntries(axes.map((each) => [each.letter, each.values]));
    const [across, down, deep] = sizes, at = new Map();
    const planes = [];
    for (let z = 0; z < deep; z += 1) {
      const made = document.createElement("table");
      if (values.z) made.append(Object.assign(document.createElement("caption"), { textContent: values.z[z] }));
      if (values.y) { // the labels' column, and those of the pictures
        const columns = document.createElement("colgroup");
        columns.append(...Array.from({ length: across + 1 }, () => document.createElement("col")));
        made.append(columns);
      }
      if (values.x) {
        const row = made.createTHead().insertRow();
        if (values.y) row.append(document.createElement("td"));
        for (const each of values.x) row.append(header(each, "col"));
      }
      const body = made.createTBody();
      for (let y = 0; y < down; y += 1) {
        const row = body.insertRow();
        if (values.y) row.append(header(values.y[y], "row"));
        for (let x = 0; x < across; x += 1) {
          const named = [["x", x], ["y", y], ["z", z]].filter(([letter]) => values[letter]).map(([letter, place]) => values[letter][place]);
          const button = cellButton(named.join(", "));
          at.set(`${x} ${y} ${z}`, button);
          row.insertCell().append(button);
        }
      }
      planes.push(made);
    }
    buttons = cells.map(({ place }) => at.get(place.join(" ")));
    root.style.setProperty("--across", across);
    root.querySelector(".xyz-scroll").replaceChildren(...planes);
  }

  function header(words, scope) {
    const made = Object.assign(document.createElement("th"), { scope, title: words });
    made.append(darkroom.node("span", "", words));
    return made;
  }

  function cellButton(name) {
    const button = darkroom.button("", () => {
      picked = true;
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
      darkroom.look(button.dataset.job);
    });
    button.className = "xyz-cell";
    button.dataset.name = name;
    button.append(Object.assign(document.createElement("img"), { alt: "", hidden: true }), document.createElement("span"));
    return button;
  }

  function fill(button, { job, state, url, width, height, error }) {
    const [image, words] = button.children, says = SAYS[state] ?? state;
    button.dataset.job = job;
    button.dataset.state = state;
    button.disabled = state === "gone";
    button.title = error ? `${button.dataset.name}: ${error}` : button.dataset.name;
    button.setAttribute("aria-label", `${button.dataset.name}${url ? "" : `: ${error || state}`}`);
    words.textContent = url ? "" : says;
    if (!url || image.getAttribute("src") === url) return;
    button.style.aspectRatio = `${width} / ${height}`;
    image.src = url;
    image.hidden = false;
  }

  /* The live view goes from cell to cell, until somebody chooses one. */
  function follow({ cells }) {
    const running = cells.find(({ state }) => state === "running")?.job;
    if (!running || running === followed || picked) return;
    followed = running;
    darkroom.follow(running, true);
  }

  async function cancel() {
    try { await darkroom.send("POST", `${ASK}/${encodeURIComponent(shown)}/cancel`); } catch { /* it is read again */ }
    read();
  }

  // --- which one ----------------------------------------------------------------------------------
  const on = (tab) => document.querySelector(`#${tab}_xyz_plot_on input`)?.checked;

  document.addEventListener("darkroom:hang", (event) => { if (on(event.detail.tab)) event.preventDefault(); });
  document.addEventListener("darkroom:answered", ({ detail: { tab, jobs, job, error } }) => {
    const first = jobs?.[0]?.job ?? job;
    if (error || !first) return;
    if (!on(tab)) { if (shown) fold?.away(); return; } // another job begins
    darkroom.keeps(sessionStorage, KEPT, first);
    show(first);
    fold?.stay();
    document.dispatchEvent(new CustomEvent("darkroom:shown", { detail: root }));
  });

  async function begin() {
    if (!document.getElementById("strip_panel") || !window.darkroom?.look) { setTimeout(begin, 300); return; }
    const kept = darkroom.reads(sessionStorage, KEPT);
    if (kept) { show(kept); return; }
    if (kept !== null) return; // it was closed
    const { said } = await darkroom.ask(`${ASK}?limit=1`);
    if (!shown && said?.plots?.[0]?.over === false) show(said.plots[0].id);
  }
  begin();
})();
