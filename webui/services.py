"""What the page and the API work with: one frozen bundle, put together by `app`.

Knows neither Gradio nor FastAPI; tabs and routes get it as their only argument.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from webui import image_checks, loras, model_names, model_settings, names, prompt_blocks
from webui.backend import Backend
from webui.downloads import Downloads
from webui.downloads.names import problem_of
from webui.embeddings import EmbeddingEntry, Embeddings
from webui.errors import InvalidRequest, NotSaved, WrongState
from webui.extensions import Catalogue
from webui.fields import AUTOMATIC_VAE, BATCH_COUNT, FIELDS, TextField, shown
from webui.inputs import Inputs
from webui.installing import Installs, nowhere
from webui.interfaces import ServerRegistry
from webui.jobs.job import Job
from webui.jobs.line import JobLine
from webui.jobs.taken import Taken
from webui.library import Library, ModelEntry
from webui.loras import Loras
from webui.outputs import Outputs, write_atomically
from webui.recipes import Tables
from webui.request import GenerationRequest, from_dict, to_dict
from webui.restarting import Restart
from webui.settings import Settings
from webui.sidecars import Sidecars
from webui.trajectories import Trajectories
from webui.upscalers import Upscalers
from webui.vocabularies import Vocabularies
from webui.weight_files import SUFFIX
from webui.word_lists import WordLists

_LOADING = 120.0  # seconds that an embedding may take; its model may have to be loaded
_EMBEDDING = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII | re.IGNORECASE)
_TEXT = TextField(name="text", label="Text", help="What becomes an embedding.", max_length=2000)
_TRIES = 5  # to edit a job that others edit too


@dataclass(frozen=True, slots=True)
class Services:
    """All of it is the program's own; what extensions may use is listed in docs/extensions.md."""

    settings: Settings
    registry: ServerRegistry
    library: Library
    line: JobLine
    backend: Backend
    trajectories: Trajectories
    embeddings: Embeddings
    loras: Loras
    upscalers: Upscalers
    inputs: Inputs
    downloads: Downloads
    server_id: str = field(default_factory=lambda: secrets.token_hex(8))  # of this start
    vocabularies: Vocabularies = field(default_factory=Vocabularies)
    word_lists: WordLists = field(default_factory=WordLists)
    sidecars: Sidecars = field(default_factory=Sidecars)
    extensions: Catalogue = field(default_factory=Catalogue)
    restart: Restart = field(default_factory=Restart)
    installs: Installs = field(default_factory=nowhere)
    taken: Taken = field(default_factory=Taken)
    outputs: Outputs | None = None  # beside the line's own; None: no sheets are saved

    @property
    def recipe_tables(self) -> Tables:
        """What recipes are held against."""
        kept = self.inputs.path
        return Tables(
            self.registry,
            self.library,
            self.upscalers,
            lambda name: kept(name) is not None,
            self.loras,
            self.extensions.conduct,
        )


def submit(
    services: Services, values: Mapping[str, Any], *, id: str | None = None, owner: str = ""
) -> Job:
    """A job for what a form or a program asks; what is missing takes its default.

    With an id that is known: that job. Raises InvalidRequest, LineFull, NotSaved.
    """
    return line_up(services, request_of(services, values, id), id=id, owner=owner)


def line_up(
    services: Services, request: GenerationRequest, *, id: str | None = None, owner: str = ""
) -> Job:
    """A job for a request that is complete and checked. Raises InvalidRequest if a picture of its
    has gone since, LineFull, NotSaved."""
    with services.inputs.lock:  # so that no picture goes between the look and the job
        image_checks.check_kept(services.inputs, request)
        return services.line.submit(request, id=id, owner=owner)


def edit(services: Services, id: str, changes: Mapping[str, Any]) -> Job:
    """A waiting job with some fields of its request changed; what is not named stays.

    Raises JobNotFound, InvalidRequest, WrongState if it runs already, NotSaved.
    """
    for _ in range(_TRIES):
        job = services.line.job(id)
        request = changed(services, job.request, changes)
        with services.inputs.lock:
            image_checks.check_kept(services.inputs, request)
            if services.line.order.edit(id, request, job.request):
                return services.line.job(id)
    raise WrongState("others edit this job at the same time; try again")


def duplicate(
    services: Services,
    job_id: str,
    changes: Mapping[str, Any],
    *,
    id: str | None = None,
    owner: str | None = None,
) -> Job:
    """A new job at the end of the line with the request of another, some fields of it changed.

    Raises JobNotFound, and what `submit` raises.
    """
    job = services.line.job(job_id)
    request = changed(services, job.request, changes, id)
    return line_up(services, request, id=id, owner=job.owner if owner is None else owner)


def changed(
    services: Services,
    request: GenerationRequest,
    changes: Mapping[str, Any],
    id: str | None = None,
) -> GenerationRequest:
    """As `request_of`, of a request that was complete already. Raises InvalidRequest."""
    values = to_dict(request)
    if "batch_count" in changes and "images" not in changes:
        del values["images"]
    named = names.sampler_and_schedule(services.registry, changes)
    return request_of(services, {**values, **changes, **named}, id)


