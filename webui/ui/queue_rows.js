/* The rows of the queue: one element for each job, which stays while what it says changes.

   So the focus, an open row and a button that is being pressed survive every redraw. */
"use strict";
darkroom.rows = (list, kind, act) => {
  const { owner, plural, duration, node } = darkroom;
  const rows = new Map(); // id -> {item, job, ...its parts}

  const ACTIONS = { // verb: [label, help]; an icon stands for those in `ICONS`
    running: {
      skip: ["Skip", "Skip to the next picture"], stop: ["Stop and keep", "Stop here, and develop what there is"],
      discard: ["Throw away", "Stop, and throw the unfinished picture away"],
    },
    interrupted: { resume: ["Resume", ""], retry: ["Run again", "From the first step, as a new job"], drop: ["Drop", "Take it off the list"] },
    waiting: { up: ["Move up", "Move up"], down: ["Move down", "Move down"], more: ["More", "More"], cancel: ["Cancel", "Cancel this job"] },
    more: {
      front: ["To the front", "Next to begin"], back: ["To the back", "Last to begin"], edit: ["Edit", "Load it into the form"],
      hold: ["Hold back", "Keeps its place and lets others pass"], release: ["Let go", "May begin when it is its turn"],
      duplicate: ["Duplicate", "A copy at the end of the line"],
    },
    ended: { retry: ["Run again", "With the same seed, as a new job"], drop: ["Drop", "Take it off the list; its pictures stay"] },
  };
  const ICONS = { up: "M6 14.5 12 8.5l6 6", down: "m6 9.5 6 6 6-6", more: "M5 12h.01M12 12h.01M19 12h.01", cancel: "m7 7 10 10M17 7 7 17" };
  const WORDS = { done: "done", stopped: "stopped early", cancelled: "cancelled", failed: "failed" };

  function icon(path) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    for (const [name, value] of Object.entries({ viewBox: "0 0 24 24", width: 18, height: 18, "aria-hidden": "true" })) svg.setAttribute(name, value);
    line.setAttribute("d", path);
    svg.append(line);
    return svg;
  }

  function button(verb, [label, help], row) {
    const made = node("button", ICONS[verb] ? "dk-row-icon" : "dk-plain", ICONS[verb] ? "" : label);
    made.type = "button";
    made.title = help;
    made.dataset.verb = verb;
    if (ICONS[verb]) made.append(icon(ICONS[verb]));
    made.addEventListener("click", () => {
      if (verb !== "more") { act(verb, row.job); return; }
      row.more.hidden = !row.more.hidden;
      made.setAttribute("aria-expanded", String(!row.more.hidden));
    });
    return made;
  }

  function make(id) {
    const row = { item: node("li", "dk-row"), job: null };
    row.item.dataset.id = id;
    row.look = node("button", "dk-row-look");
    row.look.type = "button";
    row.look.addEventListener("click", () => act("look", row.job));
    row.image = Object.assign(node("img", ""), { alt: "", hidden: true, loading: "lazy", decoding: "async" });
    const plate = node("span", "dk-row-plate");
    plate.append(row.image);
    row.recipe = node("span", "dk-row-recipe");
    row.facts = node("span", "dk-row-facts");
    const words = node("span", "dk-row-words");
    words.append(row.recipe, row.facts);
    row.look.append(plate, words);
    row.actions = node("span", "dk-row-actions");
    row.actions.append(...Object.entries(ACTIONS[kind]).map(([verb, says]) => button(verb, says, row)));
    if (kind === "waiting") addWaiting(row);
    row.item.append(row.look, row.actions);
    if (kind === "running") {
      row.bar = node("span", "dk-row-bar");
      row.bar.append(node("span", ""));
      row.item.append(row.bar);
    }
    if (row.more) row.item.append(row.more);
    return row;
  }

  function addWaiting(row) {
    row.handle = node("button", "dk-row-handle");
    row.handle.type = "button";
    row.handle.title = "Drag, or arrow up and down";
    row.handle.addEventListener("keydown", (event) => {
      const verb = { ArrowUp: "up", ArrowDown: "down", Home: "front", End: "back" }[event.key];
      if (!verb) return;
      event.preventDefault();
      act(verb, row.job);
    });
    row.more = node("span", "dk-row-more");
    row.more.hidden = true;
    row.more.append(...Object.entries(ACTIONS.more).map(([verb, says]) => button(verb, says, row)));
    row.actions.querySelector("[data-verb=more]").setAttribute("aria-expanded", "false");
    row.item.append(row.handle);
  }

  // --- what a row says ----------------------------------------------------------------------------
  function facts(job) {
    const whose = job.owner === owner ? "yours" : "";
    if (kind === "running") {
      const batch = job.batches > 1 ? `batch ${job.batch + 1} of ${job.batches}` : "";
      return [whose, batch, job.step ? `step ${job.step} of ${job.steps}` : "starting", job.left > 0 ? `about ${duration(job.left)} left` : ""];
    }
    if (kind === "waiting") {
      const takes = job.takes === null ? "" : `takes about ${duration(job.takes)}`;
      const wait = job.wait === null ? "" : `begins in about ${duration(job.wait)}`;
      return [whose, job.state === "paused" ? "held back" : wait, takes];
    }
    const made = job.made ? plural(job.made, "picture") : "";
    return [whose, job.state === "interrupted" ? `interrupted${place(job)}` : WORDS[job.state], made, job.state === "failed" ? job.error : ""];
  }

  const place = (job) => (job.step ? ` after step ${job.step}${job.images > 1 ? ` of picture ${job.made + 1}` : ""}` : "");

  function fill(row, job) {
    row.job = job;
    row.item.dataset.state = job.state;
    write(row.recipe, job.recipe);
    write(row.facts, facts(job).filter(Boolean).join(" · "));
    row.look.title = `${job.recipe}\nShow it in the live view`;
    const address = job.frame ?? job.picture ?? job.input;
    if (address && row.image.getAttribute("src") !== address) row.image.src = address;
    row.image.hidden = !address;
    const name = (text) => `${text}: ${job.recipe}`;
    for (const each of row.item.querySelectorAll("[data-verb]")) {
      const verb = each.dataset.verb;
      if (verb === "resume") write(each, job.step ? `Resume at step ${job.step}` : "Resume");
      each.setAttribute("aria-label", name(ICONS[verb] ? ACTIONS[kind][verb][0] : each.textContent));
      each.hidden = (verb === "skip" && job.batches < 2) || (verb === "hold" && job.state === "paused")
        || (verb === "release" && job.state !== "paused") || (verb === "edit" && job.begun);
    }
    if (row.bar) row.bar.firstElementChild.style.transform = `scaleX(${Math.min(1, job.share || 0)})`;
    if (row.handle) {
      write(row.handle, job.position.toLocaleString());
      row.handle.setAttribute("aria-label", name(`Place ${job.position}, arrow keys move it`));
    }
  }

  function write(part, text) {
    if (part.textContent !== text) part.textContent = text;
  }

  // --- the list -----------------------------------------------------------------------------------
  /* Takes a row away, and the focus on to its neighbour. */
  function leave(id) {
    const row = rows.get(id);
    if (!row) return;
    if (row.item.contains(document.activeElement)) {
      const verb = document.activeElement.dataset.verb;
      const next = row.item.nextElementSibling ?? row.item.previousElementSibling;
      const target = next?.querySelector(verb ? `[data-verb=${verb}]` : "button") ?? document.getElementById("queue-fold");
      target.focus({ preventScroll: true });
    }
    row.item.remove();
    rows.delete(id);
  }

  function draw(jobs) {
    const ids = new Set(jobs.map((job) => job.id));
    for (const id of [...rows.keys()]) if (!ids.has(id)) leave(id);
    const focused = list.contains(document.activeElement) ? document.activeElement : null;
    jobs.forEach((job, i) => {
      if (!rows.has(job.id)) rows.set(job.id, make(job.id));
      const row = rows.get(job.id);
      fill(row, job);
      if (list.children[i] !== row.item) list.insertBefore(row.item, list.children[i] ?? null);
    });
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: false }); // moving took it away
    list.hidden = !jobs.length;
  }

  return { draw, leave };
};
