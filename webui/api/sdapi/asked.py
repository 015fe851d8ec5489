"""A call of txt2img or img2img as the values of a job's request.

In layers: A1111's defaults, the settings, the infotext, what is overridden, what the call says.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from webui import names, recipes
from webui.api.sdapi import fields, reading, scripts
from webui.api.sdapi.pictures import keep_mask, keep_picture
from webui.api.sdapi.reading import Values
from webui.api.sdapi.settings import CHECKPOINT, SETTINGS, Chosen
from webui.errors import InvalidRequest
from webui.fields import FIELDS
from webui.services import Services

_DDIM = ("DDIM", "DDIM CFG++")  # whose eta is another setting of A1111's
_NO_CHURN = {"s_churn": 0.0, "s_tmin": 0.0, "s_tmax": 0.0, "s_noise": 1.0}  # asks for nothing
_MOST_INFOTEXT = 2**20  # characters
_MOST_NAMES = 50  # that are said to be ignored
_MOST_ECHO = 2**16  # characters of a value that an answer repeats
_OF_BATCHES = ("images", "batch_size", "batch_count")
_OF_A_PICTURE = ("init.strength", "init.resize", "init.noise_multiplier")

Own = Callable[[Values, dict[str, Any]], list[str]]


class InitMissing(InvalidRequest):
    """What A1111 answers with 404."""


@dataclass(frozen=True, slots=True)
class Asked:
    values: dict[str, Any]  # of the request, as `services.submit` takes them
    ignored: tuple[str, ...]  # A1111's names of what was said and does nothing here
    settings: dict[str, Any] = field(default_factory=dict)  # to be kept from now on
    grid: bool = True  # of several pictures is sent, if they are saved
    parameters: dict[str, Any] = field(default_factory=dict)  # the call, repeated
    pictures: Mapping[str, str] = field(default_factory=dict)  # that it brought: name -> sha256


class Reader:
    """Makes a call's values; keeps the pictures that it brings. Any thread may call."""

    def __init__(self, services: Services, chosen: Chosen) -> None:
        self._services, self._chosen = services, chosen

    def txt2img(self, body: Values) -> Asked:
        """Raises InvalidRequest, NotSaved."""
        return self._read(body, fields.TXT2IMG, fields.ECHO_TXT2IMG, _second_pass)

    def img2img(self, body: Values) -> Asked:
        """Raises InvalidRequest, NotSaved."""
        return self._read(body, fields.IMG2IMG, fields.ECHO_IMG2IMG, self._picture)

    def _read(self, body: Values, table: fields.Table, echo: Mapping[str, Any], own: Own) -> Asked:
        img2img = table is fields.IMG2IMG
        overrides, unknown = self._chosen.read(
            reading.json_object("override_settings", body.get("override_settings"))
        )
        settings = self._chosen.with_overrides(overrides)
        flat = {**fields.DEFAULTS, **(fields.OF_IMG2IMG if img2img else fields.OF_TXT2IMG)}
        flat |= _of_settings(settings)
        flat |= self._of_infotext(body, img2img)
        flat |= _of_settings(overrides)
        flat |= {
            ours: read(name, body[name])
            for name, (ours, read) in table.items()
            if body.get(name) is not None
        }
        if body.get("sampler_name") is None and body.get("sampler_index") is not None:
            flat["sampler"] = reading.text("sampler_index", body["sampler_index"])
        _refuse_others(body)
        ignored = [*own(body, flat), *_without_effect(body, echo), *unknown]
        scripts.apply(self._services.registry.controls, body, flat, img2img)
        ignored += self._settle(body, flat, settings)
        said = {name: _short(body[name]) for name in echo if body.get(name) is not None}
        hidden = {"init_images": None, "mask": None} if img2img else {}
        return Asked(
            values=_nested(flat),
            ignored=tuple(sorted({name[:80] for name in ignored})[:_MOST_NAMES]),
            settings={} if reading.switch(body, "override_settings_restore_afterwards", True)
            else overrides,
            grid=settings.get("return_grid", SETTINGS["return_grid"].default),
            parameters={**echo, **said, **hidden},
            pictures={
                name: flat[ours]
                for name, ours in fields.PICTURES.items() if ours in flat
            },
        )  # fmt: skip

    def _of_infotext(self, body: Values, img2img: bool) -> dict[str, Any]:
        """A recipe's values that a call can have, without its pictures."""
        if body.get("infotext") is None:
            return {}
        text = reading.text("infotext", body["infotext"])
        if len(text) > _MOST_INFOTEXT:
            raise InvalidRequest("infotext", f"has more than {_MOST_INFOTEXT} characters")
        found = recipes.read(self._services.recipe_tables, text).values
        second = found.get("hires.upscaler") is not None
        parts = ("init",) if img2img else ("hires",) if second else ()
        taken = {
            name: value
            for name, value in found.items()
            if value is not None and name not in _OF_BATCHES
            and (name in FIELDS or _part(name) == "extras")
            and (_part(name) not in ("init", "hires", "upscale") or _part(name) in parts)
            and (_part(name) != "init" or name in _OF_A_PICTURE or "mask" in name)
        }  # fmt: skip
        return taken | ({"hires.on": True} if "hires" in parts else {})

    def _picture(self, body: Values, flat: dict[str, Any]) -> list[str]:
        """The picture that img2img begins with, and its mask."""
        images = reading.json_list("init_images", body.get("init_images"))
        if not images:
            raise InitMissing("init_images", "is missing: the picture to begin with, in base64")
        if len(images) > 1:
            raise InvalidRequest(
                "init_images", f"holds {len(images)} pictures; send a call for each of them"
            )
        if body.get("latent_mask") is not None:
            raise InvalidRequest("latent_mask", "is not taken; send the mask as mask")
        kept = keep_picture(self._services.inputs, "init_images", images[0])
        flat["init.picture"] = kept.sha256
        if body.get("resize_mode") is not None:
            flat["init.resize"] = reading.entry("resize_mode", body["resize_mode"], fields.RESIZE)
        if not body.get("mask"):
            for name in [each for each in flat if each.startswith("init.mask.")]:
                del flat[name]
            return []
        hard = reading.switch(body, "mask_round", True)
        size = (kept.width, kept.height)
        flat["init.mask.picture"] = keep_mask(
            self._services.inputs, body["mask"], size, hard
        ).sha256
        return _mask(body, flat)

    def _settle(self, body: Values, flat: dict[str, Any], settings: Values) -> list[str]:
        """The sampler by its name here, told only what it can be told; what it cannot."""
        registry = self._services.registry
        schedule = names.sampler_and_schedule(registry, {"schedule": flat["schedule"]})
        named = schedule | names.sampler_and_schedule(registry, {"sampler": flat["sampler"]})
        flat |= named  # "DPM++ 2M Karras" says more than the schedule beside it
        sampler = registry.samplers[named["sampler"]]
        eta = "eta_ddim" if sampler.name in _DDIM else "eta_ancestral"
        if "sampling.eta" not in flat and eta in settings:
            flat["sampling.eta"] = settings[eta]
        if flat.get("sampling.s_tmax") == 0:  # A1111's way to say: no end
            del flat["sampling.s_tmax"]
        lost = []
        for name in [each for each in flat if each.startswith("sampling.")]:
            option = name.partition(".")[2]
            if option not in sampler.parameters:
                value = flat.pop(name)
                if body.get(option) is not None and value != _NO_CHURN.get(option):
                    lost.append(option)
        return lost


