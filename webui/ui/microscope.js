/* The microscope: what the model is told by a prompt, token by token, while one types.

   It draws the server's reading of both prompts: which text guides which steps, the tokens in their
   windows with numbers and weights, and what stands in a word's place. It works nothing out itself. */
"use strict";
(() => {
  const OPEN = "darkroom.open.";
  const MOST_WINDOWS = 8; // drawn at first
  const MOST_NAMED = 8; // stages that have room for a name
  const FIELDS = [["prompt", "Prompt"], ["negative_prompt", "Negative prompt"]];
  const LEAD = "The model reads no words but these tokens, at most 75 at a time. Warm ones weigh more than 1, cool ones less.";
  const { plural } = darkroom;

  const made = (kind, classes = "", text = "") => Object.assign(document.createElement(kind), { className: classes, textContent: text });
  const number = (value) => String(Number(value.toFixed(3)));

  // --- the fold, of this and of the mix ------------------------------------------------------------
  /* A button and what it opens; closed until wanted, and then as it was left. */
  darkroom.lens = (element, name, turned = () => {}) => {
    const button = element.querySelector(".dk-lens-button"), body = element.querySelector(".dk-lens-body");
    body.id = `${name}_body`;
    button.setAttribute("aria-controls", body.id);
    const turn = (open) => {
      button.setAttribute("aria-expanded", String(open));
      body.hidden = !open;
      turned(open);
    };
    button.addEventListener("click", () => {
      turn(body.hidden);
      darkroom.keeps(localStorage, OPEN + name, body.hidden ? "no" : "yes");
    });
    turn(darkroom.reads(localStorage, OPEN + name) === "yes");
  };

  darkroom.microscope = (element, tab) => {
    const view = element.querySelector(".dk-scope-view");
    const looking = {}; // field -> the step whose stage is shown
    let open = false, all = false, shown = null;

    element.querySelector(".dk-lead").textContent = LEAD;
    document.addEventListener("darkroom:looked", (event) => { if (event.detail.tab === tab) draw(); });

    function draw() {
      const answer = open ? darkroom.lookedAt(tab) : null;
      if (!open || answer === shown) return;
      shown = answer;
      redraw();
    }

    function redraw() {
      const top = view.scrollTop;
      view.replaceChildren(...FIELDS.flatMap(([field, title]) => drawPrompt(field, title)));
      view.scrollTop = top;
    }

    // --- one prompt -------------------------------------------------------------------------------
    function drawPrompt(field, title) {
      const read = shown?.[field], text = shown?.asked[field] ?? "";
      if (!read?.parts || (field !== "prompt" && !text.trim())) return [];
      const parts = read.parts.map((part, i) => drawPart(field, read, part, i));
      return [made("h3", "", title), ...parts, ...tags(read.tags ?? [])];
    }

    function drawPart(field, { parts, texts }, part, i) {
      const box = made("div", "dk-scope-part"), count = parts.length;
      if (count > 1 || part.weight !== 1) {
        const words = made("p", "dk-scope-words");
        words.append(made("b", "", `Part ${i + 1} of ${count}`), `, guides with weight ${number(part.weight)}`);
        box.append(words);
      }
      const stage = part.stages.find((each) => each.last_step >= (looking[field] ?? 1)) ?? part.stages.at(-1);
      if (part.stages.length > 1) box.append(axis(field, part.stages, stage, texts));
      for (const [ratio, text] of stage.variants) box.append(...drawVariant(field, stage, ratio, texts[text], texts[stage.variants[0][1]]));
      return box;
    }

    // --- which text guides which steps ------------------------------------------------------------
    function axis(field, stages, now, texts) {
      const box = document.createDocumentFragment(), bar = made("div", "dk-axis");
      const ends = made("div", "dk-axis-ends"), here = made("span", "dk-axis-here");
      bar.setAttribute("role", "radiogroup");
      bar.setAttribute("aria-label", "Which steps read which text");
      const whole = stages.map((stage) => texts[stage.variants[0][1]]?.text ?? "");
      const narrow = stages.length > MOST_NAMED, kinds = [...new Set(whole)];
      const different = differences(whole);
      const buttons = stages.map((stage, i) => {
        const { first_step: first, last_step: last } = stage;
        const span = first === last ? `Step ${first}` : `Steps ${first} to ${last}`;
        const name = different[i] || "\u2013", button = made("button", "", narrow ? "" : name);
        if (stage === now) here.textContent = `${span.toLowerCase()}: ${name}`;
        button.type = "button";
        button.title = `${span}: ${whole[i]}`;
        button.style.flexGrow = String(last - first + 1);
        button.style.setProperty("--shade", `${narrow ? Math.min(40, 14 * kinds.indexOf(whole[i])) : 0}%`);
        button.setAttribute("role", "radio");
        button.setAttribute("aria-checked", String(stage === now));
        button.setAttribute("aria-label", button.title);
        button.tabIndex = stage === now ? 0 : -1;
        button.addEventListener("click", () => go(field, first));
        return button;
      });
      bar.addEventListener("keydown", (event) => {
        const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        const next = way && buttons[buttons.indexOf(document.activeElement) + way];
        if (!next) return;
        event.preventDefault();
        next.click();
        view.querySelector('.dk-axis [aria-checked="true"]')?.focus();
      });
      bar.append(...buttons);
      ends.append(made("span", "", "step 1"), here, made("span", "", `step ${stages.at(-1).last_step}`));
      box.append(made("p", "dk-scope-words", "The text changes from step to step; choose which to see."), bar, ends);
      return box;
    }

    /* What of each text is not the same in all of them. */
    function differences(whole) {
      const least = Math.min(...whole.map((each) => each.length));
      const same = (at) => whole.every((each) => at(each) === at(whole[0]));
      let head = 0, tail = 0;
      while (head < least && same((each) => each[head])) head += 1;
      while (tail < least - head && same((each) => each[each.length - 1 - tail])) tail += 1;
      return whole.map((each) => each.slice(head, each.length - tail).trim());
    }

    function go(field, step) {
      looking[field] = step;
      redraw();
    }

    // --- tokens -----------------------------------------------------------------------------------
    function drawVariant(field, stage, ratio, seen, first) {
      const boxes = [], windows = seen?.windows ?? [];
      if (stage.variants.length > 1) {
        const words = made("p", "dk-scope-words dk-scope-variant");
        const percent = `${Math.round(100 * ratio)} %`;
        const how = stage.mixing !== "slerp" ? `${percent} of` : seen === first ? "From" : `Turned by ${percent} to`;
        words.append(made("b", "", how), ` “${seen?.text.trim()}”, read by itself`);
        boxes.push(words);
      }
      const many = windows.length, most = all ? many : Math.min(many, MOST_WINDOWS);
      boxes.push(...windows.slice(0, most).map((each, i) => drawWindow(field, each, i, many)));
      if (most < many) {
        const more = made("button", "dk-quiet dk-scope-more", `Show ${plural(many - most, "more window")}`);
        more.type = "button";
        more.addEventListener("click", () => { all = true; redraw(); });
        boxes.push(more);
      }
      return boxes;
    }

    function drawWindow(field, tokens, i, many) {
      const box = made("div", "dk-window"), head = made("div", "dk-window-head"), fill = made("div", "dk-window-fill");
      const row = made("ol", "dk-tokens");
      head.append(made("span", "", many > 1 ? `Window ${i + 1} of ${many}${i ? ", read by itself" : ""}` : "One window"), made("span", "", `${tokens.length} of 75`));
      fill.style.setProperty("--full", `${(100 * tokens.length) / 75}%`);
      row.append(...tokens.map((each, at) => chip(field, each, tokens[at - 1])));
      if (!tokens.length) row.append(made("li", "dk-scope-words", "Nothing to read"));
      box.append(head, fill, row);
      return box;
    }

    function chip(field, token, before) {
      const item = made("li", "dk-token"), under = made("small"), weight = number(token.weight);
      const kind = token.embedding ? "embedding" : token.mix ? "mix" : "";
      const word = token.embedding || token.mix || token.text.trim() || "\u00b7";
      item.append(made("span", "", word), under);
      under.append(kind || String(token.id));
      if (token.weight !== 1) {
        under.append(" ", made("b", "", `\u00d7${weight}`));
        item.dataset.weight = token.weight < 1 ? "low" : "high";
        item.style.setProperty("--strength", `${Math.round(Math.min(60, 12 + 60 * Math.abs(token.weight - 1)))}%`);
      }
      if (kind) item.dataset.kind = kind;
      else if (before && continues(before, token)) item.dataset.joined = "";
      item.title = [kind ? `${kind}: ${word}` : `token ${token.id}`, `weight ${weight}`].join(", ");
      item.addEventListener("click", () => darkroom.point(tab, field, token));
      return item;
    }

    /* Two tokens of one word. */
    const continues = (before, token) => !before.embedding && !before.mix && before.end === token.start
      && /^[\p{L}\p{M}]/u.test(token.text) && /[\p{L}\p{M}]\s*$/u.test(before.text);

    function tags(list) {
      if (!list.length) return [];
      const row = made("ul", "dk-scope-tags");
      const words = made("p", "dk-scope-words dk-scope-taken", "Taken out of the text, for others:");
      row.append(...list.map((tag) => {
        const named = Object.entries(tag.named ?? {}).map(([name, value]) => `${name} ${value}`);
        return made("li", "", [tag.kind, ...tag.arguments, ...named].join(" \u00b7 "));
      }));
      return [words, row];
    }

    darkroom.lens(element, `${tab}_microscope`, (now) => { open = now; draw(); }); // last: one that was left open is drawn here
    darkroom.lookAgain(tab); // the form of a tab is filled before the tab is built
  };
})();
