/* The stage: the two pictures of a step, and the way back over all steps of a run.

   It is told what happened (`step`, `preview`) and how the job stands (`job`); it fetches nothing but
   frames. While nobody looks back it shows the newest step. */
"use strict";
darkroom.stage = (root, changePreviews) => {
  const KINDS = ["noisy", "predicted"];
  const LOOK = "darkroom.look";
  const SMALL = 256 * 256; // pixels of a batch
  const NAMES = { noisy: "Noisy latent", predicted: "Predicted image" };
  const RESULT = "Finished picture";
  const find = (id) => root.querySelector("#" + id);
  const slider = find("live-scrub"), where = find("live-where"), batchBox = find("live-batch");
  const play = find("live-play"), newest = find("live-newest"), every = find("live-every");
  const panes = Object.fromEntries(KINDS.map((kind) => {
    const pane = root.querySelector(`.dk-pane[data-kind=${kind}]`);
    return [kind, darkroom.frame(pane.querySelector("img"), pane.querySelector(".dk-plate-text"))];
  }));

  let job = null;
  let runs = new Map(); // batch -> its steps in order: {step, steps, sigma, noisy, predicted}
  let at = null; // {batch, step} that is looked back at; null is the newest
  let playing = 0; // a number for each time play was pressed; 0 is still
  let plays = 0;
  let choice = { noisy: "fast", predicted: "fast", every: 1 };
  let asked = darkroom.reads(localStorage, LOOK); // how to draw what is looked back at: the user's choice

  // --- what is known ------------------------------------------------------------------------------
  const active = () => job !== null && (job.state === "running" || job.state === "queued");
  const batches = () => [...runs.keys()].sort((a, b) => a - b);
  const last = (list) => list[list.length - 1];

  function begin(next) {
    stop();
    job = next;
    runs = new Map();
    at = null;
    for (const kind of KINDS) panes[kind].empty(next ? "" : panes[kind].blank);
  }

  function record(batch, step) {
    if (!runs.has(batch)) runs.set(batch, []);
    const list = runs.get(batch);
    let found = list.find((each) => each.step === step);
    if (!found) {
      found = { step, steps: job.steps, sigma: null, noisy: null, predicted: null };
      list.push(found);
      list.sort((a, b) => a.step - b.step);
    }
    return found;
  }

  /* After a restart of the server the events are gone; the steps of what became a picture are kept. */
  function recall() {
    if (active() || runs.size || !job?.started) return;
    for (const picture of job.pictures.filter((each) => each.image >= 0)) {
      const facts = picture.recipe.slice(picture.recipe.lastIndexOf("\n"));
      const made = Number(/Stopped at step: (\d+)/.exec(facts)?.[1] ?? job.steps);
      const batch = Math.floor(picture.image / job.request.batch_size);
      for (let step = 1; step <= made; step += 1) record(batch, step);
    }
  }

  /* What came of a batch: its picture, the grid if that holds nothing else, or null. */
  function result(batch) {
    const size = job.request.batch_size;
    const made = job.pictures.filter((each) => each.image >= 0 && Math.floor(each.image / size) === batch);
    if (made.length === 1) return made[0];
    return (made.length && job.batches === 1 && job.pictures.find((each) => each.image < 0)) || null;
  }

  /* Fast or VAE; unless the user said which, the decoder where it takes but a moment. */
  function look() {
    if (asked === "vae" || asked === "fast") return asked;
    const { width, height, batch_size: count } = job?.request ?? {};
    return !active() && width * height * count <= SMALL ? "vae" : "fast";
  }

  // --- drawing ------------------------------------------------------------------------------------
  const address = (batch, step, kind, method) =>
    `api/v1/jobs/${encodeURIComponent(job.id)}/frames/${batch}/${step}/${kind}?method=${method}`;

  /* Where we are: the step looked back at, else the newest. */
  function position() {
    const batch = at ? at.batch : last(batches());
    const list = runs.get(batch) || [];
    return { batch, list, record: at ? list.find((each) => each.step === at.step) : last(list) };
  }

  function drawPane(kind, here) {
    const image = root.querySelector(`#live-${kind}`);
    const finished = kind === "predicted" && endOf(here);
    if (kind === "predicted") nameResult(Boolean(finished));
    if (finished) {
      panes[kind].show(finished.url);
    } else if (at || !active()) {
      const drawn = (!at && !asked && here.record[kind]) || "fast"; // as it was seen last
      panes[kind].show(address(here.batch, here.record.step, kind, look() === "vae" ? "vae" : drawn));
    } else if (!choice[kind]) {
      panes[kind].empty("Off");
      return;
    } else {
      const drawn = here.list.findLast((each) => each[kind]);
      if (!drawn) return; // the picture of the batch before stays until there is one
      panes[kind].show(address(here.batch, drawn.step, kind, drawn[kind]));
    }
    image.alt = finished ? `${RESULT} after ${here.record.step} steps` : `${NAMES[kind]} at step ${here.record.step} of ${here.record.steps}`;
  }

  /* The finished picture, when its last step is looked at; null while its batch still runs. */
  function endOf({ batch, list, record: now }) {
    const done = !active() || batch !== last(batches());
    return done && now === last(list) ? result(batch) : null;
  }

  function nameResult(finished) {
    root.dataset.shows = finished ? "result" : "step";
    find("live-predicted-title").textContent = finished ? RESULT : NAMES.predicted;
  }

  function draw() {
    const here = position();
    drawControls(here);
    chooseLook(look());
    if (!here.record) nameResult(false);
    if (!job) for (const kind of KINDS) panes[kind].empty(panes[kind].blank);
    if (!here.record) return;
    for (const kind of KINDS) drawPane(kind, here);
  }

  function drawControls({ batch, list, record: now }) {
    const many = job && job.batches > 1 && runs.size > 0;
    batchBox.parentElement.hidden = !many;
    if (many && batchBox.options.length !== runs.size) {
      batchBox.replaceChildren(...batches().map((each) => new Option(`${each + 1} of ${job.batches}`, each)));
    }
    if (many && document.activeElement !== batchBox) batchBox.value = String(batch);
    slider.disabled = play.disabled = !now;
    newest.hidden = !(at && active());
    root.dataset.looking = at ? "back" : "live";
    if (now) {
      slider.min = list[0].step;
      slider.max = active() ? Math.max(now.steps, last(list).step) : last(list).step;
      slider.value = now.step;
    } else {
      slider.min = slider.max = slider.value = 1;
    }
    const span = slider.max - slider.min;
    const part = (value) => `${span > 0 ? (100 * (value - slider.min)) / span : 0}%`;
    slider.style.setProperty("--at", part(slider.value));
    slider.style.setProperty("--known", part(now ? last(list).step : slider.min));
    where.replaceChildren();
    if (!now) return;
    const sigma = now.sigma === null ? "" : `σ ${now.sigma.toFixed(now.sigma < 0.0995 ? 3 : 2)}`;
    where.append(`${now.step} / ${now.steps}`, Object.assign(document.createElement("span"), { textContent: sigma }));
    slider.setAttribute("aria-valuetext", `Step ${now.step} of ${now.steps}${sigma && `, ${sigma}`}`);
  }

  // --- looking back -------------------------------------------------------------------------------
  function go(batch, step) {
    const list = runs.get(batch) || [];
    const newestStep = last(list)?.step;
    const isNewest = active() && batch === last(batches()) && step >= newestStep;
    at = isNewest ? null : { batch, step: Math.min(step, newestStep) };
    draw();
  }

  async function run() {
    playing = plays += 1;
    const mine = playing;
    const { batch, list, record: now } = position();
    root.dataset.playing = "yes";
    play.setAttribute("aria-label", "Pause");
    const from = now === last(list) ? 0 : list.indexOf(now);
    const pause = Math.max(60, Math.min(250, 3500 / list.length));
    for (let i = from; i < list.length; i += 1) {
      at = { batch, step: list[i].step };
      draw();
      await Promise.all([
        ...KINDS.map((kind) => panes[kind].settled()),
        new Promise((done) => setTimeout(done, pause)),
      ]);
      if (playing !== mine) return;
    }
    if (active()) at = null;
    stop();
    draw();
  }

  function stop() {
    playing = 0;
    root.dataset.playing = "no";
    play.setAttribute("aria-label", "Play the denoising");
  }

  slider.addEventListener("input", () => { stop(); go(position().batch, Number(slider.value)); });
  batchBox.addEventListener("change", () => {
    stop();
    const batch = Number(batchBox.value);
    go(batch, last(runs.get(batch)).step);
  });
  play.addEventListener("click", () => { if (playing) { stop(); draw(); } else run(); });
  newest.addEventListener("click", () => { stop(); at = null; draw(); slider.focus(); });

  // --- what is drawn ------------------------------------------------------------------------------
  const METHODS = [
    ["off", "Off", "Draw nothing: the run is as fast as it can be"],
    ["fast", "Fast", "A linear guess from the latent, one pixel for each of its cells; costs next to nothing"],
    ["vae", "VAE", "The model's own decoder: exact, and slow"],
  ];
  const choose = Object.fromEntries(KINDS.map((kind) => [kind, darkroom.segments(
    root.querySelector(`.dk-pane[data-kind=${kind}] .dk-segments`), METHODS,
    (value) => changePreviews({ ...choice, [kind]: value === "off" ? null : value }),
  )]));
  const chooseLook = darkroom.segments(find("live-look"), METHODS.slice(1), (value) => {
    asked = value;
    darkroom.keeps(localStorage, LOOK, asked);
    if (!at && !active()) at = position().record ? { batch: position().batch, step: position().record.step } : null;
    draw();
  });
  every.addEventListener("change", () => {
    const steps = Math.max(1, Math.min(150, Math.round(Number(every.value)) || 1));
    every.value = steps;
    changePreviews({ ...choice, every: steps });
  });
  for (const kind of KINDS) {
    panes[kind].blank = root.querySelector(`.dk-pane[data-kind=${kind}] .dk-plate-text`).textContent;
  }

  return {
    begin,
    step(event) {
      const found = record(event.batch, event.step);
      Object.assign(found, { steps: event.steps, sigma: event.sigma });
    },
    preview(event) { record(event.batch, event.step)[event.kind] = event.method; },
    job(now) {
      job = now;
      recall();
      draw();
    },
    previews(now) {
      choice = now;
      for (const kind of KINDS) choose[kind](now[kind] || "off");
      if (document.activeElement !== every) every.value = now.every;
      find("live-every-unit").textContent = now.every === 1 ? "step" : "steps";
    },
  };
};
