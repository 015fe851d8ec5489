/* Steps needed: how much the predicted picture changed from step to step, and when it had settled. */
"use strict";
darkroom.needed = (root, timeline) => {
  const SVG = "http://www.w3.org/2000/svg";
  const WIDTH = 640, HEIGHT = 120, TOP = 8, BASE = 112; // of the drawing
  const curve = root.querySelector("#needed-curve"), use = root.querySelector("#needed-use"), said = root.querySelector("#needed-said");
  let drawn = ""; // what the curve shows
  let enough = null;
  let request = null; // of the job whose curve it is
  let steps = [];

  const place = (step) => (steps.length > 1 ? ((step - steps[0].step) / (steps.at(-1).step - steps[0].step)) * WIDTH : 0);

  function shape(name, attributes) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function drawCurve() {
    const known = steps.filter(({ change }) => change !== null);
    const most = Math.max(...known.map(({ change }) => change), 1e-9);
    const points = known.map(({ step, change }) => `${place(step).toFixed(1)},${(BASE - (change / most) * (BASE - TOP)).toFixed(1)}`);
    const area = known.length ? `M${place(known[0].step)},${BASE} L${points.join(" L")} L${WIDTH},${BASE} Z` : "";
    const parts = [shape("path", { class: "dk-curve-area", d: area }), shape("polyline", { class: "dk-curve-line", points: points.join(" ") })];
    if (enough !== null) parts.push(shape("line", { class: "dk-curve-enough", x1: place(enough), x2: place(enough), y1: 0, y2: HEIGHT }));
    parts.push(shape("line", { class: "dk-curve-at", x1: 0, x2: 0, y1: 0, y2: HEIGHT }));
    curve.replaceChildren(...parts);
  }

  function say() {
    const count = steps.at(-1)?.steps ?? 0;
    const lead = enough === null ? "The picture did not come to its end, so it cannot be said how many steps it needed."
      : enough < count ? `After step ${enough} of ${count} the picture was nearly what it is now. About ${enough} steps should do for one like it.`
      : `The picture changed until its last step: it needed all ${count} of them, and more may do it good.`;
    root.querySelector("#needed-lead").textContent = lead;
    root.querySelector("#needed-last").textContent = `step ${steps.at(-1)?.step ?? ""}`;
    curve.setAttribute("aria-label", `Change of the predicted image from step to step. ${lead}`);
    use.hidden = enough === null || enough >= count;
    use.textContent = `Use ${enough} steps`;
    said.textContent = "";
  }

  use.addEventListener("click", () => {
    darkroom.setFields(darkroom.tabOf(request), { steps: enough }, `The form is set to ${enough} steps.`);
    said.textContent = `The form is set to ${enough} steps.`;
  });

  /* A click on the curve goes to that step. */
  curve.addEventListener("click", (event) => {
    const box = curve.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const slider = document.getElementById("live-scrub");
    slider.value = Math.round(steps[0].place + share * (steps.at(-1).place - steps[0].place));
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  });

  return {
    draw({ job, list, record, image, turn }) {
      if (root.hidden) return;
      request = job.request;
      steps = list.map((each) => ({ ...each, change: timeline.change(image, each) }));
      enough = timeline.suggested(image, turn);
      const key = `${job.id} ${image}.${turn} ${enough} ${steps.filter(({ change }) => change !== null).length}`;
      if (drawn !== key) {
        drawn = key;
        drawCurve();
        say();
      }
      const at = curve.querySelector(".dk-curve-at");
      for (const side of ["x1", "x2"]) at.setAttribute(side, place(record.step).toFixed(1));
    },
  };
};
