/* The mixing desk: writes `<mix:...>` from a few words and sliders, and asks for a strip of ratios.

   It knows only the syntax (docs/prompts.md). What a mix is, and whether it can be, the server says. */
"use strict";
(() => {
  const KEPT = "darkroom.mix.";
  const MOST = 16; // texts in one mix
  const FIRST = { texts: ["cat face", "panda"], shares: [0.5, 0.5], level: "token", mixing: "linear", count: 5 };
  const LEVELS = [
    ["token", "Words", "The words' own vectors are blended before the sentence is read: the rest of the prompt meets one thing"],
    ["text", "Whole texts", "The prompt is read once with each, and what was understood is blended"],
  ];
  const MIXINGS = [
    ["linear", "Straight", "The weighted mean; in the middle it can be paler than either end"],
    ["slerp", "Slerp", "Turns from one to the other at full length, along the arc"],
  ];
  const MIX = /<mix:[^<>]*>/;

  // --- the syntax ---------------------------------------------------------------------------------
  const number = (value) => String(Number(value.toFixed(3)));
  const clean = (text) => text.replace(/[<>]/g, "").replace(/\s+/g, " ").trim();

  /* A backslash before what would end the text; not inside brackets, which protect it. */
  function escaped(text) {
    let depth = 0;
    return text.replace(/\\.|[()[\];:=]/g, (sign) => {
      depth = Math.max(0, depth + ("([".includes(sign) ? 1 : ")]".includes(sign) ? -1 : 0));
      return depth === 0 && ";:=".includes(sign) ? `\\${sign}` : sign;
    });
  }

  /* {texts, shares, level, mixing} as a tag; the shares are made to add up to 1. */
  darkroom.mixTag = ({ texts, shares, level, mixing }) => {
    const listed = texts.map(clean);
    const commas = listed.some((each) => each.includes(","));
    const total = shares.reduce((sum, each) => sum + each, 0) || 1;
    const parts = shares.map((each) => number(each / total));
    const settings = [listed.length === 2 ? parts[1] : parts.join(), level === "text" && "text", mixing === "slerp" && "slerp"];
    return `<mix:${listed.map(escaped).join(commas ? ";" : ",")}:${settings.filter(Boolean).join(":")}>`;
  };

  /* `count` steps from all of the first to none of it, the others among themselves as they are. */
  darkroom.mixSteps = (mix, count) => {
    const rest = mix.shares.slice(1);
    const total = rest.reduce((sum, each) => sum + each, 0);
    const among = rest.map((each) => (total ? each / total : 1 / rest.length));
    return Array.from({ length: count }, (_, i) => {
      const away = i / (count - 1);
      return { away, tag: darkroom.mixTag({ ...mix, shares: [1 - away, ...among.map((each) => away * each)] }) };
    });
  };

  // --- the desk -----------------------------------------------------------------------------------
  darkroom.mix = (element, tab, props, watch, ask) => {
    const root = element.querySelector(".dk-mix");
    const find = (name) => root.querySelector(`.dk-mix-${name}`);
    const count = find("count").querySelector("input"), name = find("save").querySelector("input");
    let now = kept();
    let selected = null; // {text, start, end}: what was selected last in the prompt, and its text by then
    let asked = null; // the strip that was asked for and not yet answered

    function kept() {
      try {
        const mix = JSON.parse(darkroom.reads(localStorage, KEPT + tab));
        return mix.texts.length === mix.shares.length && mix.texts.length > 1 ? { ...FIRST, ...mix } : FIRST;
      } catch {
        return FIRST;
      }
    }

    function change(part) {
      now = { ...now, ...part };
      darkroom.keeps(localStorage, KEPT + tab, JSON.stringify(now));
      say();
    }

    // --- rows -------------------------------------------------------------------------------------
    function draw() {
      const two = now.texts.length === 2;
      find("rows").replaceChildren(...now.texts.map((_, i) => row(i, two)), ...(two ? [balance()] : []));
      find("add").hidden = now.texts.length >= MOST;
      say();
    }

    function row(i, two) {
      const line = made("div", "dk-mix-row");
      const box = Object.assign(made("input", "dk-mix-text"), { type: "text", value: now.texts[i], spellcheck: false });
      box.setAttribute("aria-label", `Text ${i + 1}`);
      box.addEventListener("input", () => change({ texts: replaced(now.texts, i, box.value) }));
      line.append(box);
      if (two) return line;
      line.append(slider(now.shares[i], `Share of text ${i + 1}`, (value) => change({ shares: replaced(now.shares, i, value) })), made("output", "dk-mix-share"));
      const remove = Object.assign(made("button", "dk-mix-remove"), { type: "button", title: "Remove", textContent: "\u00d7" });
      remove.setAttribute("aria-label", `Remove text ${i + 1}`);
      remove.addEventListener("click", () => {
        const without = (list) => list.filter((_, at) => at !== i);
        change({ texts: without(now.texts), shares: without(now.shares) });
        draw();
      });
      line.append(remove);
      return line;
    }

    /* One slider says it all for two: the further right, the more of the second. */
    function balance() {
      const line = made("div", "dk-mix-balance");
      const total = now.shares[0] + now.shares[1] || 1;
      line.append(made("output", "dk-mix-share"), slider(now.shares[1] / total, "Share of the second", (value) => change({ shares: [1 - value, value] })), made("output", "dk-mix-share"));
      return line;
    }

    function slider(value, label, moved) {
      const range = Object.assign(made("input", "dk-mix-slider"), { type: "range", min: "0", max: "1", step: "0.05", value: String(value) });
      range.setAttribute("aria-label", label);
      const show = () => range.style.setProperty("--range_progress", `${100 * range.value}%`);
      range.addEventListener("input", () => { show(); moved(Number(range.value)); });
      show();
      return range;
    }

    const made = (kind, classes) => Object.assign(document.createElement(kind), { className: classes });
    const replaced = (list, i, value) => list.map((each, at) => (at === i ? value : each));

    // --- words ------------------------------------------------------------------------------------
    const ready = () => now.texts.every((each) => clean(each)) && now.shares.some((each) => each > 0);

    function say() {
      const total = now.shares.reduce((sum, each) => sum + each, 0) || 1;
      root.querySelectorAll(".dk-mix-share").forEach((each, i) => { each.textContent = `${Math.round((100 * now.shares[i]) / total)} %`; });
      find("syntax").textContent = ready() ? darkroom.mixTag(now) : "Two words or more, please";
      find("what").textContent = ready() ? `Renders “${shortened(written(darkroom.mixTag(now)))}” from all ${clean(now.texts[0])} to all ${others()}, with one seed.` : "";
      for (const each of ["insert", "strip", "keep"]) find(each).disabled = !ready() || (each === "strip" && asked !== null);
      chooseLevel(now.level);
      chooseMixing(now.mixing);
    }

    const others = () => now.texts.slice(1).map(clean).join(" and ");
    const shortened = (text) => (text.length > 120 ? `${text.slice(0, 117)}…` : text);

    /* The prompt with the tag: in the place of the mix that is there, else of what is selected. */
    function written(tag) {
      const text = darkroom.promptBoxOf(tab, "prompt")?.value ?? "";
      if (MIX.test(text)) return text.replace(MIX, () => tag);
      const { start, end } = selected?.text === text ? selected : { start: text.length, end: text.length };
      const words = text.slice(start, end), before = text.slice(0, start) + words.match(/^\s*/)[0];
      const after = (words.trim() ? words.match(/\s*$/)[0] : "") + text.slice(end); // its blanks stay
      return before + (/\S$/.test(before) ? " " : "") + tag + (/^[\p{L}\p{N}(]/u.test(after) ? " " : "") + after;
    }

    const chooseLevel = darkroom.segments(find("level"), LEVELS, (level) => change({ level }));
    const chooseMixing = darkroom.segments(find("mixing"), MIXINGS, (mixing) => change({ mixing }));

    // --- doing ------------------------------------------------------------------------------------
    find("add").addEventListener("click", () => {
      change({ texts: [...now.texts, ""], shares: [...now.shares, 0.5] });
      draw();
      find("rows").querySelector(".dk-mix-row:last-child .dk-mix-text").focus();
    });
    find("insert").addEventListener("click", () => {
      const box = darkroom.promptBoxOf(tab, "prompt"), tag = darkroom.mixTag(now), text = written(tag);
      darkroom.rewrite(box, text, text.indexOf(tag) + tag.length);
    });
    find("strip").addEventListener("click", () => {
      const steps = darkroom.mixSteps(now, now.count);
      asked = { first: clean(now.texts[0]), others: others(), steps: steps.map(({ away }) => away) };
      say();
      ask({ prompts: steps.map(({ tag }) => written(tag)) });
      setTimeout(() => { asked = null; say(); }, 15_000); // an answer that never came
    });
    watch("answer", () => {
      if (!props.answer || !asked) return;
      const strip = asked;
      asked = null;
      say();
      darkroom.clearComplaint();
      if (props.answer.error) darkroom.complain(props.answer.error, tab);
      else darkroom.hangStrip({ ...strip, jobs: props.answer.jobs });
    });
    count.addEventListener("change", () => {
      count.value = String(Math.max(2, Math.min(21, Math.round(Number(count.value)) || FIRST.count)));
      change({ count: Number(count.value) });
    });
    find("keep").addEventListener("click", async () => {
      const body = { name: name.value.trim(), text: darkroom.mixTag(now), model: darkroom.formValues(tab).model };
      find("said").textContent = await saved(body);
    });

    async function saved(body) {
      if (!body.name) return "Give it a name first.";
      try {
        const answer = await fetch("api/v1/embeddings", {
          method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
        });
        if (answer.ok) darkroom.lookAgain(tab);
        if (answer.ok) return `Saved: write ${body.name} in a prompt and it stands for this mix.`;
        const { error } = await answer.json();
        const of = error?.field === "name" ? "The name " : error?.field ? `${error.field}: ` : "";
        return error ? darkroom.sentence(of + error.text) : "It could not be saved.";
      } catch {
        return "The server could not be reached.";
      }
    }

    document.addEventListener("selectionchange", () => {
      const box = darkroom.promptBoxOf(tab, "prompt");
      if (!box || document.activeElement !== box) return;
      selected = { text: box.value, start: box.selectionStart, end: box.selectionEnd };
      say();
    });
    document.addEventListener("darkroom:form", (event) => { if (event.detail === tab) say(); });
    count.value = String(now.count);
    draw();
    darkroom.lens(element, `${tab}_mix`);
  };
})();
