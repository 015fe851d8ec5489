/* "Send to": a picture with its recipe to where it can be gone on with: another tab, an extension.

   Where that is the server says (darkroom.sendTargets); who receives it there stands in
   darkroom.receivers. A picture goes by way of the input store, so a form holds but its name and a
   refresh keeps it. */
"use strict";
(() => {
  const [STEP, LEAST, MOST] = [8, 64, 2048]; // pixels of a size slider

  /* A row of buttons, one for each target; `send(name)` does it, and what there is to say about it,
     (true: it is good) and what goes wrong, is given to `say`. */
  darkroom.sendButtons = (place, ids, send, say) => {
    place.replaceChildren(...darkroom.sendTargets.map(({ name, label, help }) => {
      const button = Object.assign(darkroom.node("button", "dk-plain", label), { type: "button", id: ids(name), title: help });
      button.setAttribute("aria-label", `Send to ${label}`);
      button.addEventListener("click", async () => {
        button.disabled = true;
        try { say(await send(name) || "", true); } catch (error) { say(error.message); }
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

  /* Hands a picture to a target; `keep()` comes to its place in the input store, `answer` is what
     its recipe says. Comes to a sentence, or nothing. */
  darkroom.sendTo = async (name, { answer: read, ...sent }) => {
    const { label, address } = darkroom.sendTargets.find((each) => each.name === name);
    const given = { ...sent, answer: recipeOf(read) };
    if (Object.hasOwn(darkroom.receivers, name)) return text(await darkroom.receivers[name](given));
    if (!address) throw new Error(`${label} does not take it: its script has not run.`);
    const { sha256, width, height } = await given.keep();
    const body = { picture: sha256, width, height, parameters: read?.parameters ?? "", values: read?.values ?? {} };
    return text((await darkroom.send("POST", address, body))?.said) || `Sent to ${label}.`;
  };

  const text = (said) => (typeof said === "string" ? said.slice(0, 500) : "");
  const toPicture = (tab) => document.querySelector(`#${tab}_image :is(.dk-picker, .dk-canvas)`)?.scrollIntoView({ block: "nearest" });

  darkroom.receivers = {
    txt2img: ({ name, answer }) => darkroom.restore("txt2img", answer, name),

    async img2img({ name, answer, keep }) {
      const picture = await kept(keep), drawn = { "init.picture": JSON.stringify([picture]) };
      if (answer?.source) await darkroom.restore("img2img", sized(answer, picture), name, drawn);
      else await darkroom.setForm("img2img", { ...drawn, ...fitting(picture) }, darkroom.sentence(`${name} is here`));
      toPicture("img2img");
    },

    async inpaint({ name, answer, keep }) {
      const picture = await kept(keep);
      if (answer?.source) { // its own mask, if it had one, was for another picture
        const drawn = { "init.picture": JSON.stringify([picture]), "init.mask.picture": "" };
        await darkroom.restore("inpaint", sized(answer, picture), name, drawn);
      } else {
        darkroom.openTab("inpaint");
        const canvas = await darkroom.canvasNamed("inpaint");
        await canvas.load(darkroom.inputUrl(picture.sha256), picture.name);
      }
      toPicture("inpaint");
    },

    async extras({ name, keep }) {
      const picture = await kept(keep);
      await darkroom.setForm("extras", { "upscale.picture": JSON.stringify([picture]) }, darkroom.sentence(`${name} is here`));
      toPicture("extras");
    },
  };

  /* Without what there is to say of it. */
  async function kept(keep) {
    const { notes: _, ...picture } = await keep();
    return picture;
  }

  const sized = (answer, picture) => ({ ...answer, values: { ...answer.values, ...fitting(picture) } });

  /* A finished picture of this server, in the input store. */
  darkroom.copyPicture = async (job, image, name) => {
    const { sha256, width, height } = await darkroom.send("POST", "api/v1/inputs/copies", { job, image });
    return { sha256, width, height, name };
  };
})();
