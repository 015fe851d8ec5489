"""A request's prompts, read for one model: what guides each step, and what to tell about it."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from torch import Tensor

from webui.engine.conditioning.conditioner import (
    EMPTY,
    Conditioner,
    Reading,
    Windows,
    embeddings_in,
)
from webui.engine.conditioning.timeline import Timeline, Track
from webui.engine.conditioning.words import words_of
from webui.engine.embeddings import Learned
from webui.engine.lora import Adapters
from webui.errors import InvalidRequest
from webui.interfaces import WholeTextEncoder, Written
from webui.interfaces.engine_hooks import Word
from webui.prompt import Emphasis, lora_uses, mixes, understand, windows, written
from webui.prompt.loras import KINDS as LORA_KINDS
from webui.prompt.mentions import mentions
from webui.prompt.parts import Part, Prompt, Vocabulary
from webui.request import GenerationRequest

_MANY = 150  # steps, so that what changes from step to step is seen to
MOST_WINDOWS = 600  # of all texts of a request; those of Stable Diffusion 1 then take 140 MB

VocabularyOf = Callable[[Mapping[str, int]], Vocabulary]


@dataclass(frozen=True, slots=True)
class Read:
    """Two prompts, ready to guide."""

    timeline: Timeline
    embeddings: Mapping[str, str]  # those they name -> sha256 of the file
    loras: Mapping[str, str]  # those that do something -> sha256 of the file's tensors
    warnings: tuple[str, ...]
    words: Callable[[int], Sequence[Word]] = lambda step: ()  # of the prompt at a step, from 1


def named(request: GenerationRequest, reads: Iterable[Read]) -> GenerationRequest:
    """The request with the hashes of the files that were used, and of no others."""
    embeddings: dict[str, str] = {}
    loras: dict[str, str] = {}
    for read in reads:
        embeddings |= read.embeddings
        loras |= read.loras
    return replace(request, embeddings=embeddings, loras=loras)


class Reader:
    """Reads prompts for one model."""

    def __init__(
        self,
        conditioner: Conditioner,
        learned: Learned,
        vocabulary_of: VocabularyOf,
        adapters: Adapters,
        whole: WholeTextEncoder | None = None,
    ) -> None:
        """`vocabulary_of` gives the model's vocabulary with the embeddings that can be named;
        `whole` is what reads texts with one of its own."""
        self._adapters = adapters
        self._conditioner = conditioner
        self._learned = learned
        self._vocabulary_of = vocabulary_of
        self._whole = whole

    def read(
        self,
        request: GenerationRequest,
        steps: int,
        after: int = 0,
        blocks: Collection[str] = (),
    ) -> Read:
        """For `steps` steps; `after` those of a first pass, if it is the second; `blocks` are
        kinds of tags that extensions take. Raises InvalidRequest, naming the field.
        """
        self._check(request)
        count, second = (after, steps) if after else (steps, None)
        positive = understand(request.prompt, count, hires_steps=second)
        negative = understand(request.negative_prompt, count, positive=False, hires_steps=second)
        worn = self._adapters.worn(lora_uses(positive.tags), steps)
        plain = Reading(request.emphasis, request.clip_skip)
        readings = [(end, replace(plain, loras=loras)) for end, loras in worn.text]
        texts = self._texts(cast(Emphasis, request.emphasis))
        tracks = [self._track(part, texts, readings, "prompt") for part in positive.parts]
        unwanted = [(end, replace(each, negative=True)) for end, each in readings]
        away = self._track(negative.parts[0], texts, unwanted, "negative_prompt")
        filling = [(end, self._conditioner.text((EMPTY,), each)) for end, each in readings]
        adapted = [
            (end, partial(self._adapters.unet, loras, worn.bound)) for end, loras in worn.unet
        ]
        timeline = Timeline(tracks, away, Track(1.0, filling), steps, adapted)
        hashes = {name: self._learned.hash(name) for name in texts.embeddings()}
        warnings = [
            *self._warnings(request, positive, (*LORA_KINDS, *blocks)),
            *self._unread(texts, hashes),
            *_changed("embedding", request.embeddings, hashes),
            *_changed("LoRA", request.loras, worn.hashes),
        ]
        words = partial(_words, _last(positive.parts), texts)
        return Read(timeline, hashes, worn.hashes, tuple(warnings), words)

    def _check(self, request: GenerationRequest) -> None:
        layers = self._conditioner.layers
        if request.clip_skip > layers:
            raise InvalidRequest(
                "clip_skip", f"must be from 1 to {layers} for this model, got {request.clip_skip}"
            )

    def vectors(self, text: str) -> dict[str, Tensor]:
        """What a text's tokens are before the transformer: (n, width) by text encoder.

        Raises InvalidRequest, field "text", for a text that is not one mix of vectors.
        """
        try:
            (part, *more) = understand(text, _MANY).parts
        except InvalidRequest as error:
            raise InvalidRequest("text", error.problem) from None
        if more or len(part.stages) > 1 or len(part.stages[0].variants) > 1 or part.weight != 1:
            raise InvalidRequest(
                "text", "must be one text: no AND, no [a:b:1], no blend of whole texts"
            )
        read = self._texts("original").windows(part.stages[0].variants[0].text, "text")
        if len(read) != 1 or not read[0].tokens:
            raise InvalidRequest("text", "must have from 1 to 75 tokens")
        if any(token.weight != 1 for token in read[0].tokens):
            raise InvalidRequest("text", "must have no weights: a file of vectors keeps none")
        return self._conditioner.vectors(read[0].tokens)

    def _texts(self, emphasis: Emphasis) -> "Texts":
        self._learned.refresh()
        vocabulary = self._vocabulary_of(self._learned.vectors)
        return Texts(vocabulary, emphasis, self._whole is not None)

    def _track(
        self,
        part: Part,
        texts: "Texts",
        readings: Sequence[tuple[int, Reading]],
        field: str,
    ) -> Track:
        """A stage ends where the text changes, and where LoRAs of the text encoders do."""
        stages = []
        ends = {stage.end_step for stage in part.stages} | {end for end, _ in readings}
        for end in sorted(ends):
            stage = next(each for each in part.stages if end <= each.end_step)
            reading = next(each for last, each in readings if end <= last)
            variants = [(each.ratio, texts.windows(each.text, field)) for each in stage.variants]
            stages.append((end, self._conditioner.blend(variants, stage.mixing, reading)))
        return Track(part.weight, stages)

    def _warnings(
        self,
        request: GenerationRequest,
        positive: Prompt,
        kinds: Collection[str],
    ) -> Iterator[str]:
        for tag in positive.tags:
            if tag.kind not in kinds:
                written = request.prompt[tag.start : tag.end]
                yield f"{written} has no effect: there is nothing of the kind {tag.kind!r}."
        both = f"{request.prompt}\n{request.negative_prompt}"
        misfits = self._learned.misfits()
        for name, _, _ in mentions(both, misfits):
            yield f"The embedding {name} was read as plain words: {misfits[name]}."

    def _unread(self, texts: "Texts", embeddings: Iterable[str]) -> Iterator[str]:
        """What the encoder of whole texts cannot read as the others do."""
        if self._whole is None:
            return
        if most := max(map(self._whole.cut_off, texts.written()), default=0):
            yield f"The last {most} tokens of a text are too many for T5: only CLIP reads them."
        if texts.mixed():
            yield "T5 knows no mixes: it reads the word with the largest share, CLIP the mix."
        for name in embeddings:
            yield f"T5 reads the embedding {name} as plain words; it works on CLIP alone."


def _last(parts: Sequence[Part]) -> Part:
    """The last that counts."""
    return next((each for each in reversed(parts) if each.weight != 0), parts[-1])


def _words(part: Part, texts: "Texts", step: int) -> Sequence[Word]:
    """Of several texts that are blended the first one's."""
    stage = next((each for each in part.stages if step <= each.end_step), part.stages[-1])
    text = stage.variants[0].text
    return words_of(text, texts.windows(text, "prompt"))


