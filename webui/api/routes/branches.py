"""Branches, seed triage, and what is kept of a picture's steps."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from webui import branches
from webui.api import schema
from webui.api.body import JsonObject
from webui.api.openapi import answers, bodies
from webui.api.openapi.says import says
from webui.errors import InvalidRequest
from webui.fields import STOP_AT, shown
from webui.services import Services
from webui.trajectories import changes, needed, turns_kept

_MOST = 10**6  # pictures; no job has as many


def router(services: Services) -> APIRouter:
    router = APIRouter(prefix="/api/v1", tags=["branches"])
    view = schema.JobView(services)

    @router.post(
        "/jobs/{id}/branch",
        **says(answers.Job, status=201, body=bodies.NewBranch, errors=(409, 503, 507)),
    )
    def branch(id: str, body: JsonObject) -> dict[str, Any]:
        """{"image", "step", "turn"?, "changes"?, "id"?, "owner"?}: a job that goes on there."""
        schema.check_known(body, ("image", "step", "turn", "changes", "id", "owner"))
        return view.job(
            branches.branch(
                services,
                id,
                schema.whole(body, "image", 0),
                schema.whole(body, "step", None),
                schema.json_object(body, "changes"),
                id=schema.text(body, "id", None),
                owner=schema.text(body, "owner", None),
                turn=schema.whole(body, "turn", 0),
            )
        )

    @router.get("/jobs/{id}/trajectory", **says(answers.Trajectory, errors=(409,)))
    def trajectory(
        id: str,
        image: Annotated[int, Query(ge=0, le=_MOST)] = 0,
        turn: Annotated[int, Query(ge=0, le=_MOST)] = 0,
    ) -> dict[str, Any]:
        """The kept steps of a picture, how much each changed it, and how many it took."""
        found = branches.kept(services, id, image, turn=turn)
        folder = services.trajectories.folder(found.job.id)
        turns = turns_kept(folder, found.batch)
        return {**_trajectory(found), "turns": turns, "planned": max(turns, found.header.turns)}

    _add_triage(router, services, view)
    return router


def _add_triage(router: APIRouter, services: Services, view: schema.JobView) -> None:
    @router.post(
        "/triage", **says(answers.Job, status=201, body=bodies.NewTriage, errors=(503, 507))
    )
    def triage(body: JsonObject) -> dict[str, Any]:
        """{"request", "share", "id"?, "owner"?}: pictures as predicted after a share of steps."""
        schema.check_known(body, ("request", "share", "id", "owner"))
        values = schema.json_object(body, "request")
        share = body.get("share", 0.3)
        try:
            STOP_AT.check(share)
        except InvalidRequest as error:
            raise InvalidRequest("share", error.problem) from None
        id, owner = schema.text(body, "id", None), schema.text(body, "owner", "") or ""
        return view.job(branches.triage(services, values, share, id=id, owner=owner))

    @router.post(
        "/jobs/{id}/finish",
        **says(answers.Jobs, status=201, body=bodies.Finish, errors=(409, 503, 507)),
    )
    def finish(id: str, body: JsonObject) -> dict[str, Any]:
        """{"images": [0, 3], "id"?, "owner"?}: a new job for each of a triage's pictures."""
        schema.check_known(body, ("images", "id", "owner"))
        images = body.get("images")
        if not isinstance(images, list) or not images or len(set(map(str, images))) < len(images):
            raise InvalidRequest(
                "images", f"must be a list of different pictures, from 0; got {shown(images)}"
            )
        new, owner = schema.text(body, "id", None), schema.text(body, "owner", None)
        jobs = branches.finish(services, id, images, id=new, owner=owner)
        return {"jobs": [view.job(job) for job in jobs]}


def _trajectory(found: branches.Kept) -> dict[str, Any]:
    steps = [
        {
            "step": step.step,
            "sigma": step.sigma,
            "seconds": step.seconds,
            "change": change,
            "inherited": step.step <= found.inherited,
            "guided": guided,
        }
        for step, change, guided in zip(
            found.steps, changes(found.steps), found.guided, strict=True
        )
    ]
    return {
        "job": found.job.id,
        "image": found.image,
        "batch": found.batch,
        "turn": found.turn,
        "position": found.position,
        "alone": found.alone,
        "sigma": found.header.sigmas[0],
        "whole": found.steps[-1].sigma == 0,
        "steps": steps,
        "suggested": needed(found.steps),
    }
