/* One picture of the live view: shows the newest frame that was asked for, without a flicker.

   At most one frame is on its way for each picture; of those asked for meanwhile only the last is
   fetched. A frame is swapped in once it is decoded, so the old one stays until then; a better drawing
   of the same step fades in over it. Of a batch, whose images stand side by side, it can show one. */
"use strict";
darkroom.frame = (image, text) => {
  const FADE = 260; // ms
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const holder = image.parentElement, plate = image.closest(".dk-plate");
  let wanted = null; // {address, part, fade, key}, or null for none
  let shown = null; // its key
  let busy = false;
  let turn = 0; // a new one whenever all is taken away: what is on its way then comes too late
  let coming = null; // the picture that is on its way
  let settled = [];

  async function pump() {
    if (busy) return;
    busy = true;
    const own = turn;
    while ((wanted?.key ?? null) !== shown) {
      const mine = wanted;
      if (mine === null) { clear(); break; }
      const next = coming = new Image(); // never the visible one: without its address decode() may wait for ever
      next.src = mine.address;
      try {
        await next.decode();
        if (own !== turn) return;
        if (wanted === null) continue;
        if (image.hidden) image.src = mine.address; // nothing is there that could flicker
        else swap(mine);
        image.hidden = false;
        text.hidden = true;
        cut(next, mine.part);
      } catch {
        if (own !== turn) return;
        if (mine.key !== wanted?.key) continue;
        const later = await tooBusy(mine.address);
        if (later) await new Promise((done) => setTimeout(done, 1000));
        if (own !== turn) return;
        if (later) continue;
        say("This step was not kept.");
      }
      shown = mine.key;
    }
    rest();
  }

  function rest() {
    busy = false;
    settled.splice(0).forEach((done) => done());
  }

  /* A picture that fails to load does not say why; the server answers 503 while it draws others. */
  async function tooBusy(address) {
    return fetch(address).then((answer) => answer.status === 503, () => false);
  }

  function swap({ address, fade }) {
    if (fade && !still.matches) {
      const before = image.cloneNode();
      before.removeAttribute("id");
      before.setAttribute("aria-hidden", "true");
      image.before(before);
      image.animate([{ opacity: 0 }, { opacity: 1 }], FADE).finished.then(() => before.remove(), () => before.remove());
    }
    image.src = address;
  }

  /* Only one image of a batch, [index, of how many], or all of the frame.

     Pixels of a frame of latent size become squares that the eye sticks to: a little blur melts them. */
  function cut(frame, part) {
    const [index, count] = part ?? [0, 1];
    const ratio = frame.naturalWidth / count / frame.naturalHeight;
    holder.dataset.cut = part ? "yes" : "no";
    for (const [name, value] of Object.entries({ index, count, ratio })) holder.style.setProperty(`--${name}`, value);
    const box = plate.getBoundingClientRect();
    const cell = Math.min((box.width * count) / frame.naturalWidth, box.height / frame.naturalHeight);
    image.dataset.small = cell > 5 ? "yes" : "no";
    image.style.setProperty("--cell", `${Math.min(24, cell).toFixed(1)}px`);
    image.closest(".dk-live").dataset.wide = ratio > 2.2 ? "yes" : "no";
  }

  function clear() {
    image.hidden = true;
    image.removeAttribute("src");
    text.hidden = false;
    shown = null;
  }

  function say(words) {
    image.hidden = true;
    text.textContent = words;
    text.hidden = false;
  }

  return {
    show(address, { part = null, fade = false } = {}) {
      wanted = { address, part, fade, key: `${part ?? ""} ${address}` };
      pump();
    },
    empty(words) {
      wanted = null;
      turn += 1;
      coming?.removeAttribute("src"); // a browser has six connections for us
      clear();
      say(words);
      rest();
    },
    settled: () => (busy ? new Promise((done) => settled.push(done)) : Promise.resolve()),
  };
};
