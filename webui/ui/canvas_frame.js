/* Frames over a drawing: the one that the picture grows to, with a handle at each side, and the part of
   it that the model is shown. */
"use strict";
(() => {
  const STEP = 8, MOST = 1024; // pixels of the picture
  const SIDES = { left: [-1, 0], right: [1, 0], up: [0, -1], down: [0, 1] };
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

  /* `changed(sides)` is called when a handle was let go: {left, right, up, down} in pixels. */
  darkroom.canvasFrame = (canvas, changed) => {
    const { root, view } = canvas;
    const handles = [...root.querySelectorAll(".dk-canvas-handle")];
    const grown = root.querySelector(".dk-canvas-grown"), cropped = root.querySelector(".dk-canvas-crop");
    let sides = { left: 0, right: 0, up: 0, down: 0 };
    let on = false, dragged = null, crop = null;

    const fitting = (pixels) => Math.max(0, Math.min(MOST, Math.round(pixels / STEP) * STEP));

    function set(next) {
      if (dragged) return;
      sides = { ...sides, ...next };
      reach();
      draw();
    }

    /* The view holds all of the frame. */
    function reach() {
      const { left, right, up: top, down: bottom } = on ? sides : { left: 0, right: 0, up: 0, down: 0 };
      view.reach({ left, right, top, bottom, margin: on ? 30 : 12 }); // room for the handles
    }

    function draw() {
      const { size } = canvas;
      drawCrop();
      for (const handle of handles) handle.hidden = !on || !size;
      if (!on || !size) { grown.setAttribute("d", ""); return; }
      const from = view.toView(-sides.left, -sides.up), to = view.toView(size.width + sides.right, size.height + sides.down);
      const inner = view.toView(0, 0), end = view.toView(size.width, size.height);
      const box = (one, other) => `M${one.x} ${one.y}H${other.x}V${other.y}H${one.x}Z`;
      grown.setAttribute("d", box(from, to) + box(inner, end));
      const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 };
      const places = { left: [from.x, middle.y], right: [to.x, middle.y], up: [middle.x, from.y], down: [middle.x, to.y] };
      for (const handle of handles) {
        const { side } = handle.dataset, [x, y] = places[side];
        handle.style.transform = `translate(${x}px, ${y}px)`;
        handle.textContent = sides[side] ? `+${sides[side]}` : "+";
        for (const [name, value] of [["now", sides[side]], ["min", 0], ["max", MOST]]) handle.setAttribute(`aria-value${name}`, String(value));
        handle.setAttribute("aria-valuetext", `${sides[side]} pixels`);
      }
    }

    function drawCrop() {
      cropped.toggleAttribute("hidden", !crop || !canvas.size);
      if (!crop || !canvas.size) return;
      const [left, top, right, bottom] = crop;
      const from = view.toView(left, top), to = view.toView(right, bottom);
      for (const [name, value] of Object.entries({ x: from.x, y: from.y, width: to.x - from.x, height: to.y - from.y })) {
        cropped.setAttribute(name, String(value));
      }
    }

    for (const handle of handles) {
      const { side } = handle.dataset, [across, down] = SIDES[side];
      handle.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        handle.focus({ preventScroll: true });
        handle.setPointerCapture(event.pointerId);
        dragged = { x: event.clientX, y: event.clientY, from: sides[side] };
      });
      handle.addEventListener("pointermove", (event) => {
        if (!dragged || !handle.hasPointerCapture(event.pointerId)) return;
        const moved = (event.clientX - dragged.x) * across + (event.clientY - dragged.y) * down;
        sides[side] = fitting(dragged.from + moved / view.scale);
        draw();
      });
      for (const name of ["pointerup", "pointercancel"]) handle.addEventListener(name, () => { if (dragged) { dragged = null; settle(); } });
      handle.addEventListener("keydown", (event) => {
        const move = MOVES[event.key];
        if (!move) return;
        event.preventDefault();
        event.stopPropagation();
        sides[side] = fitting(sides[side] + STEP * (move[0] * across + move[1] * down));
        settle();
      });
    }

    function settle() {
      reach();
      draw();
      changed({ ...sides });
    }

    root.addEventListener("darkroom:canvas-viewed", draw);
    return {
      set,
      turn(now) { on = now; reach(); draw(); },
      crop(box) { crop = box; drawCrop(); },
    };
  };
})();
