"""Our exact request -> the form's values."""

from webui import names
from webui.errors import InvalidRequest
from webui.fields import MAX_BATCH_COUNT, MAX_BATCH_SIZE, OWN_SIGMAS
from webui.interfaces import ServerRegistry
from webui.library import Library
from webui.metadata import Record, value_of
from webui.metadata.keys import DECLARED
from webui.recipes.models import choose
from webui.recipes.settled import Draft, settle
from webui.request import GenerationRequest

_NOT_ON_THE_FORM = ("images", "batch_size")  # it says them as batches


def draft(registry: ServerRegistry, library: Library, record: Record) -> Draft:
    request = record.request
    draft = Draft({name: value_of(request, name) for name in DECLARED})
    for name in _NOT_ON_THE_FORM:
        del draft.values[name]
    draft.values |= _batches(request)
    for name in ("sampler", "schedule"):
        try:
            draft.values |= names.sampler_and_schedule(registry, {name: getattr(request, name)})
        except InvalidRequest:
            draft.drop(name, f"there is no such {name} here")
    draft.values.setdefault("schedule", "Automatic")
    del draft.values["model"]
    choose(library, draft, request.model, record.model_hash)
    for extension, options in request.extras.items():
        draft.lose(extension, options, "there is no such extension here")
    if draft.values[OWN_SIGMAS.name] is not None:
        draft.values[OWN_SIGMAS.name] = list(draft.values[OWN_SIGMAS.name])
    settle(registry, draft)
    return draft


def _batches(request: GenerationRequest) -> dict[str, int]:
    """As many pictures, in batches as near to the request's as their number allows."""
    for size in (*range(request.batch_size, 0, -1), *range(request.batch_size, MAX_BATCH_SIZE + 1)):
        count, left = divmod(request.images, size)
        if not left and count <= MAX_BATCH_COUNT:
            return {"batch_count": count, "batch_size": size}
    return {"batch_count": MAX_BATCH_COUNT, "batch_size": MAX_BATCH_SIZE}
