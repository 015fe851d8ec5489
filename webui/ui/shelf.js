/* The files under models/ as the server lists them: asked for once, shared by cards and Models tab.

   Also how a script chooses the model, and what in the menus of models cannot be used. */
"use strict";
(() => {
  const WHY = "\u2063"; // stands before the reason in a menu (quick_settings.py)
  const ASKING = 30_000; // ms
  const UNREAD = 1500; // ms until a list is asked for again whose files are still being read
  const lists = new Map(); // kind and model -> promise of a list
  let wanted = null, trigger = () => {};

  /* The list of a kind as a model sees it: {items, model, memory_bytes}. Rejects with a sentence. */
  function load(kind, model = "") {
    const key = `${kind}\n${model}`;
    if (!lists.has(key)) {
      const asked = ask(`shelf/${kind}${model ? `?model=${encodeURIComponent(model)}` : ""}`);
      lists.set(key, asked);
      const isNew = () => lists.get(key) === asked;
      asked.then(({ items }) => { if (items.some((item) => item.unread)) setTimeout(() => { if (isNew()) forget(); }, UNREAD); }, () => { if (isNew()) lists.delete(key); });
    }
    return lists.get(key);
  }

  async function ask(path, body) {
    const sent = body && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
    const answer = await fetch(`api/v1/${path}`, sent || { signal: AbortSignal.timeout(ASKING) }).catch(() => null);
    if (!answer) throw new Error("The server does not answer.");
    const told = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(darkroom.sentence(told.error?.text ?? told.detail ?? `The server says ${answer.status}`));
    return told;
  }

  /* After the folders were looked at again. */
  function forget() {
    lists.clear();
    document.dispatchEvent(new CustomEvent("darkroom:shelf"));
  }

  /* Looks at the folders again, and fits the menus above the tabs. */
  const refresh = () => document.getElementById("refresh_sd_model_checkpoint")?.click();

  function choose(name) {
    wanted = name;
    trigger();
  }

  darkroom.shelf = { load, ask, forget, refresh, choose, chosen: () => wanted };
  darkroom.shelfChooser = (given) => { trigger = given; };

  // --- a file's picture, or its initials on a colour of its own -----------------------------------
  function plate(item) {
    const box = darkroom.node("span", "dk-shelf-plate");
    const letters = item.name.split("/").at(-1).replace(/[^\p{L}\p{N}]+/gu, " ").trim().split(" ");
    let turn = 0;
    for (const letter of item.name) turn = (turn * 31 + letter.codePointAt(0)) % 360;
    box.style.setProperty("--turn", String(turn));
    box.append(darkroom.node("span", "", letters.slice(0, 2).map((word) => word.charAt(0)).join("").toUpperCase()));
    box.setAttribute("aria-hidden", "true");
    if (item.preview) {
      const image = Object.assign(document.createElement("img"), { alt: "", loading: "lazy", decoding: "async", src: item.preview });
      image.addEventListener("error", () => image.remove());
      box.append(image);
    }
    return box;
  }

  /* Draws `items` into `list`, some at a time, more as one scrolls. */
  function drawn(list, items, draw, root = null) {
    const SOME = 48;
    let at = 0;
    const end = darkroom.node("li", "dk-shelf-end");
    const seen = new IntersectionObserver((entries) => { if (entries.some((each) => each.isIntersecting)) more(); }, { root, rootMargin: "400px" });
    function more() {
      end.remove();
      list.append(...items.slice(at, at += SOME).map(draw));
      if (at >= items.length) { seen.disconnect(); return; }
      list.append(end);
      seen.unobserve(end); // so that it is told again if it is in sight still
      seen.observe(end);
    }
    list.replaceChildren();
    more();
    return () => seen.disconnect();
  }

  const folded = (text) => text.normalize("NFKD").toLocaleLowerCase();

  /* Whether all words of what is sought are in what an item says. */
  function matches(item, sought) {
    item.sought ??= folded([item.name, item.file, item.title, item.base, ...item.trigger_words, item.description].filter(Boolean).join("\n"));
    return folded(sought).split(/\s+/).every((word) => item.sought.includes(word));
  }

  const ORDERS = {
    name: ["Name", (a, b) => 0], // as the server has them
    newest: ["Newest first", (a, b) => b.modified - a.modified],
    size: ["Largest first", (a, b) => b.size_bytes - a.size_bytes],
    folder: ["Folder", (a, b) => a.folder.localeCompare(b.folder)],
  };

  Object.assign(darkroom.shelf, { plate, drawn, matches, ORDERS });

  // --- what cannot be used, in the menus above the tabs -------------------------------------------
  function grey(root) {
    for (const entry of root.querySelectorAll(".options li")) {
      const cannot = entry.textContent.includes(WHY);
      entry.classList.toggle("dk-cannot", cannot);
      if (cannot) { entry.setAttribute("aria-disabled", "true"); entry.title = entry.textContent.replace(WHY, "").trim(); }
    }
  }
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      const row = target.nodeType === 1 && target.closest("#quicksettings");
      if (row) { grey(row); return; }
    }
  }).observe(document.documentElement, { childList: true, subtree: true });

  document.addEventListener("mousedown", (event) => {
    if (!event.target.closest?.("#quicksettings li.dk-cannot")) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
})();
