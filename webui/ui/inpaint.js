/* The Inpaint tab: what is drawn is sent to the input store, and the answers become the values of the
   form's two components, for the picture and for its mask. A recipe or a draft that fills these in is
   drawn. Generate waits until what one sees is what was sent. */
"use strict";
(() => {
  const REST = 700; // ms without a change, then it is sent
  const SIDES = ["left", "right", "up", "down"];
  const tabs = {}; // tab -> state

  const state = (tab) => (tabs[tab] ??= {
    tab, canvas: null, frame: null, going: Promise.resolve(), resting: 0, restoring: false,
    version: { picture: 0, mask: 0 }, // of what is drawn
    sent: { picture: 0, mask: 0 }, // the version that the form's value is of
    parts: {}, // "picture", "mask": {props, changed}
    shown: { picture: "", mask: "" }, // the sha256 that the canvas shows
    own: { picture: "", mask: "" }, // the value that was written here; any other is to be drawn
    mode: "inpaint", sides: "",
  });

  const parsed = (text) => { try { return JSON.parse(text || "[]"); } catch { return []; } };
  const given = (part) => parsed(part?.props.value)[0] ?? null;

  darkroom.inpaintCanvas = (element, options, props, watch, changed) => {
    const mine = state(options.id);
    mine.parts.picture = { props, changed };
    mine.canvas = darkroom.canvas(element, options);
    mine.frame = darkroom.canvasFrame(mine.canvas, (sides) => fillSides(mine, sides));
    darkroom.sendFirst(options.id, { isSent: () => isSent(mine), send: () => { clearTimeout(mine.resting); return sync(mine); } });
    element.addEventListener("darkroom:canvas-changed", ({ detail }) => drawn(mine, detail.what));
    watch("value", () => restore(mine));
    begin(mine);
  };

  darkroom.inpaintMask = (element, tab, props, watch, changed) => {
    const mine = state(tab);
    mine.parts.mask = { props, changed };
    mine.look = darkroom.seen(element, mine);
    watch("value", () => restore(mine));
  };

  /* The picture in a tab, as the form has it. */
  darkroom.drawnPictures = (tab) => parsed(tabs[tab]?.parts.picture?.props.value);

  /* What was on the canvas before the page was loaded anew comes first; else what the draft names. */
  async function begin(mine) {
    const remembered = await mine.canvas.remembered;
    while (!document.documentElement.dataset.drafts?.split(" ").includes(mine.tab)) await new Promise((done) => setTimeout(done, 50));
    mine.begun = true;
    follow(mine);
    if (!remembered) return restore(mine);
    for (const name of ["picture", "mask"]) {
      mine.own[name] = mine.parts[name]?.props.value ?? "";
      mine.shown[name] = given(mine.parts[name])?.sha256 ?? "";
    }
    for (const name of ["picture", "mask"]) mine.version[name] += 1;
    drawn(mine, "nothing");
  }

  // --- what was drawn is sent -----------------------------------------------------------------------
  /* `what`: "picture", "mask", "paint" or "nothing" new. */
  function drawn(mine, what) {
    if (mine.restoring) return;
    if (what === "picture" || what === "paint") mine.version.picture += 1;
    if (what === "picture" || what === "mask") mine.version.mask += 1;
    if (what === "picture" && mine.begun) {
      suggestSize(mine);
      mine.canvas.root.scrollIntoView({ block: "nearest" }); // all of it, with Generate above
    }
    darkroom.clearComplaint();
    clearTimeout(mine.resting);
    mine.resting = setTimeout(() => sync(mine).catch((error) => mine.canvas.complain(error.message)), REST);
  }

  const wanted = (mine) => (mine.mode === "inpaint" ? ["picture", "mask"] : ["picture"]);
  const isSent = (mine) => wanted(mine).every((name) => mine.sent[name] === mine.version[name]);

  /* One after the other; throws an Error with a sentence. */
  function sync(mine) {
    mine.going = mine.going.catch(() => {}).then(async () => {
      for (const name of wanted(mine)) if (mine.sent[name] !== mine.version[name]) await send(mine, name);
    });
    return mine.going;
  }

  /* What has come into the form meanwhile stays, and is drawn; a mask goes with its picture. */
  async function send(mine, name) {
    const version = mine.version[name];
    const blob = await mine.canvas[name]();
    const called = name === "mask" ? "mask.png" : mine.canvas.name || "picture.png";
    const { notes = [], ...kept } = blob ? await darkroom.keepPicture(called, blob) : {};
    if (isOther(mine, name) || isOther(mine, "picture")) return;
    mine.shown[name] = kept.sha256 ?? "";
    mine.sent[name] = version;
    mine.own[name] = blob ? JSON.stringify([kept]) : "";
    mine.parts[name].props.value = mine.own[name];
    mine.parts[name].changed();
    if (name === "picture") mine.canvas.complain(notes.join(" "), "note");
    document.dispatchEvent(new CustomEvent("darkroom:pictures", { detail: mine.tab }));
    mine.look?.();
  }

  // --- what a recipe or a draft names is drawn ------------------------------------------------------
  const isOther = (mine, name) => (mine.parts[name]?.props.value ?? "") !== mine.own[name];

  function restore(mine) {
    const other = (name) => isOther(mine, name);
    if (!mine.begun || !mine.canvas || !(other("picture") || other("mask"))) return;
    clearTimeout(mine.resting);
    mine.going = mine.going.catch(() => {}).then(async () => {
      mine.restoring = true;
      for (const [name, load] of [["picture", "load"], ["mask", "setMask"]]) {
        const now = given(mine.parts[name]);
        if (!other(name) && !(name === "mask" && now && !mine.canvas.covered("mask"))) continue;
        mine.own[name] = mine.parts[name].props.value ?? "";
        mine.shown[name] = now?.sha256 ?? "";
        if (now) await mine.canvas[load](darkroom.inputUrl(now.sha256), now.name);
        else if (name === "picture") await mine.canvas.load("");
        mine.sent[name] = mine.version[name];
      }
      mine.restoring = false;
      mine.look?.();
    });
  }

  // --- the form -------------------------------------------------------------------------------------
  document.addEventListener("darkroom:form", ({ detail }) => { if (tabs[detail]?.canvas) follow(tabs[detail]); });

  /* The canvas and the settings in sight go by what is made. */
  function follow(mine) {
    const values = darkroom.formValues(mine.tab), { canvas, frame } = mine;
    const mode = values["init.mode"] ?? "inpaint";
    const sheet = canvas.root.closest(".tabitem");
    canvas.root.dataset.makes = sheet.dataset.makes = mode;
    sheet.dataset.area = values["init.mask.area"];
    if (mode !== mine.mode || !mine.followed) {
      mine.followed = true;
      mine.mode = mode;
      canvas.turnTo(mode === "sketch" ? "paint" : "mask");
      canvas.set({ tool: mode === "outpaint" ? "pan" : "brush" });
      frame.turn(mode === "outpaint");
      clearTimeout(mine.resting);
      if (canvas.size && !isSent(mine)) drawn(mine, "nothing");
    }
    const sides = Object.fromEntries(SIDES.map((side) => [side, values[`init.outpaint.${side}`] ?? 0]));
    if (mine.sides !== JSON.stringify([mode, sides])) {
      const first = !mine.sides;
      mine.sides = JSON.stringify([mode, sides]);
      frame.set(sides);
      if (!first) suggestSize(mine);
    }
    mine.look?.();
  }

  function fillSides(mine, sides) {
    for (const side of SIDES) darkroom.typeNumber(`${mine.tab}_outpaint_${side}`, sides[side]);
  }

  /* The result has the picture's size, or the frame's. */
  function suggestSize(mine) {
    const { size } = mine.canvas, values = darkroom.formValues(mine.tab);
    if (!size) return;
    const more = (one, other) => (mine.mode === "outpaint" ? (values[`init.outpaint.${one}`] ?? 0) + (values[`init.outpaint.${other}`] ?? 0) : 0);
    darkroom.suggestSize(mine.tab, { width: size.width + more("left", "right"), height: size.height + more("up", "down") });
  }
})();
