"""The row above the tabs: the model, its VAE, clip skip, and the fields that the user wants there.

What stands in it is one value for all tabs, kept and restored like every other field; the tabs
leave out what is here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from webui import model_settings
from webui.fields import AUTOMATIC_VAE, OWN_VAE
from webui.interfaces import ServerRegistry
from webui.library import Library, ModelEntry
from webui.services import Services
from webui.sidecars import SUITED
from webui.ui import boxes, form
from webui.ui.live import QUIET, drawn, script

# what a model brings; what stands together is the user's own as soon as one of it is
_BROUGHT = (
    ("width", "height"),
    ("steps",),
    ("guidance_scale",),
    ("sampler", "schedule"),
    ("clip_skip",),
)

Update = dict[str, Any] | Component
Choices = list[tuple[str, str | int | float]]

# Behind it in a menu stands why an entry cannot be used; no name can hold it (files.printable).
_WHY = "\N{INVISIBLE SEPARATOR} \N{EM DASH} "


@dataclass(frozen=True, slots=True)
class QuickSettings:
    fields: Mapping[str, Component]  # by the names of their fields
    first: Mapping[str, Any]  # what the default model brings, and forms begin with
    chooser: gr.HTML  # triggers "choose" when a card or a list of models names one

    @property
    def model(self) -> gr.Dropdown:
        model = self.fields["model"]
        assert isinstance(model, gr.Dropdown)
        return model


def build(services: Services) -> QuickSettings:
    """The menus take any text: what is on the disk changes behind the page."""
    library = services.library
    with gr.Row(elem_id="quicksettings", elem_classes="dk-quick"):
        model = _menu("model", models(library), library.default())
        says = "Look for new models, VAEs, LoRAs and embeddings"
        refresh = boxes.small(says, "refresh_sd_model_checkpoint", "refresh")
        vae = _menu("vae", vaes(library), AUTOMATIC_VAE)
        fields: dict[str, Component] = {"model": model, "vae": vae}
        default = library.default()  # first: it looks into that model, if nobody has yet
        first = _brought(services, library.entries()).get(default or "", {})
        fields["clip_skip"] = boxes.number_box("clip_skip", first.get("clip_skip"))
        for name in services.settings.quicksettings:
            fields[name] = _field(name, services.registry, first.get(name))
        chooser = _chooser()

    def again(now: Any) -> tuple[Update, Update]:
        library.refresh()
        library.hash_ahead()
        there = {entry.name for entry in library.entries()}
        kept = now if now in there else library.default()
        return gr.Dropdown(choices=models(library), value=kept), gr.Dropdown(choices=vaes(library))

    refreshing = refresh.click(again, [model], [model, vae], preprocess=False, **QUIET)
    told = "() => window.darkroom.shelf.forget()"
    refreshing.then(None, None, None, js=told, show_progress="hidden", queue=False)
    chosen = "() => window.darkroom.shelf.chosen()"
    chooser.choose(None, None, [model], js=chosen, show_progress="hidden", queue=False)
    _bring_lists(library, model, vae)
    made = QuickSettings(MappingProxyType(fields), MappingProxyType(first), chooser)
    bring(services, made, fields)
    return made


def _bring_lists(library: Library, model: gr.Dropdown, vae: gr.Dropdown) -> None:
    """A page that is opened later has what is there by then."""
    page = gr.context.Context.root_block
    if isinstance(page, gr.Blocks):

        def there() -> tuple[Update, Update]:
            return gr.Dropdown(choices=models(library)), gr.Dropdown(choices=vaes(library))

        page.load(there, None, [model, vae], **QUIET)


def _chooser() -> gr.HTML:
    """Nothing to see: how scripts choose a model."""
    calls = script("shelfChooser", "() => trigger('choose')")
    return drawn("<span hidden></span>", calls, "model_chooser")


def _menu(name: str, choices: Choices, value: str | None) -> gr.Dropdown:
    field = form.declared(name)
    return gr.Dropdown(
        choices=choices,
        value=value,
        label=field.label,
        info=field.help,
        allow_custom_value=True,
        elem_id=form.shared_id(name),
        elem_classes=["dk-field", f"dk-quick-{name}"],
    )


def _field(name: str, registry: ServerRegistry, value: Any) -> Component:
    """With that value at first; None: the field's default."""
    names: Mapping[str, Callable[[], list[str]]] = {
        "sampler": lambda: list(registry.samplers),
        "schedule": lambda: list(registry.schedules),
    }
    if name not in names and not form.choices(name):
        return boxes.number_box(name, value)
    offered = names[name]() if name in names else list(form.choices(name))
    default = str(form.declared(name).default if value is None else value)
    chosen = default if default in offered else next(iter(offered), None)
    return boxes.shared_choice(name, offered, chosen)


def models(library: Library) -> Choices:
    """(what the menu shows, name); shelf.js greys what cannot be used."""
    return [(_with_problem(entry.name, entry.problem), entry.name) for entry in library.entries()]


def vaes(library: Library) -> Choices:
    found = [(_with_problem(each.name, each.problem), each.name) for each in library.vae_reports()]
    return [(AUTOMATIC_VAE, AUTOMATIC_VAE), (OWN_VAE, OWN_VAE), *found]


def _with_problem(name: str, problem: str | None) -> str:
    return f"{name}{_WHY}{problem}" if problem else name


def _brought(services: Services, entries: Sequence[ModelEntry]) -> dict[str, dict[str, Any]]:
    """What each model brings into a form, by field."""
    usual = {name: form.declared(name).default for name in SUITED}
    said = model_settings.recommended(services.sidecars, services.registry, entries)
    return {entry.name: usual | said[entry.path] for entry in entries}


def bring(
    services: Services, quick: QuickSettings, components: Mapping[str, Component]
) -> list[Dependency]:
    """Another model brings its own size and settings, except where the user had chosen others.
    What stands together is brought where all of it is among the components. The events of it."""
    groups = [group for group in _BROUGHT if components.keys() >= set(group)]
    boxes = [components[name] for group in groups for name in group]

    def chosen(name: Any, *values: Any) -> list[Update] | Update:
        entries, now = services.library.entries(), iter(values)
        known = _brought(services, entries)
        usable = any(entry.name == name and not entry.problem for entry in entries)
        made: list[Update] = []
        for group in groups:
            here = [next(now) for _ in group]
            follows = here in [[each[field] for field in group] for each in known.values()]
            made += [
                gr.update(value=known[name][each]) if usable and follows else gr.skip()
                for each in group
            ]
        return made if len(made) > 1 else made[0]

    named = "(now, ...values) => [window.darkroom.shelf.chosen() ?? now, ...values]"
    return [
        event(chosen, [quick.model, *boxes], boxes, js=js, preprocess=False, **QUIET)
        for event, js in ((quick.model.input, None), (quick.chooser.choose, named))
    ]
