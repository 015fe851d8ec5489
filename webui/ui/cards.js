/* Cards, below the prompt: LoRAs, embeddings and checkpoints, with what each does and looks like.

   A click puts the LoRA's tag or the embedding's name into the prompt, a second one takes it out; of
   a checkpoint it chooses it. What the chosen model cannot use is grey, and says why. */
"use strict";
(() => {
  const KINDS = {
    loras: ["LoRA", "lora", "LoRAs: a click puts the tag into the prompt"],
    embeddings: ["Textual Inversion", "textual_inversion", "Embeddings: a click puts the name into the prompt"],
    checkpoints: ["Checkpoints", "checkpoints", "Checkpoints: a click chooses the model"],
  };
  const EMPTY = {
    loras: "There is no LoRA yet. Put .safetensors files into Lora/ in the models folder, then press the button above.",
    embeddings: "There is no embedding yet. Put .safetensors files into embeddings/ in the models folder, then press the button above.",
    checkpoints: "There is no checkpoint yet. Put one into checkpoints/ in the models folder, then press the button above.",
  };
  const KIND = "darkroom.cards.kind", ORDER = "darkroom.cards.order";
  const { shelf, node } = darkroom;

  // --- what a click makes of a prompt: plain functions of a text ----------------------------------
  const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const tag = (name) => `<(?:lora|lyco):${escaped(name)}(?::[^<>\\n]*)?>`;
  const word = (name) => `(?<![\\p{L}\\p{N}_])${escaped(name)}(?![\\p{L}\\p{N}_])`;

  darkroom.cardIsIn = (text, kind, name) => (kind === "loras" ? new RegExp(tag(name)) : new RegExp(word(name), "iu")).test(text);

  /* With the tag or the word at its end, or without it and what parted it from the rest. */
  darkroom.withCard = (text, kind, name, weight = 1) => {
    if (!darkroom.cardIsIn(text, kind, name)) {
      return kind === "loras" ? joined(text, `<lora:${name}:${weight}>`, " ") : joined(text, name, ", ");
    }
    const alone = kind === "loras" ? `\\[${tag(name)}::?[\\d.]+\\]|${tag(name)}` : `\\(${word(name)}(?::[\\d.]+)?\\)|${word(name)}`;
    return text.replace(new RegExp(`(?:\\s*,)?[ \\t]*(?:${alone})`, kind === "loras" ? "g" : "giu"), "").replace(/^\s*,\s*/, "").trimStart();
  };

  /* With the trigger words that are not there yet. */
  darkroom.withWords = (text, words) => words.filter((word) => !text.toLowerCase().includes(word.toLowerCase())).reduce((made, word) => joined(made, word, ", "), text);

  const joined = (text, piece, between) => (text.trim() ? `${text.replace(/[\s,]+$/, "")}${between}${piece}` : piece);

  // --- the panel ----------------------------------------------------------------------------------
  darkroom.cards = (element, tab) => {
    const part = (name) => element.querySelector(`.dk-cards-${name}`);
    const [kinds, search, folder, order, said, list] = ["kinds", "search", "folder", "order", "said", "list"].map(part);
    let kind = darkroom.reads(localStorage, KIND), open = false, items = [], model = null, turn = 0, stop = () => {};
    let box = null; // the prompt that was written in last
    if (!KINDS[kind]) kind = "loras";

    const mark = darkroom.segments(kinds, Object.entries(KINDS).map(([value, [label,, help]]) => [value, label, help]), change);
    for (const [value, [label]] of Object.entries(shelf.ORDERS)) if (value !== "size") order.add(new Option(label, value));
    order.value = darkroom.reads(localStorage, ORDER) ?? "name";
    if (!order.value) order.value = "name";
    change(kind);
    search.addEventListener("input", draw);
    folder.addEventListener("change", draw);
    order.addEventListener("change", () => { darkroom.keeps(localStorage, ORDER, order.value); draw(); });
    part("refresh").addEventListener("click", shelf.refresh);
    document.addEventListener("darkroom:shelf", () => { model = null; if (open) show(); });
    document.addEventListener("darkroom:form", (event) => { if (event.detail === tab && open && modelNow() !== model) show(); });
    document.addEventListener("input", (event) => { if (open && darkroom.promptBox(event.target)) press(); });
    document.addEventListener("focusin", (event) => {
      if (darkroom.promptBox(event.target) && darkroom.promptTab(event.target) === tab) box = event.target;
    });

    const modelNow = () => darkroom.formValues(tab).model ?? "";

    function change(next) {
      kind = next;
      darkroom.keeps(localStorage, KIND, kind);
      mark(kind);
      const [, end, help] = KINDS[kind];
      list.id = `${tab}_${end}_cards`;
      search.id = `${tab}_${end}_extra_search`;
      part("refresh").id = `${tab}_${end}_extra_refresh`;
      list.setAttribute("aria-label", help);
      search.value = "";
      if (open) show();
    }

    async function show() {
      const mine = turn += 1, asked = modelNow();
      model = asked;
      try {
        const told = await shelf.load(kind, kind === "checkpoints" ? "" : asked);
        if (mine !== turn) return;
        items = told.items;
        folders();
        draw();
      } catch (error) {
        if (mine !== turn) return;
        [items, model] = [[], null];
        list.replaceChildren();
        say(error.message);
      }
    }

    function folders() {
      const there = [...new Set(items.map((item) => item.folder))].filter(Boolean).sort();
      const before = folder.value;
      folder.replaceChildren(new Option("All folders", ""), ...there.map((each) => new Option(each, each)));
      folder.value = there.includes(before) ? before : "";
      folder.hidden = !there.length;
    }

    function draw() {
      stop();
      const inside = (item) => !folder.value || item.folder === folder.value || item.folder.startsWith(`${folder.value}/`);
      const shown = items.filter((item) => inside(item) && shelf.matches(item, search.value)).sort(shelf.ORDERS[order.value][1]);
      shown.sort((a, b) => Boolean(wrong(a)) - Boolean(wrong(b))); // what cannot be used comes last
      say(!items.length ? EMPTY[kind] : !shown.length ? "Nothing here is called so." : "");
      stop = shelf.drawn(list, shown, card, list);
    }

    const say = (text) => { said.textContent = text; said.hidden = !text; };
    const wrong = (item) => item.problem ?? item.misfit;

    function card(item) {
      const entry = node("li", "dk-card card"), reason = wrong(item);
      const button = node("button", "dk-card-button");
      const name = node("span", "dk-card-name", item.name.split("/").at(-1));
      button.type = "button";
      entry.dataset.name = item.name;
      button.append(shelf.plate(item), name, node("span", "dk-card-facts", reason ? darkroom.sentence(reason) : facts(item)));
      button.title = [item.name, reason && darkroom.sentence(reason), item.title, item.description.slice(0, 300)].filter(Boolean).join("\n");
      if (reason) button.setAttribute("aria-disabled", "true");
      button.setAttribute("aria-pressed", String(isOn(item.name)));
      button.addEventListener("click", (event) => click(item, event.shiftKey || event.altKey));
      entry.append(button);
      if (!reason && kind === "loras" && item.trigger_words.length) {
        const words = darkroom.button("+ words", () => click(item, true), "dk-card-words");
        words.title = `With its trigger words: ${item.trigger_words.join(", ")}`;
        entry.append(words);
      }
      return entry;
    }

    function facts(item) {
      if (kind === "embeddings") return darkroom.plural(item.vectors, "vector");
      if (kind === "checkpoints") return [item.base, darkroom.bytes(item.size_bytes)].filter(Boolean).join(" · ");
      return [item.kinds.filter((each) => each !== "LoRA").join(", "), item.rank && `rank ${item.rank}`, item.weight && `weight ${item.weight}`].filter(Boolean).join(" · ");
    }

    function click(item, withWords) {
      const reason = wrong(item);
      if (reason) { say(`${item.name}: ${darkroom.sentence(reason)}${item.misfit ? ` Choose a model of ${item.base || "its family"} to use it.` : ""}`); return; }
      say("");
      if (kind === "checkpoints") { shelf.choose(item.name); return; }
      const field = kind === "loras" || !box?.isConnected ? darkroom.promptBoxOf(tab, "prompt") : box;
      if (!field) return;
      const there = darkroom.cardIsIn(field.value, kind, item.name);
      let text = field.value;
      if (!withWords || !there) text = darkroom.withCard(text, kind, item.name, item.weight ?? 1);
      if (withWords) text = darkroom.withWords(text, item.trigger_words);
      darkroom.rewrite(field, text);
      if (matchMedia("(pointer: coarse)").matches) field.blur(); // else a phone's keyboard hides the cards
    }

    /* Whether the prompt has it, or it is the model. */
    function isOn(name) {
      if (kind === "checkpoints") return name === modelNow();
      const fields = kind === "loras" ? ["prompt"] : ["prompt", "negative_prompt"];
      return fields.some((field) => darkroom.cardIsIn(darkroom.promptBoxOf(tab, field)?.value ?? "", kind, name));
    }

    function press() {
      for (const entry of list.querySelectorAll(".dk-card")) entry.firstElementChild.setAttribute("aria-pressed", String(isOn(entry.dataset.name)));
    }
    document.addEventListener("darkroom:form", (event) => { if (event.detail === tab && open) press(); });
    darkroom.lens(element, `${tab}_extra_tabs`, (now) => { open = now; if (open) show(); }); // last: one that was left open opens here
  };
})();
