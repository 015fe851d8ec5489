/* What the steps of a picture are good for: one row of buttons, each of which opens one tool.

   Knows which tool is open; what a tool does is in its own file. A tool is told where somebody stands
   (`draw`), whether it is open or not. */
"use strict";
darkroom.tools = (root, timeline, changePreviews) => {
  const NAMES = ["branch", "seeds", "needed", "guidance", "export"];
  const bar = root.querySelector("#live-tools");
  const buttons = Object.fromEntries(NAMES.map((name) => [name, bar.querySelector(`#tool-${name}-open`)]));
  const bodies = Object.fromEntries(NAMES.map((name) => [name, root.querySelector(`#tool-${name}`)]));
  const tools = {
    branch: darkroom.branching(bodies.branch, timeline, () => turn(null)),
    seeds: darkroom.seeds(bodies.seeds, () => turn(null)),
    needed: darkroom.needed(bodies.needed, timeline),
    guidance: darkroom.guidance(bodies.guidance, timeline, changePreviews),
    export: darkroom.exporting(bodies.export),
  };
  const triage = darkroom.triage(root.querySelector("#live-triage"));
  const kin = darkroom.kin(root.querySelector("#live-kin"));
  let open = null;
  let here = null; // where somebody stands

  function turn(name) {
    open = name;
    for (const each of NAMES) {
      bodies[each].hidden = each !== open;
      buttons[each].setAttribute("aria-expanded", String(each === open));
    }
    if (!open) return;
    tools[open].open?.(here);
    tools[open].draw(here);
  }

  for (const name of NAMES) {
    buttons[name].addEventListener("click", () => turn(open === name ? null : name));
    bodies[name].addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      turn(null);
      buttons[name].focus();
    });
  }

  return {
    previews: tools.guidance.previews,
    draw(now) {
      here = now;
      const usable = Boolean(here.record) && timeline.isKept(here.image, here.turn);
      bar.hidden = !usable;
      if (!usable && open) turn(null);
      if (usable) for (const tool of Object.values(tools)) tool.draw(here);
      triage.draw(here);
      kin.draw(here);
    },
  };
};
