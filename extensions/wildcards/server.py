"""Dynamic prompts: the grammar is the library `dynamicprompts`', the files are our own to read.

Each picture draws with its own seed, so that a recipe draws the same again; what was drawn becomes
the prompt, and the template stands beside it in the metadata.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from webui import (
    ChoiceField,
    ControlGroup,
    FilterContext,
    FlagField,
    GenerationRequest,
    IntegerField,
    InvalidRequest,
    MetadataField,
    RequestFilter,
    SettingsPage,
    TextField,
    hookimpl,
)

if TYPE_CHECKING:
    from dynamicprompts.generators import CombinatorialPromptGenerator, RandomPromptGenerator

    from .files import Wildcards

LONGEST = 10_000  # characters of a template
_SIGNS = ("{", "__", "${")  # without one of them a prompt is what it says
_SIDES = ("prompt", "negative_prompt")

GROUP = ControlGroup(
    name="wildcards",
    title="Dynamic prompts",
    help="{red|blue} car draws one of the words; __animal__ a line of the file animal.txt in the "
    "folder extension-data/wildcards of the data folder; {2$$a|b|c} two of them.",
    fields=(
        FlagField(
            name="on",
            label="Dynamic prompts",
            help="Reads {a|b} and __file__ in both prompts.",
        ),
        ChoiceField(
            name="mode",
            label="What is drawn",
            default="random",
            choices=("random", "all combinations"),
            help="For each picture at random, by its seed; or every combination, one job for each.",
        ),
        IntegerField(
            name="most",
            label="At most",
            default=50,
            minimum=1,
            maximum=500,
            help="How many combinations are made.",
        ),
    ),
    written=(
        TextField(name="template", label="Template", help="What stood in the prompt."),
        TextField(
            name="negative_template", label="Template", help="What stood in the negative prompt."
        ),
    ),
)


_KEEP = FlagField(
    name="keep_template",
    label="Keep the template",
    default=True,
    help="Pictures say what stood in the prompt, beside what was drawn; a recipe can draw again.",
)


@hookimpl
def register_settings_pages() -> Sequence[SettingsPage]:
    return (SettingsPage(title="Dynamic prompts", fields=(_KEEP,)),)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)


@hookimpl
def register_request_filters() -> Sequence[RequestFilter]:
    return (RequestFilter(needs=GROUP.name, apply=drawn, order=10),)


@hookimpl
def register_metadata_fields() -> Sequence[MetadataField]:
    return (
        MetadataField(key="Template", of=lambda request: _kept(request, "template")),
        MetadataField(
            key="Negative Template", of=lambda request: _kept(request, "negative_template")
        ),
    )


def _kept(request: GenerationRequest, name: str) -> str | None:
    return request.extras.get(GROUP.name, {}).get(name) or None


def drawn(request: GenerationRequest, context: FilterContext) -> Sequence[GenerationRequest]:
    """A request for each picture, or for each combination; the same one where nothing is drawn."""
    templates = [side for side in _SIDES if _is_template(getattr(request, side))]
    if not context.values["on"] or not templates:
        return [request]
    for side in templates:
        if len(getattr(request, side)) > LONGEST:
            raise InvalidRequest(side, f"is longer than a template may be, {LONGEST} characters")
    from .files import read  # late: the library takes a third of a second, and few jobs need it

    wildcards, keep = read(context.folder), context.settings.get(_KEEP.name, True)
    if context.values["mode"] == "random":
        return list(_at_random(request, templates, wildcards, keep))
    return list(_all(request, templates, wildcards, context.values["most"], keep))


def _is_template(text: str) -> bool:
    return any(sign in text for sign in _SIGNS)


def _at_random(
    request: GenerationRequest, templates: Sequence[str], wildcards: "Wildcards", keep: bool
) -> Iterator[GenerationRequest]:
    from dynamicprompts.generators import RandomPromptGenerator

    for image in range(request.images):
        alone = request.alone(image)
        seed = alone.variation.seed if alone.variation else alone.seed
        generator = RandomPromptGenerator(wildcards.known, seed=seed, ignore_whitespace=False)
        texts = {}
        for side in templates:  # in this order, from one stream
            (texts[side],) = _made(generator, side, getattr(request, side), 1, wildcards)
        yield _written(alone, request, texts, keep)


def _all(
    request: GenerationRequest,
    templates: Sequence[str],
    wildcards: "Wildcards",
    most: int,
    keep: bool,
) -> Iterator[GenerationRequest]:
    """Every prompt with every negative prompt; all with the seed that was asked for."""
    from dynamicprompts.generators import CombinatorialPromptGenerator

    generator = CombinatorialPromptGenerator(wildcards.known)
    found = {
        side: _made(generator, side, getattr(request, side), most, wildcards)
        if side in templates
        else [getattr(request, side)]
        for side in _SIDES
    }
    pairs = [(one, other) for one in found["prompt"] for other in found["negative_prompt"]]
    for texts in pairs[:most]:
        yield _written(request, request, dict(zip(_SIDES, texts, strict=True)), keep)


def _made(
    generator: "CombinatorialPromptGenerator | RandomPromptGenerator",
    side: str,
    template: str,
    count: int,
    wildcards: "Wildcards",
) -> list[str]:
    """Raises InvalidRequest for what the grammar does not know, or a file that is not there."""
    wildcards.check(side, template)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            texts = [str(each) for each in generator.generate(template, count)]
    except RecursionError:
        raise InvalidRequest(side, "goes round in a circle, or too deep") from None
    except Exception as error:  # the library raises what its parser raises
        said = " ".join(str(error).split())[:200]
        raise InvalidRequest(side, f"is no template that can be read: {said}") from None
    for text in texts:
        wildcards.check(side, text)
    if not texts:
        raise InvalidRequest(side, "is a template that gives nothing; {a|b} gives one of two")
    return texts


def _written(
    made: GenerationRequest, asked: GenerationRequest, texts: dict[str, str], keep: bool
) -> GenerationRequest:
    """With what was drawn for its prompts, and the templates, if they are to be kept."""
    values = dict(asked.extras[GROUP.name])
    for side, name in zip(_SIDES, ("template", "negative_template"), strict=True):
        if keep and side in texts and texts[side] != getattr(asked, side):
            values[name] = getattr(asked, side)
    changes: dict[str, Any] = {**texts, "extras": {**made.extras, GROUP.name: values}}
    return replace(made, **changes)
