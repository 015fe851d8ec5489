/* What is known of the steps of one job: from its events while it runs, and from what was kept of it.

   A batch may be sampled several times (a second pass, loops, tiles): each is a turn with steps of its
   own, and all turns of a batch stand one after the other. The events of a job are gone when the server
   starts again; its trajectory is on disk. */
"use strict";
darkroom.timeline = (changed) => {
  const AGAIN = 1500; // ms between two looks at the trajectory of a run that goes on
  let job = null;
  // batch -> its steps in order: {turn, turns, step, steps, place, sigma, noisy, predicted}, where `place`
  // counts the steps of all turns, from 1
  let runs = new Map();
  let kept = new Map(); // "image.turn" -> what the server said of its trajectory; false if nothing is kept
  let recalled = false; // the steps are guessed: how many turns there were is asked for
  let asking = false, read = 0; // when one was last read, ms

  const active = () => job !== null && (job.state === "running" || job.state === "queued");
  const batches = () => [...runs.keys()].sort((a, b) => a - b);
  const last = (list) => list[list.length - 1];

  function record(batch, turn, step) {
    if (!runs.has(batch)) runs.set(batch, []);
    const list = runs.get(batch);
    let found = list.find((each) => each.turn === turn && each.step === step);
    if (!found) {
      found = { turn, turns: turn + 1, step, steps: job.steps, place: step, sigma: null, noisy: null, predicted: null };
      list.push(found);
      list.sort((a, b) => a.turn - b.turn || a.step - b.step);
    }
    return found;
  }

  /* Where each step stands, once more is known of how many there are. */
  function settle(batch) {
    let before = 0, turn = 0, most = 0;
    for (const each of runs.get(batch) ?? []) {
      if (each.turn !== turn) { before += most; most = 0; turn = each.turn; }
      most = Math.max(most, each.steps, each.step);
      each.place = before + each.step;
    }
  }

  /* The place of the last step that a batch will have, as far as it is known. */
  function total(batch) {
    const end = last(runs.get(batch) ?? []);
    if (!end) return 1;
    return Math.max(end.place, end.place - end.step + end.steps * Math.max(1, end.turns - end.turn));
  }

  /* Which batches there were, where the events are forgotten: their steps as the recipes say. */
  function recall() {
    if (active() || runs.size || !job?.started || job.request.upscale) return;
    recalled = true;
    for (const picture of job.pictures.filter(({ image }) => image >= 0 && image < job.request.images)) {
      const facts = picture.recipe.slice(picture.recipe.lastIndexOf("\n"));
      const made = Number(/Stopped at step: (\d+)/.exec(facts)?.[1] ?? job.steps);
      const batch = Math.floor(picture.image / job.request.batch_size);
      for (let step = 1; step <= made; step += 1) record(batch, 0, step);
      settle(batch);
    }
  }

  /* The trajectory of a turn of an image, once it is whole; of a run that goes on again and again, while
     somebody looks back. */
  async function look(image, turn, back) {
    if (asking || !job?.started || job.request.upscale) return;
    const wanted = recalled ? unread(image) ?? turn : turn, key = `${image}.${wanted}`;
    const { known, ended } = { known: kept.get(key), ended: !active() };
    if (known === false || (ended ? known?.ended : !back || Date.now() - read < AGAIN)) return;
    asking = true;
    const mine = job.id;
    const which = wanted ? `&turn=${wanted}` : "";
    const { status, said } = await darkroom.ask(`api/v1/jobs/${encodeURIComponent(mine)}/trajectory?image=${image}${which}`);
    const answer = status === 404 || status === 409 ? false : status === 200 ? said : null;
    asking = false;
    read = Date.now();
    if (job?.id !== mine) return changed();
    if (answer === null) return;
    if (answer || ended) kept.set(key, answer && { ...answer, ended });
    if (answer) learn(answer, ended);
    changed();
  }

  /* Of an image whose turns are not known the next one to ask for; undefined once there is none. */
  function unread(image) {
    const turns = (kept.get(`${image}.0`) || null)?.turns ?? 1;
    for (let turn = 0; turn < turns; turn += 1) if (!kept.has(`${image}.${turn}`)) return turn;
    return undefined;
  }

  /* What is kept is what there is to look at, once nothing is added any more. */
  function learn({ batch, turn = 0, steps, whole, planned = 1 }, ended) {
    const all = whole ? last(steps).step : undefined;
    if (ended) runs.set(batch, (runs.get(batch) ?? []).filter((each) => each.turn !== turn || each.step <= last(steps).step));
    for (const { step, sigma } of steps) {
      const found = record(batch, turn, step);
      Object.assign(found, { sigma, steps: all ?? found.steps });
    }
    const turns = Math.max(planned, ...runs.get(batch).map((each) => each.turn + 1));
    for (const each of runs.get(batch)) each.turns = Math.max(each.turns, turns);
    settle(batch);
  }

  return {
    begin(next) {
      job = next;
      runs = new Map();
      kept = new Map();
      recalled = false;
      read = 0;
    },
    job(now) {
      const ended = !active();
      job = now;
      if (ended && active()) kept = new Map(); // resumed: it goes on
      recall();
    },
    step(event) {
      const { batch, turn = 0, turns = 1, step, steps, sigma } = event;
      Object.assign(record(batch, turn, step), { turns, steps, sigma });
      settle(batch);
    },
    preview(event) {
      record(event.batch, event.turn ?? 0, event.step)[event.kind] = event.method;
      settle(event.batch);
    },
    look,
    active,
    batches,
    last,
    total,
    steps: (batch) => runs.get(batch) || [],
    /* Of each step of an image its change since the one before; null where nobody knows. */
    change: (image, { turn, step }) => (kept.get(`${image}.${turn}`) || null)?.steps.find((each) => each.step === step)?.change ?? null,
    /* After which step an image was nearly what it became; null if nobody can tell. */
    suggested: (image, turn) => (kept.get(`${image}.${turn}`) || null)?.suggested ?? null,
    /* Whether a step's predictions with and without the prompt are kept; null if nobody can tell. */
    guided: (image, { turn, step }) => {
      const steps = (kept.get(`${image}.${turn}`) || null)?.steps ?? [];
      return (steps.find((each) => each.step === step) ?? steps.at(-1))?.guided ?? null;
    },
    /* Whether an image was made in a batch with others. */
    batched: (image, turn) => (kept.get(`${image}.${turn}`) || null)?.alone === false,
    isKept: (image, turn) => kept.get(`${image}.${turn}`) !== false,
    get empty() { return runs.size === 0; },
  };
};
