/* Export: the denoising as a film, a moving picture or a sheet. */
"use strict";
darkroom.exporting = (root) => {
  const form = root.querySelector("#export-form"), go = root.querySelector("#export-go"), said = root.querySelector("#export-said");
  let here = null;

  const SMALL = 256 * 256; // pixels of a picture that the decoder takes but a moment for
  let offered = ""; // the picture that the form was set for

  const still = () => form.elements.format.value === "sheet";

  form.elements.format.addEventListener("change", () => { form.elements.rate.disabled = still(); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    go.disabled = true;
    said.textContent = "Making it…";
    try {
      await download();
      said.textContent = "";
    } catch (error) {
      said.textContent = error.message;
    }
    go.disabled = false;
  });

  async function download() {
    const turn = here.turn ? { turn: here.turn } : {};
    const query = new URLSearchParams({ image: here.image, ...turn, ...Object.fromEntries(new FormData(form)) });
    const answer = await fetch(`api/v1/jobs/${encodeURIComponent(here.job.id)}/export?${query}`) // however long it takes
      .catch(() => { throw new Error("The server does not answer."); });
    if (!answer.ok) {
      const failed = (await answer.json().catch(() => null))?.error;
      throw new Error(darkroom.sentence(failed ? `${failed.field ?? ""} ${failed.text}`.trim() : `the server answered ${answer.status}`));
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "denoising";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  return {
    draw(now) {
      here = now;
      const { job, image } = now;
      if (offered === `${job.id} ${image}`) return;
      offered = `${job.id} ${image}`;
      said.textContent = "";
      form.elements.method.value = job.request.width * job.request.height <= SMALL ? "vae" : "fast";
    },
  };
};
