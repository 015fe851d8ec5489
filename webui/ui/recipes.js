/* Recipes: read by the server out of pictures and texts, filled into a form, and taken back.

   What a picture says is somebody else's text: here it is only ever textContent. The form itself is
   filled by Gradio's event "fill", which asks `order` what to fill in and tells `filled` when it is. */
"use strict";
(() => {
  const { node, button } = darkroom;
  const forms = {}; // tab -> {box, fill, wanted, before, done}
  const waiting = {}; // tab -> who waits for its form
  const FIRST = "txt2img"; // where no generating tab is open
  let turn = 0; // of all that was dropped and pasted the last counts

  darkroom.recipes = (element, tab, fill) => {
    forms[tab] = { box: element.querySelector(".dk-restored"), fill, wanted: null, before: null, done() {} };
    waiting[tab]?.splice(0).forEach((done) => done());
  };

  /* Opens a tab; comes back when its form is there, which Gradio builds when it is first opened. */
  function opened(tab) {
    darkroom.openTab(tab);
    return forms[tab] ? Promise.resolve() : new Promise((done) => { (waiting[tab] ??= []).push(done); });
  }

  // --- reading ------------------------------------------------------------------------------------

  /* What a picture (a Blob) or a text carries. Throws an Error with a sentence about `name`. */
  darkroom.readRecipe = async (given, name) => {
    const isText = typeof given === "string";
    const request = {
      method: "POST",
      headers: { "Content-Type": isText ? "application/json" : given.type },
      body: isText ? JSON.stringify({ text: given }) : given,
    };
    let answer;
    try { answer = await fetch("api/v1/recipes", request); } catch {
      throw new Error(darkroom.sentence(`${name} (${darkroom.size(isText ? given.length : given.size)}) could not be sent; the server does not answer, or it is too large`));
    }
    const said = await answer.json().catch(() => null);
    if (answer.ok && said) return said;
    const { text = `the server answered ${answer.status}`, field = null } = said?.error ?? {};
    throw new Error(darkroom.sentence(field ? `${name} ${text}` : `${name} could not be read: ${text}`));
  };

  /* A picture of this server, as it is. */
  darkroom.fetchPicture = async (address) => {
    const answer = await fetch(address).catch(() => null);
    const blob = answer?.ok ? await answer.blob() : null;
    if (!blob?.type.startsWith("image/")) throw new Error("There is no picture at that address.");
    return blob;
  };

  /* Restores what `find` comes to, a Blob or a text, unless something newer was asked for meanwhile. */
  async function restoreFrom(tab, name, find) {
    const mine = (turn += 1);
    await opened(tab);
    const slow = setTimeout(() => mine === turn && say(tab, "reading", `Reading ${name}…`), 250);
    try {
      const answer = await darkroom.readRecipe(await find, name);
      if (mine === turn) darkroom.restore((answer.source && darkroom.tabNamed(answer.tab)) || tab, answer, name);
    } catch (error) {
      if (mine === turn) say(tab, "problem", error.message);
    }
    clearTimeout(slow);
  }

  /* A picture that was dropped or pasted: looked into where PNG Info is open, else restored. */
  darkroom.takePicture = (name, picture) => {
    if (darkroom.looking()) darkroom.lookInto(name, picture);
    else {
      restoreFrom(darkroom.tab() ?? FIRST, darkroom.quoted(name), picture);
    }
  };

  darkroom.quoted = (name) => `“${name}”`;
  const visible = (element) => Boolean(element?.getClientRects().length);

  // --- filling ------------------------------------------------------------------------------------
  /* `form` is what besides the recipe stands in the form then, as its components hold it. */
  darkroom.restore = async (tab, { source, values, lost, chunks }, name, form = {}) => {
    turn += 1;
    await opened(tab);
    if (!source) {
      const other = chunks.length ? " that can be read here; PNG Info shows what it says" : "; the form is as it was";
      say(tab, "nothing", darkroom.sentence(`${name} carries no recipe${other}`));
      return;
    }
    change(tab, { recipe: values, form }, () => {
      unfold(tab, values, forms[tab].before);
      say(tab, "restored", `The recipe of ${name} is restored.`, lost, "Undo");
    });
  };

  /* Sets some fields of a form, by their names in a request; `text` says so, and Undo takes it back. */
  darkroom.setFields = async (tab, values, text) => {
    await opened(tab);
    change(tab, { recipe: values }, () => say(tab, "restored", text, [], "Undo"));
  };

  /* The same with what the form's components hold. */
  darkroom.setForm = async (tab, form, text) => {
    await opened(tab);
    change(tab, { form }, () => say(tab, "restored", text, [], "Undo"));
  };

  /* Once more, and it is undone itself: nothing that was typed in between is lost. */
  function undo(tab) {
    change(tab, { form: forms[tab].before }, () => say(tab, "undone", "The form is as it was before.", [], "Redo"));
  }

  function change(tab, wanted, done) {
    darkroom.clearComplaint();
    Object.assign(forms[tab], { wanted, done });
    forms[tab].fill();
  }

  /* Fills a tab's form, then calls `done` with what stood in it. */
  darkroom.fillForm = async (tab, wanted, done) => {
    await opened(tab);
    change(tab, wanted, () => done(forms[tab].before));
  };

  /* For Gradio's event: what to fill in stands in its last input; the others need not travel. */
  darkroom.order = (tab, names, sent) => {
    forms[tab].before = Object.fromEntries(names.map((name, i) => [name, sent[i]]));
    return [...names.map(() => null), JSON.stringify(forms[tab].wanted)];
  };

  darkroom.filled = (tab) => forms[tab].done();

  /* Nobody should have to look for what has been set: a fold opens over it. */
  function unfold(tab, values, before) {
    for (const [name, value] of Object.entries(values)) {
      const fold = darkroom.fieldOf(name, tab)?.inside;
      const option = name.includes(".");
      if (fold?.startsWith(`${tab}_`) && (option ? value : value !== null && value !== before[name])) darkroom.turnFold(fold, true);
    }
  }

  // --- the paste button ---------------------------------------------------------------------------

  /* The text in the prompt if there is one, else that in the clipboard, else the last picture's. */
  darkroom.pasteRecipe = async (tab, prompt) => {
    if (prompt?.trim()) return restoreText(tab, "the text in the prompt", prompt);
    const copied = await clipboardText();
    if (copied.trim() && (await restoreText(tab, "the text in the clipboard", copied, true))) return true;
    const last = darkroom.lastPicture();
    if (last) return restoreFrom(tab, "the last picture", darkroom.fetchPicture(last.url.replace(/^\//, "")));
    return say(tab, "nothing", "There is no recipe in the prompt or the clipboard, and no picture yet.");
  };

  /* Whether there was a recipe in it; if not, that is said, or nothing where `quietly`. */
  async function restoreText(tab, name, text, quietly = false) {
    try {
      const answer = await darkroom.readRecipe(text, name);
      if (answer.source || !quietly) darkroom.restore(tab, answer, name);
      return Boolean(answer.source);
    } catch (error) {
      if (!quietly) say(tab, "problem", error.message);
      return false;
    }
  }

  /* "" where there is none, or the browser or the user does not let us. */
  const clipboardText = async () => {
    try { return await navigator.clipboard.readText(); } catch { return ""; }
  };

  // --- saying -------------------------------------------------------------------------------------
  function say(tab, state, text, lost = [], undoing = "") {
    const { box } = forms[tab];
    const lostFocus = box.contains(document.activeElement) || !visible(document.activeElement); // its tab was left
    const actions = node("p", "dk-restored-actions");
    if (undoing) actions.append(button(undoing, () => undo(tab)));
    actions.append(button("Dismiss", () => { box.hidden = true; }));
    box.replaceChildren(node("p", "dk-restored-text", text), actions);
    if (lost.length) box.append(folded(lost));
    box.dataset.state = state;
    box.hidden = false;
    if (lostFocus) box.focus({ preventScroll: true });
  }

  /* The names of what could not be restored; unfolded, why. */
  function folded(lost) {
    const fold = node("details", "dk-lost-fold");
    const names = node("summary", "", "Not restored: ");
    names.append(node("strong", "", lost.map(({ name }) => name).join(", ")));
    fold.append(names, darkroom.lostList(lost));
    return fold;
  }

  /* What could not be restored: each thing by its name, what it was, and why. */
  darkroom.lostList = (lost) => {
    const list = node("ul", "dk-lost");
    for (const { name, value, why } of lost) {
      const item = node("li", "");
      item.append(node("strong", "", name), " ", node("code", "dk-lost-value", value), node("span", "dk-lost-why", ` ${darkroom.sentence(why)}`));
      list.append(item);
    }
    return list;
  };

})();
