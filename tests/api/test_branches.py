"""Branches and seed triage over HTTP: what becomes a job, and what is refused in which words."""

from dataclasses import replace

import numpy as np
import pytest

from tests.api.conftest import CAT, keep
from webui.events import Saved
from webui.request import from_dict
from webui.trajectories import inherited, keep_guidance


def post(client, path, **body):
    return client.post(f"/api/v1/{path}", json=body)


def test_a_branch_is_a_job_of_one_picture_that_names_what_it_goes_on_from(client, services, kept):
    changes = {"prompt": "a dog", "sampler": "k_dpmpp_2m", "steps": 8, "seed": 9}
    answer = post(client, "jobs/original/branch", image=1, step=2, changes=changes, id="branch-1")
    assert answer.status_code == 201
    job = answer.json()
    asked = from_dict(job["request"])
    assert job["request"] == kept["request"] | {
        "images": 1, "batch_size": 1, "prompt": "a dog", "sampler": "DPM++ 2M", "steps": 8,
        "seed": 9, "resume": {
            "job": "original", "batch": 0, "position": 1, "step": 2, "turn": 0,
            "sha256": asked.resume.sha256,
        },
    }  # fmt: skip
    assert (job["id"], job["owner"]) == ("branch-1", "tab")
    ((header, taken),) = (
        (each.header, each.steps)
        for each in inherited(services.trajectories.folder("original"), asked.resume)
    )
    assert [(each.step, each.x.shape) for each in taken] == [(1, (1, 4, 2, 2)), (2, (1, 4, 2, 2))]
    assert header.sigmas == (8.0, 4.0, 2.0, 1.0, 0.0)
    again = post(client, "jobs/original/branch", image=1, step=2, changes=changes, id="branch-1")
    assert again.json()["id"] == "branch-1"


@pytest.mark.parametrize(
    ("body", "status", "field", "text"),
    [
        ({"image": 2, "step": 1}, 422, "image", "must be from 0 to 1 for this job, got 2"),
        ({"image": 0, "step": 0}, 422, "step", "must be from 1 to 4, got 0"),
        ({"image": 0, "step": 4}, 422, "step", "must be below 4, after which nothing is left"),
        ({"image": 0, "step": 5}, 422, "step", "must be from 1 to 4, got 5"),
        ({"image": 0}, 422, "step", "must be a whole number from 0, got None"),
        ({"image": 0, "step": 1, "changes": {"width": 64}}, 422, "width", "cannot change in a bra"),
        ({"image": 0, "step": 1, "changes": {"steps": 0}}, 422, "steps", "must be from 1 to 150"),
        ({"image": 0, "step": 1, "change": {}}, 422, "change", "is not a field; known are"),
    ],
)
def test_a_branch_that_cannot_be_is_refused_by_name(client, kept, body, status, field, text):
    answer = post(client, "jobs/original/branch", **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["field"]) == (status, field)
    assert error["text"].startswith(text)


def test_a_branch_of_what_is_not_kept_is_refused(client):
    job = post(client, "jobs", request=CAT).json()
    answer = post(client, f"jobs/{job['id']}/branch", image=0, step=1)
    assert answer.status_code == 409
    assert answer.json()["error"]["text"] == (
        "no steps of picture 0 of this job are kept (any more); "
        "the quota for kept steps decides how long they are"
    )
    assert post(client, "jobs/nothing-here/branch", image=0, step=1).status_code == 404


def test_a_branch_goes_by_the_request_that_its_own_picture_was_saved_with(client, services, kept):
    """Which knows the embeddings, and what the engine settled."""
    alone = replace(from_dict(kept["request"]).alone(1), embeddings={"cat-style": "ab" * 32})
    services.line.order._max_waiting = 100
    saved = Saved(1, "2026-01-01/a.png", alone, 0.5, 9, 256, 256)
    services.line._store.add_picture("original", saved)

    def asked(image, **changes):
        body = {"image": image, "step": 2, "changes": changes}
        return from_dict(post(client, "jobs/original/branch", **body).json()["request"])

    resume = asked(1).resume
    assert asked(1) == replace(alone, resume=resume)
    assert asked(1, steps=8) == replace(alone, resume=resume, steps=8)
    assert asked(0).embeddings == {}  # which is not saved yet
    # another text has embeddings of its own
    assert asked(1, prompt="a dog").embeddings == {}


