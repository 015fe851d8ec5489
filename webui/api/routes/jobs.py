"""Jobs: ask for pictures, look, change while they wait, end, try again."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Query

from webui import __version__, image_checks, metadata, recipes
from webui.api import schema
from webui.api.body import JsonObject, OptionalObject
from webui.api.openapi import answers, bodies, lists
from webui.api.openapi.says import says
from webui.api.openapi.says import schema as schema_of
from webui.errors import InvalidRequest
from webui.fields import shown
from webui.jobs.job import Job
from webui.jobs.places import Side
from webui.jobs.states import STATES
from webui.services import Services, duplicate, edit
from webui.submitting import submit_all

MOST = 500  # jobs in one answer
_MOVES = (409, 507)
_PLACES = {
    "oneOf": [schema_of(each) for each in (bodies.MoveTo, bodies.MoveBefore, bodies.MoveAfter)]
}
_MOST_TEXT = 2 * 2**20  # characters of prompts in one, as near as it can be had


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
    line, view = services.line, schema.JobView(services)

    @router.post("", **says(answers.NewJobs, status=201, body=bodies.NewJob, errors=(503, 507)))
    def add(body: JsonObject) -> dict[str, Any]:
        """{"request": {...}, "id"?, "owner"?}; sent again with the same id, it is the same job.
        `others`: the ids of further jobs, where an extension makes several of one request."""
        schema.check_known(body, ("request", "id", "owner"))
        values = body.get("request")
        if not isinstance(values, dict):
            raise InvalidRequest("request", "must be a JSON object")
        id, owner = schema.text(body, "id", None), schema.text(body, "owner", "") or ""
        return view.made(submit_all(services, values, id=id, owner=owner))

    @router.get("", **says(answers.Jobs, errors=(404,)))
    def newest(
        limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
        state: Annotated[list[str] | None, Query(max_length=len(STATES))] = None,
        before: str | None = None,
    ) -> dict[str, Any]:
        """Newest first; `state` may be given several times, `before` is the last id one has. Fewer
        than `limit` come where prompts are long: the end is an answer without jobs."""
        for each in state or ():
            schema.choice({"state": each}, "state", STATES)
        states = tuple(each for each in STATES if each in (state or ()))
        older = line.job(before).id if before else None
        return {"jobs": [view.job(job) for job in _as_fit(line.jobs(limit, states, older))]}

    @router.patch("/{id}", **says(answers.Job, body=bodies.Changes, errors=(409, 507)))
    def change(id: str, body: JsonObject) -> dict[str, Any]:
        """{"request": {...}}: what is named changes, while the job waits."""
        schema.check_known(body, ("request",))
        return view.job(edit(services, id, schema.json_object(body, "request")))

    _add_one(router, services, view)
    _add_ends(router, services, view)
    _add_order(router, services, view)
    _add_copies(router, services, view)
    return router


def _as_fit(jobs: Sequence[Job]) -> Iterator[Job]:
    """As many as have room in an answer, the first in any case."""
    room = _MOST_TEXT
    for number, job in enumerate(jobs):
        prompts = len(job.request.prompt) + len(job.request.negative_prompt)
        room -= prompts * (1 + len(job.pictures))  # whose recipes have them too
        if number and room < 0:
            return
        yield job


def _add_one(router: APIRouter, services: Services, view: schema.JobView) -> None:
    @router.get("/{id}", **says(answers.Job))
    def one(id: str) -> dict[str, Any]:
        return view.job(services.line.job(id))

    @router.get("/{id}/recipe", **says(lists.RecipeOfJob))
    def recipe(id: str) -> dict[str, Any]:
        """Its request by the form's names, as `POST /recipes` answers for a picture."""
        record = metadata.record_text(services.line.job(id).request, "", __version__)
        found = recipes.read(services.recipe_tables, None, record)
        lost = [asdict(each) for each in found.lost]
        return {
            "source": found.source,
            "tab": found.tab,
            "values": found.values,
            "lost": lost,
        }


