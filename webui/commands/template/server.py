"""In the server's process: the controls on the page, and what is changed of a request."""

from collections.abc import Sequence
from dataclasses import replace

from webui import (
    ControlGroup,
    FilterContext,
    GenerationRequest,
    NumberField,
    RequestFilter,
    TextField,
    hookimpl,
)

GROUP = ControlGroup(
    name="example",
    title="Example",
    help="What this fold is for.",
    fields=(
        TextField(
            name="words",
            label="Words",
            help="Stand behind the prompt.",
        ),
        NumberField(
            name="contrast",
            label="Contrast",
            default=0.0,
            minimum=0.0,
            maximum=1.0,
            step=0.05,
            help="How much of the picture's range of light is used; 0 leaves it as it is.",
            metadata="Example contrast",
        ),
    ),
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)


@hookimpl
def register_request_filters() -> Sequence[RequestFilter]:
    return (RequestFilter(needs=GROUP.name, apply=with_words),)


def with_words(request: GenerationRequest, context: FilterContext) -> Sequence[GenerationRequest]:
    """The requests to run instead, each a job."""
    words = context.values["words"]
    return [replace(request, prompt=f"{request.prompt}, {words}")] if words else [request]
