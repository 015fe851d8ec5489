/* Follows one job: asks the server what is new, says it in words, and hands the steps to the stage.

   The server owns the jobs; this only looks. It asks four times a second while something runs, every
   two seconds otherwise, less often in a hidden tab, and never holds a connection open. */
"use strict";
darkroom.live = (element, showPictures) => {
  const { owner, send, words } = darkroom;
  const JOBS = "darkroom.jobs", TITLE = "Darkroom";
  const root = element.querySelector("#live");
  const find = (id) => document.getElementById(id);
  const stage = darkroom.stage(root, changePreviews);
  const ACTIVE = ["queued", "paused", "running"];

  let server = null; // the id of the server's start; another one has other sequence numbers
  let following = darkroom.addressed(), chosen = following; // the job asked for, null leaves it to the server; and one that is to stay
  let news = null; // the last answer
  let lastSeq = 0;
  let progress = null; // what the events of the job add up to
  let ending = null; // what is said while the job that was asked to end has not yet
  let hung = ""; // the pictures that were last handed to the gallery
  let restarting = false; // the server, because this page asked for it
  let lost = 0; // answers missed in a row
  let previewsSent = 0; // until then an answer may still hold the old choice
  let asking = false, again = false, mine = [];
  try { mine = JSON.parse(darkroom.reads(sessionStorage, JOBS)) || []; } catch { /* none */ }

  // --- asking -------------------------------------------------------------------------------------
  async function poll() {
    if (asking) { again = true; return; }
    asking = true;
    timer.stop();
    const job = following ?? news?.job?.id ?? "";
    const known = job && job === news?.job?.id; // of another one all is asked for
    const query = new URLSearchParams({ owner, job, after: known ? lastSeq : 0, pictures: known ? news.job.pictures.length : 0, ...darkroom.queueQuery?.() });
    const now = await ask(query);
    lost = now === undefined ? lost + 1 : 0;
    try {
      if (now) take(now);
      else if (now === null) forget();
      else if (lost >= 2) say();
    } catch (error) {
      console.error("The live view could not be drawn:", error); // and asks again all the same
    }
    asking = false;
    timer.start(again ? 0 : pause());
    again = false;
  }

  /* The answer; null if the job is unknown, undefined if the server cannot be reached. */
  async function ask(query) {
    try {
      const answer = await fetch(`api/v1/live?${query}`, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
      if (answer.status === 401) location.reload(); // logged out meanwhile: on to the login, and back
      return answer.ok ? await answer.json() : answer.status === 404 ? null : undefined;
    } catch {
      return undefined;
    }
  }

  function pause() {
    if (lost) return Math.min(4000, 500 * lost);
    const busy = news && (news.running || (!news.paused && (news.waiting > 0 || (news.job && ACTIVE.includes(news.job.state)))));
    if (document.hidden) return busy ? 1500 : 6000;
    if (busy) return 250;
    return news?.engine.state === "starting" ? 700 : 2000;
  }

  const timer = darkroom.timer(poll);
  const kick = () => { timer.stop(); poll(); };
  document.addEventListener("visibilitychange", () => { if (!document.hidden) kick(); });
  addEventListener("online", kick);

  function forget() {
    following = null;
    news = news && { ...news, job: null };
    lastSeq = 0;
    again = true;
  }

  // --- taking in ----------------------------------------------------------------------------------
  function take(now) {
    if (now.pictures) now.job.pictures = [...news.job.pictures.slice(0, now.pictures), ...now.job.pictures];
    if (server !== null && now.server !== server) {
      server = now.server;
      following ??= now.job?.id ?? null;
      news = progress = null;
      lastSeq = 0;
      hung = ""; // what was asked of the server before may not have come
      again = true; // from the beginning: this answer may lack events
      return;
    }
    server = now.server;
    const before = news;
    const changed = !progress || (before?.job?.id ?? null) !== (now.job?.id ?? null);
    if (changed) begin(now.job);
    if (now.job) for (const event of now.events) if (event.seq > lastSeq || changed) learn(event, now.job);
    lastSeq = now.job ? now.last : 0;
    news = now;
    const finished = !changed && ACTIVE.includes(before?.job?.state) && !ACTIVE.includes(now.job?.state);
    if (following && !now.job) { // not known any more: the server may choose
      mine = mine.filter((id) => id !== following);
      following = null;
    }
    stage.job(now.job);
    if (Date.now() > previewsSent) stage.previews(now.previews);
    say();
    hang(now.job);
    if (finished && now.job.state === "failed") blame(now.job);
    moveOn(now);
    document.dispatchEvent(new CustomEvent("darkroom:news", { detail: { ...now, progress } }));
  }

  function begin(job) {
    lastSeq = 0;
    progress = { batch: 0, turn: 0, turns: 1, step: 0, steps: job?.steps || 0, sigma: null, seconds: [], stage: "", tiles: "", done: 0, resumed: null, warnings: [...(job?.request.extras?.did_not_run ?? [])] };
    stage.begin(job);
    if (job) darkroom.rememberSeed(job.request.seed);
  }

  function learn(event, job) {
    if (event.type === "Step") {
      const { batch, turn = 0, turns = 1, step, steps, sigma } = event;
      Object.assign(progress, { batch, turn, turns, step, steps, sigma, stage: "" });
      progress.seconds = [...progress.seconds.slice(-7), event.seconds];
      stage.step(event);
    } else if (event.type === "Preview") {
      stage.preview(event);
    } else if (event.type === "Stage") {
      Object.assign(progress, { stage: event.name, tiles: event.of > 1 ? ` · tile ${Math.min(event.of, event.done + 1)} of ${event.of}` : "", done: event.of ? event.done / event.of : 0 });
    } else if (event.type === "Resumed") {
      progress.resumed = event;
      Object.assign(progress, { batch: event.batch, turn: event.turn ?? 0, step: event.step, steps: job.steps });
    } else if (event.type === "Warned" && !progress.warnings.includes(event.text)) {
      progress.warnings.push(event.text);
    }
  }

  /* Looks at this tab's job that runs; and after one that is over, at the next, over as it may be too.
     A tab that has started nothing, and was asked for nothing, looks at whatever runs. */
  function moveOn(now) {
    const place = mine.indexOf(now.job?.id);
    const over = place >= 0 && !ACTIVE.includes(now.job.state);
    const idle = !mine.length && chosen === null && now.running && !ACTIVE.includes(now.job?.state);
    const next = idle ? now.running : now.job?.id === chosen ? null : mine.includes(now.running) ? now.running : over ? mine[place + 1] : null;
    if (!next || next === now.job?.id || now.job?.state === "running") return;
    following = next;
    again = true;
  }

  /* The pictures that are there, also in the middle of a run of many. */
  function hang(job) {
    const key = job ? `${job.id}:${job.pictures.length}` : "";
    if (key === hung || !job || (!job.pictures.length && ACTIVE.includes(job.state) && hung)) return;
    if (!job.kept) return; // a program takes them, and their files go
    if (!job.pictures.length) return; // what hangs stays until there is something to hang
    hung = key;
    darkroom.hang(job);
    showPictures(job.id);
  }

  function blame({ error, request }) {
    if (!error) return;
    const tab = darkroom.tabOf(request);
    darkroom.complain({ ...darkroom.fieldOf(error.field, tab), text: error.text }, tab);
  }

  // --- saying -------------------------------------------------------------------------------------
  function state() {
    if (lost >= 2 || restarting) return restarting ? "restarting" : "unreachable";
    if (!news) return "connecting";
    if (news.job) return news.job.state;
    return news.engine.state === "starting" ? "warming" : "empty";
  }

  function say() {
    const job = news?.job ?? null;
    const now = state();
    const { total, made } = counted(job);
    const over = job && !ACTIVE.includes(job.state);
    const done = over && job.state === "done" ? 1 : job?.request.upscale ? progress.done : total ? made / total : 0;
    root.dataset.state = now;
    root.dataset.job = job?.id ?? "";
    root.dataset.step = String(progress?.step ?? 0);
    root.dataset.steps = String(progress?.steps ?? 0);
    root.dataset.busy = ending ? "stopping" : progress?.stage || (job?.state === "running" && !progress.step) ? "yes" : "no";
    write("live-status", words.status(now, { news, progress, ending }));
    write("live-figures", words.figures({ news, progress, ...counted(job) }));
    const note = words.remark({ news, progress });
    write("live-note", note);
    find("live-note").hidden = !note;
    const bar = find("live-bar");
    const percent = Math.round(100 * Math.min(1, done));
    bar.setAttribute("aria-valuenow", String(percent));
    bar.firstElementChild.style.transform = `scaleX(${Math.min(1, done)})`;
    const short = { running: `${percent}%`, queued: job?.ahead ? `${job.ahead} ahead` : "Waiting" }[now];
    document.title = short ? `${short} · ${TITLE}` : TITLE;
    sayEngine();
  }

  /* Steps, over all batches and turns; turns that are of different length count as the one in hand. */
  function counted(job) {
    if (!job) return { total: 0, made: 0 };
    const total = job.batches * progress.turns * (progress.steps || job.steps);
    return { total, made: (progress.batch * progress.turns + progress.turn) * progress.steps + progress.step };
  }

  function sayEngine() {
    const engine = news?.engine ?? { state: "", device: "" };
    const said = { starting: "Warming up", ready: "Ready", busy: "At work", dead: "Restarting the engine" };
    const away = restarting ? "Restarting" : lost >= 2 ? "No connection" : "";
    write("dk-engine-text", away || (said[engine.state] ?? "Connecting"));
    write("dk-engine-device", away || !engine.device ? "" : `· ${engine.device}`);
    const box = find("dk-engine");
    if (!box) return;
    box.dataset.state = restarting ? "starting" : away ? "lost" : engine.state;
    box.title = engine.text || "";
  }

  /* Only when it differs: screen readers read what changes. */
  function write(id, text) {
    const place = find(id);
    if (place && place.textContent !== text) place.textContent = text;
  }

  // --- doing --------------------------------------------------------------------------------------
  async function changePreviews(choice) {
    previewsSent = Date.now() + 1500;
    stage.previews(choice);
    try { await send("PUT", "api/v1/previews", choice); } catch { previewsSent = 0; }
    kick();
  }

  darkroom.showPicture = stage.showPicture;
  addEventListener("hashchange", () => { if (darkroom.addressed()) darkroom.look(darkroom.addressed()); });
  darkroom.look = (id) => { following = chosen = id; darkroom.address(id); kick(); };
  darkroom.kick = kick;
  darkroom.restarting = (now) => { restarting = now; say(); };
  darkroom.unreachable = () => lost >= 2;
  darkroom.ending = (text) => { ending = text; say(); };
  darkroom.follow = (id, quietly = false) => {
    chosen = null;
    darkroom.address(null);
    mine = [...mine, id].slice(-50);
    darkroom.keeps(sessionStorage, JOBS, JSON.stringify(mine));
    if (!news?.job || !ACTIVE.includes(news.job.state) || !mine.includes(news.job.id)) following = id;
    kick();
    if (quietly) return;
    const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";
    if (innerWidth <= 900) root.scrollIntoView({ block: "start", behavior });
    else root.closest("#table").scrollTo({ top: 0, behavior }); // it scrolls by itself
  };

  const tiny = [...root.querySelectorAll(".dk-segments [data-value=tiny]")];
  for (const button of tiny) button.hidden = true; // until it is known that there is such a decoder
  fetch("api/v1/previews").then((answer) => answer.json()).then(({ methods }) => {
    for (const button of tiny) button.hidden = !methods.some((each) => each.name === "tiny");
  }, () => {}); // the server is away; the live view says so
  poll();
};
