/* Pictures that come from outside: dragged onto the page, or pasted anywhere but into a text. A picker
   or a canvas takes what is dropped on it, and what is pasted while its tab is open; of all else the recipe
   is read.

   Files of this computer, and pictures of this server dragged from this page or another of its tabs.
   An address of anybody else is not fetched. */
"use strict";
(() => {
  const { node } = darkroom;
  const IMAGE = /^image\//;

  // --- the cover: shown for as long as something is dragged over the page ----------------------------
  const cover = node("div", "dk-cover");
  cover.hidden = true;
  cover.append(node("p", "dk-cover-text"));
  document.body.append(cover);
  let leaving = 0;

  function show(taker) {
    const words = taker ? taker.words() : darkroom.looking() ? "Drop to look into it" : "Drop to restore its recipe";
    if (cover.firstChild.textContent !== words) cover.firstChild.textContent = words;
    cover.hidden = false;
    clearTimeout(leaving);
    leaving = setTimeout(hide, 1000); // who drags something says so several times a second
  }

  function hide() {
    clearTimeout(leaving);
    cover.hidden = true;
  }

  // --- who takes it: {words(), take([{name, blob}])}; null where its recipe is read -------------------
  const others = []; // with the `place` that they take it in
  const drawn = (canvas) => canvas && { words: () => "Drop to draw on it", take: ([{ name, blob }]) => canvas.load(blob, name) };
  const takerAt = (element) => drawn(darkroom.canvasAt(element)) ?? others.find(({ place }) => place.contains(element)) ?? darkroom.pickerAt(element);
  const takerOpen = () => drawn(darkroom.canvasOpen()) ?? darkroom.pickerOpen();

  /* Files dropped in `place`, an element of the page, are an extension's: take([{name, blob}]), where a
     blob may be a promise of one that fails with a sentence. `words` stand over the page meanwhile. */
  darkroom.takesDrops = (place, words, take) => { others.push({ place, words: () => words, take }); };

  // --- what is dragged: a picture of this page, something of it that is none, or from elsewhere ------
  let own = null; // its address; "" if it is no picture; null if it comes from elsewhere
  document.addEventListener("dragstart", (event) => {
    own = event.target instanceof HTMLImageElement ? event.target.currentSrc : "";
  });
  document.addEventListener("dragend", () => { own = null; hide(); });

  function welcome({ types }) {
    return own === null ? types.includes("Files") || types.includes("text/uri-list") : own !== "";
  }

  // In the capturing phase: a text box would take the address as its text, the browser would open the file.
  document.addEventListener("dragover", (event) => {
    if (!welcome(event.dataTransfer)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    show(takerAt(event.target));
  }, true);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) hide(); }, true);
  document.addEventListener("drop", (event) => {
    if (!welcome(event.dataTransfer)) return;
    event.preventDefault();
    event.stopPropagation();
    hide();
    take(event.dataTransfer, takerAt(event.target));
  }, true);

  /* Who takes it begins with it; anywhere else its recipe is read. */
  const give = (taker, name, picture) => {
    if (taker) taker.take([{ name, blob: picture }]);
    else darkroom.takePicture(name, picture);
  };

  function take(data, taker) {
    const address = own || (data.getData("text/uri-list").split(/\r?\n/).find((line) => line && !line.startsWith("#")) ?? "");
    const url = URL.canParse(address) ? new URL(address) : null;
    if (url?.origin === location.origin) {
      const name = decoded(url.pathname.split("/").pop());
      give(taker, name || "the picture", darkroom.fetchPicture(url.href));
    } else if (data.files.length) {
      takeFiles(data.files, taker);
    } else {
      refuse(taker, "Only files and this server's own pictures can be dropped here. Save the picture first, then drop the file.");
    }
  }

  function decoded(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  function takeFiles(files, taker) {
    if (taker) return taker.take([...files].map((file) => ({ name: file.name, blob: file })));
    const file = [...files].find((each) => IMAGE.test(each.type));
    if (!file) return refuse(taker, `${darkroom.quoted(files[0].name)} is not a picture.`);
    darkroom.takePicture(files.length > 1 ? `${file.name} (the first of ${files.length})` : file.name, file);
  }

  const refuse = (taker, text) => {
    const refused = Promise.reject(new Error(text));
    refused.catch(() => {}); // said where it is awaited
    give(taker, "", refused);
  };

  // --- pasted -------------------------------------------------------------------------------------
  document.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    const writing = event.target.closest?.("input:not([type=file], [type=range]), textarea, [contenteditable]");
    if ((writing && types.includes("text/plain")) || ![...files].some((each) => IMAGE.test(each.type))) return;
    event.preventDefault();
    takeFiles(files, takerOpen());
  });
})();
