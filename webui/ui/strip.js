/* The strip: ordinary jobs that belong together, hung side by side as they come. Those of a mix, one for
   each ratio, and those of a batch of files, each under its file's name.

   It remembers the ids for this browser tab and reads everything else back from the jobs. */
"use strict";
darkroom.strip = (element) => {
  const KEPT = "darkroom.strip";
  const ACTIVE = ["queued", "running"];
  const root = element.querySelector("#strip");
  const find = (id) => root.querySelector("#" + id);
  // {jobs: ids, null for one that was refused, labels, and of a mix {first, others, steps}: `steps` are
  // the shares of the others; of files {problems}: why one was refused, null for the others}
  let strip = null;
  let known = new Map(); // id -> the job as it was last read; null if it is gone
  let timer = 0;
  const fold = darkroom.foldsToHead(root, find("strip-fold"));

  const percent = (share) => `${Math.round(100 * share)} %`;

  function hang(made) {
    show(made);
    fold.stay();
    document.dispatchEvent(new CustomEvent("darkroom:shown", { detail: root }));
    darkroom.keeps(sessionStorage, KEPT, JSON.stringify(made));
    for (const id of made.jobs) if (id) darkroom.follow(id);
  }

  darkroom.hangStrip = (made) => hang({ ...made, labels: made.steps.map(percent) });

  /* What came of a batch of files, or of prompts: [{name, job}], or {name, error} for one that was
     refused. `kind` is "files", "prompts" or "pictures". */
  darkroom.hangFiles = (made, kind) => hang({
    kind,
    jobs: made.map(({ job }) => job ?? null), labels: made.map(({ name }) => name || "A picture"),
    problems: made.map(({ error }) => (error ? [error.label, error.text].filter(Boolean).join(" ") : null)),
  });

  function show(made) {
    strip = made;
    known = new Map();
    root.hidden = !made;
    find("strip-row").replaceChildren(...(made ? made.jobs.map(tile) : []));
    if (made) { draw(); read(); }
  }

  // --- reading ------------------------------------------------------------------------------------
  async function read() {
    clearTimeout(timer);
    const mine = strip;
    const open = mine.jobs.filter((id) => id && (known.get(id) === undefined || ACTIVE.includes(known.get(id)?.state)));
    const answers = await Promise.all(open.map(ask));
    if (strip !== mine) return;
    open.forEach((id, i) => { if (answers[i] !== undefined) known.set(id, answers[i]); });
    draw();
    if (running() || answers.includes(undefined)) timer = setTimeout(read, document.hidden ? 4000 : 700);
  }

  /* The job; null if it is gone, undefined if the server cannot be reached. */
  async function ask(id) {
    try {
      const answer = await fetch(`api/v1/jobs/${encodeURIComponent(id)}`, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
      return answer.ok ? await answer.json() : answer.status === 404 ? null : undefined;
    } catch {
      return undefined;
    }
  }

  const running = () => strip.jobs.some((id) => id && ACTIVE.includes(known.get(id)?.state));

  // --- drawing ------------------------------------------------------------------------------------
  const explained = (i) => {
    const away = strip.steps?.[i];
    return away === undefined ? strip.labels[i] : `${percent(1 - away)} ${strip.first}, ${percent(away)} ${strip.others}`;
  };

  function tile(id, i) {
    const item = document.createElement("li"), button = document.createElement("button");
    const plate = Object.assign(document.createElement("span"), { className: "dk-strip-plate" });
    const image = Object.assign(document.createElement("img"), { alt: "", hidden: true });
    const label = Object.assign(document.createElement("span"), { className: "dk-strip-label", textContent: strip.labels[i] });
    button.type = "button";
    button.title = explained(i);
    button.disabled = !id;
    if (strip.steps) button.style.setProperty("--away", percent(strip.steps[i]).replace(" ", ""));
    if (strip.problems?.[i]) plate.textContent = strip.problems[i];
    button.addEventListener("click", () => {
      for (const each of root.querySelectorAll("li button")) each.setAttribute("aria-pressed", String(each === button));
      darkroom.look(id);
    });
    plate.append(image);
    button.append(plate, label);
    item.append(button);
    return item;
  }

  function draw() {
    const states = strip.jobs.map((id) => (id ? known.get(id)?.state : "failed"));
    const made = states.filter((each) => each === "done").length;
    root.dataset.kind = strip.steps ? "mix" : "files";
    find("strip-title").textContent = strip.steps ? `${strip.first} → ${strip.others}` : titled(strip);
    find("strip-facts").textContent = facts(made);
    find("strip-stop").hidden = !running();
    root.dataset.state = running() || states.includes(undefined) ? "running" : "done";
    strip.jobs.forEach((id, i) => { if (id) fill(find("strip-row").children[i], known.get(id), i); });
  }

  const titled = ({ jobs, kind }) => (kind === "prompts" || kind === "pictures" ? `${jobs.length} ${kind}` : `Batch of ${jobs.length} files`);

  function facts(made) {
    if (made < strip.jobs.length && running()) return `${made} of ${strip.jobs.length}`;
    if (!strip.steps) {
      const failed = strip.jobs.filter((id) => !id || known.get(id)?.state === "failed").length;
      return [`${made} done`, failed ? `${failed} failed` : ""].filter(Boolean).join(" · ");
    }
    const seeds = new Set(strip.jobs.map((id) => known.get(id)?.request.seed).filter((seed) => seed !== undefined));
    return `share of ${strip.others} · ${seeds.size === 1 ? `seed ${[...seeds][0]}` : darkroom.plural(made, "picture")}`;
  }

  function fill(item, job, i) {
    const image = item.querySelector("img"), button = item.querySelector("button");
    const picture = job?.pictures.findLast((each) => each.image >= 0);
    item.dataset.state = job === null ? "gone" : job?.state ?? "";
    if (!strip.steps) button.title = [explained(i), job?.error?.text].filter(Boolean).join(": ");
    button.setAttribute("aria-label", [button.title, picture ? "" : job === null ? "gone" : job?.error?.text ?? job?.state].filter(Boolean).join(": "));
    const address = picture?.url.replace(/^\//, "");
    if (!address || image.getAttribute("src") === address) return;
    image.src = address;
    image.hidden = false;
    item.querySelector(".dk-strip-plate").style.aspectRatio = `${picture.width} / ${picture.height}`;
  }

  // --- doing --------------------------------------------------------------------------------------
  find("strip-stop").addEventListener("click", async () => {
    const open = strip.jobs.filter((id) => id && ACTIVE.includes(known.get(id)?.state)).reverse(); // none begins meanwhile
    for (const id of open) {
      try { await darkroom.send("POST", `api/v1/jobs/${encodeURIComponent(id)}/cancel`); } catch { /* it has ended */ }
    }
    read();
  });
  find("strip-close").addEventListener("click", () => {
    clearTimeout(timer);
    show(null);
    darkroom.keeps(sessionStorage, KEPT, "");
  });

  document.addEventListener("darkroom:answered", ({ detail: { job, error } }) => {
    if (strip && !error && job && !strip.jobs.includes(job)) fold.away(); // another job begins
  });

  try {
    const kept = JSON.parse(darkroom.reads(sessionStorage, KEPT));
    if (kept?.jobs && kept.jobs.length === kept.labels?.length) show(kept);
  } catch { /* none */ }
};
