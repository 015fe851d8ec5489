/* Pictures that come from outside: dragged onto the page, or pasted anywhere but into a text. A canvas
   takes what is dropped on it, and what is pasted while its tab is open.

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

  function show(canvas) {
    const words = canvas ? "Drop to draw on it" : darkroom.looking() ? "Drop to look into it" : "Drop to restore its recipe";
    if (cover.firstChild.textContent !== words) cover.firstChild.textContent = words;
    cover.hidden = false;
    clearTimeout(leaving);
    leaving = setTimeout(hide, 1000); // who drags something says so several times a second
  }

  function hide() {
    clearTimeout(leaving);
    cover.hidden = true;
  }

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
    show(darkroom.canvasAt(event.target));
  }, true);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) hide(); }, true);
  document.addEventListener("drop", (event) => {
    if (!welcome(event.dataTransfer)) return;
    event.preventDefault();
    event.stopPropagation();
    hide();
    take(event.dataTransfer, darkroom.canvasAt(event.target));
  }, true);

  /* On a canvas it is drawn on; anywhere else it is looked into. */
  const give = (canvas, name, picture) => {
    if (canvas) canvas.load(picture, name);
    else darkroom.takePicture(name, picture);
  };

  function take(data, canvas) {
    const address = own || (data.getData("text/uri-list").split(/\r?\n/).find((line) => line && !line.startsWith("#")) ?? "");
    const url = URL.canParse(address) ? new URL(address) : null;
    if (url?.origin === location.origin) {
      const name = decoded(url.pathname.split("/").pop());
      give(canvas, name || "the picture", darkroom.fetchPicture(url.href));
    } else if (data.files.length) {
      takeFiles(data.files, canvas);
    } else {
      refuse(canvas, "Only files and this server's own pictures can be dropped here. Save the picture first, then drop the file.");
    }
  }

  function decoded(text) {
    try { return decodeURIComponent(text); } catch { return text; }
  }

  function takeFiles(files, canvas) {
    const file = [...files].find((each) => IMAGE.test(each.type));
    if (!file) return refuse(canvas, `${darkroom.quoted(files[0].name)} is not a picture.`);
    give(canvas, files.length > 1 ? `${file.name} (the first of ${files.length})` : file.name, file);
  }

  const refuse = (canvas, text) => {
    const refused = Promise.reject(new Error(text));
    refused.catch(() => {}); // said where it is awaited
    give(canvas, "", refused);
  };

  // --- pasted -------------------------------------------------------------------------------------
  document.addEventListener("paste", (event) => {
    const { files, types } = event.clipboardData;
    const writing = event.target.closest?.("input:not([type=file], [type=range]), textarea, [contenteditable]");
    if ((writing && types.includes("text/plain")) || ![...files].some((each) => IMAGE.test(each.type))) return;
    event.preventDefault();
    takeFiles(files, darkroom.canvasOpen());
  });
})();