class Texts:
    """The texts of a request as windows, each read once."""

    def __init__(self, vocabulary: Vocabulary, emphasis: Emphasis, whole: bool = False) -> None:
        """`whole`: they are read by an encoder of whole texts too."""
        self._whole = whole
        self._vocabulary = vocabulary
        self._emphasis = emphasis
        self._read: dict[str, Windows] = {}
        self._count = 0  # of all windows

    def windows(self, text: str, field: str) -> Windows:
        """Raises InvalidRequest, for `field`."""
        if text not in self._read:
            try:
                self._read[text] = windows(text, self._vocabulary, emphasis=self._emphasis)
            except InvalidRequest as error:
                raise InvalidRequest(field, error.problem) from None
            if self._whole:
                first, *others = self._read[text]
                pieces = written(text, self._emphasis)
                self._read[text] = (replace(first, written=pieces), *others)
            self._count += len(self._read[text])
            if self._count > MOST_WINDOWS:
                raise InvalidRequest(
                    field,
                    f"and all it changes to need more than {MOST_WINDOWS} windows of 75 tokens; "
                    "shorten it, or let it change less often",
                )
        return self._read[text]

    def written(self) -> list[Written]:
        """What is written in each of them."""
        return [windows[0].written for windows in self._read.values()]

    def mixed(self) -> bool:
        """Whether words are mixed in one of them."""
        return any(map(mixes.places, self._read))

    def embeddings(self) -> list[str]:
        """The names of those that stand in them."""
        return sorted({name for each in self._read.values() for name in embeddings_in(each)})


def _changed(kind: str, before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Where the files are other ones than those that the request was made with."""
    for name, digest in before.items():
        if name not in now:
            yield f"The {kind} {name}, which the request was made with, is not used now."
        elif now[name] != digest:
            yield (
                f"The {kind} {name} is not the one that the request was made with: its file has "
                f"the hash {now[name][:12]}, not {digest[:12]}."
            )
