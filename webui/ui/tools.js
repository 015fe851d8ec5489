/* What the steps of a picture are good for: one row of buttons, each of which opens one tool.

   Knows which tool is open; what a tool does is in its own file. A tool is told where somebody stands
   (`draw`), whether it is open or not. */
"use strict";
darkroom.tools = (root, timeline, changePreviews) => {
  const NAMES = ["branch", "seeds", "needed", "guidance", "export"];
  const READ = ["needed", "guidance"]; // nothing is entered there: one that is open is open for the next picture too
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

  const usable = () => Boolean(here?.record) && timeline.isKept(here.image, here.turn);

  function show() {
    for (const name of NAMES) {
      bodies[name].hidden = name !== open || !usable();
      buttons[name].setAttribute("aria-expanded", String(name === open));
    }
  }

  function turn(name) {
    open = name;
    show();
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
      const other = here?.job?.id !== now.job?.id;
      here = now;
      bar.hidden = !usable();
      if ((other || !usable()) && !READ.includes(open)) open = null;
      show();
      if (usable()) for (const tool of Object.values(tools)) tool.draw(here);
      triage.draw(here);
      kin.draw(here);
    },
  };
};
