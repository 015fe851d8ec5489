/* The queue panel: what runs, waits and has ended, and what can be done with it.

   It asks for nothing by itself: the live view's poll takes its question along (`queueQuery`), once
   a second while the list is open, and tells everybody the answer ("darkroom:news"). After what is
   done here the line is read at once, and answers from before are let go. */
"use strict";
darkroom.queue = (element) => {
  const { owner, plural, duration, node, button, reads, keeps } = darkroom;
  const OPEN = "darkroom.queue", PAGE = 50, ENDED = 8;
  const root = element.querySelector("#queue");
  const find = (id) => root.querySelector("#" + id);

  let seen = null; // the last page of the line
  let news = null; // the last answer of the live view
  let pages = []; // of the pages before this one: {cursor, last: the id of their last job}
  let cursor = null;
  let version = 0, askedFor = -1; // of what was done here; of which an answer is on its way
  let due = 0; // when the line is to be asked for again
  let peeking = false, lately = 0; // opened with nothing to see; when there last was something
  let doing = Promise.resolve(); // one thing after the other
  const ask = darkroom.queueAsk;
  const confirm = darkroom.askBack(root, enqueue);

  // --- asking -------------------------------------------------------------------------------------
  const query = () => (open() ? { queue: PAGE, ended: ENDED, ...(cursor === null ? {} : { cursor }) } : { queue: 1 });

  darkroom.queueQuery = () => {
    if (Date.now() < due) return {};
    due = Date.now() + (document.hidden ? 5000 : open() ? 1000 : 3000);
    askedFor = version;
    return query();
  };

  document.addEventListener("darkroom:news", ({ detail }) => {
    news = detail;
    if (detail.queue && askedFor === version && root.dataset.dragging !== "yes") take(detail.queue);
    else draw(false);
  });

  async function refresh() {
    const { queue: limit, ...rest } = query();
    take(await ask("GET", `queue?${new URLSearchParams({ limit, ...rest })}`));
  }

  function take(now) {
    if (!now.waiting.length && pages.length) { // what stood on this page is gone
      cursor = pages.pop().cursor;
      due = 0;
    }
    seen = { ...now, ended: now.ended ?? seen?.ended ?? [] };
    draw(true);
  }

  // --- drawing ------------------------------------------------------------------------------------
  const job = (id) => `jobs/${encodeURIComponent(id)}`;
  const lists = Object.fromEntries(["running", "interrupted", "waiting", "ended"].map(
    (kind) => [kind, darkroom.rows(find(`queue-${kind}`), kind, (verb, row) => act(verb, row))],
  ));
  darkroom.dragRows(root, find("queue-waiting"), (id, place) => enqueue(() => moveTo(id, place)));

  const worth = () => (news?.waiting ?? 0) > 0 || (news?.interrupted ?? 0) > 0;
  const open = () => {
    if (worth()) lately = Date.now();
    // what has just emptied will fill again, if pictures are made forever
    return Date.now() - lately < 3000 ? reads(localStorage, OPEN) !== "no" : peeking;
  };

  function draw(whole) {
    if (!news) return;
    const isOpen = open();
    if (isOpen !== (root.dataset.open === "yes")) due = 0;
    root.dataset.open = isOpen ? "yes" : "no";
    root.dataset.paused = news.paused ? "yes" : "no";
    root.dataset.waiting = String(news.waiting);
    find("queue-body").hidden = !isOpen;
    find("queue-fold").setAttribute("aria-expanded", String(isOpen));
    write(find("queue-summary"), summary());
    write(find("queue-pause"), news.paused ? "Resume" : "Pause");
    find("queue-pause").title = news.paused ? "Jobs begin again" : "What runs goes on to its end; nothing new begins";
    find("queue-clear").hidden = !isOpen || news.waiting < 2;
    drawNotices();
    if (!whole || !isOpen) return;
    const over = (interrupted) => seen.ended.filter((each) => (each.state === "interrupted") === interrupted);
    lists.running.draw(seen.running ? [seen.running] : []);
    lists.waiting.draw(seen.waiting);
    lists.interrupted.draw(over(true));
    lists.ended.draw(over(false));
    find("queue-ended-fold").hidden = !over(false).length;
    drawPages();
  }

  function summary() {
    const parts = [];
    if (news.paused) parts.push("paused");
    if (news.running) parts.push("1 running");
    parts.push(news.waiting ? `${news.waiting.toLocaleString()} waiting` : news.running ? "nothing waits" : "empty");
    if (seen?.ends > 0 && news.waiting && !news.paused) parts.push(`about ${duration(seen.ends)}`);
    if (news.interrupted) parts.push(`${news.interrupted} interrupted`);
    return parts.join(" · ");
  }

  function drawPages() {
    const [first, last] = [seen.waiting[0]?.position ?? 0, seen.waiting.at(-1)?.position ?? 0];
    find("queue-pages").hidden = !pages.length && seen.cursor === null;
    write(find("queue-where"), `${first.toLocaleString()} to ${last.toLocaleString()} of ${seen.total.toLocaleString()}`);
    find("queue-previous").disabled = !pages.length;
    find("queue-next").disabled = seen.cursor === null;
  }

  /* What went wrong with the line or the engine, and what to do about it. */
  function drawNotices() {
    const { engine, notices } = news;
    const told = notices.map((text) => ({ text, label: "Dismiss", verb: "dismiss" }));
    if (engine.state === "dead" || darkroom.stalled?.()) {
      const text = engine.state === "dead" ? engine.text || "The engine has stopped." : "The engine has not got any further for a while.";
      told.unshift({ text: darkroom.sentence(text), label: "Restart the engine", verb: "restart" });
    }
    const reason = seen?.reason;
    if (news.paused && reason && !notices.includes(reason)) {
      told.push({ text: reason, label: "Restart the engine", verb: "restart" });
    }
    const box = find("queue-notices");
    const key = JSON.stringify(told);
    box.hidden = !told.length;
    if (box.dataset.key === key) return;
    box.dataset.key = key;
    box.replaceChildren(...told.map(({ text, label, verb }) => {
      const notice = node("div", "dk-queue-notice");
      const words = node("p", "", text);
      words.setAttribute("role", "alert");
      notice.append(words, button(label, () => enqueue(() => (verb === "restart" ? restart() : dismiss(text)))));
      return notice;
    }));
  }

  function write(place, text) {
    if (place.textContent !== text) place.textContent = text;
  }

  // --- doing --------------------------------------------------------------------------------------
  /* One thing after the other, each with the line as it then is; what went wrong is said. */
  function enqueue(action) {
    doing = doing.then(async () => {
      version += 1;
      try { await action(); } catch (error) { say(error.message); }
      try { await refresh(); } catch { /* the live view says so */ }
      version += 1;
      due = 0;
      darkroom.kick?.();
    });
    return doing;
  }
  darkroom.queueDo = enqueue;

  function say(text, label = "", action = null) {
    const box = find("queue-done");
    box.replaceChildren(node("span", "", text));
    if (label) box.append(button(label, () => { box.hidden = true; find("queue-fold").focus({ preventScroll: true }); enqueue(action); }));
    box.append(button("Dismiss", () => { box.hidden = true; find("queue-fold").focus({ preventScroll: true }); }));
    box.hidden = false;
  }
  darkroom.queueSay = say;

  const restart = async () => { await ask("POST", "engine/restart"); say("The engine is being started anew; the running job goes on after its last kept step."); };
  const dismiss = (text) => ask("POST", "notices/dismiss", { text });

  const VERBS = {
    up: (row) => step(row.id, -1),
    down: (row) => step(row.id, 1),
    front: (row) => moveTo(row.id, { to: "front" }),
    back: (row) => moveTo(row.id, { to: "back" }),
    hold: (row) => ask("POST", `${job(row.id)}/pause`),
    release: (row) => ask("POST", `${job(row.id)}/resume`),
    duplicate: async (row) => { track(await ask("POST", `${job(row.id)}/duplicate`, { owner })); say("A copy waits at the end of the line."); },
    cancel,
    resume: async (row) => { await ask("POST", `${job(row.id)}/resume`); track(row); },
    retry: async (row) => { track(await ask("POST", `${job(row.id)}/retry`, { owner })); say("It waits at the end of the line, as a new job."); },
    drop: (row) => ask("POST", `${job(row.id)}/drop`),
    stop: (row) => ask("POST", `${job(row.id)}/stop`),
    skip: (row) => ask("POST", `${job(row.id)}/skip`, { batch: row.batch }),
    discard: async (row) => { await ask("POST", `${job(row.id)}/cancel`); offerAgain(row.id); },
  };

  function act(verb, row) {
    if (verb === "look") darkroom.look(row.id);
    else if (verb === "edit") darkroom.edit(row.id, row.recipe);
    else if (verb === "drop" && row.state === "interrupted") {
      confirm("Drop this job? Its unfinished picture cannot be resumed any more; finished ones stay.", "Drop it", () => VERBS.drop(row));
    } else enqueue(() => VERBS[verb](row));
  }

  const track = (made) => darkroom.follow(made.id, true); // it is this tab's now

  function offerAgain(id) {
    say("Thrown away.", "Run it again", async () => track(await ask("POST", `${job(id)}/retry`, { owner })));
  }
  darkroom.thrownAway = offerAgain;

  /* Cancels one that waits; taken back, it stands where it stood, as a new job. */
  async function cancel(row) {
    const place = seen.waiting.findIndex((each) => each.id === row.id);
    const next = seen.waiting[place + 1]?.id, previous = seen.waiting[place - 1]?.id;
    await ask("POST", `${job(row.id)}/cancel`);
    lists.waiting.leave(row.id);
    say("Cancelled.", "Undo", async () => {
      const made = await ask("POST", `${job(row.id)}/retry`, { owner: row.owner });
      if (row.state === "paused") await ask("POST", `${job(made.id)}/pause`);
      if (row.owner === owner) track(made);
      const place = next ? { before: next } : previous ? { after: previous } : null;
      if (place) await ask("POST", `${job(made.id)}/move`, place).catch(() => {}); // the other began meanwhile
    });
  }

  async function moveTo(id, place) {
    await ask("POST", `${job(id)}/move`, place);
    await refresh(); // the next move goes from here
    const now = seen.waiting.find((each) => each.id === id);
    announce(now ? `Place ${now.position} of ${seen.total}` : "Moved to another page");
  }

  async function step(id, by) {
    const place = seen.waiting.findIndex((each) => each.id === id);
    if (place < 0) return;
    const other = seen.waiting[place + by]?.id ?? (by < 0 ? pages.at(-1)?.last : await beyond());
    if (other) await moveTo(id, by < 0 ? { before: other } : { after: other });
  }

  /* The first job of the next page. */
  async function beyond() {
    if (seen.cursor === null) return null;
    return (await ask("GET", `queue?${new URLSearchParams({ limit: 1, cursor: seen.cursor })}`)).waiting[0]?.id;
  }

  function announce(text) {
    const box = find("queue-done");
    box.hidden = false;
    box.replaceChildren(node("span", "", text));
    setTimeout(() => { if (box.textContent === text) box.hidden = true; }, 4000);
  }

  find("queue-clear").addEventListener("click", () => {
    const running = news.running ? " What runs goes on." : "";
    confirm(`Cancel all ${plural(news.waiting, "waiting job")}, those of other tabs too?${running}`, `Cancel ${news.waiting.toLocaleString()}`, async () => {
      const { cancelled } = await ask("POST", "queue/clear");
      [cursor, pages] = [null, []];
      say(`${plural(cancelled, "job")} cancelled.`);
    });
  });
  find("queue-pause").addEventListener("click", () => enqueue(async () => {
    await ask("POST", news.paused ? "queue/resume" : "queue/pause");
    news = { ...news, paused: !news.paused };
  }));
  find("queue-fold").addEventListener("click", () => {
    const now = open();
    if (worth()) keeps(localStorage, OPEN, now ? "no" : "yes");
    if (!worth()) lately = 0;
    peeking = !now;
    due = 0;
    draw(true);
    darkroom.kick?.();
  });
  find("queue-next").addEventListener("click", () => {
    pages.push({ cursor, last: seen.waiting.at(-1)?.id });
    cursor = seen.cursor;
    enqueue(async () => {});
  });
  find("queue-previous").addEventListener("click", () => {
    cursor = pages.pop()?.cursor ?? null;
    enqueue(async () => {});
  });
};
