/* A picture one draws on: a mask, or colours, or both. `darkroom.canvas(element, options)` makes one of
   the skeleton in canvas.html and returns:

     load(source, name)   a Blob, a promise of one, or an address of ours; "" takes the picture away
     mask()               a PNG of the picture's own size, white where it is repainted; null if nothing is
     picture()            the file as it came, or a PNG with the colours that were painted over it
     setMask(source)      black and white, stretched to the picture
     clear(), invert(), undo(), redo(), set({tool, size, ...})
     size                 {width, height} in pixels, null without a picture

   The element gets the event "darkroom:canvas-changed", with {canvas, what: "picture", "mask" or "paint"},
   after each change. `options`: {id, layers: ["mask"], ["paint"] or both, label}. */
"use strict";
(() => {
  const MOST = 32 * 2 ** 20; // pixels of a picture: each layer takes four bytes for one of them
  const KEEP_AFTER = 400; // ms
  const made = {}; // id -> canvas
  const waiting = {}; // id -> who waits for it

  /* The canvas of that id, as soon as its tab was opened for the first time. */
  darkroom.canvasNamed = (id) => new Promise((done) => {
    if (made[id]) done(made[id]);
    else (waiting[id] ??= []).push(done);
  });

  /* The canvas that an element lies in. */
  darkroom.canvasAt = (element) => Object.values(made).find(({ root }) => root.contains(element)) ?? null;

  /* The canvas one sees. */
  darkroom.canvasOpen = () => Object.values(made).find(({ root }) => root.getClientRects().length) ?? null;

  async function blobOf(source) {
    return typeof source === "string" ? darkroom.fetchPicture(source) : source;
  }

  const png = (surface) => new Promise((done, failed) => {
    surface.toBlob((blob) => (blob ? done(blob) : failed(new Error("This browser cannot make a PNG that large."))), "image/png");
  });

  async function decoded(blob, name) {
    const image = await createImageBitmap(blob).catch(() => null);
    if (!image) throw new Error(`${name} is no picture that can be drawn on. PNG, JPEG, WebP, AVIF, GIF and BMP can.`);
    if (image.width * image.height > MOST) {
      throw new Error(`${name} has ${image.width} × ${image.height} pixels; at most ${MOST / 2 ** 20} million can be drawn on.`);
    }
    return image;
  }

  darkroom.canvas = (element, options) => {
    const root = element.querySelector(".dk-canvas");
    const box = root.querySelector(".dk-canvas-view");
    const kinds = options.layers ?? ["mask"];
    const kept = darkroom.keptDrawing(options.id);
    const problem = root.querySelector(".dk-canvas-problem");
    let turn = 0; // of all that was loaded the last counts
    let active = kinds.at(-1);
    let saving = 0;
    let sheet = blank();

    const view = darkroom.canvasView(root.querySelector(".dk-canvas-sheets"), () => bar.viewed());
    const layer = (kind = active) => sheet.layers.find((each) => each.kind === kind) ?? null;
    const history = { // of the sheet one sees
      push: (change) => sheet.history.push(change),
    };

    function blank(image = null, blob = null, name = "") {
      const layers = image ? kinds.map((kind) => darkroom.canvasLayer(kind)) : [];
      for (const each of layers) each.resize(image.width, image.height);
      return { image, blob, name, layers, history: darkroom.canvasHistory(), previous: null, next: null };
    }

    // --- what one sees --------------------------------------------------------------------------
    function open(next) {
      sheet = next;
      root.dataset.state = sheet.image ? "ready" : "empty";
      if (sheet.image) box.style.setProperty("--dk-shape", `${sheet.image.width} / ${sheet.image.height}`);
      root.dataset.size = sheet.image ? `${sheet.image.width}x${sheet.image.height}` : "";
      hand.forget();
      view.show(sheet.image, sheet.layers);
      changed("picture");
    }

    function changed(what) {
      bar.changed();
      root.dataset.kept = "no";
      clearTimeout(saving);
      saving = setTimeout(keep, KEEP_AFTER);
      element.dispatchEvent(new CustomEvent("darkroom:canvas-changed", { bubbles: true, detail: { canvas, what } }));
    }

    /* `kind` is "note" for what is no error. */
    function complain(text, kind = "problem") {
      problem.dataset.kind = kind;
      problem.textContent = text;
      problem.hidden = !text;
    }

    // --- the picture ----------------------------------------------------------------------------
    async function load(source, name = "") {
      const mine = (turn += 1);
      complain("");
      if (source === "") { put(blank()); return true; }
      root.dataset.busy = "yes";
      try {
        const blob = await blobOf(await source);
        const image = await decoded(blob, name ? darkroom.quoted(name) : "The picture");
        if (mine === turn) put(blank(image, blob, name));
        return mine === turn;
      } catch (error) {
        if (mine === turn) complain(error.message);
        return false;
      } finally {
        if (mine === turn) root.dataset.busy = "no";
      }
    }

    /* Another picture; Undo brings the one before back, with what was drawn on it. */
    function put(next) {
      if (sheet.image) {
        next.previous = sheet;
        Object.assign(sheet, { previous: null, next: null });
      }
      open(next);
    }

    async function picture() {
      if (!sheet.image) return null;
      const paint = layer("paint");
      if (!paint?.covered()) return sheet.blob;
      const surface = Object.assign(document.createElement("canvas"), canvas.size);
      const pen = surface.getContext("2d");
      pen.drawImage(sheet.image, 0, 0);
      pen.drawImage(paint.surface, 0, 0);
      return png(surface);
    }

    // --- the mask -------------------------------------------------------------------------------
    async function mask() {
      const drawn = layer("mask");
      if (!drawn?.covered()) return null;
      const surface = Object.assign(document.createElement("canvas"), canvas.size);
      const pen = surface.getContext("2d", { alpha: false, willReadFrequently: true });
      pen.fillRect(0, 0, surface.width, surface.height);
      pen.drawImage(drawn.surface, 0, 0);
      return png(surface);
    }

    async function setMask(source, name = "") {
      const drawn = layer("mask");
      if (!drawn) return false;
      const called = name ? darkroom.quoted(name) : "The mask";
      complain("");
      try {
        const image = await decoded(await blobOf(await source), called);
        const { width, height } = canvas.size;
        if (Math.abs(image.width / image.height / (width / height) - 1) > 0.02) {
          throw new Error(`${called} is ${image.width} × ${image.height}; a mask has the shape of the picture, ${width} × ${height}.`);
        }
        drew(drawn.replace(image));
        return true;
      } catch (error) {
        complain(error.message);
        return false;
      }
    }

    // --- changes --------------------------------------------------------------------------------
    function drew(change) {
      if (!change) return; // nothing is different
      history.push(change);
      view.drawFront();
      changed(change.layer.kind);
    }

    function back(step, other) {
      if (hand.busy) return;
      const touched = sheet.history[step]();
      if (touched) {
        view.drawFront();
        changed(touched.kind);
      } else if (sheet[other]) {
        const next = sheet[other];
        next[other === "previous" ? "next" : "previous"] = sheet;
        open(next);
      }
    }

    // --- kept over a refresh --------------------------------------------------------------------
    async function keep() {
      const now = sheet;
      if (!now.image) {
        await kept.remove();
      } else {
        const layers = await Promise.all(now.layers.map(async ({ kind, surface }) => [kind, await png(surface)]));
        await kept.write({ blob: now.blob, name: now.name, layers: Object.fromEntries(layers) });
      }
      if (now === sheet) root.dataset.kept = "yes";
    }
    document.addEventListener("visibilitychange", () => { if (document.hidden && root.dataset.kept === "no") keep(); });

    /* Whether there was a drawing. */
    async function remember() {
      const drawing = await kept.read();
      if (!drawing || turn) return Boolean(turn);
      const { blob, name, layers } = drawing;
      const image = await decoded(blob, name).catch(() => null);
      const drawn = await Promise.all(kinds.map((kind) => layers[kind] && createImageBitmap(layers[kind]).catch(() => null)));
      if (!image || turn) return Boolean(turn);
      const next = blank(image, blob, name);
      next.layers.forEach(({ pen }, i) => drawn[i] && pen.drawImage(drawn[i], 0, 0));
      open(next);
      return true;
    }

    // --- put together ---------------------------------------------------------------------------
    const canvas = {
      root, element, load, picture, mask, setMask,
      clear() { if (layer()) drew(layer().clear()); },
      invert() { if (layer("mask")) drew(layer("mask").invert()); },
      undo: () => back("undo", "previous"),
      redo: () => back("redo", "next"),
      set: (values) => bar.set(values),
      view,
      get size() { return sheet.image && { width: sheet.image.width, height: sheet.image.height }; },
      get name() { return sheet.name; },
      get file() { return sheet.blob; },
      get undos() { return sheet.history.undos + Boolean(sheet.previous); },
      get redos() { return sheet.history.redos + Boolean(sheet.next); },
      get bytes() { return sheet.history.bytes; },
      covered: (kind, step) => layer(kind)?.covered(step) ?? 0,
      layer, kinds, complain,
      get active() { return active; },
      turnTo(kind) { active = kind; bar.changed(); },
      get image() { return sheet.image; },
    };
    const bar = darkroom.canvasBar(canvas, options);
    const hand = darkroom.canvasHand({
      view, history, settings: bar.settings, outline: bar.outline, ended: ({ kind }) => changed(kind),
    });
    const parts = { view, hand, settings: bar.settings, layer, pick: bar.pick, resize: bar.resize, brush: bar.brush, say: bar.say };
    darkroom.canvasPointer(box, parts);
    darkroom.canvasKeyboard(box, parts);
    bar.changed();
    canvas.remembered = remember();
    made[options.id] = canvas;
    for (const done of waiting[options.id]?.splice(0) ?? []) done(canvas);
    return canvas;
  };
})();