def theirs(field: str, img2img: bool) -> str:
    """A1111's name of one of ours."""
    table = fields.IMG2IMG if img2img else fields.TXT2IMG
    known = {ours: name for name, (ours, _) in table.items()}
    return known.get(field) or fields.OTHER_NAMES.get(field, field)


def _second_pass(body: Values, flat: dict[str, Any]) -> list[str]:
    """Hires fix; also as it was asked for of old, with the size of the first pass."""
    on = flat.pop("hires.on", False)
    if not reading.switch(body, "enable_hr", on):
        for name in [each for each in flat if each.startswith("hires.")]:
            del flat[name]
        return []
    model = reading.text("hr_checkpoint_name", body.get("hr_checkpoint_name") or "")
    if model.casefold() not in fields.SAME:
        raise InvalidRequest("hr_checkpoint_name", "cannot be another model than the first pass's")
    first = {
        side: reading.whole(f"firstphase_{side}", body.get(f"firstphase_{side}") or 0)
        for side in ("width", "height")
    }
    if any(first.values()):
        flat |= {"hires.width": flat["width"], "hires.height": flat["height"]}
        flat |= {side: size or flat[side] for side, size in first.items()}
    if flat.get("hires.upscaler", "").casefold() == "none":
        flat["hires.upscaler"] = "Lanczos"  # as A1111's None does
    for name in ("sampler", "schedule", "prompt", "negative_prompt", "upscaler"):
        if flat.get(f"hires.{name}", "").casefold() in fields.SAME:
            flat.pop(f"hires.{name}", None)
    return []


