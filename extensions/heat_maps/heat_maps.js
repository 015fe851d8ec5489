/* The words of the prompt under the timeline, and over the picture where the network looks at one.

   Hears `darkroom:look`, which says what the timeline shows; asks for the maps of that step. */
"use strict";
(() => {
  const COLOURS = [[20, 12, 60], [120, 28, 109], [237, 105, 37], [252, 255, 164]]; // dark to light
  let key = "", said = null, chosen = null, asked = 0, bar = null;

  document.addEventListener("darkroom:look", ({ detail: look }) => {
    const on = look?.request.extras?.heat_maps?.on && (look.request.batch_size === 1 || look.position !== null);
    const now = on ? [look.job, look.batch, look.turn, look.step, look.position ?? 0].join("/") : "";
    if (now === key) return;
    key = now;
    if (!key) show(null); else fetchMaps(key);
  });

  async function fetchMaps(address) {
    asked += 1;
    const mine = asked;
    const { status, said: maps } = await darkroom.ask(`api/v1/extensions/heat_maps/${address}`);
    if (mine !== asked || address !== key) return;
    show(status === 200 ? maps : null);
  }

  function show(maps) {
    said = maps;
    if (said && !bar) bar = built();
    if (bar) bar.hidden = !said;
    if (said) drawWords();
    drawMap();
  }

  function built() {
    const row = Object.assign(darkroom.node("div", "heat-words"), { id: "heat-words" });
    row.setAttribute("role", "group");
    row.setAttribute("aria-label", "Where the network looks at a word");
    document.getElementById("live-scrub-row")?.after(row);
    document.getElementById("live-predicted")?.addEventListener("load", drawMap); // it may come later than its maps
    return row;
  }

  function drawWords() {
    const focused = [...bar.children].indexOf(document.activeElement);
    bar.replaceChildren(darkroom.node("span", "heat-label", "Look at"), ...said.words.map((word, i) => {
      const button = darkroom.button(word, () => { chosen = chosen === i ? null : i; drawWords(); drawMap(); });
      button.className = "heat-word";
      button.setAttribute("aria-pressed", String(chosen === i));
      return button;
    }));
    bar.children[focused]?.focus();
  }

  function drawMap() {
    const image = document.getElementById("live-predicted");
    const old = document.getElementById("heat-map");
    const map = said && chosen !== null && said.maps[chosen];
    if (!map || !image || image.hidden) { old?.remove(); return; }
    const canvas = old ?? Object.assign(document.createElement("canvas"), { id: "heat-map" });
    canvas.width = said.width;
    canvas.height = said.height;
    canvas.setAttribute("aria-hidden", "true");
    const context = canvas.getContext("2d"), pixels = context.createImageData(said.width, said.height);
    const most = Math.max(1, ...map), least = Math.min(...map);
    map.forEach((value, i) => {
      const share = (value - least) / Math.max(1, most - least);
      const [red, green, blue] = colour(share);
      pixels.data.set([red, green, blue, 70 + 130 * share], 4 * i);
    });
    context.putImageData(pixels, 0, 0);
    if (canvas.parentElement !== image.parentElement) image.after(canvas);
  }

  function colour(share) {
    const place = share * (COLOURS.length - 1), low = Math.min(COLOURS.length - 2, Math.floor(place)), part = place - low;
    return COLOURS[low].map((from, i) => Math.round(from + part * (COLOURS[low + 1][i] - from)));
  }
})();
