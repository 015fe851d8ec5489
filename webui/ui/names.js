/* Names to choose from while one types a prompt: LoRAs after <lora:, wildcards after __, else
   embeddings and the tags of files that were dropped in.

   Nothing is chosen until an arrow key says so: Enter stays a new line. Tab takes the first. */
"use strict";
(() => {
  const PAUSE = 90; // milliseconds without a key
  const MOST = 12; // offered
  const ASKED = 200; // of all kinds, of which those are chosen that can stand there
  const KINDS = { lora: "LoRA", embedding: "embedding", wildcard: "wildcard", tag: "tag" };
  const LIST = "dk-names";
  const rounded = new Intl.NumberFormat("en", { notation: "compact" });

  let list = null; // the element, made when it is first wanted
  let offered = []; // {kind, text, count, called} in the order in which they stand
  let active = -1;
  let typed = null; // {box, start, end, kinds, prefix}: what a choice replaces
  let timer = 0, turn = 0, writing = false;

  // --- what is being typed ------------------------------------------------------------------------
  /* Before the cursor: {start, end, kinds, prefix}, or null where there is nothing to complete. */
  darkroom.beingNamed = (text, at) => {
    const before = text.slice(0, at);
    const tag = /<(\w+):([^<>:,\n]*)$/.exec(before);
    if (tag) {
      const rest = /^[^<>\n,]*>/.exec(text.slice(at))?.[0].length ?? 0;
      return tag[1] === "lora" ? { start: tag.index, end: at + rest, kinds: ["lora"], prefix: tag[2] } : null;
    }
    if (/<\w+:[^<>\n]*$/.test(before)) return null; // inside another tag
    if (/[\p{L}\p{N}_]/u.test(text.charAt(at))) return null; // in the middle of a word
    const wildcard = /__([\p{L}\p{N}_/*-]*)$/u.exec(before);
    if (wildcard) return { start: wildcard.index, end: at, kinds: ["wildcard"], prefix: wildcard[1] };
    const word = /[^\s,()[\]{}|:<>]+$/u.exec(before);
    if (!word || !/\p{L}.*\p{L}/u.test(word[0])) return null;
    return { start: word.index, end: at, kinds: ["embedding", "tag"], prefix: word[0] };
  };

  function soon(box) {
    clearTimeout(timer);
    timer = setTimeout(() => offer(box), PAUSE);
  }

  async function offer(box) {
    const now = box.selectionStart === box.selectionEnd && document.activeElement === box && darkroom.beingNamed(box.value, box.selectionStart);
    if (!now) { close(); return; }
    const mine = turn += 1, text = box.value, at = box.selectionStart;
    const found = await ask(now);
    if (mine !== turn || box.value !== text || box.selectionStart !== at) return;
    if (found.length) open(box, now, found);
    else close();
  }

  async function ask({ prefix, kinds }) {
    const query = new URLSearchParams({ prefix, limit: String(ASKED) });
    try {
      const answer = await fetch(`api/v1/prompts/names?${query}`, { signal: AbortSignal.timeout(5000) });
      const { names } = answer.ok ? await answer.json() : { names: [] };
      const exact = (each) => names.length === 1 && each.text === prefix; // nothing is left to complete
      return names.filter((each) => kinds.includes(each.kind) && !exact(each)).slice(0, MOST);
    } catch {
      return []; // a list that does not come is no reason to disturb anybody who types
    }
  }

  // --- the list -----------------------------------------------------------------------------------
  function open(box, now, found) {
    list ??= document.body.appendChild(Object.assign(document.createElement("ul"), { id: LIST }));
    list.setAttribute("role", "listbox");
    list.setAttribute("aria-label", "Names");
    [offered, active, typed] = [found, -1, { ...now, box }];
    list.replaceChildren(...found.map(option));
    list.hidden = false;
    place(box, now.start);
    box.setAttribute("aria-autocomplete", "list");
    box.setAttribute("aria-haspopup", "listbox");
    box.setAttribute("aria-controls", LIST);
  }

  function option(each, i) {
    const item = document.createElement("li");
    item.id = `${LIST}-${i}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const name = Object.assign(document.createElement("span"), { textContent: each.called ? `${each.called} → ${each.text}` : each.text });
    const kind = Object.assign(document.createElement("small"), { textContent: each.count ? rounded.format(each.count) : KINDS[each.kind] });
    item.append(name, kind);
    item.addEventListener("pointerdown", (event) => { event.preventDefault(); take(i); }); // the box keeps the focus
    return item;
  }

  function close() {
    turn += 1;
    if (!list || list.hidden) return;
    list.hidden = true;
    typed?.box.removeAttribute("aria-activedescendant");
    typed?.box.removeAttribute("aria-controls");
    typed = null;
  }

  function choose(next) {
    active = (next + offered.length) % offered.length;
    Array.from(list.children).forEach((item, i) => item.setAttribute("aria-selected", String(i === active)));
    list.children[active].scrollIntoView({ block: "nearest" });
    typed.box.setAttribute("aria-activedescendant", list.children[active].id);
  }

  function take(i) {
    const { box, start, end } = typed, { kind, text: name } = offered[i];
    const text = { lora: `<lora:${name}:1>`, wildcard: `__${name}__`, tag: asText(name) }[kind] ?? name;
    close();
    writing = true;
    darkroom.rewrite(box, box.value.slice(0, start) + text + box.value.slice(end), start + text.length);
    writing = false;
  }

  /* A tag as a prompt has it: long_hair is two words, and a bracket no emphasis. ^_^ stays what it is. */
  const asText = (tag) => (tag.length > 3 ? tag.replaceAll("_", " ") : tag).replace(/[\\()[\]]/g, "\\$&");

  /* Under the line that is being written, inside the window. */
  function place(box, at) {
    const { x, y, line } = caret(box, at);
    const { width, height } = list.getBoundingClientRect();
    const under = y + line + 4, room = innerHeight - under;
    list.style.left = `${scrollX + Math.max(8, Math.min(x, document.documentElement.clientWidth - width - 8))}px`;
    list.style.top = `${scrollY + (room < height && y > height ? y - height - 4 : under)}px`;
  }

  /* Where a character stands in the window: measured in a copy of the box, for boxes tell nobody. */
  function caret(box, at) {
    const style = getComputedStyle(box), mirror = document.createElement("div");
    for (const name of ["font", "letterSpacing", "padding", "border", "boxSizing", "lineHeight", "textIndent", "tabSize"]) mirror.style[name] = style[name];
    Object.assign(mirror.style, { position: "absolute", visibility: "hidden", whiteSpace: "pre-wrap", overflowWrap: "break-word", top: "0", left: "-9999px", width: `${box.offsetWidth}px` });
    const mark = Object.assign(document.createElement("span"), { textContent: box.value.slice(at) || "." });
    mirror.append(box.value.slice(0, at), mark);
    document.body.append(mirror);
    const place = { left: mark.offsetLeft, top: mark.offsetTop };
    mirror.remove();
    const frame = box.getBoundingClientRect();
    return { x: frame.left + place.left - box.scrollLeft, y: frame.top + place.top - box.scrollTop, line: parseFloat(style.lineHeight) || 20 };
  }

  // --- keys and the rest --------------------------------------------------------------------------
  document.addEventListener("input", (event) => {
    const box = darkroom.promptBox(event.target);
    if (!box || writing) return;
    if (event.isComposing || !event.inputType) close(); // an input method has a list of its own
    else soon(box);
  });

  document.addEventListener("keydown", (event) => {
    if (!typed || event.target !== typed.box || event.isComposing) return;
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey;
    const act = plain && {
      ArrowDown: () => choose(active + 1),
      ArrowUp: () => choose(active < 0 ? offered.length - 1 : active - 1),
      Tab: () => take(Math.max(0, active)),
      Enter: active >= 0 ? () => take(active) : null,
      Escape: close,
    }[event.key];
    if (!act) {
      if (["ArrowLeft", "ArrowRight", "Home", "End", "Enter", "PageUp", "PageDown"].includes(event.key)) close();
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    act();
  }, true);

  document.addEventListener("focusout", (event) => { if (event.target === typed?.box) close(); });
  document.addEventListener("pointerdown", (event) => { if (!list?.contains(event.target)) close(); }, true);
  addEventListener("resize", close);
  document.addEventListener("scroll", (event) => { if (event.target !== list) close(); }, true);
})();
