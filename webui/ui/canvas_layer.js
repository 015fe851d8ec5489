/* One layer of a drawing: its pixels at the picture's own size, and what takes a change of them back.

   A mask is white where the picture is repainted, and how much is its alpha; a sketch holds colours.
   A change keeps the tiles that it touched as they were before, packed: fifty strokes over a whole
   picture of 2048 pixels are some megabytes. */
"use strict";
(() => {
  const TILE = 128; // pixels
  const LEAST = 50; // changes that can be taken back, however large they are
  const MOST = 200;
  const BUDGET = 256 * 2 ** 20; // bytes, from LEAST changes on

  /* Runs of equal pixels; where there are few equal ones the pixels as they are, of a mask only the alpha. */
  function pack(words, isMask) {
    let runs = 1;
    for (let i = 1; i < words.length; i += 1) if (words[i] !== words[i - 1]) runs += 1;
    const plain = isMask ? words.length : 4 * words.length;
    if (8 * runs >= plain) return isMask ? Uint8Array.from(words, (word) => word >>> 24) : words.slice();
    const packed = new Uint32Array(2 * runs);
    let at = -2;
    for (let i = 0; i < words.length; i += 1) {
      if (i === 0 || words[i] !== words[i - 1]) { at += 2; packed[at] = words[i]; }
      packed[at + 1] += 1;
    }
    return { runs: packed, byteLength: packed.byteLength };
  }

  function unpack(kept, words) {
    if (kept instanceof Uint8Array) {
      for (let i = 0; i < words.length; i += 1) words[i] = kept[i] ? ((kept[i] << 24) | 0xffffff) >>> 0 : 0;
    } else if (kept instanceof Uint32Array) {
      words.set(kept);
    } else {
      for (let i = 0, at = 0; i < kept.runs.length; i += 2) words.fill(kept.runs[i], at, at += kept.runs[i + 1]);
    }
  }

  /* `kind` is "mask" or "paint". */
  darkroom.canvasLayer = (kind) => {
    const surface = document.createElement("canvas");
    const pen = surface.getContext("2d", { willReadFrequently: true }); // in memory: tiles are read before each stroke
    const isMask = kind === "mask";
    let before = new Map(); // "x,y" of a tile -> it as it was when this change began

    const read = (tile) => new Uint32Array(pen.getImageData(tile.x, tile.y, tile.w, tile.h).data.buffer);

    function resize(width, height) {
      Object.assign(surface, { width, height }); // empties it
      before = new Map();
    }

    /* To be called before pixels from (left, top) to (right, bottom) are changed. */
    function touch(left, top, right, bottom) {
      const [x0, y0] = [left, top].map((each) => Math.max(0, Math.floor(each / TILE)));
      const x1 = Math.min(right, surface.width - 1);
      const y1 = Math.min(bottom, surface.height - 1);
      for (let y = y0 * TILE; y <= y1; y += TILE) {
        for (let x = x0 * TILE; x <= x1; x += TILE) {
          const name = `${x},${y}`;
          if (before.has(name)) continue;
          const tile = { x, y, w: Math.min(TILE, surface.width - x), h: Math.min(TILE, surface.height - y) };
          before.set(name, { ...tile, kept: pack(read(tile), isMask) });
        }
      }
    }

    function same(one, other) {
      for (let i = 0; i < one.length; i += 1) if (one[i] !== other[i]) return false;
      return true;
    }

    /* What takes back all since the last call; null if nothing is different. */
    function commit() {
      const tiles = [...before.values()].filter((tile) => {
        const then = new Uint32Array(tile.w * tile.h);
        unpack(tile.kept, then);
        return !same(then, read(tile));
      });
      return change(tiles);
    }

    function change(tiles) {
      before = new Map();
      return tiles.length ? { layer, tiles, bytes: tiles.reduce((sum, { kept }) => sum + kept.byteLength, 0) } : null;
    }

    function cancel() {
      before.forEach(put);
      before = new Map();
    }

    function put(tile) {
      const image = new ImageData(tile.w, tile.h);
      unpack(tile.kept, new Uint32Array(image.data.buffer));
      pen.putImageData(image, tile.x, tile.y);
    }

    /* Takes a change back; what it returns takes this back. */
    function swap(change) {
      if (change.inverts) { turn(); return change; }
      const tiles = change.tiles.map((tile) => {
        const now = { ...tile, kept: pack(read(tile), isMask) };
        put(tile);
        return now;
      });
      return { layer, tiles, bytes: tiles.reduce((sum, { kept }) => sum + kept.byteLength, 0) };
    }

    function turn() {
      pen.save();
      pen.globalCompositeOperation = "source-out"; // white times one less what is there: exactly 255 - alpha
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, surface.width, surface.height);
      pen.restore();
    }

    /* Only of a mask; it takes no memory, since twice is not at all. */
    function invert() {
      turn();
      return { layer, inverts: true, bytes: 0 };
    }

    const whole = () => touch(0, 0, surface.width, surface.height);

    function clear() {
      whole();
      pen.clearRect(0, 0, surface.width, surface.height);
      return change([...before.values()].filter(({ kept }) => kept.runs?.length !== 2 || kept.runs[0] !== 0)); // what was empty still is
    }

    /* A picture in black and white (or with transparency) becomes the mask; stretched to this size. */
    function replace(image) {
      whole();
      pen.save();
      pen.globalCompositeOperation = "copy";
      pen.drawImage(image, 0, 0, surface.width, surface.height);
      if (isMask) brightnessToAlpha();
      pen.restore();
      return commit();
    }

    function brightnessToAlpha() {
      for (let y = 0; y < surface.height; y += 256) { // in strips: no second copy of it all
        const strip = pen.getImageData(0, y, surface.width, Math.min(256, surface.height - y));
        const { data } = strip;
        for (let i = 0; i < data.length; i += 4) {
          const grey = (299 * data[i] + 587 * data[i + 1] + 114 * data[i + 2]) / 1000;
          data[i + 3] = Math.round((grey * data[i + 3]) / 255);
          data[i] = data[i + 1] = data[i + 2] = 255;
        }
        pen.putImageData(strip, 0, y);
      }
    }

    /* The share of its pixels that are painted, from 0 to 1; looked at every `step` pixels. */
    function covered(step = 1) {
      let sum = 0, count = 0;
      for (let y = 0; y < surface.height; y += step) {
        const { data } = pen.getImageData(0, y, surface.width, 1);
        for (let i = 3; i < data.length; i += 4 * step) { sum += data[i]; count += 1; }
      }
      return count ? sum / (255 * count) : 0;
    }

    const layer = { kind, surface, pen, resize, touch, commit, cancel, swap, invert, clear, replace, covered };
    return layer;
  };

  /* The changes of all layers of one drawing, in their order. */
  darkroom.canvasHistory = () => {
    let done = [], undone = [];

    function push(change) {
      if (!change) return;
      undone = [];
      done.push(change);
      let bytes = done.reduce((sum, each) => sum + each.bytes, 0);
      while (done.length > LEAST && (done.length > MOST || bytes > BUDGET)) bytes -= done.shift().bytes;
    }

    function move(from, to) {
      const change = from.pop();
      if (!change) return null;
      to.push(change.layer.swap(change));
      return change.layer;
    }

    return {
      push,
      undo: () => move(done, undone),
      redo: () => move(undone, done),
      forget() { done = []; undone = []; },
      get undos() { return done.length; },
      get redos() { return undone.length; },
      get bytes() { return [...done, ...undone].reduce((sum, each) => sum + each.bytes, 0); },
    };
  };
})();
