"""What came of an extension's hooks."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from webui.events import Step
from webui.extensions import Mishap
from webui.request import GenerationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Filtered:
    requests: tuple[GenerationRequest, ...]  # one for each job, in order
    mishaps: tuple[Mishap, ...]  # what failed, with its traceback; () is what one wants

    @property
    def prompts(self) -> tuple[str, ...]:
        return tuple(each.prompt for each in self.requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    requests: tuple[GenerationRequest, ...]  # one for each job, after the request filters
    pictures: tuple[Image.Image, ...]  # RGB, of all jobs in order
    texts: tuple[tuple[str, ...], ...]  # what each picture's text says beside the request's fields
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]  # what the job tells the user
    mishaps: tuple[Mishap, ...]  # what failed and was left out; () is what one wants
    kept: Path  # the folder of the kept steps; an extension's `view.keep` is the one of its id here
