/* What stands around a drawing: tools, sliders, colours, keys, the brush's outline, what is said of it. */
"use strict";
(() => {
  const KEPT = "darkroom.canvas.";
  const FIRST = { tool: "brush", size: 0, opacity: 60, tint: "#ff4d6d", colour: "#e2652a", pressure: false };
  const PALETTE = 8;
  const { reads, keeps, node } = darkroom;

  // A slider from 0 to 100 is a brush of 1 pixel to half of the picture, by equal factors.
  const widest = ({ width, height }) => Math.max(16, Math.round(Math.max(width, height) / 2));
  const toSize = (slid, size) => Math.max(1, Math.round(widest(size) ** (slid / 100)));
  const toSlider = (pixels, size) => Math.round((100 * Math.log(Math.max(1, pixels))) / Math.log(widest(size)));

  darkroom.canvasBar = (canvas, options) => {
    const { root, view, kinds } = canvas;
    const find = (selector) => root.querySelector(selector);
    const all = (selector) => [...root.querySelectorAll(selector)];
    const box = find(".dk-canvas-view");
    const said = find(".dk-canvas-said");
    let settings = { ...FIRST };
    try { Object.assign(settings, JSON.parse(reads(localStorage, KEPT + options.id))); } catch { /* the first ones then */ }
    settings.tool = "brush";
    let colours = settings.colours ?? [];
    let pointer = null; // where the brush is shown, and how hard a pen is pressed
    let counting = 0;

    root.setAttribute("aria-label", options.label);
    box.setAttribute("aria-label", `${options.label}. Arrow keys move the brush, Enter sets it down.`);

    // --- tools and what they do -----------------------------------------------------------------
    const doing = {
      undo: canvas.undo, redo: canvas.redo, invert: canvas.invert, clear: canvas.clear,
      in: () => view.zoom(1.25), out: () => view.zoom(1 / 1.25), fit: view.fit, full: () => turnFull(), save,
      remove: () => canvas.load(""),
    };
    for (const button of all("[data-do]")) button.addEventListener("click", () => doing[button.dataset.do]());
    for (const button of all("[data-tool]")) button.addEventListener("click", () => set({ tool: button.dataset.tool }));
    for (const group of all('[role="radiogroup"]')) group.addEventListener("keydown", walk);

    /* Arrow keys in a group of which one is chosen. */
    function walk(event) {
      const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      const buttons = [...event.currentTarget.querySelectorAll("button")].filter((each) => each.getClientRects().length);
      const next = buttons[(buttons.indexOf(document.activeElement) + move + buttons.length) % buttons.length];
      next.focus();
      next.click();
    }

    function set(values) {
      Object.assign(settings, values);
      if (values.colour) colours = [values.colour, ...colours.filter((each) => each !== values.colour)].slice(0, PALETTE);
      keeps(localStorage, KEPT + options.id, JSON.stringify({ ...settings, colours }));
      if (values.tint) view.tint(values.tint);
      draw();
    }

    function resize(by) {
      const next = settings.size * 1.15 ** by;
      set({ size: Math.max(1, Math.min(canvas.size ? widest(canvas.size) : 512, by > 0 ? Math.ceil(next) : Math.floor(next))) });
      say(`Brush ${settings.size} pixels`);
    }

    for (const input of all("[data-set]")) {
      const event = input.type === "color" ? "change" : "input";
      input.addEventListener(event, () => {
        const name = input.dataset.set;
        if (name === "size") set({ size: toSize(Number(input.value), canvas.size ?? { width: 512, height: 512 }) });
        else set({ [name]: input.type === "checkbox" ? input.checked : input.type === "range" ? Number(input.value) : input.value });
      });
    }

    // --- keys: only while something in here has the focus ---------------------------------------
    const KEYS = {
      b: "brush", e: "eraser", l: "lasso", r: "rectangle", h: "pan", i: "dropper",
    };
    const ACTS = { "[": () => resize(-1), "]": () => resize(1), "+": doing.in, "=": doing.in, "-": doing.out, 0: doing.fit, f: doing.full, Delete: doing.clear, Backspace: doing.clear };
    root.addEventListener("keydown", (event) => {
      if (event.target.closest("input:not([type=range], [type=checkbox], [type=file])") || event.altKey) return;
      const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
      const act = event.ctrlKey || event.metaKey ? { z: event.shiftKey ? canvas.redo : canvas.undo, y: canvas.redo }[key] : plain(key, event);
      if (!act) return;
      event.preventDefault();
      event.stopPropagation();
      act();
    });

    function plain(key, event) {
      if (key === "Escape" && root.dataset.full === "yes") return () => turnFull(false);
      if (event.target.matches("input") && /^(Arrow|Home|End|Page)/.test(event.key)) return null;
      if (key === "i" && event.shiftKey) return doing.invert;
      if (KEYS[key] && (key !== "i" || kinds.includes("paint"))) return () => { set({ tool: KEYS[key] }); say(find(`[data-tool="${KEYS[key]}"]`).ariaLabel); };
      return ACTS[key];
    }

    // --- full screen ----------------------------------------------------------------------------
    function turnFull(on = root.dataset.full !== "yes") {
      root.dataset.full = on ? "yes" : "no";
      document.documentElement.classList.toggle("dk-canvas-alone", on); // nothing behind it scrolls
      if (on) root.setAttribute("role", "dialog");
      else root.removeAttribute("role");
      find('[data-do="full"]').setAttribute("aria-pressed", String(on));
      box.focus({ preventScroll: true });
    }

    // --- colours --------------------------------------------------------------------------------
    const drop = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });

    /* Takes up the colour that one sees there; next comes the brush again. */
    function pick(point) {
      const { width, height } = canvas.size;
      const at = [Math.floor(point.x), Math.floor(point.y)];
      if (at[0] < 0 || at[1] < 0 || at[0] >= width || at[1] >= height) return;
      drop.clearRect(0, 0, 1, 1);
      for (const image of [canvas.image, canvas.layer("paint")?.surface]) if (image) drop.drawImage(image, ...at, 1, 1, 0, 0, 1, 1);
      const [red, green, blue] = drop.getImageData(0, 0, 1, 1).data;
      const colour = "#" + [red, green, blue].map((each) => each.toString(16).padStart(2, "0")).join("");
      set({ colour, tool: settings.tool === "dropper" ? "brush" : settings.tool });
      say(`The brush is ${colour}`);
    }

    function drawPalette() {
      find(".dk-canvas-palette").replaceChildren(...colours.map((colour) => {
        const button = node("button", "");
        button.type = "button";
        button.style.background = colour;
        button.setAttribute("aria-label", `Colour ${colour}`);
        button.addEventListener("click", () => set({ colour }));
        return button;
      }));
    }

    // --- files ----------------------------------------------------------------------------------
    for (const input of all('input[type="file"]')) {
      input.addEventListener("change", () => {
        const [file] = input.files;
        input.value = ""; // the same file may be chosen again
        if (!file) return;
        if (input.classList.contains("dk-canvas-maskfile")) canvas.setMask(file, file.name);
        else canvas.load(file, file.name);
      });
    }

    /* A sheet that has both layers says which one is of use now. */
    const savesMask = () => kinds.includes("mask") && root.dataset.makes !== "sketch";

    async function save() {
      const masked = savesMask();
      const blob = await (masked ? canvas.mask() : canvas.picture());
      if (!blob) return canvas.complain("There is no mask yet; paint over what is to be made anew.");
      const link = Object.assign(document.createElement("a"), {
        href: URL.createObjectURL(blob), download: masked ? "mask.png" : "sketch.png",
      });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    }

    // --- what is shown --------------------------------------------------------------------------
    function say(text) { said.textContent = text; }

    function brush(at, pressure = 0) {
      pointer = at;
      const mark = find(".dk-canvas-brush");
      const shown = at && canvas.size && ["brush", "eraser"].includes(settings.tool);
      mark.hidden = !shown;
      if (!shown) return;
      const wide = Math.max(3, settings.size * view.scale * (settings.pressure && pressure && root.dataset.pen ? Math.max(0.08, pressure) : 1));
      mark.style.width = mark.style.height = `${wide}px`;
      mark.style.transform = `translate(${at.x - wide / 2}px, ${at.y - wide / 2}px)`;
    }

    function outline(points) {
      find(".dk-canvas-outline").setAttribute("points", points.map(({ x, y }) => {
        const seen = view.toView(x, y);
        return `${seen.x},${seen.y}`;
      }).join(" "));
    }

    function draw() {
      const { size } = canvas;
      if (size && !settings.size) settings.size = Math.max(4, Math.round(Math.max(size.width, size.height) / 12));
      for (const button of all("[data-tool]")) {
        const on = button.dataset.tool === settings.tool;
        button.setAttribute("aria-checked", String(on));
        button.tabIndex = on ? 0 : -1;
      }
      for (const input of all("[data-set]")) {
        const name = input.dataset.set;
        if (input.type === "checkbox") input.checked = settings[name];
        else input.value = name === "size" ? toSlider(settings.size || 1, size ?? { width: 512, height: 512 }) : settings[name];
        if (input.type !== "range") continue;
        input.style.setProperty("--range_progress", `${((input.value - input.min) / (input.max - input.min)) * 100}%`);
        const text = name === "size" ? `${settings.size || 0} px` : `${settings[name]} %`;
        input.setAttribute("aria-valuetext", text);
        input.parentElement.querySelector("output").textContent = text;
      }
      box.dataset.holds = settings.tool;
      box.style.setProperty("--dk-mask-opacity", settings.opacity / 100);
      drawPalette();
      if (pointer) brush(pointer);
    }

    /* After something was drawn or loaded. */
    function changed() {
      for (const part of all("[data-of]")) part.hidden = part.dataset.of !== canvas.active;
      for (const button of all("[data-layer]")) button.setAttribute("aria-checked", String(button.dataset.layer === canvas.active));
      if (canvas.active === "mask" && settings.tool === "dropper") settings.tool = "brush";
      find('[data-do="undo"]').disabled = !canvas.undos;
      find('[data-do="redo"]').disabled = !canvas.redos;
      find('[data-do="save"]').textContent = savesMask() ? "Save mask" : "Save sketch";
      draw();
      clearTimeout(counting);
      counting = setTimeout(count, 150);
    }

    function count() {
      const { size } = canvas;
      const step = size ? Math.max(1, Math.floor(Math.max(size.width, size.height) / 256)) : 1;
      const share = canvas.covered("mask", step);
      const masked = (root.dataset.makes ?? canvas.kinds[0]) === (root.dataset.makes ? "inpaint" : "mask") ? (share ? `${darkroom.percent(share)} masked` : "nothing masked yet") : "";
      find(".dk-canvas-facts").textContent = size ? [`${size.width} × ${size.height}`, masked].filter(Boolean).join(" · ") : "";
    }

    function viewed() {
      find(".dk-canvas-zoom").textContent = `${Math.round(view.scale * 100)} %`;
      if (pointer) brush(pointer);
      root.dispatchEvent(new CustomEvent("darkroom:canvas-viewed"));
    }

    const NAMES = { mask: "Mask", paint: "Colours" };
    if (kinds.length > 1) {
      const group = find(".dk-canvas-layers");
      group.hidden = false;
      group.append(...kinds.map((kind) => {
        const button = node("button", "dk-canvas-layer", NAMES[kind]);
        Object.assign(button, { type: "button" });
        Object.assign(button.dataset, { layer: kind });
        button.setAttribute("role", "radio");
        button.addEventListener("click", () => canvas.turnTo(kind));
        return button;
      }));
    }
    view.tint(settings.tint);

    return { get settings() { return settings; }, set, pick, resize, brush, outline, say, changed, viewed };
  };
})();
