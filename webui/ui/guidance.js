/* Guidance: what the model predicts at a step without the prompt, with it, and what becomes of both.

   Kept only for runs that began while it was asked for; the box here asks for it. */
"use strict";
darkroom.guidance = (root, timeline, changePreviews) => {
  const KINDS = ["unprompted", "prompted", "predicted"];
  const panes = Object.fromEntries(KINDS.map((kind) => {
    const pane = root.querySelector(`[data-guidance=${kind}]`);
    return [kind, darkroom.frame(pane.querySelector("img"), pane.querySelector(".dk-plate-text"))];
  }));
  const box = root.querySelector("#guidance-keep");
  const TWICE = "The model looks twice at each step, without the prompt and with it.";
  let choice = null; // what is kept and drawn from the next run on
  let here = null;

  const address = (kind, method) =>
    `api/v1/jobs/${encodeURIComponent(here.job.id)}/frames/${here.batch}/${here.record.step}/${kind}?method=${method}&position=${here.position ?? 0}${here.turn ? `&turn=${here.turn}` : ""}`;

  box.addEventListener("change", () => changePreviews({ ...choice, guidance: box.checked }));

  const api = {
    previews(now) {
      choice = now;
      box.checked = now.guidance;
    },
    draw(now) {
      here = now;
      if (root.hidden) return;
      timeline.look(here.image, here.turn, true);
      const guided = timeline.guided(here.image, here.record);
      root.querySelector("#guidance-lead").textContent = guided === false ? `${TWICE} Of this step only what became of both was kept.`
        : `${TWICE} The picture follows the difference, ${here.job.request.guidance_scale} times (the CFG scale).${here.record.step < here.record.steps ? "" : " At the end they are nearly one: go back along the slider to see them part."}`;
      root.querySelector("#guidance-row").hidden = !guided;
      if (guided) for (const kind of KINDS) panes[kind].show(address(kind, here.method), { fade: here.method === "vae" });
    },
  };
  return api;
};
