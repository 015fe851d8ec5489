"""A request as a script with diffusers and torch alone, that makes the same picture.

Where diffusers has the sampler its pipeline runs it, on our noise levels; else the script holds
the engine's own lines of it, and a loop of its own. Both begin with our noise.
"""

import ast
from dataclasses import asdict, dataclass

from webui.copies import prompts
from webui.copies.asked import Asked
from webui.copies.quoting import comment, python
from webui.copies.script_text import SCHEDULERS, Parts, body
from webui.copies.source import Place, inlined, place_of, table
from webui.errors import ModelNotFound
from webui.fields import AUTOMATIC_VAE, OWN_VAE
from webui.request import GenerationRequest
from webui.services import Services

_SAMPLERS, _SCHEDULES = "webui.engine.samplers", "webui.engine.schedules"
_AYS: Place = ("webui.engine.families.sd1", "ALIGN_YOUR_STEPS")
_LEVELS: Place = (_SCHEDULES, "DiscreteLevels")
_SEEDED: Place = ("webui.engine.noise", "SeededNoise")
_BROWNIAN: Place = ("webui.engine.brownian", "BrownianNoise")
_EMPHASISED: Place = ("webui.engine.conditioning.emphasis", "emphasised")
_VELOCITY: Place = ("webui.engine.denoiser", "from_velocity")
_EPSILON: Place = ("webui.engine.denoiser", "from_epsilon")


@dataclass(frozen=True, slots=True)
class Script:
    text: str
    unsaid: tuple[str, ...]  # what of the request it does not do; the text says so too


def script(services: Services, asked: Asked) -> Script:
    """Empty, with the reason, where there is nothing of it that diffusers could do."""
    request = asked.request
    if (why := _impossible(services, request)) is not None:
        return Script("", (why,))
    read = prompts.read(services, request)
    beside = services.library.find(request.model).vae is not None
    unsaid = (*_unsaid(request, beside), *read.unsaid)
    parts = _parts(services, asked, read)
    lines = [
        "from __future__ import annotations",
        "",
        *comment("Made by Darkroom: the same picture with diffusers and torch alone."),
        *comment("pip install torch diffusers transformers safetensors"),
        *(line for each in unsaid for line in comment(f"NOT DONE HERE: {each}")),
        "",
        *body(parts),
    ]
    return Script("\n".join(lines) + "\n", unsaid)


def _impossible(services: Services, request: GenerationRequest) -> str | None:
    if request.upscale is not None:
        return "It makes a picture larger and generates nothing, so there is no script for it."
    if request.sampler not in table(_SAMPLERS, "ENTRIES"):
        return f"The sampler {request.sampler} is an extension's, so there is no script for it."
    try:
        entry = services.library.find(request.model)
    except ModelNotFound:
        return f"The model {request.model} is not there any more, so there is no script for it."
    if entry.layout != "folder" or entry.family != "sd1":
        return "Scripts are written for models of Stable Diffusion 1 in a folder of diffusers'."
    if entry.configs["unet"].get("in_channels") != entry.configs["vae"].get("latent_channels"):
        return f"{entry.name} is made for inpainting, so there is no script for it."
    return None


def _unsaid(request: GenerationRequest, beside: bool) -> list[str]:
    """`beside`: whether a VAE goes with the model by its name."""
    said = {
        "init": "It begins with a picture (init); here it begins with noise alone.",
        "hires": "The second pass (hires. fix); here is the first one alone.",
        "resume": "It is a branch; here the picture is made from the beginning.",
        "extras": "The settings of extensions.",
    }
    found = [text for name, text in said.items() if getattr(request, name)]
    if request.vae not in (AUTOMATIC_VAE, OWN_VAE) or (request.vae == AUTOMATIC_VAE and beside):
        found.append("The separate VAE; here is the model's own.")
    if request.stop_at < 1:
        found.append("Stopping before the last step.")
    return found


def _parts(services: Services, asked: Asked, read: prompts.Prompts) -> Parts:
    request, entry = asked.request, table(_SAMPLERS, "ENTRIES")[asked.request.sampler]
    assert isinstance(entry, ast.Call) and isinstance(entry.args[0], ast.Name)
    told = [each for each in entry.keywords if each.arg not in (None, "flow")]
    info = {str(each.arg): ast.literal_eval(each.value) for each in told}  # flow: no SD 1 has one
    if len(entry.args) > 1:
        info["automatic"] = ast.literal_eval(entry.args[1])
    scheduler = SCHEDULERS.get(request.sampler) if _is_plain(request) else None
    place = place_of(_SAMPLERS, entry.args[0].id)
    name = request.schedule
    if name == "Automatic":
        name = str(info.get("automatic", "Uniform"))
    made = table(_SCHEDULES, "SCHEDULES").get(name)
    schedule = (_SCHEDULES, made.id) if isinstance(made, ast.Name) else None
    own = request.schedule_options.sigmas
    wanted = [_LEVELS]
    if own is None and schedule is not None:
        wanted += [schedule, *([_AYS] if name == "Align Your Steps" else [])]
    drops = bool(info.get("drops_penultimate")) and own is None
    wanted += [(_SCHEDULES, "without_penultimate")] if drops else []
    if scheduler is None:
        brownian = info.get("noise") == "brownian"
        wanted += [_EPSILON, _VELOCITY, _SEEDED, *([_BROWNIAN] if brownian else []), place]
    wanted += [_EMPHASISED] if read.windows else []
    code = inlined(*wanted)
    return Parts(
        request,
        str(services.library.find(request.model).path),
        asked.random,
        scheduler,
        code,
        info,
        read.windows,
        _schedule_call(request, code.names.get(schedule, "") if schedule else "", drops),
        code.names.get(place, ""),
    )


def _is_plain(request: GenerationRequest) -> bool:
    """Whether diffusers' pipeline has all that is asked of sampler and noise."""
    told = any(value is not None for value in asdict(request.sampling).values())
    turned = request.variation is not None and request.variation.strength > 0
    return not (told or turned or request.seed_resize or request.rng != "cpu")


def _schedule_call(request: GenerationRequest, name: str, drops: bool) -> str:
    options = asdict(request.schedule_options)
    if options.pop("sigmas") is not None:
        return f"torch.tensor({python(list(request.schedule_options.sigmas or ()))})"
    given = "".join(f", {key}={value!r}" for key, value in options.items() if value is not None)
    if drops:
        return f"without_penultimate(lambda n: {name}(n, levels{given}), STEPS)"
    return f"{name}(STEPS, levels{given})"