def request_of(
    services: Services, values: Mapping[str, Any], id: str | None = None
) -> GenerationRequest:
    """Complete, and checked against what there is. Raises InvalidRequest, naming the field.

    Besides the request's own fields: seed -1 is a random one, the same each time for one `id`, so
    that a request that is sent again is the same; batch_count x batch_size are the images; samplers
    and schedules may be called by their aliases, or both in one: "DPM++ 2M Karras"; what is not
    given is as the text beside the model recommends it; width and height are the picture's that it
    begins with, on the model's grid.
    """
    entry = model_names.model(services.library, values.get("model"))
    sized = {"width", "height"} & values.keys()
    request = from_dict(_filled(services, values, entry, id))
    loras.check(services.loras, request.prompt, request.steps, entry)
    found = image_checks.sizes(services.inputs, request)
    if (size := image_checks.working_size(request, found, entry)) is not None:
        request = image_checks.with_size(request, size, sized)
    request = prompt_blocks.complete(services.registry, services.extensions.conduct, request)
    names.check_options(services.registry, request)
    request = names.with_second_pass(services.registry, request)
    request = names.with_upscalers(services.registry, services.upscalers, request)
    second = request.hires and request.hires.sampler
    samplers = [services.registry.samplers[each] for each in (request.sampler, second) if each]
    if any(each.one_by_one for each in samplers):
        request = replace(request, batch_size=1)  # the same pictures, one after the other
    image_checks.check_size(request, entry, services.settings.max_pixels)
    image_checks.check_final(request, found, entry, services.settings.max_pixels)
    return request


def save_embedding(services: Services, values: Mapping[str, Any]) -> EmbeddingEntry:
    """Writes what the tokens of a text, mixes among them, are for a model; nothing is overwritten.

    Takes "name", "text" and "model" (by default the one that ships). Raises InvalidRequest,
    EngineBusy, EngineDied, NotSaved.
    """
    for given in values:
        if given not in ("name", "text", "model"):
            raise InvalidRequest(str(given)[:80], "is not a field; known are model, name, text")
    name, text = values.get("name"), values.get("text")
    if not isinstance(name, str) or not _EMBEDDING.fullmatch(name) or problem_of(name):
        raise InvalidRequest(
            "name",
            "must be 1 to 64 letters, digits, '-', '_' or '.', the first and the last of them a "
            f"letter or digit; got {shown(name)}",
        )
    _TEXT.check(text)
    model = model_names.model(services.library, values.get("model"))
    embeddings = services.embeddings
    known = {entry.name.casefold(): entry for entry in embeddings.entries()}
    if name.casefold() in known:
        raise InvalidRequest("name", f"is taken by {known[name.casefold()].path.name}; try another")
    made = services.backend.call("embedding", {"model": model.name, "text": text}, _LOADING)
    path = embeddings.folder / f"{name}{SUFFIX}"
    try:
        write_atomically(path, made["blob"], embeddings.folder / ".part")
    except FileExistsError:
        raise InvalidRequest("name", f"is taken by {path.name}; try another") from None
    except OSError as error:
        raise NotSaved(f"{path} could not be written: {error.strerror or error}") from error
    return next(entry for entry in embeddings.entries() if entry.path == path)


def _fill_variation(filled: dict[str, Any], id: str | None) -> None:
    """Settles a random variation seed."""
    variation = filled.get("variation")
    if isinstance(variation, Mapping):
        seed = variation.get("seed", -1)
        if type(seed) is int and seed == -1:
            seed = _random_seed(None if id is None else f"{id} variation")
        filled["variation"] = {**variation, "seed": seed}


def _filled(
    services: Services, values: Mapping[str, Any], entry: ModelEntry, id: str | None
) -> dict[str, Any]:
    filled = {"prompt": "", "seed": -1, **values, "model": entry.name}
    filled["vae"] = model_names.vae(services.library, entry, filled.get("vae", AUTOMATIC_VAE))
    _fill_steps(filled)
    own = model_settings.recommended(services.sidecars, services.registry, [entry])[entry.path]
    filled = model_settings.filled(filled, own)
    if type(filled["seed"]) is int and filled["seed"] == -1:
        filled["seed"] = _random_seed(id)
    filled |= names.sampler_and_schedule(services.registry, filled)
    _fill_variation(filled, id)
    if "batch_count" in filled:
        filled["images"] = _images(filled)
    return filled


def _fill_steps(filled: dict[str, Any]) -> None:
    """Own noise levels say how many steps there are."""
    options = filled.get("schedule_options")
    own = options.get("sigmas") if isinstance(options, Mapping) else None
    if isinstance(own, Sequence) and len(own) > 1:
        filled.setdefault("steps", len(own) - 1)


def _random_seed(id: str | None) -> int:
    if id is None:
        return secrets.randbelow(2**32)
    return int.from_bytes(hashlib.sha256(id.encode(errors="replace")).digest()[:4])


def _images(filled: dict[str, Any]) -> int:
    """Takes the batch count out."""
    count, size = filled.pop("batch_count"), filled.get("batch_size", 1)
    BATCH_COUNT.check(count)
    FIELDS["batch_size"].check(size)
    if "images" in filled:
        raise InvalidRequest("images", "is batch_count x batch_size already; send one of the two")
    return int(count * size)
