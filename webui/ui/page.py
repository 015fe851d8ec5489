"""Puts the page together and mounts it: tabs on the left, live view and pictures on the right.

Knows the tabs only as a table; what they do is theirs. The live view and the pictures stand outside
the tabs, because Gradio does not build a tab before it is opened.
"""

import json
from typing import Any

import gradio as gr

from webui.errors import DarkroomError, ExtensionError
from webui.extensions import BUILTIN, MishapError
from webui.guard import MAX_UPLOAD
from webui.interfaces import ServerRegistry, Tab
from webui.outputs import in_order
from webui.services import Services
from webui.ui import first_paint, live, queue, quick_settings
from webui.ui.quick_settings import QuickSettings
from webui.ui.theme import theme

_STYLES = (
    *("page.css", "form.css", "prompts.css", "panel.css", "timeline.css"),
    *("recipes.css", "queue.css", "canvas.css", "picker.css", "copies.css", "downloads.css"),
    *("shelf.css", "extensions.css"),
)
_SCRIPTS = (
    *("page.js", "asking.js", "clock.js", "words.js"),
    *("form.js", "bounds.js", "folds.js", "recipes.js", "picker.js", "sizes.js"),
    *("send.js", "pass_again.js"),
    *("drop.js", "pnginfo.js"),
    *("editing.js", "prompts.js", "names.js", "microscope.js", "mix.js"),
    *("frames.js", "timeline.js", "stage.js", "live.js", "results.js", "strip.js"),
    *("tools.js", "branch.js", "triage.js", "needed.js", "guidance.js", "export.js", "kin.js"),
    *("queue_asking.js", "queue_rows.js", "queue_drag.js", "queue.js"),
    *("ending.js", "editjob.js", "forever.js"),
    *("canvas_layer.js", "canvas_view.js", "canvas_hand.js", "canvas_pointer.js"),
    *("canvas_kept.js", "canvas_bar.js", "canvas_frame.js", "canvas.js"),
    *("drawn.js", "seen.js", "inpaint.js", "sketch.js", "copies.js"),
    *("downloads_rows.js", "downloads.js"),
    *("shelf.js", "cards.js", "models.js", "own_settings.js"),
    *("extensions_look.js", "extensions_get.js", "extensions.js"),
)
_SESSIONS = 200  # whose changed choices Gradio remembers; older pages get the built ones again
_DAY = 24 * 60 * 60  # seconds
_COLUMNS = 4
_MOST_PARTS = 300  # of an extension's tab
_FILES = "api/v1/extension-files/"
OWN_ADDRESSES = "api/v1/extensions/"


def build(services: Services) -> gr.Blocks:
    """The page, inside which every registered tab builds itself."""
    blocks: gr.Blocks
    with gr.Blocks(
        title="Darkroom", fill_width=True, analytics_enabled=False, delete_cache=(_DAY, _DAY)
    ) as blocks:
        gr.HTML(_header(services), elem_id="darkroom_header", apply_default_css=False)
        quick = quick_settings.build(services)
        with gr.Row(elem_id="room"):
            with (
                gr.Column(elem_id="bench", min_width=320),
                gr.Tabs(elem_id="tabs", overflow_behavior="wrap"),
            ):
                for tab in services.registry.tabs:
                    with gr.Tab(tab.title, id=tab.id, elem_id=f"tab_{tab.id}"):
                        _build_tab(tab, services, quick)
            with gr.Column(elem_id="table", min_width=320):
                _table(services)
    return blocks


def _build_tab(tab: Tab, services: Services, quick: QuickSettings) -> None:
    """One that cannot be built says so in its place; the others stand."""
    owner = services.registry.owners.get(tab.id, BUILTIN)
    if owner == BUILTIN:
        tab.build(services, quick)
        return
    conduct = services.extensions.conduct
    try:
        conduct.attempt(owner, f"tab {tab.id}", lambda: tab.build(services, quick))
    except MishapError as error:
        gr.HTML(
            html_template='<p class="dk-broken" role="alert">${value}</p>',
            value=f"{error}. The Extensions tab says more.",
            apply_default_css=False,
        )


def rehearse(tab: Tab, services: Services) -> None:
    """Builds it on a page that nobody sees. Raises ExtensionError where it is too much, and
    whatever it raises."""
    with gr.Blocks(analytics_enabled=False) as blocks:
        quick = quick_settings.build(services)
        with gr.Tabs(), gr.Tab(tab.title, id=tab.id):
            before = len(blocks.blocks)
            tab.build(services, quick)
        made = len(blocks.blocks) - before
    if made > _MOST_PARTS:
        raise ExtensionError(f"the tab has {made} parts; at most {_MOST_PARTS} fit on the page")


