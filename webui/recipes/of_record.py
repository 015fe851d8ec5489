"""Our exact request -> the form's values."""

from webui import names
from webui.errors import InvalidRequest
from webui.fields import FIELDS, MAX_BATCH_COUNT, MAX_BATCH_SIZE, OWN_SIGMAS, STOP_AT
from webui.metadata import Record, value_of
from webui.metadata.keys import DECLARED
from webui.recipes import of_extras, of_images
from webui.recipes.models import choose, choose_vae
from webui.recipes.settled import Draft, Tables, settle
from webui.request import GenerationRequest

_NOT_ON_THE_FORM = ("images", "batch_size")  # it says them as batches


def draft(tables: Tables, record: Record) -> Draft:
    registry, library, request = tables.registry, tables.library, record.request
    draft = Draft({name: value_of(request, name) for name in DECLARED})
    for name in _NOT_ON_THE_FORM:
        del draft.values[name]
    _set_batches(draft, request)
    of_images.of_request(draft, request, tables.kept)
    for name in ("sampler", "schedule"):
        try:
            draft.values |= names.sampler_and_schedule(registry, {name: getattr(request, name)})
        except InvalidRequest:
            draft.drop(name, f"there is no such {name} here")
    draft.values.setdefault("schedule", "Automatic")
    del draft.values["model"]
    choose(library, draft, request.model, record.model_hash)
    choose_vae(library, draft, request.vae)
    if request.resume is not None:
        branch = f"step {request.resume.step} of job {request.resume.job}"
        draft.lose("Branch of", branch, "a form's pictures begin at noise; a timeline branches")
    if request.stop_at < 1:
        draft.lose(STOP_AT.label, request.stop_at, "a form's pictures are made whole")
    loopback = request.init.loopback if request.init else None
    if loopback and loopback.made < loopback.loops:
        loop = f"{loopback.made} of {loopback.loops}"
        draft.lose("Loop", loop, "a form makes all loops; this one's picture is among them")
    of_extras.of_request(registry, draft, request.extras)
    if draft.values[OWN_SIGMAS.name] is not None:
        draft.values[OWN_SIGMAS.name] = list(draft.values[OWN_SIGMAS.name])
    settle(tables, draft)
    return draft


def _set_batches(draft: Draft, request: GenerationRequest) -> None:
    """As many pictures, in batches as near to the request's as their number allows."""
    images, size = request.images, request.batch_size
    for each in (*range(size, 0, -1), *range(size, MAX_BATCH_SIZE + 1)):
        if images % each == 0 and images // each <= MAX_BATCH_COUNT:
            draft.values |= {"batch_count": images // each, "batch_size": each}
            return
    each = -(-images // MAX_BATCH_COUNT)
    draft.values |= {"batch_count": images // each, "batch_size": each}
    made = images // each * each
    draft.lose(FIELDS["images"].label, images, f"no batches make so many; {made} are set instead")
