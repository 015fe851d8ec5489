"""What extensions are shown of a turn, put together when its progress is known."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

from torch import Tensor

from webui.engine.conditioning.reader import Read
from webui.engine.control import Control
from webui.engine.denoiser import predicted
from webui.engine.hooks import JobHooks, TurnHooks
from webui.engine.progress import Progress
from webui.engine.turns import Turn
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
        def parts(x: Tensor, sigma: Tensor) -> Sequence[Tensor]:
            guides = hooks.guides(read.timeline.at(progress.step), progress.step)
            asked = [guides.negative, *(part for _, part in guides.positive)]
            return predicted(turn.model, x, sigma, guides, asked)

        def predict(x: Tensor, sigma: Tensor) -> Tensor:
            guides = hooks.guides(read.timeline.at(progress.step), progress.step)
            asked = [part for _, part in guides.positive]
            made = predicted(turn.model, x, sigma, guides, asked)
            total = sum(weight for weight, _ in guides.positive)
            weighted = zip(guides.positive, made, strict=True)
            return reduce(add, (clean * (weight / total) for (weight, _), clean in weighted))

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
                predict=predict,
                parts=parts,
                stopped=lambda: control.stop is not None,
                state=state,
                keep=folder,
            )

        hooks = TurnHooks(job, view, Path(keep) if keep else None)
        return hooks

    return made
