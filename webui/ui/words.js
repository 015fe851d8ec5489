/* How a job stands, in words: for the live view, the title of its tab, who listens. */
"use strict";
(() => {
  const { plural, duration } = darkroom;
  const ACTIVE = ["queued", "paused", "running"];
  const STAGES = {
    "loading model": "Loading the model", "encoding prompt": "Reading the prompt",
    "encoding picture": "Reading the picture", upscaling: "Making it larger",
    sampling: "Starting", decoding: "Developing the picture",
  };
  const made = (job) => job.pictures.filter((each) => each.image >= 0).length;

  /* `news` is the last answer of the server, `progress` what the job's events add up to. */
  darkroom.words = { status, figures, remark };

  function status(now, { news, progress, ending }) {
    const job = news?.job;
    if (now === "unreachable") return "The server does not answer. Trying again…";
    if (now === "restarting") return "Restarting; waiting jobs stay.";
    if (now === "connecting") return "Connecting to the server…";
    if (now === "warming") return "The engine is warming up. You can press Generate already.";
    if (now === "empty") return "Ready when you are.";
    if (ending) return ending;
    if (now === "queued") return waiting(news);
    if (now === "running") return running(job, progress);
    const took = job.started && job.finished ? ` ${duration(job.finished - job.started)}` : "";
    return {
      done: `Done in${took}`,
      stopped: made(job) ? "Stopped early. What was there is developed." : "Stopped.",
      cancelled: job.started ? "Thrown away." : "Cancelled before it began.",
      failed: "This run failed.", paused: "Held back.",
      interrupted: "This run was interrupted when the server or its engine stopped.",
    }[now] ?? now;
  }

  function waiting({ job, paused, wait, engine }) {
    if (paused) return "Waiting: the line is paused.";
    const about = wait > 0 ? `, about ${duration(wait)}` : "";
    if (job.ahead > 0) return `Waiting: ${plural(job.ahead, "job")} ahead of this one${about}.`;
    return engine.state === "starting" ? "Waiting for the engine to warm up…" : "About to start…";
  }

  function running(job, { stage, tiles, step, steps, turn, turns, batch }) {
    if (stage && stage !== "sampling") return `${STAGES[stage] ?? stage}${tiles}…`;
    if (!step) return `${STAGES[stage] ?? "Starting"}…`;
    const which = darkroom.turnName(job.request, turn, turns);
    return `Step ${step} of ${steps}${which && ` · ${which}`}${job.batches > 1 ? ` · batch ${batch + 1} of ${job.batches}` : ""}`;
  }

  /* `total` and `made` are steps. */
  function figures({ news, progress, total, made: steps }) {
    const parts = [], job = news?.job;
    if (job?.state === "running" && progress.step) {
      if (progress.sigma !== null) parts.push(`σ ${progress.sigma.toFixed(progress.sigma < 0.0995 ? 3 : 2)}`);
      const left = total - steps;
      const mean = progress.seconds.reduce((sum, each) => sum + each, 0) / progress.seconds.length;
      if (left > 0 && Number.isFinite(mean)) parts.push(`about ${duration(left * mean)} left`);
    }
    if (job?.kept && !ACTIVE.includes(job.state) && made(job)) parts.push(plural(made(job), "picture"));
    const others = news && job?.state !== "queued" ? news.waiting : 0; // who waits reads how many are before it
    if (others > 0) parts.push(`${others} waiting`);
    return parts.join(" · ");
  }

  function remark({ news, progress }) {
    const job = news?.job;
    if (job && !ACTIVE.includes(job.state) && job.error) return job.error.text;
    const parts = [...(progress?.warnings ?? [])];
    if (job && !job.kept && !ACTIVE.includes(job.state) && made(job)) {
      parts.push(made(job) === 1 ? "A program took the picture; it was not kept here." : "A program took the pictures; they were not kept here.");
    }
    if (progress?.resumed) {
      const from = progress.resumed.step ? `after step ${progress.resumed.step}` : "from the start of its batch";
      parts.unshift(`The engine stopped and was started again; this run went on ${from}.`);
    }
    return parts.join(" ");
  }
})();
