/* Guidance: what the model predicts at a step without the prompt, with it, and what becomes of both.

   Kept only for runs that began while it was asked for; the box here asks for it. */
"use strict";
darkroom.guidance = (root, changePreviews) => {
  const KINDS = ["unprompted", "prompted", "predicted"];
  const panes = Object.fromEntries(KINDS.map((kind) => {
    const pane = root.querySelector(`[data-guidance=${kind}]`);
    return [kind, darkroom.frame(pane.querySelector("img"), pane.querySelector(".dk-plate-text"))];
  }));
  const box = root.querySelector("#guidance-keep");
  let choice = null; // what is kept and drawn from the next run on

  box.addEventListener("change", () => changePreviews({ ...choice, guidance: box.checked }));

  return {
    previews(now) {
      choice = now;
      box.checked = now.guidance;
    },
    draw({ job, batch, record, position, method, guidance }) {
      if (root.hidden) return;
      root.querySelector("#guidance-lead").textContent = guidance
        ? `The model looks twice at each step, without the prompt and with it. The picture follows the difference, ${job.request.guidance_scale} times (the CFG scale).`
        : "The model looks twice at each step, without the prompt and with it. Of this picture only what became of both was kept.";
      root.querySelector("#guidance-row").hidden = !guidance;
      if (!guidance) return;
      for (const kind of KINDS) {
        panes[kind].show(`api/v1/jobs/${encodeURIComponent(job.id)}/frames/${batch}/${record.step}/${kind}?method=${method}&position=${position ?? 0}`, { fade: method === "vae" });
      }
    },
  };
};
