"""What a finished call is answered with: pictures, A1111's `info`, and ours beside it."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from webui import __version__
from webui.api.sdapi import checkpoints
from webui.api.sdapi.asked import Asked
from webui.api.sdapi.pictures import Sent, again, sent
from webui.errors import ModelNotFound
from webui.events import Saved
from webui.fields import AUTOMATIC_VAE, OWN_VAE
from webui.jobs.job import Job
from webui.library import ModelEntry
from webui.metadata import HASH_DIGITS, read_text
from webui.outputs import in_order
from webui.request import GenerationRequest
from webui.services import Services

_SAID = (  # of the text's pairs, those that `info` has under keys of its own
    "Steps", "Sampler", "CFG scale", "Seed", "Size", "Model hash", "Model", "Version",
    "Variation seed", "Variation seed strength", "Seed resize from", "Denoising strength",
    "Clip skip",
)  # fmt: skip
NONE = -1  # what A1111 says where there is none


def generated(
    services: Services, jobs: Sequence[Job], asked: Asked, *, send: bool, saved: bool, inits: bool
) -> bytes:
    """As JSON, of all jobs of a call. `send`: with the pictures, `saved`: they stay, `inits`: and
    what they began with. Raises NotSaved if a file is gone."""
    outputs = services.settings.outputs
    grids, single = [], []
    for job in jobs:
        grids += [each for each in job.pictures if each.image < 0 and saved and asked.grid]
        single += [each for each in in_order(job.request, job.pictures) if each.image >= 0]
    files = [sent(outputs, each) for each in (*grids, *single)]
    parameters = asked.parameters
    if inits:
        held = {name: again(services.inputs, sha) for name, sha in asked.pictures.items()}
        parameters = parameters | {
            name: [value] if name == "init_images" else value for name, value in held.items()
        }
    info = _info(services, jobs[0], [each.request for each in single], files, len(grids))
    return _json(
        {
            "images": [each.base64 for each in files] if send else [],
            "parameters": parameters,
            "info": json.dumps(info, ensure_ascii=False),
            "job": jobs[0].id,
            "jobs": [each.id for each in jobs],
            "ignored": asked.ignored,
            "state": jobs[-1].state,
        }
    )


def _info(
    services: Services,
    job: Job,
    requests: Sequence[GenerationRequest],
    files: Sequence[Sent],
    first: int,
) -> dict[str, Any]:
    request = job.request
    varied = request.variation
    started = datetime.fromtimestamp(job.started or job.created)
    return {
        "prompt": request.prompt,
        "all_prompts": [each.prompt for each in requests],
        "negative_prompt": request.negative_prompt,
        "all_negative_prompts": [each.negative_prompt for each in requests],
        "seed": request.seed,
        "all_seeds": [each.seed for each in requests],
        "subseed": varied.seed if varied else NONE,
        "all_subseeds": [each.variation.seed if each.variation else NONE for each in requests],
        "subseed_strength": varied.strength if varied else 0,
        **_told(request),
        **_model(services, request),
        "restore_faces": False,
        "face_restoration_model": None,
        "extra_generation_params": _extra(files[first:]),
        "index_of_first_image": first,
        "infotexts": [each.infotext for each in files],
        "styles": [],
        "job_timestamp": f"{started:%Y%m%d%H%M%S}",
        "version": f"darkroom-{__version__}",
    }


def _told(request: GenerationRequest) -> dict[str, Any]:
    width, height = request.seed_resize or (NONE, NONE)
    strength = request.init.strength if request.init else None
    return {
        "width": request.width,
        "height": request.height,
        "sampler_name": request.sampler,
        "cfg_scale": request.guidance_scale,
        "steps": request.steps,
        "batch_size": request.batch_size,
        "seed_resize_from_w": width,
        "seed_resize_from_h": height,
        "denoising_strength": request.hires.strength if request.hires else strength,
        "clip_skip": request.clip_skip,
    }


def _model(services: Services, request: GenerationRequest) -> dict[str, Any]:
    try:
        entry = services.library.find(request.model)
    except ModelNotFound:  # it went away meanwhile; the pictures are there all the same
        entry = None
    digest = checkpoints.known_hash(services.library, entry) if entry else ""
    return {
        "sd_model_name": request.model,
        "sd_model_hash": digest[:HASH_DIGITS] or None,
        "sd_vae_name": _separate_vae(request, entry),
        "sd_vae_hash": None,  # nobody reads a whole VAE for it
        "is_using_inpainting_conditioning": entry is not None and checkpoints.inpaints(entry),
    }


def _separate_vae(request: GenerationRequest, entry: ModelEntry | None) -> str | None:
    """None where the model's own was used."""
    if request.vae == AUTOMATIC_VAE:
        return entry.report.vae or None if entry else None
    return None if request.vae == OWN_VAE else request.vae


def _extra(files: Sequence[Sent]) -> Mapping[str, str]:
    """What the first picture's text says besides."""
    pairs = read_text(files[0].infotext).pairs if files else ()
    return {key: value for key, value in pairs if key not in _SAID}


def upscaled(outputs: Path, pictures: Sequence[Saved]) -> list[str]:
    """Each as base64. Raises NotSaved if one is gone."""
    return [sent(outputs, each).base64 for each in pictures]


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def parsed(text: str) -> dict[str, Any]:
    """A parameters text as A1111's reader has it: sizes taken apart, the prompts under names."""
    found = read_text(text)
    values: dict[str, Any] = {}
    for key, value in found.pairs:
        width, x, height = value.partition("x")
        if x and width.isdigit() and height.isdigit():
            values |= {f"{key}-1": width, f"{key}-2": height}
        else:
            values[key] = value
    return {"Prompt": found.prompt, "Negative prompt": found.negative_prompt, **values}
