/* Sketch: colours painted on the picture that img2img begins with, or on a white page.

   The canvas stands in the picker's place while one paints. What is painted becomes the picker's picture;
   the canvas keeps it as it was before, so that one may go on or undo as long as it is that picture. */
"use strict";
(() => {
  const REST = 700; // ms without a change, then it is sent
  const MADE = "darkroom.sketch."; // the picture that came of the drawing that is kept in this browser
  const { reads, keeps, button } = darkroom;
  const tabs = {}; // tab -> open()

  darkroom.openSketch = (tab) => tabs[tab]();

  darkroom.sketch = (element, options) => {
    const tab = options.id.replace(/_sketch$/, "");
    const root = element.querySelector(".dk-canvas");
    let canvas = null;
    let version = 0, sent = 0; // of what is drawn
    let resting = 0, loading = false, others = 0, going = Promise.resolve();
    let made = reads(localStorage, MADE + tab);

    root.dataset.shut = "yes";
    const only = () => darkroom.picturesOf(tab)?.[0] ?? null;

    function begin() {
      canvas = darkroom.canvas(element, options);
      const done = button("Done", close);
      done.title = "Back to the picture; what is painted is kept";
      root.querySelector(".dk-canvas-actions").prepend(done);
      element.addEventListener("darkroom:canvas-changed", drawn);
    }

    async function open() {
      root.dataset.shut = "no";
      if (!canvas) begin();
      loading = true;
      try {
        await canvas.remembered;
        const picture = only();
        if (!picture) await canvas.load(page(), "sketch.png");
        else if (picture.sha256 !== made || !canvas.size) await canvas.load(darkroom.inputUrl(picture.sha256), picture.name || "sketch.png");
        else canvas.view.fit();
        remember(picture?.sha256 ?? "");
      } finally {
        loading = false;
      }
      if (!only()) drawn(); // a white page is a picture, too
      canvas.set({ tool: "brush" });
      root.scrollIntoView({ block: "nearest" });
      root.querySelector(".dk-canvas-view").focus({ preventScroll: true });
    }

    /* A white page of the form's size. */
    function page() {
      const { width = 512, height = 512 } = darkroom.formValues(tab);
      const surface = Object.assign(document.createElement("canvas"), { width, height });
      const pen = surface.getContext("2d", { alpha: false });
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, width, height);
      return new Promise((done) => surface.toBlob(done, "image/png"));
    }

    function close() {
      clearTimeout(resting);
      root.dataset.shut = "yes";
      darkroom.pickerFocus(tab);
      sync().catch((error) => darkroom.complain({ text: error.message, element: `${tab}_image` }, tab));
    }

    // --- what was drawn is sent ---------------------------------------------------------------------
    function drawn() {
      if (loading) return;
      version += 1;
      darkroom.clearComplaint();
      clearTimeout(resting);
      resting = setTimeout(() => sync().catch((error) => canvas.complain(error.message)), REST);
    }

    /* One after the other; throws an Error with a sentence. */
    function sync() {
      going = going.catch(() => {}).then(async () => {
        while (sent !== version) await send(version);
      });
      return going;
    }

    async function send(now) {
      const before = others;
      const blob = await canvas.picture();
      const { notes: _, ...kept } = blob ? await darkroom.keepPicture(canvas.name || "sketch.png", blob) : {};
      if (others !== before) return; // what has come meanwhile stays
      sent = now;
      remember(kept.sha256 ?? "");
      darkroom.setPictures(tab, blob ? [kept] : []);
      if (!blob) close();
    }

    function remember(sha256) {
      made = sha256;
      keeps(localStorage, MADE + tab, sha256);
    }

    // Another picture came into the form while this one was painted on or sent: a recipe's, or one sent here.
    document.addEventListener("darkroom:pictures", ({ detail }) => {
      if (detail !== tab || loading || (only()?.sha256 ?? "") === made) return;
      others += 1;
      clearTimeout(resting);
      sent = version;
      root.dataset.shut = "yes";
    });

    darkroom.sendFirst(tab, { isSent: () => sent === version, send: () => { clearTimeout(resting); return sync(); } });
    tabs[tab] = open;
  };
})();
