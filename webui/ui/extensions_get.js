/* Getting extensions: an address, the index, and what can be done with those that are installed. */
"use strict";
(() => {
  const { node, button, sentence, plural } = darkroom;
  const PAUSE = 200; // ms of typing
  const PATIENCE = 90; // seconds for an index from far away
  const AGES = [[86_400, "day"], [3600, "hour"], [60, "minute"]]; // seconds

  function ago(seconds) {
    const [length, name] = AGES.find(([each]) => seconds >= each) ?? [0, ""];
    return name ? `${plural(Math.floor(seconds / length), name)} ago` : "just now";
  }

  /* `changed()` when something was installed. Returns what shows it. */
  darkroom.extensionsGet = (root, changed) => {
    const find = (id) => root.querySelector(`#extensions-${id}`);
    const typing = darkroom.timer(search);
    let begun = false, allowed = false, asked = 0;
    let here = false; // whether there is a list

    function look(body) {
      darkroom.extensionLook(body, find("seen"), (installed) => {
        if (!installed) return;
        find("source").value = find("revision").value = "";
        changed();
      });
    }

    find("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      if (find("source").value.trim()) look({ source: find("source").value, revision: find("revision").value });
      else find("source").focus();
    });
    find("search").addEventListener("input", () => typing.start(PAUSE));
    find("fetch").addEventListener("click", fetchAnew);

    async function search() {
      const mine = (asked += 1);
      try {
        const found = await darkroom.send("GET", address());
        if (mine === asked) list(found);
      } catch (error) { wrong(error.message); }
    }

    /* What was there stays where nothing comes. */
    async function fetchAnew() {
      const fetching = find("fetch");
      fetching.disabled = true;
      fetching.textContent = "Fetching\u2026";
      wrong("");
      try {
        await darkroom.send("POST", "api/v1/extensions/index", {}, PATIENCE);
        await search();
      } catch (error) { wrong(error.message); }
      fetching.disabled = false;
      named();
    }

    const address = () => `api/v1/extensions/index?search=${encodeURIComponent(find("search").value)}`;
    const named = () => { find("fetch").textContent = here ? "Fetch the list anew" : "Fetch the list"; };

    function list({ extensions, problem, address: from, fetched }) {
      here = !problem;
      find("fetch").hidden = !from;
      if (!find("fetch").disabled) named();
      find("known").replaceChildren(...extensions.map(row));
      const age = problem ? `: ${problem}` : fetched === null ? "" : `, fetched ${ago(Date.now() / 1000 - fetched)}`;
      find("known-from").textContent = from ? `The list of ${from}${age}.` : "The list that comes with Darkroom. The start-up option --extension-index takes the address of another.";
      const none = here && !extensions.length;
      find("known-said").textContent = none ? (find("search").value.trim() ? "None has all these words." : "It lists none.") : "";
      find("known-said").hidden = !none;
      find("search").disabled = !here;
      wrong(from ? "" : problem);
    }

    function wrong(text) {
      find("known-wrong").textContent = text ? sentence(text) : "";
      find("known-wrong").hidden = !text;
    }

    function row({ name, description, source }) {
      const item = node("li", "");
      item.append(node("strong", "", name), node("p", "", description));
      if (source && !allowed) return item;
      item.append(source ? button("Look", () => { find("source").value = source; find("revision").value = ""; look({ source }); find("source").focus(); }) : node("small", "", "comes with Darkroom"));
      return item;
    }

    return async () => {
      if (begun) return;
      begun = true;
      const { reason, git, sources, ...said } = await darkroom.send("GET", "api/v1/extensions/installs");
      allowed = said.allowed;
      search();
      const words = !allowed ? reason : git || sources.every((each) => each === "folder") ? "" : "git is not installed on the computer that Darkroom runs on, so only folders can be installed";
      find("forbidden").hidden = !words;
      find("forbidden").textContent = words ? sentence(words) : "";
      for (const part of [find("ask"), find("ask").nextElementSibling]) part.hidden = !allowed;
    };
  };

  const panels = new Map(); // extension -> where its update is looked at; it outlives a new list

  /* The row of what can be done with one that was installed; null for others. */
  darkroom.extensionActions = (one, allowed, changed, failed) => {
    if (!one.installed || !allowed) return [];
    const row = node("div", "dk-ext-actions"), panel = panels.get(one.id) ?? node("div", "");
    panels.set(one.id, panel);
    const named = (made) => { made.setAttribute("aria-label", `${made.textContent}: ${one.name}`); return made; };

    async function act(method, path) {
      try { await darkroom.send(method, `api/v1/extensions/installed/${one.id}${path}`); changed(); } catch (error) { failed(error.message); }
    }

    function ask() {
      row.replaceChildren(
        node("span", "", `Remove ${one.name}? Its code and its settings go; files that it has made stay.`),
        named(button("Remove", () => act("DELETE", ""), "dk-plain dk-danger")), button("Keep", show));
      row.lastElementChild.focus();
    }

    function update() {
      darkroom.extensionLook({ extension: one.id }, panel, (installed) => { if (installed) changed(); });
    }

    function show() {
      row.replaceChildren(named(button("Look for an update", update)));
      if (one.before) row.append(named(button(`Back to ${one.before.version}${one.before.commit ? ` (${one.before.commit.slice(0, 7)})` : ""}`, () => act("POST", "/rollback"))));
      row.append(named(button("Remove", ask)));
    }
    show();
    return [row, panel];
  };
})();
