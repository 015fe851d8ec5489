"""What extensions are shown of a turn, put together when its progress is known."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from torch import Tensor

from webui.engine.conditioning.reader import Read
from webui.engine.control import Control
from webui.engine.denoiser import Guides, predicted
from webui.engine.hooks import JobHooks, TurnHooks
from webui.engine.progress import Progress
from webui.engine.turns import Turn
from webui.interfaces import Model
from webui.interfaces.engine_hooks import TurnView

HooksOf = Callable[[Progress], TurnHooks]


def hooks_of(
    job: JobHooks,
    turn: Turn,
    place: tuple[int, int],
    read: Read,
    control: Control,
    keep: str | None,
) -> HooksOf:
    """`place` is (batch, number of the turn); `keep` the folder of the job's kept steps."""
    batch, number = place

    def made(progress: Progress) -> TurnHooks:
        def guides() -> Guides:
            return hooks.guides(read.timeline.at(progress.step), progress.step)

        def view(values: Mapping[str, Any], state: dict[str, Any], folder: Path | None) -> TurnView:
            return TurnView(
                request=turn.request,
                values=values,
                model=turn.model,
                batch=batch,
                turn=number,
                steps=turn.steps,
                images=len(turn.request.batch_seeds(batch)),
                step=lambda: progress.step,
                words=lambda: read.words(progress.step),
                predict=lambda x, sigma: _by_prompt(turn.model, x, sigma, guides()),
                parts=lambda x, sigma: _parts(turn.model, x, sigma, guides()),
                stopped=lambda: control.stop is not None,
                state=state,
                keep=folder,
            )

        hooks = TurnHooks(job, view, Path(keep) if keep else None)
        return hooks

    return made


def _parts(model: Model, x: Tensor, sigma: Tensor, guides: Guides) -> Sequence[Tensor]:
    """Clean (B, C, h, w) by the negative prompt alone, then by each part."""
    asked = [guides.negative, *(part for _, part in guides.positive)]
    return predicted(model, x, sigma, guides, asked)


def _by_prompt(model: Model, x: Tensor, sigma: Tensor, guides: Guides) -> Tensor:
    """Clean (B, C, h, w), of all parts by their weights."""
    made = predicted(model, x, sigma, guides, [part for _, part in guides.positive])
    total = sum(weight for weight, _ in guides.positive)
    weighted = zip(guides.positive, made, strict=True)
    return reduce(add, (clean * (weight / total) for (weight, _), clean in weighted))
