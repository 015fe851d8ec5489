from dataclasses import replace

import pytest

from tests.api.test_jobs import CAT, ended, post
from tests.jobs.fakes import eventually, request
from webui.events import Saved


def queue(client, **query):
    answer = client.get("/api/v1/queue", params=query)
    assert answer.status_code == 200
    return answer.json()


def paused(client, count):
    """Ids of jobs that wait in a line that stands still."""
    client.post("/api/v1/queue/pause")
    return [post(client, CAT | {"seed": n}, id=f"job-{n:04}").json()["id"] for n in range(count)]


def waiting(client):
    return [each["id"] for each in queue(client)["waiting"]]


def act(client, job, verb, body=None):
    return client.post(f"/api/v1/jobs/{job}/{verb}", json=body)


def test_the_queue_tells_what_runs_who_waits_and_how_long(client, puppet):
    first = post(client, CAT | {"steps": 4}, owner="tab-1").json()
    second = post(client, CAT | {"images": 2, "prompt": "a  very\nlong prompt " * 20}).json()
    puppet.order("step")
    eventually(lambda: queue(client)["running"] and queue(client)["running"]["step"] == 1)
    seen = queue(client)
    running, [waits] = seen.pop("running"), seen.pop("waiting")
    assert seen.pop("ends") == pytest.approx(0.7)  # 3 steps, then 2 of twice the size
    assert seen == {"paused": False, "reason": None, "total": 1, "limit": 3, "cursor": None}
    assert (running["id"], running["owner"], running["share"]) == (first["id"], "tab-1", 0.25)
    assert (running["batch"], running["batches"], running["steps"]) == (0, 1, 4)
    assert running["left"] == pytest.approx(0.3)
    assert running["recipe"] == "a cat · DPM++ 2M · 4 steps · 256x256"
    assert client.get("/" + running["frame"]).status_code == 200
    assert (waits["id"], waits["position"], waits["state"]) == (second["id"], 1, "queued")
    assert waits["wait"] == pytest.approx(0.3) and waits["takes"] == pytest.approx(0.4)
    text = waits["recipe"]
    assert text.startswith("a very long prompt a very")
    assert text.endswith("… · DPM++ 2M · 2 steps · 256x256 · 2 pictures")


def test_after_a_run_of_the_kind_the_waiting_know_their_times(client, puppet):
    puppet.order("finish")
    ended(client, post(client).json()["id"])
    paused(client, 2)
    client.post("/api/v1/queue/resume")
    eventually(lambda: queue(client)["total"] == 1)
    seen = queue(client)
    assert seen["waiting"][0]["takes"] == pytest.approx(0.2, abs=0.1)
    assert seen["waiting"][0]["wait"] == pytest.approx(seen["running"]["left"])


def test_the_line_is_paused_resumed_and_cleared(client, puppet):
    jobs = paused(client, 3)
    full = post(client)
    assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    assert full.json()["error"] == {
        "kind": "LineFull", "text": "3 jobs are waiting already; try again later", "field": None,
    }  # fmt: skip
    seen = queue(client, limit=2)
    assert [each["id"] for each in seen["waiting"]] == jobs[:2] and seen["paused"]
    assert [each["id"] for each in queue(client, cursor=seen["cursor"])["waiting"]] == jobs[2:]
    assert client.get("/api/v1/queue?cursor=x").json()["error"]["field"] == "cursor"
    cleared = client.post("/api/v1/queue/clear").json()
    assert (cleared["cancelled"], cleared["total"], cleared["paused"]) == (3, 0, True)
    assert client.post("/api/v1/queue/clear").json()["cancelled"] == 0
    assert client.post("/api/v1/queue/resume").json()["paused"] is False
    assert puppet.runs == []


def test_waiting_jobs_are_moved(client):
    jobs = paused(client, 3)
    for body, order in [
        ({"to": "front"}, "201"), ({"to": "back"}, "012"),
        ({"before": jobs[0]}, "201"), ({"after": jobs[0]}, "021"),
    ]:  # fmt: skip
        assert act(client, jobs[2], "move", body).status_code == 200
        assert waiting(client) == [f"job-000{each}" for each in order]
    for wrong in ({}, {"to": "top"}, {"to": "front", "before": jobs[0]}, {"before": 5}, {"x": 1}):
        assert act(client, jobs[2], "move", wrong).status_code == 422
    gone = act(client, jobs[2], "move", {"before": "no-such-job"})
    assert (gone.status_code, gone.json()["error"]["kind"]) == (409, "WrongState")


