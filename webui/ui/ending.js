/* Ending what the live view shows: keep what there is, leave one picture out, or throw all away. */
"use strict";
(() => {
  const ACTIVE = ["queued", "paused", "running"];
  const STALLED = 30_000; // milliseconds; and ten times its slowest step
  const WAYS = { // as the button's id ends: [address, what is said until it has happened]
    interrupt: ["stop", "Stopping after this step…"],
    skip: ["skip", "Skipping to the next picture…"],
    discard: ["cancel", "Throwing it away…"],
  };
  let shown = { job: null, batch: 0 };
  let asked = null; // {job, batch, how}
  let moved = { key: "", at: Date.now(), slowest: 0 };

  const active = () => shown.job !== null && ACTIVE.includes(shown.job.state);

  document.addEventListener("darkroom:news", ({ detail }) => {
    shown = { job: detail.job, batch: detail.progress?.batch ?? 0 };
    if (asked && (asked.job !== shown.job?.id || !active() || (asked.how === "skip" && shown.batch !== asked.batch))) {
      asked = null;
      darkroom.ending(null);
    }
    time(detail);
    draw();
  });

  function draw() {
    const running = shown.job?.state === "running";
    for (const button of document.querySelectorAll(".dk-interrupt")) button.setAttribute("aria-disabled", String(!active() || asked !== null));
    for (const button of document.querySelectorAll(".dk-skip")) button.dataset.shown = running && shown.job.batches > 1 ? "yes" : "no";
    for (const button of document.querySelectorAll(".dk-discard")) button.dataset.shown = active() ? "yes" : "no";
  }

  /* Whether the running job has been standing still for long; loading a model may take its time. */
  function time({ job, progress, engine }) {
    const key = job?.state === "running" && progress?.step && engine.state === "busy" ? `${job.id}:${progress.batch}:${progress.step}:${progress.stage}` : "";
    const now = Date.now();
    if (key !== moved.key) moved = { key, at: now };
    moved.slowest = 1000 * Math.max(0, ...(progress?.seconds ?? []));
  }
  darkroom.stalled = () => moved.key !== "" && Date.now() - moved.at > Math.max(STALLED, 10 * moved.slowest);

  darkroom.end = async (how) => {
    const { job, batch } = shown;
    const over = asked !== null && (asked.how !== "skip" || how === "skip");
    if (!active() || over || (how === "skip" && !(job.state === "running" && job.batches > 1))) return;
    const mine = (asked = { job: job.id, batch, how });
    const [address, words] = WAYS[how];
    darkroom.ending(words);
    draw();
    try {
      await darkroom.send("POST", `api/v1/jobs/${encodeURIComponent(job.id)}/${address}`, how === "skip" ? { batch } : {});
      if (how === "discard") darkroom.thrownAway(job.id);
    } catch {
      if (asked === mine) asked = null;
      darkroom.ending(null);
    }
    darkroom.kick();
  };
  darkroom.interrupt = () => darkroom.end("interrupt");
})();
