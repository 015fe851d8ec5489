/* What the model sees, before anything runs: the part of the picture it is shown, the mask in pixels and
   at latent size, the start picture. It follows the drawing and the settings. */
"use strict";
(() => {
  const REST = 300; // ms without a change

  /* The request's init as the form has it; null while something is missing. */
  function initOf({ tab, shown, mode }) {
    const values = darkroom.formValues(tab);
    if (!shown.picture || (mode === "inpaint" && !shown.mask)) return null;
    const unused = { inpaint: ["outpaint"], outpaint: ["mask"], sketch: ["mask", "outpaint"] }[mode];
    const init = {};
    for (const [name, value] of Object.entries(values)) {
      const path = name.split(".");
      if (path[0] !== "init" || ["on", "mode", "picture"].includes(path.at(-1)) || unused.includes(path[1])) continue;
      const place = path.slice(1, -1).reduce((inner, step) => (inner[step] ??= {}), init);
      place[path.at(-1)] = value;
    }
    init.picture = shown.picture;
    if (mode === "inpaint") init.mask.picture = shown.mask;
    return init;
  }

  function sizeOf({ tab, canvas }) {
    const { width, height, "size.mode": by, "size.scale": scale } = darkroom.formValues(tab);
    if (by !== "by factor" || !canvas.size) return { width, height };
    const rounded = (pixels) => Math.max(64, Math.min(2048, Math.round((pixels * scale) / 8) * 8));
    return { width: rounded(canvas.size.width), height: rounded(canvas.size.height) };
  }

  /* Fills the strip in `element`; what it returns is to be called when something is different. */
  darkroom.seen = (element, mine) => {
    const root = element.querySelector(".dk-seen");
    const said = root.querySelector(".dk-seen-said"), row = root.querySelector(".dk-seen-row");
    let resting = 0, turn = 0, asked = "";

    function say(state, text) {
      root.dataset.state = state;
      said.textContent = text;
      row.hidden = state !== "shown";
      if (state !== "shown") mine.frame?.crop(null);
    }

    const MISSING = {
      inpaint: "Paint over what is to be made anew, and this shows what the model will be given.",
      sketch: "This shows what the model will be given once the sketch is sent.",
    };

    async function look() {
      if (!mine.canvas) return;
      const init = initOf(mine);
      if (!mine.canvas.size) { asked = ""; return say("empty", "Choose a picture, and this shows what the model will be given."); }
      if (!init) { asked = ""; return say("empty", MISSING[mine.mode] ?? MISSING.sketch); }
      if (mine.mode === "outpaint" && !["left", "right", "up", "down"].some((side) => init.outpaint[side])) {
        asked = "";
        return say("empty", "Pull at a side of the picture, or set a number of pixels, and this shows what the model will be given.");
      }
      const { model } = darkroom.formValues(mine.tab);
      const body = { init, ...sizeOf(mine), model };
      if (JSON.stringify(body) === asked) return;
      asked = JSON.stringify(body);
      const now = (turn += 1);
      try {
        const seen = await darkroom.send("POST", "api/v1/inputs/seen", body);
        if (now === turn) draw(seen, init);
      } catch (error) {
        if (now === turn) { asked = ""; say("problem", error.message); }
      }
    }

    function draw({ crop, size, latent, result, images }, init) {
      const times = ([width, height]) => `${width} × ${height}`;
      const figures = { start: times(size), mask: times(size), latent_mask: times(latent) };
      for (const figure of row.children) {
        const { of } = figure.dataset;
        figure.hidden = !images[of];
        figure.querySelector("span").textContent = figures[of];
        if (images[of]) figure.querySelector("img").src = darkroom.inputUrl(images[of]);
      }
      const part = crop ? `The part in the dashed box, ${times([crop[2] - crop[0], crop[3] - crop[1]])}, ` : mine.mode === "outpaint" ? "The grown picture " : "All of the picture ";
      const start = { "latent noise": " Under the mask its latent is noise.", "latent nothing": " Under the mask its latent is empty." }[init.mask?.content] ?? "";
      say("shown", `${part}at ${times(size)}; the result has ${times(result)}.${start}`);
      mine.frame?.crop(crop);
    }

    return () => {
      clearTimeout(resting);
      resting = setTimeout(look, REST);
    };
  };
})();
