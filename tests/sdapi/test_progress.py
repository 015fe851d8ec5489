"""Calls in the line: how far they are, ending them, clients that go away, the page's jobs."""

import threading
import time

import pytest

from tests.jobs.fakes import eventually
from tests.sdapi.conftest import SMALL, info, opened

IDLE = {
    "skipped": False, "interrupted": False, "stopping_generation": False, "job": "",
    "job_count": 0, "job_timestamp": "0", "job_no": 0, "sampling_step": 0, "sampling_steps": 0,
}  # fmt: skip


class Call(threading.Thread):
    """A call of a client that waits; its answer is there after `join`."""

    def __init__(self, api, path="txt2img", **body):
        super().__init__(daemon=True)
        self.api, self.path, self.body = api, path, SMALL | body
        api.calls.append(self)
        self.start()

    def run(self):
        self.answer = self.api.post(self.path, self.body)

    def ended(self):
        self.join(20)
        assert not self.is_alive()
        return self.answer


def step(api, count=1):
    return lambda: api.get("progress").json()["state"]["sampling_step"] == count


def test_progress_when_nothing_runs(api):
    idle = {
        "progress": 0.0, "eta_relative": 0.0, "state": IDLE, "current_image": None,
        "textinfo": None, "current_task": None, "job": None,
    }  # fmt: skip
    assert api.get("progress").json() == idle
    api.txt2img()
    assert api.get("progress").json() == idle


def test_progress_of_the_running_job_and_by_its_name(slow, puppet):
    call = Call(slow, steps=4, n_iter=2, force_task_id="task(abc)")
    puppet.order("step")
    eventually(step(slow))
    told = slow.get("progress").json()
    assert told["progress"] == pytest.approx(0.01 + 1 / 8)
    assert told["current_task"] == "task(abc)"
    state = told["state"]
    assert state == IDLE | {
        "job": "Batch 1 out of 2", "job_count": 2, "sampling_step": 1, "sampling_steps": 4,
        "job_timestamp": state["job_timestamp"],
    }  # fmt: skip
    assert len(state["job_timestamp"]) == 14
    assert opened(told["current_image"]).size == (2, 1)
    assert slow.get("progress?skip_current_image=true").json()["current_image"] is None
    for name in ("task(abc)", told["job"]):
        assert slow.get("progress", params={"id": name}).json()["progress"] == told["progress"]
    puppet.order("step", "step", "step", "step")
    eventually(lambda: slow.get("progress").json()["state"]["job_no"] == 1)
    assert slow.get("progress").json()["progress"] == pytest.approx(0.01 + 5 / 8)
    puppet.order("finish")
    assert call.ended().status_code == 200
    done = slow.get("progress", params={"id": "task(abc)"}).json()
    assert (done["progress"], done["state"]) == (1.0, IDLE)
    assert slow.get("progress").json()["progress"] == 0.0


def test_internal_progress_is_that_of_a_task(slow, puppet):
    def task(name, **others):
        body = {"id_task": name, "id_live_preview": -1, "live_preview": True} | others
        return slow.client.post("/internal/progress", json=body).json()

    first = Call(slow, steps=2, force_task_id="one")
    eventually(lambda: task("one")["active"])
    second = Call(slow, steps=2, force_task_id="two")
    eventually(lambda: task("two")["queued"])
    waits = task("two")
    assert (waits["active"], waits["completed"], waits["textinfo"]) == (False, False, "In queue: 2")
    puppet.order("step")
    eventually(step(slow))
    told = task("one")
    assert (told["active"], told["queued"], told["completed"]) == (True, False, False)
    assert told["progress"] == pytest.approx(0.51)
    assert told["live_preview"].startswith("data:image/png;base64,")
    assert task("one", id_live_preview=told["id_live_preview"])["live_preview"] is None
    assert task("one", live_preview=False)["live_preview"] is None
    puppet.order("finish", "finish")
    assert {first.ended().status_code, second.ended().status_code} == {200}
    assert task("one")["completed"] is True
    nobody = task("nobody")
    assert (nobody["active"], nobody["queued"], nobody["completed"]) == (False, False, False)
    assert slow.client.get("/internal/ping").json() == {}


def test_an_interrupted_call_is_answered_with_what_there_is(slow, puppet):
    call = Call(slow, steps=4, n_iter=2)
    puppet.order("step", "step", "step", "step", "step")
    eventually(lambda: slow.get("progress").json()["state"]["job_no"] == 1)
    assert slow.post("interrupt").json() == {}
    answer = call.ended()
    assert (answer.json()["state"], len(answer.json()["images"])) == ("stopped", 2)
    assert info(answer)["all_seeds"] == [7, 8]


