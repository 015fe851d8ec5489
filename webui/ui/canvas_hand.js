/* The hand that draws: what a tool makes of a movement, on the layer and at once on what one sees.

   A movement is `down`, any number of `move`, then `up` or `cancel`; its points are {x, y, pressure} in
   pixels of the picture. One movement is one change to undo. */
"use strict";
(() => {
  function segment(context, from, to, { colour, erases }) {
    context.save();
    context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    context.fillStyle = context.strokeStyle = colour;
    context.lineCap = "round";
    context.lineWidth = 2 * to.radius;
    context.beginPath();
    if (from.x === to.x && from.y === to.y) {
      context.arc(to.x, to.y, to.radius, 0, 2 * Math.PI);
      context.fill();
    } else {
      context.moveTo(from.x, from.y);
      context.lineTo(to.x, to.y);
      context.stroke();
    }
    context.restore();
  }

  function area(context, points, { colour, erases }) {
    context.save();
    context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    context.fillStyle = colour;
    context.beginPath();
    for (const { x, y } of points) context.lineTo(x, y);
    context.fill();
    context.restore();
  }

  const around = (points, more = 0) => ({
    left: Math.min(...points.map((each) => each.x - (each.radius ?? 0))) - more,
    top: Math.min(...points.map((each) => each.y - (each.radius ?? 0))) - more,
    right: Math.max(...points.map((each) => each.x + (each.radius ?? 0))) + more,
    bottom: Math.max(...points.map((each) => each.y + (each.radius ?? 0))) + more,
  });

  const joined = (one, other) => one ? {
    left: Math.min(one.left, other.left), top: Math.min(one.top, other.top),
    right: Math.max(one.right, other.right), bottom: Math.max(one.bottom, other.bottom),
  } : other;

  const corners = (from, to) => [from, { x: to.x, y: from.y }, to, { x: from.x, y: to.y }];

  /* `outline(points)` shows what would be filled, in pixels of the picture; `ended(layer)` after each
     change. */
  darkroom.canvasHand = ({ view, history, settings, outline, ended }) => {
    let stroke = null; // {layer, tool, colour, erases, points, dirty}
    let last = null; // where the last one ended

    function down(point, { layer, erases = false, line = false }) {
      const tool = settings.tool === "eraser" ? "brush" : settings.tool;
      stroke = {
        layer, tool, erases: erases !== (settings.tool === "eraser"), points: [], dirty: null,
        colour: layer.kind === "mask" ? "#fff" : settings.colour,
      };
      if (line && last && tool === "brush") move([{ ...last, pressure: point.pressure }]);
      move([point]);
    }

    /* With the pressure of a pen, if that is wanted; never nothing. */
    const radius = ({ pressure }) => (settings.size / 2) * (settings.pressure && pressure ? Math.max(0.08, pressure) : 1);

    function move(points) {
      if (!stroke) return;
      for (const point of points) {
        const to = { x: point.x, y: point.y, radius: radius(point) };
        if (stroke.tool === "brush") paint(stroke.points.at(-1) ?? to, to);
        if (stroke.tool !== "lasso") stroke.points.splice(1); // of a rectangle or a stroke no more are needed
        stroke.points.push({ x: to.x, y: to.y, ...(stroke.tool === "brush" && { radius: to.radius }) });
        if (stroke.tool === "brush") stroke.points = stroke.points.slice(-1);
      }
      if (stroke.tool !== "brush") outline(shape());
    }

    const shape = () => (stroke.tool === "rectangle" ? corners(stroke.points[0], stroke.points.at(-1)) : stroke.points);

    function paint(from, to) {
      const box = around([{ ...from, radius: Math.max(from.radius, to.radius) }, to], 2);
      stroke.layer.touch(box.left, box.top, box.right, box.bottom);
      segment(stroke.layer.pen, from, to, stroke);
      const shown = stroke.layer.kind === "mask" ? view.colour : stroke.colour;
      segment(view.live(stroke.layer), from, to, { ...stroke, colour: shown });
      stroke.dirty = joined(stroke.dirty, box);
    }

    function up() {
      if (!stroke) return;
      const { layer, tool } = stroke;
      if (tool !== "brush") {
        const points = shape(), box = around(points, 2);
        layer.touch(box.left, box.top, box.right, box.bottom);
        area(layer.pen, points, stroke);
        stroke.dirty = box;
      }
      last = stroke.points.at(-1);
      end();
      history.push(layer.commit());
      ended(layer);
    }

    function cancel() {
      if (!stroke) return;
      stroke.layer.cancel();
      end();
    }

    function end() {
      if (stroke.dirty) view.drawFront(stroke.dirty);
      outline([]);
      stroke = null;
    }

    return { down, move, up, cancel, get busy() { return Boolean(stroke); }, forget() { last = null; } };
  };
})();
