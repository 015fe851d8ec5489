/* "Upscale this one": the second pass of txt2img's form for a picture that is finished.

   Where that form's second pass is in sight, it begins at once; else what it will do is said first. */
"use strict";
(() => {
  const TAB = "txt2img";
  const NUMBERS = ["width", "height", "guidance_scale"];

  /* What stands in the form's second pass, as a request has it. */
  function secondPass(values) {
    const filled = Object.entries(values).filter(([name, value]) => name.startsWith("hires.") && name !== "hires.on" && value !== "" && value !== null);
    return Object.fromEntries(filled.map(([name, value]) => [name.slice(6), NUMBERS.includes(name.slice(6)) ? Number(value) : value]));
  }

  const canPassAgain = ({ request }, image) => image >= 0 && !request.init && !request.upscale && !request.hires && request.stop_at === 1;

  /* The same picture again from its second pass on. */
  async function passAgain({ id, request }, image) {
    const { sha256 } = await darkroom.copyPicture(id, image, "");
    const varied = request.variation?.strength > 0;
    const next = (seed) => (seed + image) % 2 ** 32;
    const made = await darkroom.send("POST", `api/v1/jobs/${encodeURIComponent(id)}/duplicate`, {
      owner: darkroom.owner,
      request: {
        images: 1, batch_size: 1, resume: null,
        seed: varied ? request.seed : next(request.seed),
        variation: varied ? { ...request.variation, seed: next(request.variation.seed) } : null,
        hires: { ...secondPass(darkroom.formValues(TAB)), picture: sha256 },
      },
    });
    darkroom.follow(made.id);
  }

  /* In a sentence what it will do with a picture. */
  function intended(values, { request }, { width, height }) {
    const size = darkroom.secondSize(values, { width, height });
    const larger = `${width} × ${height} becomes ${size.width} × ${size.height} by ${values["hires.upscaler"]}`;
    if (!values["hires.strength"]) return `${larger}; nothing is made anew at strength 0.`;
    const own = [
      values["hires.sampler"], values["hires.schedule"],
      values["hires.guidance_scale"] && `CFG scale ${values["hires.guidance_scale"]}`,
      (values["hires.prompt"] || values["hires.negative_prompt"]) && "prompts of its own",
    ].filter(Boolean);
    const steps = darkroom.plural(values["hires.steps"] || request.steps, "step");
    return `${larger}, then is made anew: ${[`denoising strength ${values["hires.strength"]}`, steps, ...own].join(", ")}.`;
  }

  /* The button and its row in `root`. `chosen()` gives the job and the picture that are looked at; what
     goes wrong is given to `say`. Returns what is to be called when another picture is looked at. */
  darkroom.passingAgain = (root, chosen, say) => {
    const find = (id) => root.querySelector("#" + id);
    const button = find("result-hires"), row = find("result-pass");

    function turn(open) {
      row.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
    }

    async function begin() {
      const { job, picture } = chosen();
      turn(false);
      button.disabled = true;
      try { await passAgain(job, picture.image); } catch (error) { say(error.message); }
      button.disabled = false;
    }

    function tell() {
      const { job, picture } = chosen();
      find("result-pass-said").textContent = intended(darkroom.formValues(TAB), job, picture);
    }

    button.addEventListener("click", () => {
      say("");
      if (!row.hidden) { turn(false); return; }
      if (darkroom.formValues(TAB)["hires.on"] && darkroom.tab() === TAB) { begin(); return; }
      tell();
      turn(true);
      row.scrollIntoView({ block: "nearest" });
      find("result-pass-go").focus({ preventScroll: true });
    });
    find("result-pass-go").addEventListener("click", begin);
    find("result-pass-change").addEventListener("click", async () => {
      turn(false);
      await darkroom.setForm(TAB, { "hires.on": true }, "Hires. fix is on. “Upscale this one” takes what is set there.");
      document.getElementById(`${TAB}_hr`)?.scrollIntoView({ block: "nearest" });
    });
    document.addEventListener("darkroom:form", ({ detail }) => { if (detail === TAB && !row.hidden) tell(); });
    row.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      turn(false);
      button.focus({ preventScroll: true });
    });

    return () => {
      const { job, picture } = chosen();
      button.hidden = !canPassAgain(job, picture.image);
      turn(false);
    };
  };
})();
