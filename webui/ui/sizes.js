/* What settings of pictures come to, said while one sets them: how many steps run, how large a result is.

   The server works the same out for itself; here it is only said. */
"use strict";
(() => {
  const STEP = 8; // pixels of a size slider
  const [LEAST, MOST] = [64, 2048];
  const LARGE = 1024; // pixels: larger pictures are not made anew at their own size unasked
  const APART = 0.5; // the strength above which tiles have little to do with each other
  const find = (id) => document.getElementById(id);
  const times = ({ width, height }) => `${width} × ${height}`;

  function say(id, text, wrong = false) {
    const place = find(id);
    if (!place) return;
    const line = place.querySelector("p") ?? place.appendChild(darkroom.node("p", "dk-said-text"));
    if (line.textContent !== text) line.textContent = text;
    line.dataset.wrong = wrong ? "yes" : "no";
  }

  /* As the server rounds: to whole cells of a latent, down; and to whole pixels, halves to the even one. */
  const cells = (pixels) => Math.max(STEP, Math.floor(pixels / STEP) * STEP);
  function nearest(pixels) {
    const below = Math.floor(pixels), over = pixels - below;
    return Math.max(1, over > 0.5 || (over === 0.5 && below % 2) ? below + 1 : below);
  }

  const rounded = (pixels) => Math.max(LEAST, Math.min(MOST, Math.round(pixels / STEP) * STEP));
  const picture = (tab) => darkroom.picturesOf(tab).find(({ width }) => width) ?? null;

  /* For Gradio's event: the size of the picture, as near as the sliders come. */
  darkroom.pictureSize = (tab, now) => {
    const known = picture(tab);
    return known ? [rounded(known.width), rounded(known.height)] : now;
  };

  /* Puts a number in a field as if it had been typed. */
  darkroom.typeNumber = (id, value) => {
    const input = find(id)?.querySelector("input[type=number]");
    if (!input || Number(input.value) === value) return;
    input.value = String(value);
    for (const name of ["input", "change", "blur"]) input.dispatchEvent(new Event(name, { bubbles: true }));
  };

  /* A picture that comes into a form brings its size, where that is no more than a model can do. */
  darkroom.suggestSize = (tab, { width, height }) => {
    if (!width || darkroom.formValues(tab)["size.mode"] === "by factor" || Math.max(width, height) > LARGE) return;
    darkroom.typeNumber(`${tab}_width`, rounded(width));
    darkroom.typeNumber(`${tab}_height`, rounded(height));
  };

  // --- img2img ------------------------------------------------------------------------------------
  /* A1111's rule: the strength's share of the steps, and one. */
  function steps(tab, { steps: all, "init.strength": strength, "init.exact_steps": exact }) {
    const ready = Number.isInteger(all) && typeof strength === "number";
    const run = exact ? all : Math.min(all, Math.floor(Math.min(strength, 0.999) * all) + 1);
    say(`${tab}_steps_said`, !ready ? "" : run === all ? `All ${darkroom.plural(all, "step")} run` : `${run} of ${all} steps run`);
  }

  function size(tab, values) {
    const by = values["size.mode"] === "by factor", known = picture(tab), scale = values["size.scale"];
    find(`${tab}_size`)?.setAttribute("data-mode", by ? "factor" : "size");
    const said = { width: rounded((known?.width ?? 0) * scale), height: rounded((known?.height ?? 0) * scale) };
    const asked = { width: values.width, height: values.height };
    const part = values["init.mode"] === "outpaint" || (values["init.mode"] === "inpaint" && values["init.mask.area"] === "only masked");
    const made = values["init.tiles.on"] || part ? null : by ? said : asked; // of a part the strip over it says it
    if (by) say(`${tab}_size_said`, known ? `${times(known)} becomes ${times(said)}` : "A picture is needed to say the size");
    else say(`${tab}_size_said`, known && made && shape(known, made) ? `${times(known)} becomes ${times(made)}: ${fate(values["init.resize"])}` : "");
    if (values["init.tiles.on"] !== undefined) tiles(tab, values, known, by ? said : asked);
  }

  /* Whether two sizes differ in shape by more than a hair. */
  const shape = (one, other) => Math.abs(Math.log((one.width * other.height) / (one.height * other.width))) > 0.02;
  const fate = (mode) => ({
    "just resize": "its shape is stretched", "crop and resize": "what sticks out is cut off",
    "resize and fill": "its edges are drawn out", "latent upscale": "its shape is stretched",
  })[mode] ?? "";

  function tiles(tab, values, known, tile) {
    const scale = values["init.tiles.scale"], overlap = values["init.tiles.overlap"];
    if (!known || !tile.width) { say(`${tab}_tiles_said`, ""); return; }
    const whole = { width: cells(known.width * scale), height: cells(known.height * scale) };
    const along = (side) => Math.max(1, Math.ceil((whole[side] - overlap) / Math.max(1, tile[side] - overlap)));
    const wrong = overlap >= Math.min(tile.width, tile.height);
    const count = along("width") * along("height");
    const said = `${times(known)} becomes ${times(whole)} in ${darkroom.plural(count, "tile")} of ${times(tile)}`;
    const apart = count > 1 && values["init.strength"] > APART ? ". Each tile may become a picture of its own: a denoising strength of 0.2 to 0.4 keeps them together" : "";
    say(`${tab}_tiles_said`, wrong ? "Tiles must be larger than their overlap" : said + apart, wrong);
  }

  function loopback(tab, values) {
    const [loops, first, final] = ["init.loopback.loops", "init.strength", "init.loopback.final_strength"].map((name) => values[name]);
    const how = { aggressive: "changing early", linear: "evenly", lazy: "changing late" }[values["init.loopback.curve"]];
    say(`${tab}_loopback_said`, loops > 1 ? `Made anew ${loops} times, at strength ${first} to ${final}, ${how}` : "One loop: as without it");
  }

  // --- a second pass ------------------------------------------------------------------------------
  const number = (text) => (String(text ?? "").trim() ? Number(text) : 0);

  /* By the scale; by one side and the shape; or to both, cut to their shape. */
  function larger(from, scale, width, height, near) {
    if (!width && !height) return { width: near(from.width * scale), height: near(from.height * scale) };
    return { width: near(width || (height * from.width) / from.height), height: near(height || (width * from.height) / from.width) };
  }

  /* What a second pass makes of a size. */
  const secondSize = (values, from) => larger(from, values["hires.scale"], number(values["hires.width"]), number(values["hires.height"]), cells);
  darkroom.secondSize = secondSize;

  function hires(tab, values) {
    const from = { width: values.width, height: values.height };
    const made = secondSize(values, from);
    say(`${tab}_hr_said`, values["hires.on"] && from.width ? `${times(from)} becomes ${times(made)}` : "");
  }

  // --- larger alone -------------------------------------------------------------------------------
  function upscale(tab, values) {
    const by = values["upscale.mode"] === "by factor", known = picture(tab);
    find(`${tab}_size`)?.setAttribute("data-mode", by ? "factor" : "size");
    const [width, height] = by ? [0, 0] : [number(values["upscale.width"]), number(values["upscale.height"])];
    if (!known) { say(`${tab}_size_said`, ""); return; }
    if (!by && !width && !height) { say(`${tab}_size_said`, "Give at least one side"); return; }
    const fit = width && height && !values["upscale.crop"];
    const scale = fit ? Math.min(width / known.width, height / known.height) : values["upscale.scale"];
    const made = fit ? larger(known, scale, 0, 0, nearest) : larger(known, scale, width, height, nearest);
    const first = (darkroom.picturesOf(tab) ?? []).length > 1 ? "The first one: " : "";
    say(`${tab}_size_said`, `${first}${times(known)} becomes ${times(made)}`);
  }

  function draw(tab) {
    const values = darkroom.formValues(tab);
    if (values["init.strength"] !== undefined) steps(tab, values);
    if (values["size.mode"] !== undefined) size(tab, values);
    if (values["init.loopback.loops"] !== undefined) loopback(tab, values);
    if (values["hires.scale"] !== undefined) hires(tab, values);
    if (values["upscale.mode"] !== undefined) upscale(tab, values);
  }

  // A tab's lines are there once it is opened; its form may have been filled before.
  for (const event of ["darkroom:form", "darkroom:pictures"]) document.addEventListener(event, ({ detail }) => setTimeout(() => draw(detail), 0));
  document.addEventListener("click", (event) => {
    const tab = event.target.closest?.('#tabs button[role="tab"]')?.getAttribute("aria-controls")?.slice(4);
    if (tab) setTimeout(() => draw(tab), 200);
  });
})();
