/* Branch from here: the rest of the way from a kept step, walked in another way.

   The form starts as the picture was made; only what is changed in it is sent. */
"use strict";
darkroom.branching = (root, timeline, close) => {
  const FIELDS = ["prompt", "negative_prompt", "sampler", "steps", "guidance_scale", "seed"];
  const NUMBERS = ["steps", "guidance_scale", "seed"];
  const form = root.querySelector("#branch-form"), go = root.querySelector("#branch-go"), said = root.querySelector("#branch-said");
  const hint = root.querySelector("#branch-hint");
  let here = null;
  let filled = ""; // of which picture the form was filled
  let made = {}; // how that picture was made
  let samplers = null; // as the server has them

  const input = (name) => form.elements[name];

  async function offerSamplers() {
    if (samplers) return;
    samplers = [];
    samplers = (await darkroom.ask("api/v1/samplers")).said?.samplers ?? null;
    if (!samplers) return;
    const value = input("sampler").value;
    input("sampler").replaceChildren(...samplers.map(({ name }) => new Option(name)));
    input("sampler").value = value || made.sampler;
    sayHint();
  }

  /* The recipe of that picture alone. */
  function recipe({ job, image }) {
    const one = (seed) => (seed + image) % 2 ** 32;
    const { request } = job;
    const varied = request.variation?.strength > 0;
    return { ...Object.fromEntries(FIELDS.map((name) => [name, request[name]])), seed: varied ? request.seed : one(request.seed) };
  }

  function fill() {
    made = recipe(here);
    if (!Array.from(input("sampler").options).some((each) => each.value === made.sampler)) input("sampler").append(new Option(made.sampler));
    for (const name of FIELDS) input(name).value = made[name];
    said.textContent = "";
    sayHint();
  }

  function changes() {
    const now = Object.fromEntries(FIELDS.map((name) => [name, NUMBERS.includes(name) ? Number(input(name).value) : input(name).value]));
    return Object.fromEntries(FIELDS.filter((name) => now[name] !== made[name]).map((name) => [name, now[name]]));
  }

  function sayHint() {
    const chosen = samplers?.find(({ name }) => name === input("sampler").value);
    const seed = "seed" in changes();
    const idle = chosen && !chosen.random && seed;
    hint.textContent = idle ? `${chosen.name} adds no noise on the way: another seed changes nothing here. Euler a does.` : "";
    hint.hidden = !hint.textContent;
    say();
  }

  function say() {
    const step = here?.record?.step ?? 0;
    const last = here?.record && here.record.step >= here.record.steps;
    go.textContent = `Branch from step ${step}`;
    go.disabled = Boolean(last) || go.dataset.busy === "yes";
    const same = here && timeline.batched(here.image, here.turn) ? "the same again but for rounding, because it was made in a batch" : "the same again";
    root.querySelector("#branch-lead").textContent = last
      ? "This is the last step: nothing is left to do after it. Go back along the slider to where the picture should take another way."
      : `The picture as it was after step ${step} goes on with what you change here; with nothing changed it becomes ${same}. The slider says where: early steps settle the composition, late ones the details.`;
  }

  form.addEventListener("input", () => { said.textContent = ""; sayHint(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { job, image, record } = here;
    go.dataset.busy = "yes";
    go.disabled = true;
    said.textContent = "";
    try {
      const branch = await darkroom.send("POST", `api/v1/jobs/${encodeURIComponent(job.id)}/branch`, {
        image, step: record.step, ...(record.turn ? { turn: record.turn } : {}), changes: changes(), owner: darkroom.owner,
      });
      close();
      darkroom.follow(branch.id);
    } catch (error) {
      said.textContent = error.message;
    }
    go.dataset.busy = "no";
    say();
  });

  return {
    /* From the last step nothing goes on: the way to one that does is taken at once. */
    open({ list, record }) {
      if (record.step < record.steps || list.length < 2) return;
      const slider = document.getElementById("live-scrub");
      slider.value = list[Math.floor(0.4 * (list.length - 1))].place;
      slider.dispatchEvent(new Event("input", { bubbles: true }));
    },
    draw(now) {
      here = now;
      const key = `${here.job.id} ${here.image}`;
      if (!root.hidden) offerSamplers();
      if (key !== filled) { filled = key; fill(); } else say();
    },
  };
};