def _mask(body: Values, flat: dict[str, Any]) -> list[str]:
    if body.get("inpainting_fill") is not None:
        flat["init.mask.content"] = reading.entry(
            "inpainting_fill", body["inpainting_fill"], fields.CONTENT
        )
    if body.get("inpaint_full_res") is not None:
        only = reading.flag("inpaint_full_res", body["inpaint_full_res"])
        flat["init.mask.area"] = "only masked" if only else "whole picture"
    if body.get("inpainting_mask_invert") is not None:
        flat["init.mask.inverted"] = reading.flag(
            "inpainting_mask_invert", body["inpainting_mask_invert"]
        )
    if body.get("mask_blur") is None:
        sides = {
            side: reading.whole(side, body[side])
            for side in ("mask_blur_x", "mask_blur_y") if body.get(side) is not None
        }  # fmt: skip
        if len(set(sides.values())) > 1:
            raise InvalidRequest("mask_blur_x", "must be as mask_blur_y; the mask has one blur")
        if sides:
            flat["init.mask.blur"] = next(iter(sides.values()))
    return []


def _of_settings(settings: Values) -> dict[str, Any]:
    found = {
        SETTINGS[name].field or "": value
        for name, value in settings.items() if name in SETTINGS and SETTINGS[name].field
    }  # fmt: skip
    for name in ("rng", "emphasis"):
        if name in found:
            found[name] = found[name].lower()
    return found | ({"model": settings[CHECKPOINT]} if CHECKPOINT in settings else {})


def _refuse_others(body: Values) -> None:
    """What would make another picture and cannot be done."""
    refiner = reading.text("refiner_checkpoint", body.get("refiner_checkpoint") or "")
    if refiner.casefold() not in ("", "none"):
        raise InvalidRequest("refiner_checkpoint", "cannot be used here; leave it out")


def _without_effect(body: Values, echo: Values) -> list[str]:
    """What was said and does nothing: fields that are not A1111's, and those of docs/sdapi.md."""
    return [
        name
        for name, value in body.items()
        if value is not None
        and (name not in echo or value not in fields.WITHOUT_EFFECT.get(name, (value,)))
    ]


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """{"init.mask.blur": 4} as {"init": {"mask": {"blur": 4}}}; variation and seed resizing only
    where they do something."""
    values: dict[str, Any] = {}
    sizes = [flat.get(f"seed_resize.{side}", 0) for side in ("width", "height")]
    for name, value in flat.items():
        *parts, last = name.split(".")
        if parts[:1] == ["seed_resize"] or (parts == ["variation"] and not _varied(flat)):
            continue
        place = values
        for part in parts:
            place = place.setdefault(part, {})
        place[last] = value
    if "init" in values and "picture" not in values["init"]:  # of txt2img
        del values["init"]
    return values | ({"seed_resize": sizes} if min(sizes) > 0 else {})


def _short(value: Any) -> Any:
    """None for what is too large to be held while a call waits."""
    return value if len(json.dumps(value)) <= _MOST_ECHO else None


def _varied(flat: Mapping[str, Any]) -> bool:
    return bool(flat.get("variation.strength"))


def _part(name: str) -> str:
    return name.partition(".")[0] if "." in name else ""
