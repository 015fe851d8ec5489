/* Editing a prompt by keys: weights, the order of its parts, and text put in so that it can be undone.

   `changeWeight` and `movePart` are plain functions of a text and a selection; the rest reaches the page. */
"use strict";
(() => {
  const DELIMITERS = /[.,\\/!?%^*;:{}=`~()<>[\]|\s]/; // what ends a word: A1111's, and brackets
  const WEIGHTED = /:\s*[+-]?(?:\d+\.?\d*|\.\d+)\s*$/;
  const STEP = { "(": 0.1, "<": 0.05 };
  const LEGACY = { "(": 1.1, "[": 1 / 1.1 };
  const PAIRS = [["<", ">"], ["(", ")"], ["[", "]"]];
  const escaped = (text, at) => /(?:^|[^\\])(?:\\\\)*\\$/.test(text.slice(Math.max(0, at - 40), at));

  // --- weights ------------------------------------------------------------------------------------
  /* {text, start, end} with the weight of the selection, or of what the cursor is in, a step higher
     or lower; null where there is nothing to weigh. Without a selection it is what the innermost <>, (),
     or [] around the cursor holds, tried in this order, else the word. */
  darkroom.changeWeight = (text, start, end, up) => {
    const found = start === end ? around(text, start) ?? wordAt(text, start) : trimmed(text, start, end);
    if (!found || found.start === found.end) return null;
    const now = weighed(text, found);
    if (!now) return null;
    const weight = Number((now.weight + (up ? 1 : -1) * STEP[now.open]).toPrecision(12));
    const shown = Number.isInteger(weight) ? weight.toFixed(1) : String(weight);
    const bare = now.open === "(" && weight === 1;
    const before = text.slice(0, now.from) + (bare ? "" : now.open);
    const after = (bare ? "" : `:${shown}${now.open === "(" ? ")" : ">"}`) + text.slice(now.to);
    return { text: before + now.inner + after, start: before.length, end: before.length + now.inner.length };
  };

  /* What the brackets around the cursor hold, without its weight. Like A1111 it looks no further than the
     nearest bracket of a kind; unlike it, at no escaped one, and at no [from:to:when]. */
  function around(text, at) {
    for (const [open, close] of PAIRS) {
      const from = nearest(text, at - 1, -1, open, close);
      const to = nearest(text, at, 1, close, open);
      if (from === null || to === null) continue;
      const inner = text.slice(from + 1, to);
      if (open === "[" && /[:|]/.test(inner)) continue;
      return { start: from + 1, end: from + 1 + inner.replace(WEIGHTED, "").length };
    }
    return null;
  }

  function nearest(text, from, way, wanted, other) {
    for (let at = from; at >= 0 && at < text.length; at += way) {
      if ((text[at] !== wanted && text[at] !== other) || escaped(text, at)) continue;
      return text[at] === wanted ? at : null;
    }
    return null;
  }

  function wordAt(text, at) {
    let start = at, end = at;
    while (start > 0 && !DELIMITERS.test(text[start - 1])) start -= 1;
    while (end < text.length && !DELIMITERS.test(text[end])) end += 1;
    return { start, end };
  }

  function trimmed(text, start, end) {
    while (end > start && /\s/.test(text[end - 1])) end -= 1;
    while (start < end && /\s/.test(text[start])) start += 1;
    return { start, end };
  }

  /* Where the weighed piece stands with its brackets, and its weight; unweighed text weighs 1. */
  function weighed(text, { start, end }) {
    const inner = text.slice(start, end), open = text[start - 1], next = text[end];
    if ((open === "(" || open === "<") && next === ":" && !escaped(text, start - 1)) {
      const close = text.indexOf(open === "(" ? ")" : ">", end);
      const number = text.slice(end, close);
      if (close < 0 || number.search(WEIGHTED) !== 0) return null;
      return { from: start - 1, to: close + 1, open, inner, weight: Number(number.slice(1)) };
    }
    if (open === "<") return null; // a tag without a number
    const depth = legacyDepth(text, start, end);
    if (!depth) return { from: start, to: end, open: "(", inner, weight: 1 };
    const weight = Number((Math.round(LEGACY[open] ** depth / STEP["("]) * STEP["("]).toPrecision(12));
    return { from: start - depth, to: end + depth, open: "(", inner, weight };
  }

  /* How many plain brackets of one kind stand around: ((x)) is 2. */
  function legacyDepth(text, start, end) {
    const open = text[start - 1], close = { "(": ")", "[": "]" }[open];
    let depth = 0;
    while (close && text[start - 1 - depth] === open && text[end + depth] === close && !escaped(text, start - 1 - depth)) depth += 1;
    return depth;
  }

  // --- the order of the parts ---------------------------------------------------------------------
  /* {text, start, end} with the part between commas that holds the selection moved past its neighbour.
     Commas inside brackets part only what is inside; white space stays where it is. */
  darkroom.movePart = (text, start, end, right) => {
    const parts = partsAround(text, start);
    const mine = parts.findIndex((each) => start >= each.from && start <= each.to);
    const other = mine + (right ? 1 : -1);
    if (mine < 0 || end > parts[mine].to || !parts[other]) return null;
    const [a, b] = [parts[Math.min(mine, other)], parts[Math.max(mine, other)]].map((each) => trimmed(text, each.from, each.to));
    const first = text.slice(a.start, a.end), second = text.slice(b.start, b.end);
    const between = text.slice(a.end, b.start);
    const at = right ? a.start + second.length + between.length : a.start;
    const moved = right ? first : second;
    if (!first || !second) return null;
    return { text: text.slice(0, a.start) + second + between + first + text.slice(b.end), start: at, end: at + moved.length };
  };

  /* {from, to} of each part in the brackets that hold `at`, or of the whole text. */
  function partsAround(text, at) {
    const open = [];
    const whole = { from: 0, commas: [], to: text.length };
    let holding = whole;
    for (let i = 0; i < text.length; i += 1) {
      if (text[i] === "\\") { i += 1; continue; }
      if ("(<[".includes(text[i])) {
        open.push({ kind: text[i], from: i + 1, commas: [], to: text.length });
      } else if (")>]".includes(text[i]) && open.at(-1)?.kind === { ")": "(", ">": "<", "]": "[" }[text[i]]) {
        const group = open.pop();
        const inner = text.slice(group.from, i);
        group.to = group.from + inner.replace(WEIGHTED, "").length;
        const list = group.kind === "(" || (group.kind === "[" && !/[:|]/.test(inner));
        if (list && group.commas.length && at >= group.from && at <= group.to && group.from > holding.from) holding = group;
      } else if (text[i] === ",") {
        (open.at(-1) ?? whole).commas.push(i);
      }
    }
    const ends = [...holding.commas, holding.to];
    return ends.map((to, i) => ({ from: i ? ends[i - 1] + 1 : holding.from, to }));
  }

  // --- the page -----------------------------------------------------------------------------------
  darkroom.promptBox = (target) => (target?.matches?.('.dk-field[id$="_prompt"] textarea') ? target : null);

  /* Puts `text` in, by as small a change as will do, so that Ctrl+Z takes exactly it back. */
  darkroom.rewrite = (box, text, start = text.length, end = start) => {
    const old = box.value;
    let head = 0, tail = 0;
    const most = Math.min(old.length, text.length);
    while (head < most && old[head] === text[head]) head += 1;
    while (tail < most - head && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail += 1;
    box.focus({ preventScroll: true });
    const piece = text.slice(head, text.length - tail);
    if (old !== text) {
      box.setSelectionRange(head, old.length - tail);
      // the one way to change a box that its undo knows of
      if (!document.execCommand(piece ? "insertText" : "delete", false, piece)) {
        box.setRangeText(piece);
        box.dispatchEvent(new Event("input", { bubbles: true }));
      }
    }
    box.setSelectionRange(start, end);
  };

  const KEYS = {
    "Control ArrowUp": [darkroom.changeWeight, true],
    "Control ArrowDown": [darkroom.changeWeight, false],
    "Alt ArrowRight": [darkroom.movePart, true],
    "Alt ArrowLeft": [darkroom.movePart, false],
  };

  document.addEventListener("keydown", (event) => {
    const box = darkroom.promptBox(event.target);
    if (!box || event.isComposing || event.shiftKey) return;
    const held = [(event.ctrlKey || event.metaKey) && "Control", event.altKey && "Alt"].filter(Boolean).join("+");
    const [edit, way] = KEYS[`${held} ${event.key}`] ?? [];
    if (!edit) return;
    event.preventDefault(); // Alt+Left would leave the page
    const done = edit(box.value, box.selectionStart, box.selectionEnd, way);
    if (done) darkroom.rewrite(box, done.text, done.start, done.end);
  });
})();
