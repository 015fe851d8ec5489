/* The Models tab: what lies under models/, what is in memory, and each file's report before loading. */
"use strict";
(() => {
  const KINDS = {
    checkpoints: ["Checkpoints", "There is no checkpoint yet. Put a .safetensors file, or a diffusers folder, into checkpoints/ in the models folder (Stable-diffusion/ does too), then press the round arrow."],
    vaes: ["VAEs", "There is no separate VAE, and most models need none: they bring their own. Others go into VAE/ in the models folder."],
    loras: ["LoRAs", "There is no LoRA yet. Put .safetensors files into Lora/ in the models folder, then press the round arrow."],
    embeddings: ["Embeddings", "There is no embedding yet. Put .safetensors files into embeddings/ in the models folder, then press the round arrow."],
    upscalers: ["Upscalers", "There is no upscaler's file yet; some need none. Put others into ESRGAN/ in the models folder, then press the round arrow."],
  };
  const OFFLOADS = { model: "part by part", sequential: "layer by layer, slow" }; // how a small device holds it
  const SETTINGS = { steps: "steps", guidance_scale: "CFG scale", sampler: "", schedule: "", clip_skip: "clip skip" };
  const STATES = { all: "All", usable: "Usable", wrong: "With problems" };
  const { shelf, node, button } = darkroom;
  const size = (count) => (count < 10 ** 9 ? darkroom.size(count) : `${(count / 10 ** 9).toFixed(1)} GB`); // as file managers count
  const partName = (part) => ({ unet: "UNet", vae: "VAE" })[part] ?? part.replaceAll("_", " ");
  const model = () => darkroom.formValues("txt2img").model ?? "";

  darkroom.models = (element) => {
    const root = element.querySelector(".dk-models"), at = (id) => element.querySelector(`#models-${id}`);
    const [kinds, memory, said, list] = ["kinds", "memory", "said", "list"].map((name) => element.querySelector(`.dk-models-${name}`));
    const [search, family, state, order] = ["search", "family", "state", "order"].map(at);
    let kind = "checkpoints", items = [], loaded = [], loading = "", turn = 0, stop = () => {};
    const open = new Set(); // names whose report is unfolded

    const mark = darkroom.segments(kinds, Object.entries(KINDS).map(([value, [label]]) => [value, label, ""]), (next) => { kind = next; mark(kind); open.clear(); show(); });
    mark(kind);
    say("");
    for (const [value, label] of Object.entries(STATES)) state.add(new Option(label, value));
    for (const [value, [label]] of Object.entries(shelf.ORDERS)) order.add(new Option(label, value));
    search.addEventListener("input", draw);
    for (const menu of [family, state, order]) menu.addEventListener("change", draw);
    at("refresh").addEventListener("click", shelf.refresh);
    at("unload-all").addEventListener("click", () => unload());
    document.addEventListener("darkroom:shelf", () => { if (visible()) show(); });
    document.addEventListener("darkroom:form", () => { if (visible()) draw(); });

    // the list takes the whole width while one looks at it
    const visible = () => root.getClientRects().length > 0;
    new IntersectionObserver(() => {
      const room = document.getElementById("room"), before = room.dataset.view;
      if (!visible()) { if (before === "models") delete room.dataset.view; return; }
      room.dataset.view = "models";
      if (before !== "models") { show(); remember(); }
    }).observe(root);

    // --- asking -----------------------------------------------------------------------------------
    async function show() {
      const mine = turn += 1;
      try {
        const told = await shelf.load(kind, ["loras", "embeddings", "vaes"].includes(kind) ? model() : "");
        if (mine !== turn) return;
        items = told.items;
        families();
        draw();
      } catch (error) {
        if (mine !== turn) return;
        items = [];
        list.replaceChildren();
        say(error.message);
      }
    }

    /* What is in memory. */
    async function remember() {
      try {
        const told = await shelf.ask("models/memory");
        loaded = told.models ?? [];
        const there = told.memory_bytes ? `${told.engine.device} has ${darkroom.bytes(told.memory_bytes)}` : told.engine.device;
        memory.textContent = !told.models ? "The engine has no time to tell what is in memory." : loaded.length ? `In memory: ${loaded.join(", ")}` : "No model is in memory";
        memory.title = `${memory.textContent} (${there})`;
      } catch (error) {
        memory.textContent = error.message;
      }
      at("unload-all").hidden = !loaded.length;
      draw();
    }

    async function load(item) {
      loading = item.name;
      const began = Date.now(), tell = () => { memory.textContent = `Loading ${item.name}… ${darkroom.duration((Date.now() - began) / 1000)}`; };
      const clock = setInterval(tell, 500);
      tell();
      draw();
      await act(() => shelf.ask("models/load", { model: item.name }));
      clearInterval(clock);
      loading = "";
      remember();
    }

    async function unload(name) {
      await act(() => shelf.ask("models/unload", name ? { model: name } : {}));
      remember();
    }

    async function act(asked) {
      say("");
      try { await asked(); } catch (error) { say(error.message); }
    }

    // --- drawing ----------------------------------------------------------------------------------
    function say(text) {
      said.textContent = text;
      said.hidden = !text;
    }
    const wrong = (item) => item.problem ?? item.misfit;

    function families() {
      const there = [...new Set(items.map((item) => item.base))].filter(Boolean).sort(), before = family.value;
      family.replaceChildren(new Option("All families", ""), ...there.map((each) => new Option(each, each)));
      family.value = there.includes(before) ? before : "";
      family.hidden = !there.length;
    }

    function draw() {
      stop();
      const fits = (item) => (!family.value || item.base === family.value) && (state.value === "all" || (state.value === "wrong") === Boolean(wrong(item)));
      const shown = items.filter((item) => fits(item) && shelf.matches(item, search.value)).sort(shelf.ORDERS[order.value][1]);
      if (!items.length) say(KINDS[kind][1]);
      else if (!shown.length) say("Nothing here is like that.");
      else if (said.textContent === KINDS[kind][1] || said.textContent === "Nothing here is like that.") say("");
      list.dataset.count = String(shown.length);
      stop = shelf.drawn(list, shown, row);
    }

    function row(item) {
      const entry = node("li", "dk-model-row"), text = node("div", "dk-model-text"), reason = wrong(item);
      entry.dataset.name = item.name;
      if (reason) entry.dataset.wrong = item.problem ? "problem" : "misfit";
      const name = node("button", "dk-model-name", item.name);
      name.type = "button";
      name.title = item.file;
      text.append(name, chips(item));
      if (reason) text.append(node("p", "dk-model-wrong", darkroom.sentence(reason)));
      const report = node("div", "dk-model-report");
      const turnReport = (shown) => {
        name.setAttribute("aria-expanded", String(shown));
        report.hidden = !shown;
        if (shown && !report.hasChildNodes()) report.append(...facts(item));
      };
      name.addEventListener("click", () => { open[open.has(item.name) ? "delete" : "add"](item.name); turnReport(open.has(item.name)); });
      turnReport(open.has(item.name));
      entry.append(shelf.plate(item), text, actions(item), report);
      return entry;
    }

    function chips(item) {
      const row = node("p", "dk-model-chips");
      const { kinds = [], rank, vectors, scale, architecture, prediction } = item;
      const facts = [
        item.base, ...kinds, rank && `rank ${rank}`, vectors && darkroom.plural(vectors, "vector"), architecture, scale && `${scale}×`,
        item.precision, prediction === "v_prediction" && "v-prediction", item.zero_terminal_snr && "zero terminal SNR", item.size_bytes && size(item.size_bytes),
      ];
      row.append(...facts.filter(Boolean).map((each) => node("span", "", each)));
      if (kind === "checkpoints" && loaded.includes(item.name)) row.append(node("span", "dk-model-loaded", "in memory"));
      if (item.default) row.append(node("span", "", "used when none is chosen"));
      const { offload, fits } = item.plan ?? {};
      if (fits === false) row.append(node("span", "dk-model-large", "larger than the memory"));
      else if (offload in OFFLOADS) row.append(Object.assign(node("span", "dk-model-split", OFFLOADS[offload]), { title: item.plan.text }));
      if (item.unread) row.append(node("span", "", "being read…"));
      return row;
    }

    function actions(item) {
      const box = node("div", "dk-model-actions");
      if (kind !== "checkpoints" || item.problem) return box;
      const chosen = model() === item.name;
      const use = button(chosen ? "Chosen" : "Use", () => { shelf.choose(item.name); }, "dk-quiet");
      use.disabled = chosen;
      use.title = "Choose it in the menu above the tabs";
      const there = loaded.includes(item.name);
      const hold = button(loading === item.name ? "Loading…" : there ? "Unload" : "Load", () => (there ? unload(item.name) : load(item)), "dk-quiet");
      hold.disabled = Boolean(loading);
      box.append(use, hold);
      return box;
    }

    // --- the report before loading ----------------------------------------------------------------
    function facts(item) {
      const table = node("dl", "dk-model-facts");
      for (const [label, value] of told(item)) if (value) table.append(node("dt", "", label), node("dd", "", value));
      return [table, ...item.notes.map((each) => node("p", "dk-model-note", darkroom.sentence(each)))];
    }

    function told(item) {
      const [width, height] = item.native_size ?? [];
      return [
        ["File", item.file],
        ["Title", item.title],
        ["What it is", { folder: "A diffusers folder", file: "A single file" }[item.layout]],
        ["Holds", item.parts?.map(partName).join(", ")],
        ["Changes", item.networks?.map(partName).join(", ")],
        ["Trained at", width ? `${width} × ${height}` : ""],
        ["Suited to it", Object.entries(item.settings ?? {}).map(([name, value]) => `${SETTINGS[name]} ${value}`.trim()).join(", ")],
        ["Prediction", item.prediction],
        ["VAE", item.vae && `${item.vae}, which has its name`],
        ["Memory", item.plan?.text],
        ["sha256", item.hash || (kind === "checkpoints" && !item.problem ? "being made" : "")],
        ["Trigger words", item.trigger_words.join(", ")],
        ["Weight", item.weight && String(item.weight)],
        ["Negative prompt", item.negative_text],
        ["Description", item.description],
        ["Notes", item.remarks],
        ["Changed", new Date(item.modified * 1000).toLocaleString()],
      ];
    }
  };
})();
