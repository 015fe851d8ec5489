/* One picture of the live view: shows the newest frame that was asked for, without a flicker.

   At most one frame is on its way for each picture; of those asked for meanwhile only the last is
   fetched. One that does not come is asked for again, unless the server says that there is none. A frame is swapped in once it is decoded, so the old one stays until then; a better drawing
   of the same step fades in over it. Of a batch, whose images stand side by side, it can show one. */
"use strict";
darkroom.frame = (image, text) => {
  const FADE = 260; // ms
  const LATE = 90_000; // ms: longer than the server lets anybody wait for one
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const holder = image.parentElement, plate = image.closest(".dk-plate");
  let wanted = null; // {address, part, fade, key}, or null for none
  let shown = null; // its key
  let busy = false;
  let turn = 0; // a new one whenever all is taken away: what is on its way then comes too late
  let coming = null; // the picture that is on its way
  let settled = [];
  let tries = 0; // of the frame that is wanted
  let wake = () => {}; // ends the pause before it is tried again

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
        await arrived(next);
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
        const { status } = await darkroom.ask(mine.address, { cache: "default", seconds: LATE / 1000 });
        if (own !== turn) return;
        if (status !== 404 && (status !== 200 || tries < 3)) { await pause(); continue; }
        say(status === 404 ? mine.gone : "This frame cannot be drawn.");
      }
      shown = mine.key;
      tries = 0;
    }
    rest();
  }

  /* Once it is decoded; a picture that hangs on its way is let go. */
  function arrived(next) {
    let timer = 0;
    const late = new Promise((_, fail) => { timer = setTimeout(() => { next.removeAttribute("src"); fail(new Error("late")); }, LATE); });
    return Promise.race([next.decode(), late]).finally(() => clearTimeout(timer));
  }

  /* The server draws others (503), or is not there at all: nobody is kept waiting for that. */
  function pause() {
    told();
    tries += 1;
    return new Promise((done) => { wake = done; setTimeout(done, Math.min(4000, 500 * 2 ** tries)); });
  }

  function rest() {
    busy = false;
    told();
  }

  const told = () => settled.splice(0).forEach((done) => done());

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
    show(address, { part = null, fade = false, gone = "This step was not kept." } = {}) {
      const key = `${part ?? ""} ${address}`;
      if (wanted?.key !== key) { tries = 0; wake(); }
      wanted = { address, part, fade, gone, key };
      pump();
    },
    empty(words) {
      wanted = null;
      turn += 1;
      wake();
      coming?.removeAttribute("src"); // a browser has six connections for us
      clear();
      say(words);
      rest();
    },
    settled: () => (busy ? new Promise((done) => settled.push(done)) : Promise.resolve()),
  };
};
