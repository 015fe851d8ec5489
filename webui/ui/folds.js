/* Folds: closed until they are wanted. What somebody opens is open again when the page is, and what
   extensions add stands in the order that it was put into; both are this browser's own. */
"use strict";
(() => {
  const OPEN = "darkroom.folds", ORDER = "darkroom.groups";
  const { node, reads, keeps } = darkroom;
  const GRIP = ".dk-grip", TABS = ["txt2img", "img2img", "inpaint"];

  function kept(key, none) {
    try { return JSON.parse(reads(localStorage, key)) ?? none; } catch { return none; }
  }

  /* Without `open` it is somebody's press, which is kept. */
  darkroom.turnFold = (id, open) => {
    const fold = document.getElementById(id);
    if (!fold) return; // of a tab that is not built yet
    const now = open ?? fold.dataset.open !== "yes";
    if (open === undefined) keeps(localStorage, OPEN, JSON.stringify({ ...kept(OPEN, {}), [id]: now }));
    fold.dataset.open = now ? "yes" : "no";
    fold.querySelector(".dk-fold-button").setAttribute("aria-expanded", String(now));
  };

  /* What stands over all tabs, `root`, folds to its head where it is in the way: on another tab than it
     was made in, and once another job begins or the like of it is shown. `button` is its Hide. */
  darkroom.foldsToHead = (root, button) => {
    const now = () => document.querySelector('#tabs button[role="tab"][aria-selected="true"]')?.getAttribute("aria-controls") ?? "";
    let home = null; // the tab, while it opens there by itself
    const turn = (folded) => {
      root.dataset.folded = folded ? "yes" : "no";
      button.textContent = folded ? "Show" : "Hide";
      button.setAttribute("aria-expanded", String(!folded));
    };
    button.addEventListener("click", () => { home = null; turn(root.dataset.folded !== "yes"); });
    document.addEventListener("click", (event) => {
      if (event.target.closest?.('#tabs button[role="tab"]')) setTimeout(() => turn(home === null || now() !== home), 0);
    });
    document.addEventListener("darkroom:shown", (event) => { if (event.detail !== root) away(); });
    const away = () => { home = null; turn(true); };
    turn(false);
    return { away, stay() { home = now(); turn(false); } };
  };

  // --- the order of what extensions add: the same in all tabs ----------------------------------------
  // In a style of its own: Gradio would take back what is written on its elements, or where they stand.
  const style = document.head.appendChild(document.createElement("style"));
  const groupsOf = (place) => [...place.querySelectorAll(":scope > .dk-fold")];
  const nameOf = (fold) => fold.id.slice(fold.id.indexOf("_") + 1);

  function order() {
    const names = kept(ORDER, []);
    style.textContent = (Array.isArray(names) ? names : [])
      .map((name, i) => `${TABS.map((tab) => `#${CSS.escape(`${tab}_${name}`)}`)} { order: ${i - names.length}; }`).join("\n");
  }

  /* Those in one tab as they are seen; a name that is not here keeps its place among the others. */
  function seen(place) {
    return groupsOf(place).sort((one, other) => one.getBoundingClientRect().top - other.getBoundingClientRect().top);
  }

  function put(place, fold, at) {
    const names = seen(place).map(nameOf).filter((name) => name !== nameOf(fold));
    names.splice(at, 0, nameOf(fold));
    const away = kept(ORDER, []).filter((name) => !names.includes(name)); // of extensions that are off
    keeps(localStorage, ORDER, JSON.stringify([...names, ...away]));
    order();
  }

  function grip(place, fold) {
    const title = fold.querySelector(".dk-fold-button").textContent.trim();
    const made = Object.assign(node("button", "dk-grip"), { type: "button", title: "Drag to move it, or press the arrow keys" });
    made.setAttribute("aria-label", `Move ${title}`);
    made.addEventListener("keydown", (event) => {
      const move = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!move) return;
      event.preventDefault();
      put(place, fold, Math.max(0, seen(place).indexOf(fold) + move));
    });
    fold.dataset.id = fold.id;
    fold.append(made);
  }

  /* `side` of the fold `target`. */
  function dropped(place, id, target, side) {
    const others = seen(place).filter((each) => each.id !== id);
    put(place, document.getElementById(id), others.findIndex((each) => each.id === target) + (side === "after" ? 1 : 0));
  }

  // --- as they come ----------------------------------------------------------------------------------
  function meet() {
    for (const button of document.querySelectorAll(".dk-fold-button:not([aria-expanded])")) {
      const fold = button.closest(".dk-fold");
      darkroom.turnFold(fold.id, kept(OPEN, {})[fold.id] === true || fold.dataset.open === "yes");
    }
    for (const place of document.querySelectorAll(".dk-groups:not([data-met])")) {
      place.dataset.met = "yes";
      darkroom.dragRows(place, place, (id, where) => {
        const [side, target] = Object.entries(where)[0];
        dropped(place, id, target, side);
      }, ".dk-fold", GRIP);
    }
    for (const place of document.querySelectorAll(".dk-groups")) {
      for (const fold of groupsOf(place)) if (fold.querySelector(".dk-fold-button") && !fold.querySelector(".dk-grip")) grip(place, fold);
    }
  }

  let meeting = 0;
  new MutationObserver(() => { meeting ||= setTimeout(() => { meeting = 0; meet(); }, 100); })
    .observe(document.documentElement, { childList: true, subtree: true });
  addEventListener("storage", ({ key }) => { if (key === ORDER) order(); });
  order();
})();
