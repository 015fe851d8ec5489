/* One picture of the live view: shows the newest frame that was asked for, without a flicker.

   At most one frame is on its way for each picture; of those asked for meanwhile only the last is
   fetched. A frame is swapped in once it is decoded, so the old one stays until then. */
"use strict";
darkroom.frame = (image, text) => {
  let wanted = null; // address, or null for none
  let shown = null;
  let busy = false;
  let settled = [];

  async function pump() {
    if (busy) return;
    busy = true;
    while (wanted !== shown) {
      const address = wanted;
      if (address === null) { clear(); break; }
      const first = image.hidden; // nothing is there that could flicker
      const next = first ? image : new Image();
      next.src = address;
      try {
        await next.decode();
        if (wanted === null) continue;
        if (!first) image.src = address;
        image.hidden = false;
        text.hidden = true;
        soften(next);
        image.closest(".dk-live").dataset.wide = next.naturalWidth > 2.2 * next.naturalHeight ? "yes" : "no";
      } catch {
        if (address !== wanted) continue;
        if (await tooBusy(address)) {
          await new Promise((done) => setTimeout(done, 1000));
          continue;
        }
        say("This step was not kept.");
      }
      shown = address;
    }
    busy = false;
    settled.splice(0).forEach((done) => done());
  }

  /* A picture that fails to load does not say why; the server answers 503 while it draws others. */
  async function tooBusy(address) {
    return fetch(address).then((answer) => answer.status === 503, () => false);
  }

  /* Pixels of a frame of latent size become squares that the eye sticks to: a little blur melts them. */
  function soften(frame) {
    const plate = image.parentElement.getBoundingClientRect();
    const cell = Math.min(plate.width / frame.naturalWidth, plate.height / frame.naturalHeight);
    image.dataset.small = cell > 5 ? "yes" : "no";
    image.style.setProperty("--cell", `${Math.min(24, cell).toFixed(1)}px`);
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
    show(address) { wanted = address; pump(); },
    empty(words) { wanted = null; clear(); say(words); },
    settled: () => (busy ? new Promise((done) => settled.push(done)) : Promise.resolve()),
  };
};
