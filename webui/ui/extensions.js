/* The extensions: a card for each, with its state, what it took, and what went wrong in it.

   What an extension says of itself, and the text of its errors, is only ever set as textContent. */
"use strict";
(() => {
  const ASK = 700; // ms between two looks while the server starts again
  const WORDS = {
    on: "On", off: "Off", refused: "Not loaded", "switched off": "Switched off", "safe mode": "Safe mode",
  };
  const scripts = {}; // extension -> what its scripts have thrown in this browser
  let root = null, restarting = false, allowed = false;
  let getMore = null, chooseView = null;

  // Whose script it is stands in its address.
  addEventListener("error", ({ filename, message, target }) => {
    const address = String(filename || target?.src || "");
    const id = /\/api\/v1\/extension-files\/([^/]+)\//.exec(address)?.[1];
    if (!id) return;
    scripts[id] = `its script: ${message || "could not be loaded"}`;
    if (root) load();
  }, true);

  /* Why it is not as it should be; one that goes on may have failed once. */
  const problemOf = (one) => one.problem || scripts[one.id] || one.mishap?.text || "";
  const find = (id) => root.querySelector(`#extensions-${id}`);
  const { node, button } = darkroom;

  darkroom.extensions = (element) => {
    root = element.querySelector("#extensions");
    find("refresh").addEventListener("click", load);
    find("restart").addEventListener("click", restart);
    getMore = darkroom.extensionsGet(root, () => { view("installed"); load(); });
    chooseView = darkroom.segments(find("views"), [["installed", "Installed", ""], ["get", "Get more", ""]], view);
    view("installed");
    load();
  };

  function view(which) {
    chooseView(which);
    find("list").hidden = which !== "installed";
    find("get").hidden = which !== "get";
    if (which === "get") getMore().catch((error) => failed(error.message));
  }

  function failed(text) {
    find("problem").textContent = text;
    find("problem").hidden = !text;
  }

  async function load() {
    try {
      const [said, installing] = await Promise.all([darkroom.send("GET", "api/v1/extensions"), darkroom.send("GET", "api/v1/extensions/installs")]);
      allowed = installing.allowed;
      draw(said);
      failed("");
    } catch (error) { failed(error.message); }
  }

  async function turn(id, enabled) {
    try { draw(await darkroom.send("PATCH", `api/v1/extensions/${id}`, { enabled })); failed(""); } catch (error) { failed(error.message); }
  }

  function draw({ extensions, safe_mode: safe, can_restart: can }) {
    const pending = extensions.filter((each) => each.pending).length;
    const wrong = extensions.filter(problemOf).length;
    const on = extensions.filter((each) => each.state === "on").length;
    const said = [safe ? "Safe mode: nothing but the program itself is loaded." : `${on} of ${extensions.length} on.`];
    if (wrong) said.push(`${wrong} with a problem.`);
    if (pending) said.push(can ? "Changes take effect after a restart; waiting jobs stay." : "Changes take effect at the next start.");
    find("said").textContent = said.join(" ");
    find("restart").hidden = !can || (!pending && !safe && !wrong);
    warn();
    find("list").replaceChildren(...extensions.map(card));
    root.dataset.state = "ready";
  }

  function card(one) {
    const item = node("li", "dk-ext-card");
    item.dataset.id = one.id;
    item.dataset.state = problemOf(one) && one.state === "on" ? "wrong" : one.state;
    const head = node("div", "dk-ext-head"), title = node("h3", "dk-ext-name", one.name);
    const side = node("span", "dk-ext-side");
    side.append(node("span", "dk-ext-state", label(one)));
    head.append(title, node("span", "dk-ext-version", one.version), side);
    const turning = button(one.enabled ? "Turn off" : "Turn on", () => turn(one.id, !one.enabled));
    turning.setAttribute("aria-label", `${turning.textContent}: ${one.name}`);
    if (one.change !== "removed") side.append(turning);
    item.append(head);
    if (one.description) item.append(node("p", "dk-ext-text", one.description));
    const problem = problemOf(one);
    if (problem) item.append(trouble(one, problem));
    if (one.hooks.includes("settings_pages")) item.append(darkroom.ownSettings(one));
    item.append(node("p", "dk-ext-facts", facts(one).join(" \u00b7 ")));
    item.append(...darkroom.extensionActions(one, allowed, load, failed));
    return item;
  }

  function label(one) {
    if (one.change === "removed") return "Gone after a restart";
    if (one.change === "updated" && one.enabled) return `${one.installed.version} after a restart`;
    if (one.pending) return one.enabled ? "On after a restart" : "Off after a restart";
    return one.state === "on" && problemOf(one) ? "On, failed" : WORDS[one.state] ?? one.state;
  }

  function origin({ origin: kind, installed, folder, change }) {
    if (kind === "shipped") return "comes with Darkroom";
    if (!installed) return change === "removed" ? "removed" : `lies in ${folder}`;
    const { source, revision, commit } = installed;
    return `from ${[source.replace("https://", ""), revision, commit.slice(0, 7)].filter((each, index, all) => each && all.indexOf(each) === index).join(", ")}`;
  }

  function facts(one) {
    const made = [origin(one)];
    if (one.state === "on") made.push(`start ${seconds(one.start_seconds)}`, `${seconds(one.seconds)} since then`);
    if (one.touches.length) made.push(`touches ${one.touches.map((each) => each.replaceAll("_", " ")).join(", ")}`);
    return made;
  }

  const seconds = (value) => (value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`);

  /* The culprit, the hook, the traceback. */
  function trouble(one, problem) {
    const box = node("div", "dk-ext-problem");
    const where = one.mishap?.hook ? `${one.mishap.hook}: ` : "";
    box.append(node("p", "", darkroom.sentence(problem.startsWith(where) ? problem : where + problem)));
    if (one.mishap?.trace) {
      const fold = node("details", ""), trace = node("pre", "dk-ext-trace", one.mishap.trace);
      trace.tabIndex = 0;
      fold.append(node("summary", "", "Traceback"), trace);
      fold.addEventListener("toggle", () => { trace.scrollTop = trace.scrollHeight; }); // its own line comes last
      box.append(fold);
    }
    if (one.imports.length) box.append(node("p", "dk-ext-facts", one.imports.join("; ")));
    if (one.enabled && !["on", "safe mode"].includes(one.state)) {
      const again = button("Try again", () => turn(one.id, true));
      again.title = "It is tried anew at the next start";
      box.append(again);
    }
    return box;
  }

  let running = null; // the id of the job that runs
  document.addEventListener("darkroom:news", ({ detail }) => { running = detail.running; if (root) warn(); });
  function warn() { find("runs").hidden = restarting || !running || find("restart").hidden; }

  // --- restarting ---------------------------------------------------------------------------------
  async function restart() {
    if (restarting) return;
    restarting = true;
    find("restart").disabled = true;
    try {
      const { said: before } = await darkroom.ask("api/v1/health");
      await darkroom.send("POST", "api/v1/restart");
      find("said").textContent = "Starting again\u2026";
      find("runs").hidden = true;
      darkroom.restarting(true);
      await back(before?.server);
    } catch (error) {
      failed(error.message);
      restarting = false;
      darkroom.restarting(false);
      find("restart").disabled = false;
    }
  }

  /* Another start of the server has another name. */
  async function back(before) {
    for (let tries = 0; tries < 300; tries += 1) {
      await new Promise((done) => setTimeout(done, ASK));
      const { status, said } = await darkroom.ask("api/v1/health", { seconds: 3 });
      if (status === 200 && said?.server && said.server !== before) { location.reload(); return; }
    }
    throw new Error("The server has not come back. Its log file says why.");
  }
})();
