/* The three axes on the form: what an axis' values look like, all of them at a press, two axes swapped,
   and what the plot would be, before it is begun. */
"use strict";
(() => {
  const TABS = ["txt2img", "img2img", "inpaint"], LETTERS = ["x", "y", "z"], NOTHING = "Nothing";
  const ASK = "api/v1/extensions/xyz_plot";
  const known = {}; // tab -> label in small letters -> {label, help, example, choices}
  const id = (tab, name) => `${tab}_xyz_plot_${name}`;
  const part = (tab, name) => document.getElementById(id(tab, name));
  const box = (tab, name) => part(tab, name)?.querySelector("textarea, input:not([type=checkbox])");
  const text = (tab, name) => box(tab, name)?.value ?? "";
  const axis = (tab, letter) => known[tab]?.get(text(tab, `${letter}_axis`).toLowerCase());

  /* As if it were typed: Gradio hears of it. */
  function type(tab, name, value) {
    const field = box(tab, name);
    if (!field || field.value === value) return;
    const kind = field.tagName === "TEXTAREA" ? HTMLTextAreaElement : HTMLInputElement;
    if (name.endsWith("_axis")) field.dispatchEvent(new FocusEvent("focus"));
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, value);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    if (name.endsWith("_axis")) field.dispatchEvent(new FocusEvent("blur"));
  }

  // --- built once the tab is there ----------------------------------------------------------------
  async function build(tab) {
    const fold = part(tab, "fold");
    if (!fold || fold.dataset.axes || !box(tab, "z_values")) return;
    fold.dataset.axes = "yes";
    const { said } = await darkroom.ask(`${ASK}/axes?tab=${tab}`);
    known[tab] = new Map((said?.axes ?? []).map((each) => [each.label.toLowerCase(), each]));
    for (const letter of LETTERS) {
      const row = darkroom.node("p", "xyz-axis");
      row.append(darkroom.node("span", "xyz-example"), darkroom.button("All values", () => {
        type(tab, `${letter}_values`, axis(tab, letter)?.choices ?? "");
        draw(tab);
      }, "xyz-link"));
      part(tab, `${letter}_values`).append(row);
    }
    const swaps = darkroom.node("p", "xyz-swaps");
    for (const [one, other] of [["x", "y"], ["y", "z"], ["x", "z"]]) {
      swaps.append(darkroom.button(`Swap ${one.toUpperCase()} and ${other.toUpperCase()}`, () => swap(tab, one, other), "xyz-link"));
    }
    const says = Object.assign(darkroom.node("p", "xyz-says"), { id: id(tab, "says") });
    says.setAttribute("role", "status");
    part(tab, "z_values").closest(".form").after(swaps, says);
    for (const event of ["input", "change", "focusout", "click"]) {
      fold.addEventListener(event, () => setTimeout(() => draw(tab), 60)); // after Gradio has heard it
    }
    draw(tab);
  }

  function swap(tab, one, other) {
    for (const end of ["axis", "values"]) {
      const [first, second] = [one, other].map((letter) => text(tab, `${letter}_${end}`));
      type(tab, `${one}_${end}`, second);
      type(tab, `${other}_${end}`, first);
    }
    setTimeout(() => draw(tab), 60);
  }

  function draw(tab) {
    for (const letter of LETTERS) {
      const chosen = axis(tab, letter), field = part(tab, `${letter}_values`);
      const row = field.querySelector(".xyz-axis");
      field.classList.toggle("xyz-idle", !chosen);
      row.hidden = !chosen;
      row.firstChild.textContent = chosen ? `${chosen.help} Such as ${chosen.example}.${chosen.problem && ` ${darkroom.sentence(chosen.problem)}`}` : "";
      row.lastChild.hidden = !chosen?.choices;
      box(tab, `${letter}_values`).placeholder = chosen?.example ?? "";
    }
    later(tab);
  }

  // --- what it would be ---------------------------------------------------------------------------
  const asked = {}; // tab -> what was last asked
  let timer = 0, number = 0;

  function later(tab) {
    clearTimeout(timer);
    timer = setTimeout(() => look(tab), 350);
  }

  async function look(tab) {
    const body = Object.fromEntries(LETTERS.flatMap((letter) => [`${letter}_axis`, `${letter}_values`]).map((name) => [name, text(tab, name)]));
    const key = JSON.stringify(body), says = part(tab, "says");
    if (asked[tab] === key) return;
    asked[tab] = key;
    const mine = number += 1;
    if (LETTERS.every((letter) => !axis(tab, letter))) { say(says, ""); return; }
    try {
      const said = await darkroom.send("POST", `${ASK}/look`, body);
      if (mine === number) say(says, sentence(said), Boolean(said.problem) || said.cells > said.free);
    } catch { asked[tab] = ""; }
  }

  function sentence({ cells, sizes, seconds, free, problem, field }) {
    if (problem) return darkroom.sentence(`${field.split(".").pop()[0].toUpperCase()}: ${problem}`);
    if (!cells) return "";
    const grid = sizes.filter((each) => each > 1);
    const shape = grid.length > 1 ? ` (${grid.join(" × ")})` : "";
    const time = seconds ? `, about ${darkroom.duration(seconds * 1)} by the last picture’s time` : "";
    const room = cells > free ? `; the queue has room for ${free} more` : "";
    return darkroom.sentence(`${darkroom.plural(cells, "picture")}${shape}${time}${room}`);
  }

  function say(place, words, wrong = false) {
    place.textContent = words;
    place.classList.toggle("xyz-wrong", wrong);
  }

  let building = 0;
  const look_for = () => { building ||= setTimeout(() => { building = 0; TABS.forEach(build); }, 200); };
  new MutationObserver(look_for).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("click", (event) => { // a menu's entry is chosen outside the fold
    const tab = darkroom.tab();
    if (tab && known[tab] && event.target.closest('[role="option"], .dk-fold-button')) setTimeout(() => draw(tab), 60);
  });
  look_for();
})();