def test_a_trajectory_says_its_levels_changes_and_how_many_steps_it_took(client, kept):
    answer = client.get("/api/v1/jobs/original/trajectory?image=1").json()
    each = answer.pop("steps")
    assert answer == {
        "job": "original", "image": 1, "batch": 0, "turn": 0, "position": 1, "sigma": 8.0,
        "whole": True,
        "suggested": 4, "alone": False, "turns": 1, "planned": 1,
    }  # fmt: skip
    found = [(step["step"], step["sigma"], step["inherited"], step["guided"]) for step in each]
    assert found == [
        (1, 4.0, False, False), (2, 2.0, False, False), (3, 1.0, False, False),
        (4, 0.0, False, False),
    ]  # fmt: skip
    # predictions of 2, 3/2, 4/3, 5/4 everywhere
    expected = [None, (2 - 3 / 2) / (3 / 2), (3 / 2 - 4 / 3) / (4 / 3), (4 / 3 - 5 / 4) / (5 / 4)]
    assert [step["change"] for step in each] == [None, *map(pytest.approx, expected[1:])]


def test_a_trajectory_says_who_was_made_alone_and_whose_guidance_is_kept(client, services):
    body = {"request": CAT | {"images": 3, "batch_size": 2}, "id": "original"}
    job = post(client, "jobs", **body).json()
    keep(services, job)
    keep(services, job, batch=1, size=1)
    folder = services.trajectories.folder("original")
    for step in (2, 3):
        keep_guidance(folder, 1, step, *2 * [np.ones((1, 4, 2, 2), np.float32)])
    said = []
    for image in range(3):
        answer = client.get(f"/api/v1/jobs/original/trajectory?image={image}").json()
        said.append((answer["alone"], [step["guided"] for step in answer["steps"]]))
    nothing = [False] * 4
    assert said == [(False, nothing), (False, nothing), (True, [False, True, True, False])]


def test_a_trajectory_says_how_many_samplings_there_are_and_were_to_be(client, services):
    job = post(client, "jobs", request=CAT, id="original").json()
    for turn, count in enumerate((4, 4, 2)):  # stopped in the third of nine
        keep(services, job, count, size=1, turn=turn, turns=9)
    for turn, count in enumerate((4, 4, 2)):
        said = client.get(f"/api/v1/jobs/original/trajectory?turn={turn}").json()
        assert (said["turn"], said["turns"], said["planned"]) == (turn, 3, 9)
        assert (len(said["steps"]), said["whole"]) == (count, count == 4)


def test_a_branchs_trajectory_says_which_steps_its_origin_made(client, services, kept):
    body = {"image": 0, "step": 3, "id": "branch-1"}
    branch = post(client, "jobs/original/branch", **body).json()
    keep(services, branch, size=1)
    answer = client.get("/api/v1/jobs/branch-1/trajectory").json()
    assert [step["inherited"] for step in answer["steps"]] == [True, True, True, False]


def test_triage_stops_all_pictures_at_a_share_of_their_steps(client):
    job = post(client, "triage", request=CAT | {"images": 3}, share=0.5, owner="tab").json()
    assert (job["request"]["stop_at"], job["request"]["images"], job["owner"]) == (0.5, 3, "tab")
    refused = post(client, "triage", request=CAT, share=0)
    error = refused.json()["error"]
    assert error["field"] == "share"
    assert error["text"] == "must be from 0.01 to 1, got 0; try 0.01"


def test_finishing_goes_on_after_the_last_kept_step_and_else_from_the_start(client, services):
    body = {"request": CAT | {"images": 4, "batch_size": 2}, "share": 0.5, "id": "triage-1"}
    job = post(client, "triage", **body).json()
    keep(services, job, count=2)  # of the first batch
    answer = post(client, "jobs/triage-1/finish", images=[1, 2], id="finishing")
    assert answer.status_code == 201
    one, other = answer.json()["jobs"]
    assert [one["id"], other["id"]] == ["finishing-1", "finishing-2"]
    assert (one["request"]["seed"], one["request"]["stop_at"]) == (6, 1.0)
    assert (one["request"]["resume"]["position"], one["request"]["resume"]["step"]) == (1, 2)
    assert (other["request"]["seed"], other["request"]["stop_at"]) == (7, 1.0)
    assert other["request"]["resume"] is None


@pytest.mark.parametrize("images", [[], [4], [-1], ["0"], [True], [0, 0], None, 3])
def test_finishing_pictures_that_are_none_is_refused(client, images):
    post(client, "triage", request=CAT | {"images": 4}, id="triage-1")
    answer = post(client, "jobs/triage-1/finish", images=images)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "images")
    assert len(client.get("/api/v1/jobs").json()["jobs"]) == 1


def test_finishing_what_is_finished_is_refused(client, kept):
    assert post(client, "jobs/original/finish", images=[0]).status_code == 409
