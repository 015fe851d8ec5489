/* "Send to": a picture with its recipe into the form of another tab.

   A picture goes by way of the input store, so a form holds but its name and a refresh keeps it. */
"use strict";
(() => {
  const TABS = [["txt2img", "txt2img"], ["img2img", "img2img"], ["inpaint", "Inpaint"], ["extras", "Upscale"]];
  const [STEP, LEAST, MOST] = [8, 64, 2048]; // pixels of a size slider

  /* A row of buttons, one for each tab; `send(tab)` does it, and what goes wrong is given to `say`. */
  darkroom.sendButtons = (place, ids, send, say) => {
    place.replaceChildren(...TABS.map(([tab, title]) => {
      const button = Object.assign(darkroom.node("button", "dk-plain", title), { type: "button", id: ids(tab), title: `Send the picture to ${title}, with its recipe` });
      button.setAttribute("aria-label", `Send to ${title}`);
      button.addEventListener("click", async () => {
        button.disabled = true;
        try { await send(tab); } catch (error) { say(error.message); }
        button.disabled = false;
      });
      return button;
    }));
  };

  /* A picture of the wrong size would be stretched: the form takes the picture's, as near as it can. */
  function fitting({ width, height }) {
    const share = Math.min(1, MOST / Math.max(width, height));
    const near = (pixels) => Math.max(LEAST, Math.round((pixels * share) / STEP) * STEP);
    return { width: near(width), height: near(height) };
  }

  /* What was only made larger says nothing of how it was made: its recipe would empty the prompt. */
  const recipeOf = (answer) => (answer?.tab === "upscale" ? { ...answer, source: null } : answer);

  /* Fills a tab with what a picture carries; `keep()` comes to its place in the input store. */
  darkroom.sendTo = async (tab, { name, answer: read, keep }) => {
    const answer = recipeOf(read);
    if (tab === "txt2img") { await darkroom.restore(tab, answer, name); return; }
    const { notes: _, ...picture } = await keep();
    if (tab === "inpaint" && !answer?.source) {
      darkroom.openTab(tab);
      const canvas = await darkroom.canvasNamed(tab);
      await canvas.load(darkroom.inputUrl(picture.sha256), picture.name);
    } else if (tab === "inpaint") { // its own mask, if it had one, was for another picture
      const drawn = { "init.picture": JSON.stringify([picture]), "init.mask.picture": "" };
      await darkroom.restore(tab, sized(answer, picture), name, drawn);
    } else if (tab === "extras") {
      await darkroom.setForm(tab, { "upscale.picture": JSON.stringify([picture]) }, darkroom.sentence(`${name} is here`));
    } else if (!answer?.source) {
      await darkroom.setForm(tab, { "init.picture": JSON.stringify([picture]), ...fitting(picture) }, darkroom.sentence(`${name} is here`));
    } else {
      await darkroom.restore(tab, sized(answer, picture), name, { "init.picture": JSON.stringify([picture]) });
    }
    document.querySelector(`#${tab}_image :is(.dk-picker, .dk-canvas)`)?.scrollIntoView({ block: "nearest" });
  };

  const sized = (answer, picture) => ({ ...answer, values: { ...answer.values, ...fitting(picture) } });

  /* A finished picture of this server, in the input store. */
  darkroom.copyPicture = async (job, image, name) => {
    const { sha256, width, height } = await darkroom.send("POST", "api/v1/inputs/copies", { job, image });
    return { sha256, width, height, name };
  };
})();