def mount(app: Any, services: Services) -> None:
    """Mounts the page on a FastAPI `app` at "/"; routes added afterwards would never be reached."""
    gr.set_static_paths([services.settings.outputs])  # shown from their place, never copied
    blocks = build(services)
    blocks.queue(default_concurrency_limit=None)
    blocks.state_session_capacity = _SESSIONS
    blocks.has_launched = True  # a mounted page skips Gradio's check of file references without it
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        theme=theme(),
        css="\n".join(live.read(name) for name in _STYLES),
        head=_head(services.registry),
        footer_links=[],
        run_history=False,
        show_error=False,
        max_file_size=MAX_UPLOAD,
        ssr_mode=False,
        server_name=services.settings.host,
        server_port=services.settings.port,
    )
    mounted = app.routes[-1]
    mounted.app = first_paint.painted(mounted.app)


def _header(services: Services) -> str:
    """With the button to log out where there is a login."""
    logout = live.read("logout.html") if services.settings.accounts else ""
    return live.read("header.html").replace("<!-- logout -->", logout)


def _table(services: Services) -> None:
    """The live view, and under it the pictures of the job that it shows. What came of each file of
    a batch stands over the queue, however long that is."""
    panel = live.panel()
    _strip()
    queue.panel()
    with gr.Row(elem_id="hung"):
        gallery, details = _gallery(), _details()

    def hang(event: gr.EventData) -> gr.Gallery:
        files = _pictures(services, event._data)
        columns = max(1, min(_COLUMNS, len(files)))
        return gr.Gallery(value=files, columns=columns, selected_index=None)

    def choose(event: gr.SelectData) -> gr.HTML:
        return gr.HTML(chosen={"index": event.index})

    panel.pictures(hang, None, [gallery], **live.QUIET)
    gallery.select(choose, None, [details], **live.QUIET)


def _strip() -> gr.HTML:
    return live.drawn(live.read("strip.html"), live.script("strip", "element"), "strip_panel")


def _gallery() -> gr.Gallery:
    return gr.Gallery(
        label="Pictures",
        show_label=False,
        elem_id="txt2img_gallery",
        elem_classes="dk-gallery",
        columns=_COLUMNS,
        object_fit="contain",
        fit_columns=False,
        height="auto",
        interactive=False,
        buttons=["fullscreen"],
    )


def _details() -> gr.HTML:
    calls = live.script("results", "element, props, watch")
    return live.drawn(live.read("results.html"), calls, "results", chosen=None)


def _pictures(services: Services, sent: Any) -> list[str]:
    """The files of the job named in `sent`, the grid first; none if there is no such job."""
    name = sent.get("id") if isinstance(sent, dict) else None
    if not isinstance(name, str):
        return []
    try:
        job = services.line.job(name)
    except DarkroomError:
        return []
    saved = in_order(job.request, job.pictures)
    return [str(services.settings.outputs / each.path) for each in saved]


def _head(registry: ServerRegistry) -> str:
    """Ours in one script, extensions' each in its own: what fails in one stops no other."""
    scripts = "\n".join(live.read(name) for name in _SCRIPTS)
    lines = [f'<link rel="icon" href="{icon()}">', f"<script>\n{scripts}\n</script>"]
    lines.append(f"<script>darkroom.sendTargets = {_targets(registry)};</script>")
    for style in registry.styles:
        address = f"{_FILES}{style.owner}/{style.value.file}"
        lines.append(f'<link rel="stylesheet" href="{address}">')
    for script in registry.scripts:
        address = f"{_FILES}{script.owner}/{script.value.file}"
        lines.append(f'<script defer src="{address}"></script>')
    return "\n".join(lines)


def _targets(registry: ServerRegistry) -> str:
    """Where pictures can be sent, as a script has it: what is text in it ends no script."""
    targets = [
        {
            "name": each.value.name,
            "label": each.value.label,
            "help": each.value.help,
            "address": f"{OWN_ADDRESSES}{each.owner}/{each.value.address}"
            if each.value.address
            else "",
        }
        for each in registry.send_targets
    ]
    return json.dumps(targets).replace("<", "\\u003c")


def icon() -> str:
    """The mark as a data URI: no file, no request."""
    mark = live.read("mark.svg").replace("\n", "").replace('"', "'").replace("#", "%23")
    return "data:image/svg+xml," + mark.replace("<", "%3C").replace(">", "%3E")
