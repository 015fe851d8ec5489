"""What of a request has to be said: only what differs from what a server would fill in."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any

from webui import model_settings
from webui.errors import ModelNotFound
from webui.fields import RANDOM_SEED
from webui.request import GenerationRequest
from webui.services import Services, request_of


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is to be written down."""

    request: GenerationRequest  # complete
    said: Mapping[str, Any] = field(default_factory=dict)  # of it, as JSON: what is no default
    random: bool = False  # the seed was left to chance, so it is not said


def asked(services: Services, values: Mapping[str, Any]) -> Asked:
    """Of values as `POST /jobs` takes them. Raises InvalidRequest."""
    request = request_of(services, values)
    random = values.get("seed", RANDOM_SEED) == RANDOM_SEED
    return Asked(request, _said(services, request, random), random)


def recorded(services: Services, request: GenerationRequest) -> Asked:
    """Of a request as a job has it, whatever has become of its model since."""
    return Asked(request, _said(services, request, False))


def _said(services: Services, request: GenerationRequest, random: bool) -> dict[str, Any]:
    said = differing(request)
    if random:
        del said["seed"]
    if request.model == services.library.default():
        del said["model"]
    if not request.prompt:
        del said["prompt"]
    said = _beside_recommended(services, request, said)
    if request.schedule_options.sigmas is not None:
        said.pop("steps", None)  # the levels say how many there are
    if request.upscale is not None:  # nothing is generated
        return {name: value for name, value in said.items() if name in ("upscale", "extras")}
    if request.init is not None:
        return said | {"width": request.width, "height": request.height}
    return said


def _beside_recommended(
    services: Services, request: GenerationRequest, said: Mapping[str, Any]
) -> dict[str, Any]:
    """What has to be said beside what a request without it gets from its model."""
    try:
        entry = services.library.find(request.model)
    except ModelNotFound:
        return {**said, "width": request.width, "height": request.height}
    own = model_settings.recommended(services.sidecars, services.registry, [entry])[entry.path]
    differ = {name for name, value in own.items() if getattr(request, name) != value}
    if model_settings.TOGETHER & differ:
        differ |= model_settings.TOGETHER
    others = {name: value for name, value in said.items() if name not in own}
    return others | {name: getattr(request, name) for name in own if name in differ}


def differing(part: Any) -> dict[str, Any]:
    """The fields of a request, or of a part of it, that are not their defaults; as JSON."""
    made: dict[str, Any] = {}
    for each in fields(part):
        value, default = getattr(part, each.name), each.default
        if default is MISSING and each.default_factory is not MISSING:
            default = each.default_factory()
        if value == default:
            continue
        if is_dataclass(value):
            value = differing(value)
        made[each.name] = list(value) if isinstance(value, tuple) else value
    return made
