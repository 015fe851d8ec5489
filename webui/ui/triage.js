/* Seed triage: several seeds begun, those that are ticked finished. */
"use strict";

/* The tool: how many seeds, and how far. */
darkroom.seeds = (root, close) => {
  const form = root.querySelector("#seeds-form"), go = root.querySelector("#seeds-go"), said = root.querySelector("#seeds-said");
  let job = null;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    said.textContent = "";
    try {
      const made = await darkroom.send("POST", "api/v1/triage", {
        request: { ...plain(job.request), seed: -1, variation: null, images: Number(form.elements.count.value),
          batch_size: 1, // a seed that is finished is then, to the bit, the picture that it makes alone
        },
        share: Number(form.elements.share.value), owner: darkroom.owner,
      });
      close();
      darkroom.follow(made.id);
    } catch (error) {
      said.textContent = error.message;
    }
    go.disabled = false;
  });

  /* The recipe without what makes it a branch or a part of a run. */
  function plain({ resume, stop_at, ...rest }) {
    return rest;
  }

  return { draw(here) { job = here.job; } };
};

/* The grid of what came of them. */
darkroom.triage = (root) => {
  const row = root.querySelector("#triage-row"), finish = root.querySelector("#triage-finish");
  const facts = root.querySelector("#triage-facts");
  let job = null;
  let shown = ""; // the job that hangs there
  let failed = "";

  const ticked = () => Array.from(row.querySelectorAll("input:checked"), (each) => Number(each.value));

  function tile(picture) {
    const item = document.createElement("li");
    const label = darkroom.node("label", "dk-kin-tile"), plate = darkroom.node("span", "dk-kin-plate");
    const image = document.createElement("img"), tick = document.createElement("input");
    const words = darkroom.node("span", "dk-kin-label", `Seed ${picture.seed}`);
    image.alt = "";
    image.src = picture.url;
    plate.style.aspectRatio = `${picture.width} / ${picture.height}`;
    Object.assign(tick, { type: "checkbox", value: String(picture.image) });
    tick.setAttribute("aria-label", `Finish seed ${picture.seed}`);
    tick.addEventListener("change", () => { failed = ""; say(); });
    plate.append(image, tick);
    label.append(plate, words);
    item.append(label);
    return item;
  }

  function say() {
    const count = ticked().length;
    const { images, stop_at: share } = job.request;
    const made = row.childElementCount;
    root.querySelector("#triage-title").textContent = `${images} seeds, ${darkroom.percent(share)} of the way`;
    facts.textContent = failed || (made < images && !job.finished ? `${made} of ${images} are there` : "Tick the ones to finish.");
    finish.textContent = count ? `Finish ${darkroom.plural(count, "picture")}` : "Finish";
    finish.disabled = !count || finish.dataset.busy === "yes";
  }

  finish.addEventListener("click", async () => {
    finish.dataset.busy = "yes";
    failed = "";
    say();
    try {
      const made = await darkroom.send("POST", `api/v1/jobs/${encodeURIComponent(job.id)}/finish`, { images: ticked(), owner: darkroom.owner });
      for (const { id } of made.jobs) darkroom.follow(id);
    } catch (error) {
      failed = error.message;
    }
    finish.dataset.busy = "no";
    say();
  });

  return {
    draw(here) {
      job = here.job;
      root.hidden = !job || !(job.request.stop_at < 1);
      if (root.hidden) { shown = ""; return; }
      if (shown !== job.id) row.replaceChildren();
      shown = job.id;
      const there = new Set(Array.from(row.querySelectorAll("input"), (each) => Number(each.value)));
      for (const picture of job.pictures) {
        if (picture.image >= 0 && !there.has(picture.image)) row.append(tile(picture));
      }
      say();
    },
  };
};
