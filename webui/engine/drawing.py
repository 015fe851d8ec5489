"""Latents as pictures: previews while a run goes on, kept steps again, the result.

Knows no run; what it draws it is given, or finds in a trajectory's file.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from webui.engine import hook_answers
from webui.engine.device import Device, memory_for
from webui.engine.guard import Attempt
from webui.engine.hooks import PREVIEW
from webui.engine.initial import view_of
from webui.engine.models import Models
from webui.engine.pixels import opened, picture, side_by_side, tensor
from webui.engine.sampler_choice import unknown
from webui.engine.turns import View
from webui.errors import EngineBusy, ExtensionError, InvalidRequest
from webui.events import Look, Picture, PreviewKind
from webui.extensions import BUILTIN, Conduct, MishapError
from webui.fields import AUTOMATIC_VAE
from webui.interfaces import Model, PreviewDecoder
from webui.interfaces.server_hooks import Owned
from webui.request import from_dict
from webui.trajectories import Header, KeptStep, of_one, read_guidance, read_header, read_step


class Drawing:
    def __init__(
        self,
        previews: Mapping[str, Owned[PreviewDecoder]],
        models: Models,
        device: Device,
        conduct: Conduct | None = None,
    ) -> None:
        self._previews = previews
        self._conduct = conduct or Conduct()
        self._models = models
        self._device = device

    def owner(self, method: str) -> str | None:
        """Whose preview it is; None for one that nobody has here."""
        owned = self._previews.get(method)
        return owned.owner if owned else None

    def draw(
        self,
        model: Model,
        kept: KeptStep,
        kind: PreviewKind,
        method: str,
        view: View | None = None,
        attempt: Attempt | None = None,
    ) -> Picture:
        """The pictures of a batch side by side, each as `view` shows it; `attempt` instead of the
        conduct's own.

        Raises InvalidRequest for an unknown method, MishapError where it is an extension's and
        fails.
        """
        owned = self._previews.get(method)
        if owned is None:
            raise unknown("method", method, self._previews)
        latents = torch.from_numpy(kept.x if kind == "noisy" else kept.denoised)
        latents = latents.to(self._device.where)
        if kind == "noisy":
            latents = model.shown(latents, torch.tensor(kept.sigma))
        drawn = self._decoded(owned, latents, model, attempt or self._conduct.attempt)
        if view is not None:
            seen = [view(opened(picture(each))) for each in drawn]
            drawn = torch.cat([tensor(each) for each in seen])
        return picture(side_by_side(drawn))

    def _decoded(
        self, owned: Owned[PreviewDecoder], latents: Tensor, model: Model, attempt: Attempt
    ) -> Tensor:
        if owned.owner == BUILTIN:
            return owned.value(latents, model)

        def call() -> Tensor:
            # a clone: on a CPU what is drawn is what the picture is made of
            return hook_answers.drawn(owned.value(latents.clone(), model), latents)

        made: Tensor = attempt(owned.owner, PREVIEW, call)
        return made

    @torch.no_grad()
    def again(self, folder: Path, look: Look, running: bool, inputs: Path | None) -> Picture | None:
        """A kept step drawn again, of all pictures of its batch or one; None if it was not kept.

        `inputs` is the folder of the pictures that requests begin with. While a run is `running`,
        raises EngineBusy if it takes another model than the one in memory: that one would be driven
        out, and a GPU may not hold both. Raises ExtensionError, naming whose preview failed.
        """
        batch, step, turn, position = look.batch, look.step, look.turn, look.position
        header, kept = read_header(folder, batch, turn), read_step(folder, batch, step, turn)
        if header is None or kept is None or (position or 0) >= len(kept.x):
            return None
        seen: PreviewKind = "noisy" if look.kind == "noisy" else "predicted"
        if look.kind != seen:
            view = read_guidance(folder, batch, step, look.kind, kept.x.shape, turn)
            if view is None:
                return None
            kept = replace(kept, denoised=view)
        name = str(header.request["model"])
        vae = str(header.request.get("vae", AUTOMATIC_VAE))
        if running and not self._models.is_loaded(name, vae):
            raise EngineBusy(f"drawing it takes the model {name}; look again when no job runs")
        model = self._models.load(name, vae).model
        if position is not None:
            kept = of_one(kept, position)
        try:
            with memory_for("drawing the preview"):
                return self.draw(model, kept, seen, look.method, _view(header, inputs, model))
        except MishapError as error:
            raise ExtensionError(error.mishap.note) from error


def _view(header: Header, inputs: Path | None, model: Model) -> View | None:
    """Where what is drawn is only a part of the picture; None also if that is not kept any more."""
    try:
        return view_of(from_dict(header.request), inputs, model.scale_factor, header.turn)
    except InvalidRequest:
        return None
