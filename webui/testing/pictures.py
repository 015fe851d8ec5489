"""The real engine in this process, on a model in miniature: the same pictures each time."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image

from webui.embeddings import Embeddings
from webui.engine import builtin, miniature
from webui.engine.device import choose
from webui.engine.engine import Engine
from webui.engine.models import Models
from webui.engine.pixels import opened
from webui.events import Rendered, Step, Warned
from webui.extensions import BUILTIN, Conduct, Shelves, of_engine
from webui.extensions.loading import asked
from webui.extensions.registry import Tables
from webui.library import Library
from webui.loras import Loras
from webui.request import GenerationRequest
from webui.testing.results import Made
from webui.upscalers import Upscalers
from webui.wire import RunOptions

TextOf = Callable[[GenerationRequest], tuple[str, ...]]


class Pictures:
    def __init__(
        self,
        id: str,
        tables: Tables,
        conduct: Conduct,
        place: Path,
        text: TextOf,
        blocks: Sequence[str],
    ) -> None:
        """`text` gives what a picture's text says of a request; `blocks`: the extension's tags."""
        self._place, self._text, self._runs, self._blocks = place, text, 0, tuple(blocks)
        models = place / "models"
        miniature.write(models / "checkpoints" / "miniature")
        shelves = Shelves()
        shelves.add(BUILTIN, asked(builtin, BUILTIN, "engine"))
        shelves.add(id, tables)
        registry, device = of_engine(shelves), choose("cpu")
        files = Library(models), Embeddings(models), Loras(models)
        made = Models(*files, registry.families, device)
        self._engine = Engine(registry, made, device, Upscalers(models), conduct)

    def run(self, requests: Sequence[GenerationRequest]) -> Made:
        self._runs += 1
        kept = self._place / "kept" / str(self._runs)
        options = RunOptions(
            keep=str(kept), inputs=str(self._place / "inputs"), blocks=self._blocks
        )
        events = [event for each in requests for event in self._engine.run(each, options)]
        rendered = [each for each in events if isinstance(each, Rendered)]
        pictures: tuple[Image.Image, ...] = tuple(opened(each.picture) for each in rendered)
        return Made(
            requests=tuple(requests),
            pictures=pictures,
            texts=tuple((*self._text(each.request), *each.notes) for each in rendered),
            steps=tuple(each for each in events if isinstance(each, Step)),
            warnings=tuple(each.text for each in events if isinstance(each, Warned)),
            mishaps=(),
            kept=kept,
        )
