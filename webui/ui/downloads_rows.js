/* The list of downloads: one element for each, which stays while what it says changes. */
"use strict";
darkroom.downloadRows = (list, act) => {
  const { node, bytes, size, duration } = darkroom;
  const rows = new Map(); // id -> its parts
  const STATES = { waiting: "Waits its turn", paused: "Paused", failed: "Failed", done: "Done" };
  const BUTTONS = { // state -> [verb, label, help]
    waiting: [["pause", "Pause", ""], ["remove", "Cancel", ""]],
    running: [["pause", "Pause", "Goes on later where it is now"], ["remove", "Cancel", "And throw away what has come"]],
    paused: [["resume", "Go on", ""], ["remove", "Cancel", "And throw away what has come"]],
    failed: [["resume", "Try again", "Goes on where it broke off, where that is possible"], ["remove", "Remove", "And throw away what has come"]],
    done: [["remove", "Take off the list", "The file stays"]],
  };
  const amount = (count) => bytes(count) && count >= 2 ** 20 ? bytes(count) : size(count);

  function make(id) {
    const row = { item: node("li", "dk-get-row"), state: "" };
    row.item.dataset.id = id;
    row.name = node("p", "dk-get-row-name");
    row.facts = node("p", "dk-get-row-facts");
    row.error = node("p", "dk-get-row-error");
    row.error.setAttribute("role", "status");
    row.bar = node("div", "dk-get-bar");
    row.bar.setAttribute("role", "progressbar");
    row.bar.setAttribute("aria-valuemin", "0");
    row.bar.setAttribute("aria-valuemax", "100");
    row.fill = node("div", "dk-get-fill");
    row.bar.append(row.fill);
    row.actions = node("div", "dk-get-row-actions");
    row.item.append(row.name, row.actions, row.facts, row.error, row.bar);
    rows.set(id, row);
    return row;
  }

  function facts({ state, done_bytes: done, size_bytes: all, bytes_per_second: speed, seconds_left: left, folder }) {
    if (state === "done") return `${amount(all)}, in ${folder}/`;
    const parts = [`${done ? `${amount(done)} of ` : ""}${amount(all)}`];
    if (state === "running" && speed > 0) parts.push(`${amount(speed)}/s`);
    if (state === "running" && left !== null && left > 1) parts.push(`${duration(left)} left`);
    return [...(STATES[state] ? [STATES[state]] : []), ...parts].join(" · ");
  }

  function buttons(row, download) {
    if (row.state === download.state) return; // a button that is being pressed stays
    const focused = row.actions.contains(document.activeElement);
    row.state = download.state;
    row.item.dataset.state = download.state;
    row.actions.replaceChildren(...BUTTONS[download.state].map(([verb, label, help]) => {
      const button = node("button", "dk-plain", label);
      Object.assign(button, { type: "button", title: help });
      button.setAttribute("aria-label", `${label}: ${download.name}`);
      button.dataset.verb = verb;
      button.addEventListener("click", () => act(verb, download.id));
      return button;
    }));
    if (focused) row.actions.firstElementChild.focus();
  }

  /* Shows `downloads`, the newest first. */
  return (downloads) => {
    const there = new Set(downloads.map(({ id }) => id));
    for (const [id, row] of rows) if (!there.has(id)) { row.item.remove(); rows.delete(id); }
    for (const download of downloads) {
      const row = rows.get(download.id) ?? make(download.id);
      if (!row.item.isConnected) list.prepend(row.item);
      row.name.textContent = download.name;
      row.name.title = download.source;
      row.facts.textContent = facts(download);
      row.error.textContent = download.error ? darkroom.sentence(download.error) : "";
      const share = download.size_bytes ? download.done_bytes / download.size_bytes : 0;
      row.fill.style.width = `${100 * share}%`;
      row.bar.setAttribute("aria-valuenow", String(Math.floor(100 * share)));
      row.bar.setAttribute("aria-label", download.name);
      row.bar.hidden = download.state === "done";
      buttons(row, download);
    }
    list.hidden = !downloads.length;
  };
};
