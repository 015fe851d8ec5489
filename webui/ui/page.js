/* What the whole page shares: the name of this browser tab, light and dark, keys, small tools.

   Everything hangs on `window.darkroom`, because Gradio's events reach scripts only by global names.
   Text that came from a server or a user is only ever set as textContent. */
"use strict";
window.darkroom = (() => {
  const THEME = "darkroom.theme";
  const OWNER = "darkroom.owner";
  const reads = (store, key) => { try { return store.getItem(key); } catch { return null; } };
  const keeps = (store, key, value) => { try { store.setItem(key, value); } catch { /* private mode */ } };

  // --- who we are: one id for each browser tab; a refresh keeps it, a new tab has its own ---------
  function newId() {
    return Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36).padStart(2, "0")).join("");
  }
  // A duplicated tab inherits sessionStorage; both then look at the same runs, which does no harm.
  const owner = reads(sessionStorage, OWNER) || newId();
  keeps(sessionStorage, OWNER, owner);

  // --- light and dark: the address (?__theme=light), else what the user chose, else the system's ---
  const system = matchMedia("(prefers-color-scheme: dark)");
  const asked = new URLSearchParams(location.search).get("__theme");
  let chosen = [asked, reads(localStorage, THEME)].find((each) => each === "light" || each === "dark");
  const theme = () => chosen ?? (system.matches ? "dark" : "light");

  function applyTheme() {
    document.body.classList.toggle("dark", theme() === "dark");
    document.documentElement.style.colorScheme = theme();
    const button = document.getElementById("dk-theme");
    if (button) button.setAttribute("aria-pressed", String(theme() === "light"));
  }
  // Gradio sets the class by its own rules, also later; ours wins.
  new MutationObserver(() => {
    if (document.body.classList.contains("dark") !== (theme() === "dark")) applyTheme();
  }).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  system.addEventListener("change", applyTheme);
  applyTheme();

  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#dk-theme")) return;
    chosen = theme() === "dark" ? "light" : "dark";
    keeps(localStorage, THEME, chosen);
    applyTheme();
  });

  // --- keys ---------------------------------------------------------------------------------------
  const visible = (element) => element && element.getClientRects().length > 0;

  function somethingToClose(target) {
    const open = '.dk-gallery .preview, [role="listbox"], dialog[open], [role="dialog"], [role="menu"], [data-dragging="yes"]';
    return target.getAttribute?.("aria-expanded") === "true"
      || Array.from(document.querySelectorAll(open)).some(visible);
  }

  // In the capturing phase: by the time a menu or a picture has closed itself, it is not seen any more.
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.repeat) return;
    if (event.key === "Tab") { // a menu long enough to scroll would take the focus, and stay open
      for (const list of document.querySelectorAll(".option-list")) list.tabIndex = -1;
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const button = Array.from(document.querySelectorAll(".dk-generate")).find(visible);
      if (!button) return;
      event.preventDefault();
      event.stopPropagation();
      setTimeout(() => button.click(), 0); // after Gradio has taken over what was typed
    } else if (event.key === "Enter" && event.altKey) {
      event.preventDefault();
      event.stopPropagation();
      darkroom.end("skip");
    } else if (event.key === "Escape" && !somethingToClose(event.target)) {
      darkroom.interrupt();
    }
  }, true);

  // --- names for Gradio's buttons, which take no tooltip -------------------------------------------
  function nameButtons() {
    for (const button of document.querySelectorAll(".dk-small:not(.dk-skip)")) {
      if (!button.title) button.title = button.textContent.trim();
    }
    const keys = { ".dk-generate": ["Ctrl+Enter", "Control+Enter"], ".dk-interrupt": ["Esc", "Escape"], ".dk-skip": ["Alt+Enter", "Alt+Enter"] };
    for (const [selector, [shown, standard]] of Object.entries(keys)) {
      for (const button of document.querySelectorAll(selector)) {
        if (button.title) continue;
        button.title = `${button.textContent.trim()} (${shown})`;
        button.setAttribute("aria-keyshortcuts", standard);
        if (selector === ".dk-interrupt") button.setAttribute("aria-disabled", "true"); // until something runs
      }
    }
    if (document.getElementById("dk-theme")?.dataset.seen !== "yes") {
      const button = document.getElementById("dk-theme");
      if (button) { button.dataset.seen = "yes"; applyTheme(); }
    }
  }
  let naming = 0;
  new MutationObserver(() => { naming ||= setTimeout(() => { naming = 0; nameButtons(); }, 200); })
    .observe(document.documentElement, { childList: true, subtree: true });

  // --- tools --------------------------------------------------------------------------------------
  const plural = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

  function duration(seconds) {
    if (!Number.isFinite(seconds) || seconds < 0) return "";
    if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
    const whole = Math.round(seconds);
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  }

  function bytes(count) {
    if (!(count > 0)) return "";
    return count >= 2 ** 30 ? `${(count / 2 ** 30).toFixed(1)} GB` : `${Math.round(count / 2 ** 20)} MB`;
  }

  /* Of a file or a text. */
  function size(count) {
    if (count < 1000) return `${count} bytes`;
    return count < 10 ** 6 ? `${Math.round(count / 1000)} kB` : `${(count / 10 ** 6).toFixed(1)} MB`;
  }

  /* Of a share of 1: 0.034 is 3.4 %. */
  const percent = (share) => `${(100 * share).toFixed(share >= 0.0995 ? 0 : share >= 0.00995 ? 1 : 2)} %`;

  const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

  /* A new element that holds nothing but text. */
  function node(tag, className, text = "") {
    return Object.assign(document.createElement(tag), { className, textContent: text });
  }

  /* A button with a text that does something. */
  function button(text, action, className = "dk-plain") {
    const made = Object.assign(node("button", className, text), { type: "button" });
    made.addEventListener("click", action);
    return made;
  }

  /* Copies a text and says so on the button; where there is no clipboard (no HTTPS) it selects `place`. */
  async function copy(button, text, place) {
    const says = button.dataset.says ??= button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(place);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = says; }, 1800);
  }

  function openTab(id) {
    const button = document.querySelector(`#tabs button[role="tab"][aria-controls="tab_${id}"]`);
    if (button?.getAttribute("aria-selected") === "false") button.click();
  }

  /* Which of several samplings of a picture it is; "" where there is but one. */
  function turnName({ init, hires }, turn, turns) {
    if (!(turns > 1)) return "";
    return `${hires ? "pass" : init?.tiles ? "tile" : init?.loopback ? "loop" : "turn"} ${turn + 1} of ${turns}`;
  }

  /* A tab by the name that the API has for it; the one for upscaling has A1111's id. */
  const tabNamed = (name) => (name === "upscale" ? "extras" : name);

  /* The tab that a request belongs to. */
  function tabOf({ init, upscale }) {
    if (upscale) return "extras";
    if (init) return init.mask || init.outpaint ? "inpaint" : "img2img";
    return "txt2img";
  }

  /* A row of buttons of which one is pressed: arrow keys move, as in any group of radio buttons. */
  function segments(root, choices, changed) {
    const buttons = choices.map(([value, label, help]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.title = help;
      button.dataset.value = value;
      button.setAttribute("role", "radio");
      button.addEventListener("click", () => { choose(value); changed(value); });
      return button;
    });
    root.replaceChildren(...buttons);
    root.addEventListener("keydown", (event) => {
      const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!move) return;
      event.preventDefault();
      const there = buttons.filter((button) => !button.hidden);
      const next = there[(there.indexOf(document.activeElement) + move + there.length) % there.length];
      next.focus();
      next.click();
    });
    function choose(value) {
      for (const button of buttons) {
        const on = button.dataset.value === value;
        button.setAttribute("aria-checked", String(on));
        button.tabIndex = on ? 0 : -1;
      }
      if (buttons.length && !buttons.some((button) => button.tabIndex === 0)) buttons[0].tabIndex = 0;
    }
    return choose;
  }

  /* Any job has an address of its own in the page: #job=ID. */
  const addressed = () => /^#job=([A-Za-z0-9_-]{8,64})$/.exec(location.hash)?.[1] ?? null;
  const address = (id) => history.replaceState(null, "", id ? `#job=${id}` : location.pathname + location.search);

  return { owner, reads, keeps, plural, duration, bytes, size, percent, sentence, node, button, copy, openTab, tabOf, tabNamed, turnName, segments, addressed, address, interrupt() {} };
})();
