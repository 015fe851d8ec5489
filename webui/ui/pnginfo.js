/* PNG Info: what a picture carries, raw and as a recipe. Nothing of it is ever more than text. */
"use strict";
(() => {
  const { node } = darkroom;
  let root = null;
  let turn = 0; // of all pictures that were given the last counts
  let shown = null; // {name, blob, answer} of the picture one sees
  let address = ""; // of its pixels, in this browser
  const find = (id) => root.querySelector("#" + id);

  darkroom.looking = () => Boolean(root?.getClientRects().length);

  darkroom.pngInfo = (element) => {
    root = element.querySelector("#pnginfo");
    const chooser = find("pnginfo-file");
    chooser.addEventListener("change", () => {
      const [file] = chooser.files;
      chooser.value = ""; // the same file may be chosen again
      if (file) darkroom.lookInto(file.name, file);
    });
    darkroom.sendButtons(find("pnginfo-send"), (tab) => `${tab}_tab`, send, said);
    find("pnginfo-copy").addEventListener("click", (event) => {
      darkroom.copy(event.currentTarget, shown.answer.parameters, find("pnginfo-chunks"));
    });
  };

  function said(text, good = false) {
    find("pnginfo-said").textContent = text;
    find("pnginfo-said").classList.toggle("dk-send-good", good);
    find("pnginfo-said").hidden = !text;
  }

  function send(tab) {
    said("");
    const { name, blob, answer } = shown;
    return darkroom.sendTo(tab, { name: darkroom.quoted(name), answer, keep: () => darkroom.keepPicture(name, blob) });
  }

  /* Shows what is in `picture`, a Blob or what comes to one. */
  darkroom.lookInto = async (name, picture) => {
    const mine = (turn += 1);
    root.dataset.state = "reading";
    try {
      const blob = await picture;
      const answer = await darkroom.readRecipe(blob, darkroom.quoted(name));
      if (mine === turn) draw(name, blob, answer);
    } catch (error) {
      if (mine === turn) complain(error.message);
    }
  };

  function complain(text) {
    clear();
    root.dataset.state = "problem";
    find("pnginfo-problem").textContent = text;
    find("pnginfo-problem").hidden = false;
  }

  function clear() {
    shown = null;
    find("pnginfo-problem").hidden = true;
    find("pnginfo-shown").hidden = true;
    find("pnginfo-preview").hidden = true;
    find("pnginfo-preview").removeAttribute("src");
    URL.revokeObjectURL(address);
  }

  function draw(name, blob, answer) {
    clear();
    shown = { name, blob, answer };
    address = URL.createObjectURL(blob); // the server has looked at it before: no bomb, no SVG
    find("pnginfo-preview").src = address;
    find("pnginfo-preview").alt = name;
    find("pnginfo-preview").hidden = false;
    said("");
    find("pnginfo-name").textContent = name;
    find("pnginfo-facts").textContent = facts(blob, answer);
    find("txt2img_tab").disabled = !answer.source;
    for (const button of find("pnginfo-send").children) button.classList.toggle("dk-strong", Boolean(answer.source) && button.id === `${darkroom.tabNamed(answer.tab) ?? "txt2img"}_tab`);
    find("pnginfo-copy").disabled = !answer.parameters;
    drawLost(answer.lost);
    drawPairs(answer.pairs);
    drawChunks(answer.chunks);
    find("pnginfo-shown").hidden = false;
    root.dataset.state = "shown";
  }

  const SOURCES = { darkroom: "Darkroom's exact recipe", a1111: "A1111's parameters" };

  function facts(blob, { picture, source }) {
    const { width, height, format, mode } = picture ?? {};
    const size = width ? `${width} × ${height}` : "";
    return [size, format, mode, darkroom.size(blob.size), SOURCES[source] ?? "no recipe"].filter(Boolean).join(" · ");
  }

  function drawLost(lost) {
    find("pnginfo-lost").hidden = !lost.length;
    find("pnginfo-lost").querySelector(".dk-lost").replaceWith(darkroom.lostList(lost));
  }

  function drawPairs(pairs) {
    find("pnginfo-pairs").hidden = !pairs.length;
    find("pnginfo-pairs").querySelector("tbody").replaceChildren(...pairs.map(([key, value]) => {
      const row = node("tr", "");
      const head = node("th", "", key);
      head.scope = "row";
      row.append(head, node("td", "", String(value)));
      return row;
    }));
  }

  function drawChunks(chunks) {
    const place = find("pnginfo-chunks").querySelector("div");
    place.replaceChildren(...chunks.map(drawnChunk));
    if (!chunks.length) place.append(node("p", "dk-info-facts", "Nothing but the picture."));
  }

  function drawnChunk({ name, kind, text }) {
    const part = node("section", "dk-chunk");
    const head = node("h3", "");
    const copy = node("button", "dk-plain", "Copy");
    copy.type = "button";
    copy.setAttribute("aria-label", `Copy ${name}`);
    head.append(node("span", "dk-chunk-name", name), node("span", "dk-chunk-kind", `${kind} · ${darkroom.size(text.length)}`), copy);
    const raw = node("pre", "dk-recipe", text);
    raw.tabIndex = 0; // so that a long one can be scrolled by keyboard
    raw.setAttribute("aria-label", name);
    copy.addEventListener("click", () => darkroom.copy(copy, text, raw));
    part.append(head, raw);
    return part;
  }
})();
