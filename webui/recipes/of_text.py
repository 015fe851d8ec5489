"""A1111's text -> the form's values, with A1111's meaning of what it does not say."""

import math
import re
from collections.abc import Mapping
from typing import Any

from webui import names
from webui.errors import InvalidRequest
from webui.fields import AUTOMATIC_VAE, OWN_SIGMAS, AnyField, ChoiceField, IntegerField, NumberField
from webui.interfaces import ServerRegistry
from webui.metadata import DONE_TO_IT, Text, generated, images, keys
from webui.recipes import loras, of_extras, of_images
from webui.recipes.models import choose, choose_vae
from webui.recipes.settled import Draft, Tables, declared, settle

_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_WHOLE = re.compile(r"[+-]?\d{1,30}(\.0{1,9})?")
_MAX_NUMBER = 40  # characters
_SIZES = {**keys.SIZES, **images.SIZES}
_TAKEN_APART = ("sampler", "schedule", "model", "vae")  # looked up in what there is
_KNOWN: Mapping[str, tuple[str, ...]] = {  # key -> the values that change nothing here; () is any
    "Version": (),
    "Model hash": (),  # looked up with the model
    "Notes": (),
    "Loop": (),  # of a loopback, all of whose loops are made again
    "Loop denoising strength": (),
    "Loop seed": (),
    "VAE decoder": (),
    "User": (),
    "App": (),
    "Backend": (),
    "Pipeline": (),
    "Operations": (),
    "Parser": (),
    "Index": (),
    "Batch": (),
    "Comment": (),
    "Original prompt": (),
    "Original negative": (),
    "Created Date": (),
    "Civitai resources": (),
    "Civitai metadata": (),
    "Hashes": (),
    loras.KEY: (),  # looked up with the prompt
    "TI hashes": (),
    "TI": (),
    "Module 1": ("Built in",),
    "Face restoration": ("False", "None"),
    "Tiling": ("False",),
    "VAE hash": (),
    "VAE Encoder": ("Full",),
    "VAE Decoder": ("Full",),
    "FP8 weight": ("Disable",),
    "Diffusion in Low Bits": ("Automatic",),
    "ENSD": ("0",),
    "Init image hash": (),  # looked for with the pictures
    "Conditional mask weight": ("1", "1.0"),
    **{key: (same,) for key, same in images.SAME.items()},
}


def draft(tables: Tables, text: Text) -> Draft:
    registry, library = tables.registry, tables.library
    draft = Draft(_unsaid() | of_images.unsaid() | of_extras.unsaid(registry))
    draft.values |= {"prompt": text.prompt, "negative_prompt": text.negative_prompt}
    given = {keys.OTHER_NAMES.get(key, key): value for key, value in text.pairs}  # the last counts
    _sampler(registry, draft, given)
    choose(library, draft, given.get("Model"), given.get("Model hash", ""))
    choose_vae(library, draft, given.get("VAE", AUTOMATIC_VAE))
    if tables.loras is not None:
        loras.look_up(tables.loras, draft, given.get(loras.KEY, ""))
    sampler = draft.values.get("sampler", "")
    of_pictures = of_images.names_of(given, bool(text.prompt) or generated(text))
    fields, others = {**keys.fields(sampler), **of_pictures}, keys.of_other_samplers(sampler)
    for key, value in given.items():
        if key in _SIZES:
            _size(draft, key, value)
        elif key in fields:
            if fields[key] not in _TAKEN_APART:
                _field(draft, fields[key], key, value)
        elif key in others:
            draft.lose(key, value, f"it is for {others[key]}")
        elif of_extras.of_pair(tables, draft, key, value):
            continue
        elif key not in _KNOWN or (_KNOWN[key] and value not in _KNOWN[key]):
            draft.lose(key, value, _why_not(key))
    of_images.complete(draft, given, tables.kept)
    settle(tables, draft)
    return draft


def _why_not(key: str) -> str:
    if key.startswith(DONE_TO_IT):
        return of_images.DONE_AFTERWARDS
    return "there is no such setting here"


def _unsaid() -> dict[str, Any]:
    """What a text means by saying nothing."""
    return {
        name: None if "." in name else keys.UNSAID.get(name, field.default)
        for name, field in keys.DECLARED.items()
        if name not in (*keys.ALWAYS, "images", "batch_size")
    }


def _sampler(registry: ServerRegistry, draft: Draft, given: Mapping[str, str]) -> None:
    """Also A1111's old names of both in one, and the names that its API and Civitai use."""
    asked = {
        name: given[key] for name in ("sampler", "schedule")
        if (key := keys.DECLARED[name].metadata or "") in given
    }  # fmt: skip
    try:
        found = names.sampler_and_schedule(registry, asked)
    except InvalidRequest:
        found = {}
        for name, value in asked.items():
            try:
                found = names.sampler_and_schedule(registry, {name: value}) | found
            except InvalidRequest:
                key = keys.DECLARED[name].metadata or name
                draft.lose(key, value, f"there is no such {name} here")
    draft.values |= {"schedule": "Automatic"} | found


def _size(draft: Draft, key: str, value: str) -> None:
    match = _SIZE.fullmatch(value)
    if match is None:
        draft.lose(key, value, "it is no size such as 512x768")
        return
    for name, number in zip(_SIZES[key], match.groups(), strict=True):
        _field(draft, name, key, number)


def _field(draft: Draft, name: str, key: str, text: str) -> None:
    """The nearest value that there can be, which is then said; a seed has no nearest."""
    if name in images.FLAGS:
        _flag(draft, name, key, text)
        return
    if text == images.SAME.get(key):
        return
    field = declared(name)
    value = _value(field, text)
    if value is None:
        draft.lose(key, text, "it cannot be understood")
        return
    if name == OWN_SIGMAS.name:  # judged as a whole
        draft.values[name] = value
        return
    try:
        field.check(value)
    except InvalidRequest as error:
        why = error.problem
        if isinstance(field, IntegerField | NumberField) and not name.endswith("seed"):
            value = field.nearest(value)
            draft.values[name] = value
            why = f"{why.partition(', got')[0]}; {value:g} is set instead"
        draft.lose(key, text, why)
        return
    draft.values[name] = value


def _flag(draft: Draft, name: str, key: str, text: str) -> None:
    _, words = images.FLAGS[name]
    if text in words:
        draft.values[name] = words[text]
    else:
        draft.lose(key, text, f"it is none of {', '.join(words)}")


def _value(field: AnyField, text: str) -> Any:
    """Of the field's kind; None for what is none."""
    if isinstance(field, IntegerField):
        return int(text.partition(".")[0]) if _WHOLE.fullmatch(text) else None
    if isinstance(field, NumberField):
        return _number(text)
    if isinstance(field, ChoiceField):
        spelled = {each.casefold(): each for each in field.choices}
        spelled |= keys.ALSO.get(field.name, {})
        said = images.SAID.get(field.name, {})
        spelled |= {word.casefold(): choice for choice, word in said.items()}
        return spelled.get(text.casefold()) if field.choices else text
    if field.name == OWN_SIGMAS.name:
        levels = [_number(part) for part in text.replace(",", " ").split()]
        return None if None in levels else levels
    return text


def _number(text: str) -> float | None:
    try:
        value = float(text) if len(text) <= _MAX_NUMBER else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
