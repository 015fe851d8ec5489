/* Getting extensions: an address, the index, and what can be done with those that are installed. */
"use strict";
(() => {
  const { node, button, sentence } = darkroom;
  const PAUSE = 200; // ms of typing

  /* `changed()` when something was installed. Returns what shows it. */
  darkroom.extensionsGet = (root, changed) => {
    const find = (id) => root.querySelector(`#extensions-${id}`);
    const typing = darkroom.timer(search);
    let begun = false, allowed = false, asked = 0;

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

    async function search() {
      const mine = (asked += 1);
      try {
        const { extensions, problem, address } = await darkroom.send("GET", `api/v1/extensions/index?search=${encodeURIComponent(find("search").value)}`);
        if (mine !== asked) return;
        find("known").replaceChildren(...extensions.map(row));
        const none = find("search").value.trim() ? "None of that name." : "None.";
        find("known-said").textContent = problem ? sentence(`the index of ${address || "Darkroom"}: ${problem}`) : extensions.length ? "" : none;
        find("known-said").hidden = !find("known-said").textContent;
      } catch (error) { find("known-said").textContent = error.message; }
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
