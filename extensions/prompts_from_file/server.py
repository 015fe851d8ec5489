"""A job for each line of a text, as A1111's script "Prompts from file or textbox"."""

from collections.abc import Sequence

from webui import (
    ControlGroup,
    DarkroomError,
    FilterContext,
    FlagField,
    GenerationRequest,
    InvalidRequest,
    PageFile,
    RequestFilter,
    Services,
    TextField,
    hookimpl,
    request_of,
    to_dict,
    with_seed,
    without,
)

from .line import read

MOST_LINES = 500
_FIELD = "extras.prompts_from_file.lines"

GROUP = ControlGroup(
    name="prompts_from_file",
    title="Prompts from a file or a text",
    help="One job for each line. A line is a prompt, or begins with options: "
    '--prompt "a cat" --negative_prompt "blurry" --steps 20 --seed 5.',
    fields=(
        FlagField(
            name="on", label="Prompts from these lines", help="The prompt above is not used then."
        ),
        TextField(name="lines", label="Lines", help="Empty lines are left out."),
        FlagField(
            name="seeds",
            label="Count the seed up",
            help="Line by line; otherwise all lines have the same seed.",
        ),
    ),
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)


@hookimpl
def register_request_filters() -> Sequence[RequestFilter]:
    return (RequestFilter(needs=GROUP.name, apply=lines, order=0),)


@hookimpl
def register_scripts() -> Sequence[PageFile]:
    return (PageFile(file="file.js"),)


@hookimpl
def register_styles() -> Sequence[PageFile]:
    return (PageFile(file="file.css"),)


def lines(request: GenerationRequest, context: FilterContext) -> Sequence[GenerationRequest]:
    """A request for each line. Raises InvalidRequest, naming the line."""
    values = context.values
    if not values["on"]:
        return [request]
    texts = values["lines"].removeprefix("\ufeff").splitlines()  # what some editors begin with
    there = [(place, text.strip()) for place, text in enumerate(texts, 1) if text.strip()]
    if not there:
        raise InvalidRequest(_FIELD, "is empty; write one prompt on each line")
    if len(there) > MOST_LINES:
        raise InvalidRequest(_FIELD, f"has {len(there)} lines; at most {MOST_LINES} can be made")
    plain, made = without(request, GROUP.name), []
    for number, (place, text) in enumerate(there):
        seed = with_seed(plain, plain.seed + (number if values["seeds"] else 0)).seed
        try:
            each = read(text, plain, seed)
            made.append(each)
            if text.startswith("--"):
                _check(each, context.services)
        except (ValueError, DarkroomError) as error:
            raise InvalidRequest(_FIELD, f"line {place}: {error}") from None
    return made


def _check(request: GenerationRequest, services: object) -> None:
    """Raises DarkroomError for a sampler, a model or a size that is not here: the program says so
    anyhow, but not in which line."""
    if isinstance(services, Services):
        request_of(services, to_dict(request))
