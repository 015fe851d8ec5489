/* What one sees of a drawing: the picture behind, its layers in front of it, all as large as the window
   onto them. A stroke is drawn in front as it is made, so that its cost depends on neither the picture's
   size nor the zoom; what is in the layer itself is drawn when it ends.

   Positions are pixels of the picture, or pixels of the page from the view's left and top edge. */
"use strict";
(() => {
  const FARTHEST = 32; // pixels of the page for one of the picture
  const MARGIN = 12; // around the picture where it is fitted
  const PIXELS = 4; // from this size on a pixel of the picture is shown as a square

  /* `box` holds a canvas of the class dk-canvas-back. `changed` is called whenever it was drawn anew. */
  darkroom.canvasView = (box, changed) => {
    const back = box.querySelector(".dk-canvas-back").getContext("2d");
    const reach = { left: 0, top: 0, right: 0, bottom: 0, margin: MARGIN }; // beyond the picture's edges
    let picture = null; // what can be drawn
    let fronts = new Map(); // each layer's own sheet: the mask's is seen through
    let tint = "#ff4d6d";
    let scale = 1, x = 0, y = 0; // of the picture's left and top corner
    let density = 1, fitted = true, width = 0, height = 0;
    let frame = 0, fine = 0;

    const least = () => Math.min(1, fitScale()) / 4;
    const wide = () => picture.width + reach.left + reach.right;
    const high = () => picture.height + reach.top + reach.bottom;
    const fitScale = () => (picture ? Math.min((width - 2 * reach.margin) / wide(), (height - 2 * reach.margin) / high()) : 1);

    function fit() {
      if (!picture || !width) return;
      fitted = true;
      scale = Math.max(0.01, Math.min(fitScale(), FARTHEST));
      x = (width - wide() * scale) / 2 + reach.left * scale;
      y = (height - high() * scale) / 2 + reach.top * scale;
      redraw();
    }

    /* So that what is at (atX, atY) of the view stays there. */
    function zoom(factor, atX = width / 2, atY = height / 2) {
      if (!picture) return;
      const next = Math.min(FARTHEST, Math.max(least(), scale * factor));
      x = atX - ((atX - x) * next) / scale;
      y = atY - ((atY - y) * next) / scale;
      scale = next;
      fitted = false;
      keepInSight();
      redraw();
    }

    function pan(byX, byY) {
      x += byX;
      y += byY;
      fitted = false;
      keepInSight();
      redraw();
    }

    /* At least a handful of the picture stays in the view. */
    function keepInSight() {
      const some = Math.min(60, width / 3, height / 3);
      x = Math.min(width - some, Math.max(some - picture.width * scale, x));
      y = Math.min(height - some, Math.max(some - picture.height * scale, y));
    }

    const toPicture = (viewX, viewY) => ({ x: (viewX - x) / scale, y: (viewY - y) / scale });
    const toView = (pictureX, pictureY) => ({ x: pictureX * scale + x, y: pictureY * scale + y });

    // --- drawing --------------------------------------------------------------------------------
    function redraw() {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        drawBack("low");
        drawFront();
        clearTimeout(fine);
        fine = setTimeout(() => drawBack("high"), 120); // smooth, once it rests
        changed();
      });
    }

    function place(context) {
      context.setTransform(scale * density, 0, 0, scale * density, x * density, y * density);
      context.imageSmoothingEnabled = scale * density < PIXELS;
    }

    function wipe(context) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, context.canvas.width, context.canvas.height);
    }

    /* The part of the picture that is in the view, in whole pixels: what is not seen costs nothing. */
    function seen() {
      const from = toPicture(0, 0), to = toPicture(width, height);
      const left = Math.max(0, Math.floor(from.x)), top = Math.max(0, Math.floor(from.y));
      return {
        left, top, width: Math.min(picture.width, Math.ceil(to.x)) - left, height: Math.min(picture.height, Math.ceil(to.y)) - top,
      };
    }

    function drawPart(context, image, part) {
      if (part.width <= 0 || part.height <= 0) return;
      const box = [part.left, part.top, part.width, part.height];
      context.drawImage(image, ...box, ...box);
    }

    function drawBack(quality) {
      wipe(back);
      if (!picture) return;
      place(back);
      back.imageSmoothingQuality = quality;
      drawPart(back, picture, seen());
    }

    /* All of the layers, or what is in `box` (pixels of the picture) of them. */
    function drawFront(box = null) {
      for (const layer of fronts.keys()) drawLayer(layer, box);
    }

    function drawLayer(layer, box) {
      const front = fronts.get(layer);
      if (!box) wipe(front);
      const part = box ? within(seen(), box) : seen();
      if (part.width <= 0 || part.height <= 0) return;
      place(front);
      front.save();
      front.beginPath();
      front.rect(part.left, part.top, part.width, part.height);
      front.clip();
      front.clearRect(part.left, part.top, part.width, part.height);
      drawPart(front, layer.surface, part);
      if (layer.kind === "mask") { // white becomes the mask's colour
        front.globalCompositeOperation = "source-in";
        front.fillStyle = tint;
        front.fillRect(part.left - 1, part.top - 1, part.width + 2, part.height + 2);
      }
      front.restore();
    }

    function within(part, box) {
      const left = Math.max(part.left, Math.floor(box.left) - 1), top = Math.max(part.top, Math.floor(box.top) - 1);
      return {
        left, top,
        width: Math.min(part.left + part.width, Math.ceil(box.right) + 1) - left,
        height: Math.min(part.top + part.height, Math.ceil(box.bottom) + 1) - top,
      };
    }

    /* What one sees of a layer, to draw a stroke on at once, in pixels of the picture. */
    function live(layer) {
      place(fronts.get(layer));
      return fronts.get(layer);
    }

    function show(image, drawn) {
      picture = image;
      for (const { canvas } of fronts.values()) canvas.remove();
      fronts = new Map(drawn.map((layer) => {
        const canvas = darkroom.node("canvas", `dk-canvas-sheet dk-canvas-${layer.kind}`);
        Object.assign(canvas, { width: back.canvas.width, height: back.canvas.height });
        box.append(canvas);
        return [layer, canvas.getContext("2d")];
      }));
      measure();
      fit();
      redraw();
    }

    // --- size -----------------------------------------------------------------------------------
    function measure() {
      const now = box.getBoundingClientRect();
      if (!now.width || !now.height) return; // its tab is not open
      density = devicePixelRatio || 1;
      const [w, h] = [Math.round(now.width * density), Math.round(now.height * density)];
      if (w === back.canvas.width && h === back.canvas.height && now.width === width) return;
      const grown = [(now.width - width) / 2, (now.height - height) / 2];
      width = now.width;
      height = now.height;
      for (const { canvas } of [back, ...fronts.values()]) Object.assign(canvas, { width: w, height: h });
      if (!picture) return;
      if (fitted) fit();
      else pan(...grown);
    }
    new ResizeObserver(measure).observe(box);

    return {
      fit, zoom, pan, toPicture, toView, live, redraw, drawFront, show,
      reach(more) { Object.assign(reach, more); if (fitted) fit(); else redraw(); },
      tint(colour) { tint = colour; redraw(); },
      get colour() { return tint; },
      get scale() { return scale; },
      get fitted() { return fitted; },
      get size() { return { width, height }; },
    };
  };
})();
