"""What extensions bring to the server: controls, filters, listeners, metadata, files for the page.

No torch, no Gradio: all of these are values and plain functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from webui.events import Event
from webui.fields import FormField
from webui.request import GenerationRequest

if TYPE_CHECKING:
    from webui.prompt import Tag

T_co = TypeVar("T_co", covariant=True)
GENERATING = ("txt2img", "img2img", "inpaint")  # the tabs that have controls


@dataclass(frozen=True, slots=True)
class Owned(Generic[T_co]):
    """What was registered, and by whom."""

    owner: str  # the extension's id; "builtin" for what ships in the core
    value: T_co


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlGroup:
    """Inputs on the generating tabs; their values arrive in `request.extras[name]`.

    While all of them stand at their defaults the request says nothing of the group.
    """

    name: str  # the key in `extras`: the extension's id, or that, "_" and more
    title: str  # of the fold on the page
    help: str = ""
    fields: Sequence[FormField]  # their names without dots; `metadata` is the key in the recipe
    tabs: Sequence[str] = GENERATING
    written: Sequence[FormField] = ()  # not on the page: what a filter or a tag leaves there
    # text field -> (`Services`, tab): the menu that the page has for it; other text is taken too
    menus: Mapping[str, Callable[[Any, str], Sequence[str]]] = field(default_factory=dict)
    axes: bool = True  # whether its fields are axes of plots


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterContext:
    values: Mapping[str, Any]  # of the group that the filter needs, all of them
    folder: Path  # the extension's own, in the data folder; it may not be there yet
    settings: Mapping[str, Any] = field(default_factory=dict)  # of its settings pages
    services: Any = None  # a `webui.services.Services`: what there is to choose from
    id: str = ""  # that the first job will have
    asked: Mapping[str, Any] = field(default_factory=dict)  # as it was sent: a seed may be -1


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Changes what was asked before it becomes a job; or makes several jobs of it.

    Asked once for each request that a page or a program sends, only where `request.extras` has the
    group `needs`. Given a complete request; gives the requests to run instead, in order: the same
    one back where there is nothing to change. `InvalidRequest` refuses the request for the user's
    fault; any other error is the extension's own, and the request goes on as it was.
    """

    needs: str  # the name of a control group
    apply: Callable[[GenerationRequest, FilterContext], Sequence[GenerationRequest]]
    order: int = 0  # lower ones first
    # told before they are queued which ids the jobs of each request that it made will have
    placed: Callable[[GenerationRequest, FilterContext, Sequence[Sequence[str]]], None] | None = (
        None
    )
    # (`Services`, id of the first job) -> the picture file that shows all of them, once they ended
    sheet: Callable[[Any, str], Path | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptBlock:
    """A kind of tag in the prompt, `<kind:argument:name=value>`: no word that the encoders read.

    What a tag says becomes values of a control group, which the extension's other hooks look at;
    the tag itself stays in the prompt, and so in the recipe. `read` is given all tags of the kind,
    in order, and asked again whenever the request changes: a tag that is gone has left nothing.
    """

    kind: str  # small letters, digits and _
    example: str  # "<variety:0.25>"
    help: str
    needs: str = ""  # the control group; "" for what ships, which the engine reads itself
    writes: Sequence[str] = ()  # which of the group's `written` fields
    read: Callable[[Sequence[Tag]], Mapping[str, Any]] | None = None  # gives values for them


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage:
    """What is set once for an extension and stays, in its card of the Extensions tab.

    Nothing that changes a picture may hang on it alone: that belongs into the request.
    """

    title: str
    help: str = ""
    fields: Sequence[FormField]  # their names without dots, each once in all pages


@dataclass(frozen=True, slots=True, kw_only=True)
class SendTarget:
    """A button beneath a finished picture: where it can be sent, with its recipe.

    The page calls what a script has put into `darkroom.receivers[name]`; or posts to `address`, a
    route of the extension's own.
    """

    name: str  # an extension's: its id, or that, "_" and more
    label: str  # on the button
    help: str = ""
    address: str = ""  # "receive" is /api/v1/extensions/ID/receive; "": a script of the page does


@dataclass(frozen=True, slots=True, kw_only=True)
class EventListener:
    """Is told what happens, by a thread of its own: (job id, event). Nobody waits for it."""

    hear: Callable[[str, Event], None]
    kinds: tuple[type, ...] = ()  # of events; () is all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataField:
    """A key of a picture's text, and what it says of a request; None writes nothing."""

    key: str
    of: Callable[[GenerationRequest], str | None]
    # a text's value -> the controls' values that it means, "GROUP.NAME"; None where it means none
    means: Callable[[str], Mapping[str, Any] | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFile:
    """A script or a style of the page: the name of a file in the extension's folder."""

    file: str
