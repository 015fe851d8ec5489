/* The words beside the pictures: what the chosen one is, its recipe, and what to do with it. */
"use strict";
(() => {
  const { duration, bytes } = darkroom;
  let root = null;
  let pictures = []; // as they hang: the grid of all first, then by number
  let chosen = 0;
  let took = NaN; // seconds, all of them together
  let job = null; // whose they are
  let drawPass = () => {};

  /* Told by the live view, which knows the recipes; the gallery itself gets the files from Gradio. */
  darkroom.hang = (now) => {
    job = now;
    pictures = [...job.pictures].sort((a, b) => a.of - b.of || a.loop - b.loop);
    chosen = 0;
    took = job.started && job.finished ? job.finished - job.started : NaN;
    draw(job.id);
  };

  darkroom.results = (element, props, watch) => {
    root = element.querySelector(".dk-results");
    watch("chosen", () => {
      if (!props.chosen || !pictures[props.chosen.index]) return;
      chosen = props.chosen.index;
      draw(root.dataset.job);
      darkroom.showPicture(pictures[chosen]); // its steps are looked at too
    });
    find("result-copy").addEventListener("click", (event) => {
      darkroom.copy(event.currentTarget, find("result-recipe").textContent, find("result-recipe"));
    });
    find("result-copy-as").addEventListener("click", async ({ currentTarget: button }) => {
      said("");
      try { await darkroom.copyAs(job.id, pictures[chosen].image, button); } catch (error) { said(error.message); }
    });
    darkroom.sendButtons(find("result-send"), (tab) => `${tab}_send`, send, said);
    drawPass = darkroom.passingAgain(root, () => ({ job, picture: pictures[chosen] }), said);
    draw("");
  };

  function said(text, good = false) {
    find("result-said").textContent = text;
    find("result-said").classList.toggle("dk-send-good", good);
    find("result-said").hidden = !text;
  }

  /* The picture itself says how it alone was made. */
  async function send(tab) {
    said("");
    const { url, image } = pictures[chosen];
    const { id } = job, address = url.replace(/^\//, ""), name = decodeURIComponent(address.split("/").pop());
    const answer = tab === "extras" ? null : await darkroom.readRecipe(await darkroom.fetchPicture(address), "the picture");
    return darkroom.sendTo(tab, { name: "the picture", answer, keep: () => darkroom.copyPicture(id, image, name) });
  }

  // Who closed a picture by the keyboard goes on from its thumbnail.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !event.target.closest?.(".dk-gallery .preview")) return;
    setTimeout(() => document.querySelectorAll(".dk-gallery .thumbnail-item")[chosen]?.focus(), 100);
  }, true);

  const find = (id) => root.querySelector("#" + id);

  function draw(id) {
    if (!root) return;
    root.dataset.count = String(pictures.length);
    root.dataset.job = id;
    document.getElementById("room").dataset.pictures = String(pictures.length);
    root.querySelector(".dk-results-empty").hidden = pictures.length > 0;
    root.querySelector(".dk-result").hidden = pictures.length === 0;
    const picture = pictures[chosen];
    if (!picture) return;
    said("");
    drawPass();
    const several = pictures.length > 1;
    const count = pictures.filter((each) => each.image >= 0).length;
    find("result-title").textContent = picture.image < 0 ? `All ${count} pictures` : titled(picture, several);
    const facts = [
      `${picture.width} × ${picture.height}`,
      duration(picture.image < 0 ? took : picture.seconds),
      picture.peak_memory > 0 ? `${bytes(picture.peak_memory)} peak memory` : "",
    ];
    find("result-facts").textContent = facts.filter(Boolean).join(" · ");
    find("result-recipe").textContent = picture.recipe;
    const address = picture.url.replace(/^\//, "");
    find("result-open").href = address;
    find("result-download").href = address + "?download=1";
    darkroom.rememberSeed(picture.seed);
  }

  function titled({ of, loop }, several) {
    const { images, init } = job.request;
    const which = images > 1 ? `Picture ${of + 1} of ${images}` : "Picture";
    return several && init?.loopback ? `${images > 1 ? `${which} · ` : ""}Loop ${loop} of ${init.loopback.loops}` : which;
  }

  /* The one that is looked at. */
  darkroom.lastPicture = () => pictures[chosen] ?? null;
})();