def _add_ends(router: APIRouter, services: Services, view: schema.JobView) -> None:
    """The three ways to cancel."""
    line = services.line

    @router.post("/{id}/stop", **says(answers.Job, errors=_MOVES))
    def stop(id: str) -> dict[str, Any]:
        """Ends it with what there is."""
        return view.job(line.stop(id))

    @router.post("/{id}/cancel", **says(answers.Job, errors=_MOVES))
    def cancel(id: str) -> dict[str, Any]:
        """Ends it and throws unfinished pictures away."""
        return view.job(line.cancel(id))

    @router.post(
        "/{id}/skip", **says(answers.Job, body=bodies.SkippedBatch, optional=True, errors=_MOVES)
    )
    def skip(id: str, body: OptionalObject) -> dict[str, Any]:
        """Leaves out the unfinished pictures of the batch in hand, or of {"batch": n} if that is
        the one; goes on with the next."""
        schema.check_known(body, ("batch",))
        batch = body.get("batch")
        if batch is not None and (type(batch) is not int or batch < 0):
            raise InvalidRequest("batch", f"must be a whole number from 0, got {shown(batch)}")
        return view.job(line.skip(line.job(id).id, batch))


def _add_order(router: APIRouter, services: Services, view: schema.JobView) -> None:
    """What can be done with those that do not run."""
    line, order = services.line, services.line.order

    def known(id: str) -> str:
        return line.job(id).id

    @router.post("/{id}/move", **says(answers.Job, body=_PLACES, errors=_MOVES))
    def move(id: str, body: JsonObject) -> dict[str, Any]:
        """{"to": "front" | "back"}, {"before": id} or {"after": id}."""
        return view.job(order.move(known(id), *_place(body)))

    @router.post("/{id}/pause", **says(answers.Job, errors=_MOVES))
    def pause(id: str) -> dict[str, Any]:
        """Holds a waiting job back."""
        return view.job(order.hold(known(id)))

    @router.post("/{id}/resume", **says(answers.Job, errors=_MOVES))
    def resume(id: str) -> dict[str, Any]:
        """A held back job may run; an interrupted one goes on after its last kept step."""
        with services.inputs.lock:
            image_checks.check_kept(services.inputs, line.job(id).request)
            return view.job(order.resume(id))

    @router.post("/{id}/drop", **says(answers.Job, errors=_MOVES))
    def drop(id: str) -> dict[str, Any]:
        """Takes an ended job off the list; its pictures stay."""
        return view.job(order.drop(known(id)))


def _add_copies(router: APIRouter, services: Services, view: schema.JobView) -> None:
    """What makes new jobs of old ones."""
    line, order = services.line, services.line.order

    @router.post(
        "/{id}/duplicate",
        **says(answers.Job, status=201, body=bodies.Copy, optional=True, errors=(503, 507)),
    )
    def copy(id: str, body: OptionalObject) -> dict[str, Any]:
        """A new job with its request; {"request"?: changes, "id"?, "owner"?}."""
        schema.check_known(body, ("request", "id", "owner"))
        changes = schema.json_object(body, "request")
        return view.job(duplicate(services, id, changes, **_new(body)))

    @router.post(
        "/{id}/retry",
        **says(answers.Job, status=201, body=bodies.Again, optional=True, errors=(409, 503, 507)),
    )
    def retry(id: str, body: OptionalObject) -> dict[str, Any]:
        """An ended job again, as a new one; {"id"?, "owner"?}."""
        schema.check_known(body, ("id", "owner"))
        new = _new(body)
        with services.inputs.lock:
            image_checks.check_kept(services.inputs, line.job(id).request)
            return view.job(order.retry(id, new_id=new["id"], owner=new["owner"]))


def _new(body: dict[str, Any]) -> dict[str, str | None]:
    return {name: schema.text(body, name, None) for name in ("id", "owner")}


def _place(body: dict[str, Any]) -> tuple[Side, str | None]:
    schema.check_known(body, ("to", "before", "after"))
    if len(body) != 1:
        raise InvalidRequest("to", 'send {"to": "front"}, {"to": "back"}, "before" or "after"')
    [name] = body
    side = schema.choice(body, "to", ("front", "back")) if name == "to" else name
    other = None if name == "to" else schema.text(body, name, "") or ""
    for each in get_args(Side):
        if each == side:
            return each, other
    raise AssertionError(side)
