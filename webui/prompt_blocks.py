"""What tags in a prompt come to: values of control groups, made anew whenever a request is settled.

A tag stays in the prompt; what it has written into `request.extras` hangs on it alone, so that a
prompt without the tag is a request without its effect.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from webui import controls
from webui.errors import InvalidRequest
from webui.extensions import BUILTIN, Catalogue, Conduct, MishapError
from webui.interfaces import ServerRegistry
from webui.interfaces.server_hooks import Owned, PromptBlock
from webui.prompt import Tag, understand
from webui.request import GenerationRequest
from webui.wire import RunOptions

SHIPPED = (  # which the engine reads itself: what they name is loaded there
    PromptBlock(
        kind="lora",
        example="<lora:name:0.8>",
        help="A LoRA at a weight; two numbers are for the text encoders and the UNet.",
    ),
    PromptBlock(kind="lyco", example="<lyco:name:0.8>", help="As lora."),
    PromptBlock(kind="hypernet", example="<hypernet:name:1>", help="Cannot be loaded yet."),
    PromptBlock(kind="mix", example="<mix:cat,panda:0.4>", help="Words or whole texts, mixed."),
)
_HOOK = "prompt block"
Extras = Mapping[str, Mapping[str, Any]]


def kinds(registry: ServerRegistry) -> tuple[str, ...]:
    """Of tags that mean something, what ships first."""
    return tuple(registry.prompt_blocks)


def own_kinds(registry: ServerRegistry) -> tuple[str, ...]:
    """Those of extensions."""
    return tuple(kind for kind, each in registry.prompt_blocks.items() if each.owner != BUILTIN)


def told(
    registry: ServerRegistry, extensions: Catalogue, request: GenerationRequest, how: RunOptions
) -> RunOptions:
    """`how`, with what the engine has to know of extensions: their tags, and which halves the
    request's controls need."""
    halves = extensions.halves(controls.groups(request))
    return replace(how, blocks=own_kinds(registry), halves=halves)


def complete(
    registry: ServerRegistry, conduct: Conduct, request: GenerationRequest
) -> GenerationRequest:
    """The request with its extras settled, and with what its tags say. Raises InvalidRequest.

    A tag whose extension fails changes nothing, and the pictures say so.
    """
    request = controls.complete(registry.controls, request)
    tags: Sequence[Tag] | None = None
    for kind, owned in registry.prompt_blocks.items():
        if owned.value.read is None:
            continue
        values: Mapping[str, Any] = {}
        if f"<{kind}:" in request.prompt:
            if tags is None:
                tags = understand(request.prompt, request.steps).tags
            mine = [tag for tag in tags if tag.kind == kind]
            try:
                values = _said(registry, conduct, owned, mine) if mine else {}
            except MishapError as error:
                request = controls.with_mishap(request, error.mishap)
        request = replace(request, extras=_written(registry, owned.value, request.extras, values))
    return request


def _said(
    registry: ServerRegistry, conduct: Conduct, owned: Owned[PromptBlock], tags: Sequence[Tag]
) -> Mapping[str, Any]:
    """Raises InvalidRequest for the user's fault, MishapError for the extension's."""

    def call() -> Mapping[str, Any]:
        assert owned.value.read is not None
        return _checked(registry, owned.value, owned.value.read(tags))

    return conduct.attempt_soon(owned.owner, _HOOK, call, (InvalidRequest,))


def _checked(registry: ServerRegistry, block: PromptBlock, given: object) -> Mapping[str, Any]:
    """Raises TypeError or ValueError for what the group's fields cannot hold."""
    if not isinstance(given, Mapping):
        raise TypeError(f"must return a mapping, returned {type(given).__name__}")
    if unknown := [str(name)[:80] for name in given if name not in block.writes]:
        raise ValueError(f"returned {unknown[0]!r}, which is none of {', '.join(block.writes)}")
    for field in registry.controls[block.needs].written:
        if field.name in given:
            try:
                field.check(given[field.name])
            except InvalidRequest as error:
                raise ValueError(f"returned a value that cannot be: {error}") from None
    return given


def _written(
    registry: ServerRegistry, block: PromptBlock, extras: Extras, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The extras with these values for what the block writes, and its defaults for the rest."""
    group = registry.controls[block.needs]
    empty = controls.defaults(group)
    mine = {name: values.get(name, empty[name]) for name in block.writes}
    made = {**empty, **extras.get(group.name, {}), **mine}
    return dict(_without(extras, group.name)) | ({group.name: made} if made != empty else {})


def _without(extras: Extras, name: str) -> Iterator[tuple[str, Any]]:
    return ((each, values) for each, values in extras.items() if each != name)