def test_a_waiting_job_is_edited_and_a_running_one_is_not(client, puppet):
    [job, _] = paused(client, 2)
    url = f"/api/v1/jobs/{job}"
    changed = client.patch(url, json={"request": {"prompt": "a dog", "sampler": "k_euler_a"}})
    assert changed.status_code == 200
    request = changed.json()["request"]
    assert (request["prompt"], request["sampler"], request["seed"]) == ("a dog", "Euler a", 0)
    joint = client.patch(url, json={"request": {"sampler": "DPM++ 2M Karras", "batch_count": 3}})
    request = joint.json()["request"]
    assert (request["sampler"], request["schedule"]) == ("DPM++ 2M", "Karras")
    assert (request["images"], request["prompt"]) == (3, "a dog")
    for wrong, field in [({"width": 7}, "width"), ({"size": 7}, "size"), ([], "request")]:
        refused = client.patch(url, json={"request": wrong})
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)
    assert client.get(url).json()["request"] == request
    events = client.get("/api/v1/live", params={"job": job}).json()["events"]
    assert events[1] == {"seq": 2, "type": "Edited", "fields": ["prompt", "sampler"]}
    client.post("/api/v1/queue/resume")
    eventually(lambda: client.get(url).json()["state"] == "running")
    late = client.patch(url, json={"request": {"prompt": "x"}})
    assert (late.status_code, late.json()["error"]) == (
        409,
        {"kind": "WrongState", "text": "only a waiting job can be edited; this one is running",
         "field": None},
    )  # fmt: skip


def test_duplicate_retry_drop_and_the_list_by_state(client, puppet):
    puppet.order("fail")
    old = ended(client, post(client, owner="tab-1").json()["id"])
    client.post("/api/v1/queue/pause")
    again = act(client, old["id"], "retry")
    assert again.status_code == 201
    assert (again.json()["retry_of"], again.json()["owner"]) == (old["id"], "tab-1")
    assert act(client, old["id"], "retry").json()["id"] == again.json()["id"]
    body = {"request": {"seed": 8}, "id": "copy-0001", "owner": "tab-2"}
    copies = [act(client, old["id"], "duplicate", body) for _ in range(2)]
    assert [copy.status_code for copy in copies] == [201, 201]
    assert copies[0].json() == copies[1].json()
    assert copies[0].json()["request"] == old["request"] | {"seed": 8}
    assert act(client, old["id"], "drop").json()["dropped"] is True
    assert act(client, "copy-0001", "drop").status_code == 409

    def listed(**query):
        return [each["id"] for each in client.get("/api/v1/jobs", params=query).json()["jobs"]]

    assert listed() == ["copy-0001", again.json()["id"]]
    assert listed(state=["failed", "done"]) == []
    assert listed(before="copy-0001") == [again.json()["id"]]
    assert client.get("/api/v1/jobs?state=odd").json()["error"]["field"] == "state"
    assert client.get("/api/v1/jobs?before=no-such-job").status_code == 404


def test_a_list_of_long_prompts_comes_in_more_pages_and_whole(client, services):
    services.line.pause()
    services.line.order._max_waiting = 100
    long, names = CAT | {"prompt": "x" * 100_000, "negative_prompt": "y" * 100_000}, []
    for number in range(25):
        names.append(f"job-{number:04}")
        post(client, long if number % 5 else CAT, id=names[-1])
    seen, pages, query = [], [], {"limit": 500}
    while page := client.get("/api/v1/jobs", params=query).json()["jobs"]:
        assert all(job["request"]["prompt"] in ("a cat", long["prompt"]) for job in page)
        seen += [job["id"] for job in page]
        pages.append(len(page))
        query["before"] = seen[-1]
    assert seen == names[::-1]
    assert len(pages) == 2 and pages[0] > 10


def test_hold_and_resume_of_one_job(client, puppet):
    [job, other, _] = paused(client, 3)
    assert act(client, job, "pause").json()["state"] == "paused"
    client.post("/api/v1/queue/resume")
    puppet.order("finish")
    ended(client, other)
    assert client.get(f"/api/v1/jobs/{job}").json()["state"] == "paused"
    assert act(client, job, "resume").json()["state"] == "queued"
    refused = act(client, other, "resume")
    assert refused.status_code == 409
    assert refused.json()["error"]["text"].endswith("can be resumed; this one is done")


