/* Pictures to begin with: one, or several for a batch. What is given is sent to the input store, and its
   answer becomes the component's value; what could not be taken is said by its name.

   A file's name comes from outside: here it is only ever textContent. */
"use strict";
(() => {
  const { node, plural } = darkroom;
  const IMAGE = /^image\//;
  const AT_ONCE = 2; // uploads
  const SMALL = 320; // pixels of a tile's picture at most; larger ones take long to draw
  const pickers = {}; // tab -> what a picker can do

  darkroom.inputUrl = (sha256) => `api/v1/inputs/${sha256}`;

  /* Sends a picture (a Blob) to the input store. Throws an Error with a sentence about `name`. */
  darkroom.keepPicture = async (name, blob) => {
    let answer;
    try {
      answer = await fetch("api/v1/inputs", { method: "POST", headers: { "Content-Type": IMAGE.test(blob.type) ? blob.type : "image/png" }, body: blob });
    } catch {
      throw new Error(`${darkroom.quoted(name)} (${darkroom.size(blob.size)}) could not be sent: the server does not answer, or it is too large.`);
    }
    const said = await answer.json().catch(() => null);
    if (answer.ok && said) return { sha256: said.sha256, name, width: said.width, height: said.height, notes: said.notes ?? [] };
    throw new Error(`${darkroom.quoted(name)} ${said?.error?.text ?? `could not be taken in: the server answered ${answer.status}`}.`);
  };

  const seen = ({ root }) => root.getClientRects().length > 0;

  /* The picker that takes what is dropped on an element: the one it lies in, or an empty one one sees. */
  darkroom.pickerAt = (element) =>
    Object.values(pickers).find((each) => seen(each) && (each.root.contains(element) || each.isEmpty())) ?? null;

  /* The picker one sees: it takes what is pasted. */
  darkroom.pickerOpen = () => Object.values(pickers).find(seen) ?? null;

  /* Puts pictures of the input store in a tab, as if they had been chosen there. */
  darkroom.setPictures = (tab, list) => pickers[tab].set(list);

  /* Where one goes on after the sketch is closed. */
  darkroom.pickerFocus = (tab) => {
    const { root } = pickers[tab];
    const place = [...root.querySelectorAll('[data-verb="sketch"]')].find((each) => each.getClientRects().length);
    place?.focus({ preventScroll: true });
  };

  /* The pictures in a tab. */
  darkroom.picturesOf = (tab) => pickers[tab]?.list() ?? darkroom.drawnPictures(tab);

  darkroom.picker = (element, tab, field, props, watch, changed) => {
    const root = element.querySelector(".dk-picker");
    const part = (name) => root.querySelector(`.dk-picker-${name}`);
    const chooser = root.querySelector("input[type=file]");
    let list = parsed();
    let adding = false; // what is chosen next goes beside what is there
    let turn = 0, left = 0; // of all that was given the last counts; how many are on their way
    let problems = []; // sentences
    let notes = [];

    function parsed() {
      try { return JSON.parse(props.value || "[]"); } catch { return []; }
    }

    function set(next) {
      list = next;
      props.value = next.length ? JSON.stringify(next) : "";
      changed();
      draw();
    }

    watch("value", () => {
      if (JSON.stringify(list) === JSON.stringify(parsed())) return;
      list = parsed();
      problems = notes = [];
      draw();
    });

    // --- taking -----------------------------------------------------------------------------------
    /* `given`: [{name, blob}], a blob may be a promise of one. */
    async function take(given, beside = false) {
      const mine = (turn += 1), made = given.map(() => null), queue = given.map((each, i) => [each, i]);
      problems = [];
      notes = [];
      left = given.length;
      draw();
      const one = async () => {
        for (let next = queue.shift(); next && mine === turn; next = queue.shift()) {
          const [{ name, blob }, i] = next;
          try { made[i] = await darkroom.keepPicture(name, await blob); } catch (error) { if (mine === turn) problems.push(error.message); }
          if (mine === turn) { left -= 1; draw(); }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, one));
      if (mine !== turn) return;
      const there = made.filter(Boolean);
      notes = there.flatMap((each) => each.notes.map((text) => ({ name: each.name, text })));
      const plain = there.map(({ notes: _, ...each }) => each);
      if (plain.length) set(beside ? [...list, ...plain] : plain);
      if (plain.length && !beside && field === "init.picture") darkroom.suggestSize(tab, plain[0]);
      else draw();
    }

    const files = (chosen) => [...chosen].map((file) => ({ name: file.name, blob: file }));

    chooser.addEventListener("change", () => {
      const given = files(chooser.files);
      chooser.value = ""; // the same file may be chosen again
      if (given.length) take(given, adding);
      adding = false;
    });
    const VERBS = {
      choose() { adding = false; chooser.click(); },
      add() { adding = true; chooser.click(); },
      sketch() { darkroom.openSketch(tab).catch((error) => { problems = [error.message]; draw(); }); },
      remove() { turn += 1; left = 0; problems = notes = []; set([]); chooser.focus({ preventScroll: true }); },
    };
    for (const button of root.querySelectorAll("[data-verb]")) button.addEventListener("click", () => VERBS[button.dataset.verb]());

    // --- drawing ----------------------------------------------------------------------------------
    function draw() {
      const state = left ? "sending" : list.length > 1 ? "many" : list.length ? "one" : "empty";
      root.dataset.state = state;
      root.dataset.count = String(list.length);
      part("choose").hidden = list.length > 0;
      part("one").hidden = list.length !== 1;
      part("many").hidden = list.length < 2;
      part("foot").hidden = !list.length;
      part("blank").hidden = list.length > 0;
      drawOne();
      part("many").replaceChildren(...(list.length > 1 ? list.map(tile) : []));
      tell(list.length > 1 ? { name: `${list.length} pictures, one job each` } : list[0]);
      const said = left ? `Taking ${plural(left, "picture")} in…` : notes.map(({ name, text }) => `${name}: ${text}`).join(" ");
      part("said").textContent = said;
      part("said").hidden = !said;
      part("problems").replaceChildren(...problems.map((text) => node("li", "", text)));
      part("problems").hidden = !problems.length;
      document.dispatchEvent(new CustomEvent("darkroom:pictures", { detail: tab }));
    }

    /* A long name gives way, the size stays. */
    function tell(picture) {
      const place = part("facts"), text = picture ? facts(picture) : "", name = picture?.name ?? "";
      place.title = text;
      place.replaceChildren(node("span", "dk-picker-fact", name), text.slice(name.length));
    }

    const facts = ({ name, width, height }) => [name, width ? `${width} × ${height}` : ""].filter(Boolean).join(" · ");

    function drawOne() {
      const image = part("image"), [only] = list;
      if (list.length !== 1) { image.removeAttribute("src"); return; }
      const address = darkroom.inputUrl(only.sha256);
      image.alt = only.name || "The picture to begin with";
      if (image.getAttribute("src") !== address) image.src = address;
      else if (image.complete) setTimeout(measure, 0); // it is there already: another event "load" does not come
    }

    /* Of a recipe, which does not say the size. */
    function measure() {
      const [only] = list, { naturalWidth: width, naturalHeight: height } = part("image");
      if (list.length === 1 && !only.width && width) set([{ ...only, width, height }]);
    }

    part("image").addEventListener("load", measure);
    part("image").addEventListener("error", () => {
      if (list.length !== 1 || !part("image").getAttribute("src")) return;
      const [{ name }] = list;
      set([]);
      problems = [`${name ? darkroom.quoted(name) : "The picture"} is not kept here any more. Choose it again.`];
      draw();
    });

    function tile(picture) {
      const item = node("li", "dk-picker-tile"), plate = node("span", "dk-picker-plate");
      const image = Object.assign(document.createElement("img"), { alt: "", loading: "lazy", decoding: "async", width: SMALL, src: darkroom.inputUrl(picture.sha256) });
      const remove = node("button", "dk-picker-less", "\u00d7");
      remove.type = "button";
      remove.title = "Leave this one out";
      remove.setAttribute("aria-label", `Leave ${picture.name} out`);
      remove.addEventListener("click", () => set(list.filter((each) => each !== picture)));
      plate.append(image, remove);
      item.append(plate, node("span", "dk-picker-name", picture.name));
      item.title = facts(picture);
      return item;
    }

    pickers[tab] = {
      root, take, set, files,
      list: () => list,
      isEmpty: () => !list.length,
      words: () => (list.length ? "Drop to begin with this one instead" : "Drop to begin with it"),
    };
    draw();
  };
})();
