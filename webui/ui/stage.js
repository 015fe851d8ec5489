/* The stage: the two pictures of a step, and the way back over all steps of a run.

   It is told what happened (`step`, `preview`) and how the job stands (`job`); it fetches nothing but
   frames. While nobody looks back it shows the newest step. A step looked back at is there at once, as
   a fast guess; the one that is rested on is then decoded in full. */
"use strict";
darkroom.stage = (root, changePreviews) => {
  const KINDS = ["noisy", "predicted"], LOOK = "darkroom.look";
  const REST = 180; // ms on a step before it is decoded in full
  const NAMES = { noisy: "Noisy latent", predicted: "Predicted image" };
  const RESULT = "Finished picture";
  const find = (id) => root.querySelector("#" + id);
  const slider = find("live-scrub"), where = find("live-where"), pictureBox = find("live-batch");
  const play = find("live-play"), newest = find("live-newest"), every = find("live-every");
  const panes = Object.fromEntries(KINDS.map((kind) => {
    const pane = root.querySelector(`.dk-pane[data-kind=${kind}]`);
    return [kind, darkroom.frame(pane.querySelector("img"), pane.querySelector(".dk-plate-text"))];
  }));
  const timeline = darkroom.timeline(() => draw());
  const { active, batches, last } = timeline;
  const tools = darkroom.tools(root, timeline, changePreviews);

  let job = null;
  let at = null; // {batch, place} that is looked back at; null is the newest
  let index = null; // which image of its batch is looked at; null is all of them
  let playing = 0; // a number for each time play was pressed; 0 is still
  let plays = 0;
  let rested = { key: "", timer: 0, fine: false }; // on which step, and whether it may be decoded
  let decoded = new Set(); // addresses that the browser has
  let choice = { noisy: "fast", predicted: "fast", every: 1 };
  let asked = darkroom.reads(localStorage, LOOK); // how to draw what is looked back at: the user's choice

  function begin(next) {
    stop();
    job = next;
    at = index = null;
    decoded = new Set();
    timeline.begin(next);
    for (const kind of KINDS) panes[kind].empty(next ? "" : panes[kind].blank);
  }

  /* How many images a batch has. */
  function size(batch) {
    const { images, batch_size: most } = job.request;
    return Math.min(most, images - batch * most);
  }

  /* What came of a batch: the picture looked at; of all its grid, if that holds nothing else; or null. */
  function result(batch) {
    const most = job.request.batch_size;
    if (!job.kept) return null; // a program takes it, and its file goes: the last step stays
    const made = job.pictures.filter((each) => each.image >= 0 && Math.floor(each.image / most) === batch);
    if (index !== null) return made.find((each) => each.image === batch * most + index) ?? null;
    if (made.length === 1) return made[0];
    return (made.length && job.batches === 1 && job.pictures.find((each) => each.image < 0)) || null;
  }

  const look = () => (asked === "fast" ? "fast" : "vae");

  // --- drawing ------------------------------------------------------------------------------------
  /* Of the whole batch, as it was drawn for the live view; with a `position` one picture in its own size. */
  const address = ({ batch, record: { turn, step } }, kind, method, position = null) =>
    `api/v1/jobs/${encodeURIComponent(job.id)}/frames/${batch}/${step}/${kind}?method=${method}${turn ? `&turn=${turn}` : ""}${position === null ? "" : `&position=${position}`}`;

  /* Where we are: the step looked back at, else the newest. */
  function position() {
    const batch = at ? at.batch : last(batches());
    if (batch !== undefined && index >= size(batch)) index = null; // the last batch may be a small one
    const list = timeline.steps(batch);
    const record = at ? list.find((each) => each.place === at.place) : last(list);
    const image = batch === undefined ? 0 : batch * job.request.batch_size + (index ?? 0);
    const one = job && batch !== undefined && (index !== null || size(batch) === 1); // a single one is looked at
    return {
      job, batch, list, record, image, position: index, turn: record?.turn ?? 0,
      method: look() === "vae" && (!at || rested.fine) && !playing ? "vae" : "fast",
      change: one && record ? timeline.change(image, record) : null,
    };
  }

  function drawPane(kind, here) {
    const image = root.querySelector(`#live-${kind}`);
    const finished = kind === "predicted" && endOf(here);
    const part = index === null ? null : [index, size(here.batch)];
    if (kind === "predicted") nameResult(Boolean(finished));
    if (finished) {
      panes[kind].show(finished.url, { gone: "The file of this picture is not there any more." });
    } else if (at || !active()) {
      const alone = size(here.batch) === 1 ? 0 : index;
      const guess = address(here, kind, "fast", index), fine = address(here, kind, "vae", alone);
      const drawn = !at && !asked && here.record[kind] === "vae"; // as it was seen last
      const inFull = look() === "vae" && (drawn || decoded.has(fine) || rested.fine);
      if (inFull) decoded.add(fine);
      panes[kind].show(inFull ? fine : guess, { fade: inFull });
    } else if (!choice[kind]) {
      panes[kind].empty("Off");
      return;
    } else {
      const drawn = here.list.findLast((each) => each[kind]);
      if (!drawn) return; // the picture of the batch before stays until there is one
      panes[kind].show(address({ ...here, record: drawn }, kind, drawn[kind]), { part });
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
    find("live-predicted-title").textContent = finished && job.request.stop_at === 1 ? RESULT : NAMES.predicted;
  }

  function draw() {
    const here = position();
    rest(here);
    timeline.look(here.image, here.turn, at !== null);
    drawControls(here);
    chooseLook(look());
    tools.draw({ ...here, list: here.list.filter(({ turn }) => turn === here.turn) });
    if (!here.record) nameResult(false);
    root.dataset.kind = job?.request.upscale ? "upscale" : "steps";
    find("live-noisy-title").textContent = job?.request.upscale ? "As it came" : NAMES.noisy;
    if (job?.request.upscale) drawUpscaled();
    if (!job) for (const kind of KINDS) panes[kind].empty(panes[kind].blank);
    if (!here.record) return;
    for (const kind of KINDS) drawPane(kind, here);
    const { batch, record: { turn, step } } = here, detail = { job: job.id, request: job.request, batch, turn, step, position: index };
    document.dispatchEvent(new CustomEvent("darkroom:look", { detail }));
  }

  /* No steps: the picture as it came, and what became of it. */
  function drawUpscaled() {
    const [made] = job.pictures;
    panes.noisy.show(darkroom.inputUrl(job.request.upscale.picture));
    if (made) panes.predicted.show(made.url);
    nameResult(Boolean(made));
  }

  /* A step is decoded once nothing moves any more, the noisy latent of a run's end, too. */
  function rest({ batch, record: now }) {
    const key = now && !playing && (at || !active()) ? `${job.id}/${batch}/${now.place}` : "";
    if (key === rested.key) return;
    clearTimeout(rested.timer);
    rested = { key, fine: false, timer: key && setTimeout(() => { rested.fine = true; draw(); }, REST) };
  }

  function drawControls({ batch, list, record: now, change }) {
    drawPictures(batch);
    slider.disabled = play.disabled = !now;
    newest.hidden = !(at && active());
    root.dataset.looking = at ? "back" : "live";
    if (now) {
      slider.min = list[0].place;
      slider.max = active() ? timeline.total(batch) : last(list).place;
      slider.value = now.place;
    } else {
      slider.min = slider.max = slider.value = 1;
    }
    const span = slider.max - slider.min;
    const part = (value) => `${span > 0 ? (100 * (value - slider.min)) / span : 0}%`;
    slider.style.setProperty("--at", part(slider.value));
    slider.style.setProperty("--known", part(now ? last(list).place : slider.min));
    where.replaceChildren();
    if (now) sayWhere(now, change);
  }

  /* The pictures there are to choose from, those of a batch together or each alone. */
  function drawPictures(batch) {
    const many = job && job.request.images > 1 && !timeline.empty;
    pictureBox.parentElement.hidden = !many;
    if (!many) return;
    const options = batches().flatMap((each) => {
      const first = each * job.request.batch_size;
      if (size(each) === 1) return [[`${first + 1} of ${job.request.images}`, `${each}`]];
      const all = job.batches === 1 ? "All" : `All of batch ${each + 1}`;
      return [[all, `${each}`], ...Array.from({ length: size(each) }, (_, i) => [`${first + i + 1} of ${job.request.images}`, `${each}.${i}`])];
    });
    if (pictureBox.options.length !== options.length) pictureBox.replaceChildren(...options.map((each) => new Option(...each)));
    if (document.activeElement !== pictureBox) pictureBox.value = index === null ? `${batch}` : `${batch}.${index}`;
  }

  function sayWhere({ step, steps, sigma, turn, turns }, change) {
    const which = darkroom.turnName(job.request, turn, turns);
    const shown = sigma === null ? "" : `σ ${sigma.toFixed(sigma < 0.0995 ? 3 : 2)}`;
    const moved = change === null ? "" : `Δ ${darkroom.percent(change)}`;
    const says = [
      [shown, "How much noise is left after this step"],
      [moved, "How much the predicted image changed since the step before"],
    ].filter(([text]) => text);
    if (which) where.append(Object.assign(darkroom.node("span", "", which), { title: "Which sampling of this picture it is" }));
    where.append(`${step} / ${steps}`, ...says.map(([text, title]) => Object.assign(darkroom.node("span", "", text), { title })));
    const spoken = [shown, moved && `changed by ${darkroom.percent(change)}`].filter(Boolean);
    slider.setAttribute("aria-valuetext", [which, `Step ${step} of ${steps}`, ...spoken].filter(Boolean).join(", "));
  }

  // --- looking back -------------------------------------------------------------------------------
  function go(batch, place) {
    const newestPlace = last(timeline.steps(batch))?.place;
    const isNewest = active() && batch === last(batches()) && place >= newestPlace;
    at = isNewest ? null : { batch, place: Math.min(place, newestPlace) };
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
      at = { batch, place: list[i].place };
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
  pictureBox.addEventListener("change", () => {
    const [batch, one] = pictureBox.value.split(".").map(Number);
    choosePicture(batch, one ?? null);
  });
  play.addEventListener("click", () => { if (playing) { stop(); draw(); } else run(); });
  newest.addEventListener("click", () => { stop(); at = null; draw(); slider.focus(); });

  /* Of the batch that is looked at the step stays; of another one its end is shown. */
  function choosePicture(batch, one) {
    stop();
    const here = position();
    index = size(batch) === 1 ? null : one;
    go(batch, (batch === here.batch ? here.record : last(timeline.steps(batch))).place);
  }

  // --- what is drawn ------------------------------------------------------------------------------
  const METHODS = [
    ["off", "Off", "Draw nothing: the run is as fast as it can be"],
    ["fast", "Fast", "A linear guess from the latent, one pixel for each of its cells; costs next to nothing"],
    ["tiny", "Tiny", "A small decoder from the folder vae_approx: nearly exact, and fast"],
    ["vae", "VAE", "The model's own decoder: exact, and slow"],
  ];
  const choose = Object.fromEntries(KINDS.map((kind) => [kind, darkroom.segments(
    root.querySelector(`.dk-pane[data-kind=${kind}] .dk-segments`), METHODS,
    (value) => changePreviews({ ...choice, [kind]: value === "off" ? null : value }),
  )]));
  const chooseLook = darkroom.segments(find("live-look"), METHODS.filter(([value]) => value === "fast" || value === "vae"), (value) => {
    asked = value;
    darkroom.keeps(localStorage, LOOK, asked);
    if (!at && !active()) at = position().record ? { batch: position().batch, place: position().record.place } : null;
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
    step: timeline.step,
    preview: timeline.preview,
    /* The picture that somebody chose elsewhere; -1 is all of them. Of a loop on the way the loop's end. */
    showPicture({ image, of, loop }) {
      const early = image >= job?.request.images; // loops are made of one picture at a time: its batch
      const end = early && timeline.steps(of).findLast(({ turn }) => turn === loop - 1);
      if (end) { stop(); go(of, end.place); }
      if (!job || early) return;
      const batch = image < 0 ? last(batches()) : Math.floor(image / job.request.batch_size);
      if (timeline.steps(batch).length) choosePicture(batch, image < 0 ? null : image % job.request.batch_size);
    },
    job(now) { timeline.job(job = now); draw(); },
    previews(now) {
      choice = now;
      tools.previews(now);
      for (const kind of KINDS) choose[kind](now[kind] || "off");
      if (document.activeElement !== every) every.value = now.every;
      find("live-every-unit").textContent = now.every === 1 ? "step" : "steps";
    },
  };
};
