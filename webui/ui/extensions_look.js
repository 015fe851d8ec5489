/* What would be installed: what it is, what it asks for, what is new in it; and the agreement.

   Every text here came from a repository somewhere, and is never more than text. */
"use strict";
(() => {
  const { node, button, size, sentence, plural } = darkroom;
  const OFTEN = 350; // ms between two looks at what is under way
  const STAGES = {
    waiting: "Waiting for another one", fetching: "Fetching", reading: "Reading its files",
    resolving: "Looking at the Python packages that it needs", packages: "Fetching Python packages", placing: "Putting it in its place",
  };
  const short = (commit) => commit.slice(0, 7);
  const day = (seconds) => new Date(1000 * seconds).toLocaleDateString(undefined, { dateStyle: "medium" });
  const words = (list) => list.map((each) => each.replaceAll("_", " ")).join(", ");

  const shown = new WeakMap(); // place -> what throws away what is looked at there

  /* Asks for `body` and shows in `place`, instead of what is there, what comes of it;
     `ended(installed)` when all is over. */
  darkroom.extensionLook = async (body, place, ended) => {
    let id = "", gone = false;
    shown.get(place)?.();
    shown.set(place, () => { gone = true; if (id) darkroom.send("DELETE", path()).catch(() => null); });
    const path = () => `api/v1/extensions/installs/${id}`;

    function finish(installed) {
      gone = true;
      shown.delete(place);
      place.replaceChildren();
      ended(installed);
    }

    async function dismiss() {
      if (id) await darkroom.send("DELETE", path()).catch(() => null);
      finish(false);
    }

    function wrong(text) {
      const notice = node("p", "dk-notice", sentence(text));
      notice.setAttribute("role", "alert");
      place.replaceChildren(notice);
      gone = true;
      shown.delete(place);
      ended(false);
    }

    function waiting({ stage, bytes: count }) {
      const box = place.querySelector(".dk-ext-waits") ?? node("div", "dk-ext-look dk-ext-waits");
      if (!box.isConnected) {
        box.append(node("span", ""), button("Cancel", dismiss));
        box.setAttribute("role", "status");
        place.replaceChildren(box);
      }
      box.firstElementChild.textContent = `${STAGES[stage] ?? "Looking"}\u2026${count > 10_000 ? ` ${size(count)}` : ""}`;
    }

    /* Until it is no longer in `state`. */
    async function follow(made, state) {
      for (let now = made; !gone; now = await darkroom.send("GET", path())) {
        if (now.state !== state) return now;
        waiting(now);
        await new Promise((done) => setTimeout(done, OFTEN));
      }
      return null;
    }

    async function confirm(packages) {
      try {
        const now = await follow(await darkroom.send("POST", `${path()}/confirm`, { packages }), "installing");
        if (now?.state === "failed") wrong(now.error.text);
        else if (now) finish(true);
      } catch (error) { if (!gone) wrong(error.message); }
    }

    try {
      waiting({ stage: "fetching", bytes: 0 });
      const made = await darkroom.send("POST", "api/v1/extensions/installs", body);
      id = made.id;
      if (gone) { darkroom.send("DELETE", path()).catch(() => null); return; }
      const now = await follow(made, "looking");
      if (now?.state === "failed") wrong(now.error.text);
      else if (now) place.replaceChildren(card(now, confirm, dismiss));
    } catch (error) { if (!gone) wrong(error.message); }
  };

  function card({ source, revision, look }, confirm, dismiss) {
    const box = node("div", "dk-ext-look"), head = node("div", "dk-ext-head");
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", "What was found");
    head.append(node("strong", "dk-ext-name", look.name), node("span", "dk-ext-version", look.version));
    box.append(head, node("p", "dk-ext-text", look.description), facts(source, revision, look));
    if (look.replaces) box.append(...changes(look));
    const notes = [...(look.problem ? [["problem", look.problem]] : []), ...look.imports.map((each) => ["warning", each])];
    if (notes.length) {
      const list = node("ul", "dk-get-notes");
      for (const [kind, text] of notes) {
        const note = node("li", "", sentence(text));
        note.dataset.kind = kind;
        list.append(note);
      }
      box.append(list);
    }
    if (!look.problem) box.append(node("p", "dk-ext-hint", "An extension is a program: it may do whatever you may on this computer. Install it if you trust whoever wrote it."));
    box.append(...agreement(look, confirm, dismiss));
    return box;
  }

  function agreement(look, confirm, dismiss) {
    const actions = node("div", "dk-get-actions"), parts = [actions];
    const go = button(look.replaces ? `Update to ${look.version}` : `Install ${look.name} ${look.version}`, () => { go.disabled = true; confirm(look.packages.length > 0); }, "dk-plain dk-primary");
    go.disabled = Boolean(look.problem) || look.packages.length > 0;
    actions.append(go, button("Not this", dismiss));
    if (look.packages.length && !look.problem) {
      const label = node("label", "dk-ext-consent"), box = Object.assign(document.createElement("input"), { type: "checkbox" });
      box.addEventListener("change", () => { go.disabled = !box.checked; });
      label.append(box, node("span", "", `Fetch ${plural(look.packages.length, "Python package")} (${look.packages.map((each) => each.replace("==", " ")).join(", ")}) into a folder of the extension's own`));
      parts.unshift(label);
    }
    return parts;
  }

  function facts(source, revision, look) {
    const { commit } = look;
    const rows = [["From", source + (revision ? `, ${revision}` : "")]];
    if (commit) rows.push(["Commit", `${short(commit.id)}, ${commit.subject} (${commit.author}, ${day(commit.time)})`]);
    rows.push(["Runs in", `the process of the ${look.processes.join(", and of the ")}`]);
    rows.push(["Touches", words(look.touches) || "nothing that it names"]);
    rows.push(["Written for", `interface ${look.api}`]);
    if (look.dependencies.length) rows.push(["Needs", look.dependencies.join(", ") + (look.packages.length || look.problem ? "" : ", all here")]);
    rows.push(["Files", `${look.files}, ${size(look.size_bytes)}${look.left_out ? `; ${plural(look.left_out, "hidden or compiled one")} left out` : ""}`]);
    const list = node("dl", "dk-get-facts");
    list.append(...rows.flatMap(([name, value]) => [node("dt", "", name), node("dd", "", value)]));
    return list;
  }

  function changes({ replaces, changes: log }) {
    const since = `${replaces.version}${replaces.commit ? ` (${short(replaces.commit)})` : ""}`;
    if (!log) return replaces.commit ? [node("p", "dk-ext-sub", `What is installed, ${since}, is not among the last commits before this one`)] : [];
    if (!log.length) return [];
    const list = node("ol", "dk-ext-log");
    list.append(...log.map(({ id, subject, time }) => {
      const row = node("li", "");
      row.append(node("span", "", subject), Object.assign(node("small", "", short(id)), { title: day(time) }));
      return row;
    }));
    return [node("p", "dk-ext-sub", `Since ${since}`), list];
  }
})();
