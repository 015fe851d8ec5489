/* What is known of the steps of one job: from its events while it runs, and from what was kept of it.

   The events of a job are gone when the server starts again; its trajectory is on disk. */
"use strict";
darkroom.timeline = (changed) => {
  const AGAIN = 1500; // ms between two looks at the trajectory of a run that goes on
  let job = null;
  let runs = new Map(); // batch -> its steps in order: {step, steps, sigma, noisy, predicted}
  let kept = new Map(); // image -> what the server said of its trajectory; false if nothing is kept
  let asking = false, read = 0; // when one was last read, ms

  const active = () => job !== null && (job.state === "running" || job.state === "queued");
  const batches = () => [...runs.keys()].sort((a, b) => a - b);
  const last = (list) => list[list.length - 1];

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

  /* Which batches there were, where the events are forgotten: their steps as the recipes say. */
  function recall() {
    if (active() || runs.size || !job?.started) return;
    for (const picture of job.pictures.filter((each) => each.image >= 0)) {
      const facts = picture.recipe.slice(picture.recipe.lastIndexOf("\n"));
      const made = Number(/Stopped at step: (\d+)/.exec(facts)?.[1] ?? job.steps);
      const batch = Math.floor(picture.image / job.request.batch_size);
      for (let step = 1; step <= made; step += 1) record(batch, step);
    }
  }

  /* The trajectory of an image, once it is whole; of a run that goes on again and again, while somebody
     looks back. */
  async function look(image, back) {
    if (asking || !job?.started) return;
    const { known, ended } = { known: kept.get(image), ended: !active() };
    if (known === false || (ended ? known?.ended : !back || Date.now() - read < AGAIN)) return;
    asking = true;
    const mine = job.id;
    const { status, said } = await darkroom.ask(`api/v1/jobs/${encodeURIComponent(mine)}/trajectory?image=${image}`);
    const answer = status === 404 || status === 409 ? false : status === 200 ? said : null;
    asking = false;
    read = Date.now();
    if (job?.id !== mine) return changed();
    if (answer === null) return;
    if (answer || ended) kept.set(image, answer && { ...answer, ended });
    if (answer) learn(answer, ended);
    changed();
  }

  /* What is kept is what there is to look at, once nothing is added any more. */
  function learn({ batch, steps, whole }, ended) {
    const total = whole ? last(steps).step : undefined;
    if (ended) runs.set(batch, (runs.get(batch) ?? []).filter(({ step }) => step <= last(steps).step));
    for (const { step, sigma } of steps) {
      const found = record(batch, step);
      Object.assign(found, { sigma, steps: total ?? found.steps });
    }
  }

  return {
    begin(next) {
      job = next;
      runs = new Map();
      kept = new Map();
      read = 0;
    },
    job(now) {
      const ended = !active();
      job = now;
      if (ended && active()) kept = new Map(); // resumed: it goes on
      recall();
    },
    step(event) {
      Object.assign(record(event.batch, event.step), { steps: event.steps, sigma: event.sigma });
    },
    preview(event) { record(event.batch, event.step)[event.kind] = event.method; },
    look,
    active,
    batches,
    last,
    steps: (batch) => runs.get(batch) || [],
    /* Of each step of an image its change since the one before; null where nobody knows. */
    change: (image, step) => (kept.get(image) || null)?.steps.find((each) => each.step === step)?.change ?? null,
    /* After which step an image was nearly what it became; null if nobody can tell. */
    suggested: (image) => (kept.get(image) || null)?.suggested ?? null,
    /* Whether a step's predictions with and without the prompt are kept; null if nobody can tell. */
    guided: (image, step) => {
      const steps = (kept.get(image) || null)?.steps ?? [];
      return (steps.find((each) => each.step === step) ?? steps.at(-1))?.guided ?? null;
    },
    /* Whether an image was made in a batch with others. */
    batched: (image) => (kept.get(image) || null)?.alone === false,
    isKept: (image) => kept.get(image) !== false,
    get empty() { return runs.size === 0; },
  };
};