def test_skip_by_number_skips_once(client, puppet):
    job = post(client, CAT | {"images": 3}).json()["id"]
    puppet.order("step")
    eventually(lambda: queue(client)["running"] and queue(client)["running"]["step"] == 1)
    assert act(client, job, "skip", {"batch": 0}).status_code == 200
    eventually(lambda: client.get(f"/api/v1/jobs/{job}").json()["skipped"] == [0])
    assert act(client, job, "skip", {"batch": 0}).status_code == 200
    for wrong in ({"batch": -1}, {"batch": True}, {"batch": 2}, {"n": 1}):
        assert act(client, job, "skip", wrong).status_code == 422
    puppet.order("finish")
    done = ended(client, job)
    assert (done["state"], done["skipped"]) == ("done", [0])
    assert [each["image"] for each in done["pictures"]] == [1, 2, -1]
    assert act(client, job, "skip").status_code == 409


@pytest.mark.parametrize(
    "verb", ["stop", "cancel", "skip", "pause", "resume", "duplicate", "retry", "drop"]
)
def test_a_job_that_is_not_there_is_not_found(client, verb):
    for id in ("no-such-job", "a b c d e", "short"):
        assert act(client, id, verb).status_code == 404
    assert client.patch("/api/v1/jobs/no-such-job", json={}).status_code == 404


def test_the_engine_is_restarted(client, services):
    assert services.backend.restarts == 0
    answer = client.post("/api/v1/engine/restart")
    assert answer.json()["engine"]["state"] == "ready"
    assert services.backend.restarts == 1


def test_notices_are_dismissed_one_or_all(client, services):
    for text in ("the disk is full", "a file was damaged", "odd"):
        services.line._note(text)
    one = client.post("/api/v1/notices/dismiss", json={"text": "the disk is full"})
    assert one.json() == {"notices": ["a file was damaged", "odd"]}
    assert client.get("/api/v1/notices").json() == one.json()
    services.line._note("the disk is full")
    assert client.get("/api/v1/health").json()["notices"][-1] == "the disk is full"
    assert client.post("/api/v1/notices/dismiss").json() == {"notices": []}


def test_the_ended_are_listed_with_what_was_interrupted_first(client, puppet, services):
    puppet.order("finish")
    done = ended(client, post(client, owner="tab-1").json()["id"])
    store = services.line._store
    kept = post(client, CAT | {"images": 2, "prompt": "sleep"}).json()["id"]
    puppet.order("step")
    eventually(lambda: client.get(f"/api/v1/jobs/{kept}").json()["state"] == "running")
    services.line.close()
    assert store.job(kept).state == "interrupted"
    first, second = queue(client, ended=5)["ended"]
    assert (first["id"], first["state"], first["made"], first["picture"]) == (
        kept, "interrupted", 0, None,
    )  # fmt: skip
    assert (first["batch"], first["step"]) == (0, 0)  # the puppet keeps nothing
    assert (second["id"], second["owner"], second["state"], second["made"]) == (
        done["id"], "tab-1", "done", 1,
    )  # fmt: skip
    assert client.get("/" + second["picture"]).status_code == 200
    assert "ended" not in queue(client)


def test_where_an_interrupted_job_goes_on_is_told_by_what_it_kept(client, puppet, services):
    job = post(client, CAT | {"images": 3, "batch_size": 1}).json()["id"]
    puppet.order("step")
    eventually(lambda: queue(client)["running"])
    services.line.close()
    workshop = services.line._workshop
    kept = {0: 4, 1: 9}
    services.line._workshop = replace(workshop, kept_steps=lambda folder, batch: kept[batch])
    assert services.line.goes_on(job) == (0, 4)
    services.line._store.add_picture(job, Saved(0, "0.png", request(), 0.5, 9, 64, 64))
    assert services.line.goes_on(job) == (1, 9)
    [offered] = queue(client, ended=1)["ended"]
    assert (offered["batch"], offered["step"], offered["made"]) == (1, 9, 1)


def test_a_line_that_stands_still_ends_with_what_runs(client, puppet):
    post(client, CAT | {"steps": 4})
    puppet.order("step")
    eventually(lambda: queue(client)["running"] and queue(client)["running"]["step"] == 1)
    client.post("/api/v1/queue/pause")
    post(client)
    seen = queue(client)
    assert seen["ends"] == pytest.approx(seen["running"]["left"])
