/* A branch beside its origin, and beside the other branches of it, each with what is different. */
"use strict";
darkroom.kin = (root) => {
  const NEWEST = 200; // jobs that are looked through for branches
  const ACTIVE = ["queued", "paused", "running"];
  const SHOWN = {
    prompt: "prompt", negative_prompt: "negative prompt", sampler: "sampler", steps: "steps", guidance_scale: "CFG scale",
    seed: "seed", schedule: "schedule",
  };
  const SAYS = { queued: "Waits", paused: "Held back", running: "At work", failed: "Failed", cancelled: "Cancelled", interrupted: "Interrupted" };
  const row = root.querySelector("#kin-row");
  let shown = ""; // the state that was last drawn
  let asked = 0;

  /* {origin: {id, image}} of the picture that is looked at: of a branch where it came from, else itself. */
  function family({ job, image }) {
    const { resume } = job.request;
    if (!resume) return { id: job.id, image };
    return { id: resume.job, image: null, batch: resume.batch, position: resume.position };
  }

  async function read(here) {
    const mine = (asked += 1);
    const kin = family(here);
    const [{ status, said: found }, { said: all }] = await Promise.all([
      darkroom.ask(`api/v1/jobs/${encodeURIComponent(kin.id)}`), darkroom.ask(`api/v1/jobs?limit=${NEWEST}`),
    ]);
    if (mine !== asked) return;
    if (!all?.jobs || (status !== 200 && status !== 404)) { shown = ""; return; } // asked for again
    const origin = status === 200 ? found : null;
    const image = kin.image ?? kin.batch * (origin?.request.batch_size ?? 1) + kin.position;
    const size = origin?.request.batch_size ?? 1;
    const branches = all.jobs.filter(({ request: { resume } }) =>
      resume?.job === kin.id && resume.batch * size + resume.position === image);
    if (here.job.request.resume && !branches.some(({ id }) => id === here.job.id)) branches.push(here.job);
    root.hidden = !branches.length;
    if (root.hidden) { row.replaceChildren(); return; }
    branches.sort((a, b) => a.created - b.created);
    row.replaceChildren(tile(origin, image, "Origin", origin ? "" : "It is not there any more.", here.job.id),
      ...branches.map((each) => tile(each, 0, `From step ${each.request.resume.step}`, difference(origin, image, each), here.job.id)));
    row.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  function difference(origin, image, branch) {
    if (!origin) return "";
    const seed = origin.request.variation?.strength > 0 ? origin.request.seed : (origin.request.seed + image) % 2 ** 32;
    const before = { ...origin.request, seed };
    const parts = Object.entries(SHOWN).filter(([name]) => before[name] !== branch.request[name]).map(([name, label]) => {
      const now = branch.request[name];
      return name.endsWith("prompt") ? `${label}: ${now || "none"}` : `${label} ${before[name]} → ${now}`;
    });
    return parts.join(" · ") || (before.stop_at < 1 ? "the rest of its way" : "nothing changed");
  }

  function tile(job, image, title, text, current) {
    const item = document.createElement("li"), button = darkroom.node("button", "dk-kin-tile");
    const plate = darkroom.node("span", "dk-kin-plate");
    const picture = job?.pictures.find((each) => each.image === image);
    button.type = "button";
    button.disabled = !job;
    if (picture) plate.append(Object.assign(document.createElement("img"), { src: picture.url, alt: "" }));
    else Object.assign(plate.dataset, { state: job?.state ?? "gone", says: SAYS[job?.state] ?? "" });
    if (picture) plate.style.aspectRatio = `${picture.width} / ${picture.height}`;
    button.append(plate, darkroom.node("span", "dk-kin-label", title), darkroom.node("span", "dk-kin-text", text));
    if (job?.id === current) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => darkroom.look(job.id));
    item.append(button);
    return item;
  }

  return {
    draw(here) {
      const { job, image } = here;
      if (!job || !here.record || job.request.stop_at < 1) { root.hidden = true; shown = ""; return; }
      const key = `${job.id} ${image} ${ACTIVE.includes(job.state)} ${job.pictures.length}`;
      if (key === shown) return;
      shown = key;
      read(here);
    },
  };
};