def test_a_skipped_batch_is_left_out(slow, puppet):
    call = Call(slow, steps=4, n_iter=2)
    puppet.order("step")
    eventually(step(slow))
    assert slow.post("skip").status_code == 200
    eventually(lambda: slow.services.line.running().skipped == (0,))
    puppet.order("finish")
    answer = call.ended()
    assert info(answer)["all_seeds"] == [8]


def test_the_pages_job_is_neither_interrupted_nor_skipped(slow, puppet):
    body = {"request": SMALL | {"steps": 2}, "id": "of-the-page"}
    slow.client.post("/api/v1/jobs", json=body)
    puppet.order("step")
    eventually(step(slow))
    assert slow.get("progress").json()["job"] == "of-the-page"  # A1111's form: of all
    for path in ("interrupt", "skip", "interrupt?id=of-the-page", "skip?id=of-the-page"):
        assert slow.post(path).status_code == 200
    time.sleep(0.05)
    assert slow.services.line.job("of-the-page").state == "running"
    assert puppet.stops == puppet.skips == []
    puppet.order("finish")
    eventually(lambda: slow.services.line.job("of-the-page").state == "done")


def test_a_call_that_waits_can_be_given_up_by_name(slow, puppet):
    first = Call(slow, force_task_id="first")
    eventually(lambda: slow.services.line.running() is not None)
    second = Call(slow, force_task_id="second")
    eventually(lambda: slow.services.line.waiting() == 1)
    assert slow.post("interrupt?id=second").json() == {}
    answer = second.ended()
    assert (answer.status_code, answer.json()["images"]) == (200, [])
    assert slow.post("interrupt?id=nobody").status_code == 404
    puppet.order("finish")
    assert len(first.ended().json()["images"]) == 1


def test_a_call_whose_job_was_cancelled_in_the_queue_says_so(slow, puppet):
    call = Call(slow)
    eventually(lambda: slow.services.line.running() is not None)
    slow.services.line.cancel(slow.services.line.running().id)
    answer = call.ended()
    assert answer.status_code == 409
    assert "cancelled" in slow.refusal(answer)


def test_a_failed_job_is_an_error_with_its_reason(slow, puppet):
    call = Call(slow)
    puppet.order("fail")
    answer = call.ended()
    assert (answer.status_code, answer.json()["error"]) == (500, "OutOfMemory")
    assert "failed as ordered" in answer.json()["detail"]


def test_calls_and_the_pages_jobs_share_one_line(slow, puppet):
    calls = []
    for number in range(3):
        calls.append(Call(slow, seed=number))
        eventually(
            lambda: slow.services.line.waiting() + bool(slow.services.line.running()) == len(calls)
        )
    eventually(lambda: slow.services.line.running() is not None)
    slow.client.post("/api/v1/jobs", json={"request": SMALL, "id": "of-the-page"})
    puppet.order(*["finish"] * 4)
    assert [info(call.ended())["seed"] for call in calls] == [0, 1, 2]
    eventually(lambda: len(puppet.runs) == 4)
    assert puppet.runs[3][0] == "of-the-page"


def test_a_full_line_says_when_to_come_back(slow, puppet):
    calls = [Call(slow, seed=0)]
    eventually(lambda: slow.services.line.running() is not None)
    calls += [Call(slow, seed=number) for number in (1, 2, 3)]
    eventually(lambda: slow.services.line.waiting() == 3)
    answer = slow.txt2img()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["error"] == "LineFull"
    puppet.order(*["finish"] * 4)
    assert sorted(info(call.ended())["seed"] for call in calls) == [0, 1, 2, 3]


def test_the_servers_end_ends_the_waiting(slow, puppet):
    call = Call(slow)
    puppet.order("step")
    eventually(step(slow))
    began = time.monotonic()
    slow.services.line.hang_up()
    answer = call.ended()
    assert (answer.status_code, answer.json()["error"]) == (503, "EngineDied")
    assert time.monotonic() - began < 5  # woken, not found out by looking now and then
    puppet.order("finish")


def test_many_clients_at_once_each_get_their_own(slow, puppet):
    puppet.order(*["finish"] * 40)
    from concurrent.futures import ThreadPoolExecutor

    def one(seed):
        while True:
            answer = slow.txt2img(seed=seed)
            if answer.status_code != 503:
                return info(answer)["seed"], opened(answer.json()["images"][0]).getpixel((0, 0))
            time.sleep(0.01)

    with ThreadPoolExecutor(12) as clients:
        found = list(clients.map(one, range(30)))
    assert found == [(seed, (0, 0, seed)) for seed in range(30)]
