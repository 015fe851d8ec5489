"""The server killed for good, in a process of its own; `benchmarks/jobs.py` does so more often."""

import signal
import time

from tests.jobs.fakes import eventually
from tests.serving import Server, drill


def test_a_server_killed_at_random_moments_loses_doubles_and_mixes_up_nothing(tmp_path):
    result = drill(tmp_path, kills=4, seed=7)
    assert len(result.accepted) >= 8 and result.interrupted
    assert (result.lost, result.doubled, result.out_of_order) == ([], [], [])


def test_what_survives_a_kill_and_how_a_killed_job_goes_on(tmp_path):
    server = Server(tmp_path)
    server.post("job-0000", prompt="sleep=0.05", steps=20, images=2)
    for number in range(1, 4):
        server.post(f"job-000{number}", prompt="p", steps=2)
    server.ask("queue/pause", {})
    server.ask("jobs/job-0003/move", {"to": "front"})
    server.ask("jobs/job-0001/pause", {})
    server.ask("jobs/job-0002", {"request": {"prompt": "q"}}, "PATCH")
    running = lambda: server.ask("queue")["running"]  # noqa: E731
    eventually(lambda: running()["batch"] == 1 and running()["step"] > 4)
    left = running()["left"]
    assert 0 < left < 60  # seconds; a busy machine is slow
    server.end()

    server = Server(tmp_path)
    seen = server.ask("queue")
    assert seen["paused"] and seen["running"] is None
    waiting = [(each["id"], each["state"]) for each in seen["waiting"]]
    assert waiting == [("job-0003", "queued"), ("job-0001", "paused"), ("job-0002", "queued")]
    assert server.ask("jobs/job-0002")["request"]["prompt"] == "q"
    lost = server.ask("jobs/job-0000")
    assert (lost["state"], lost["crashes"], len(lost["pictures"])) == ("interrupted", 1, 1)
    server.ask("jobs/job-0000/resume", {})
    server.ask("queue/resume", {})
    eventually(lambda: server.ask("jobs/job-0000")["state"] == "done", 20)
    done = server.ask("jobs/job-0000")
    assert [each["image"] for each in done["pictures"]] == [0, 1, -1]
    steps = [e for e in server.ask("live?job=job-0000")["events"] if e["type"] == "Step"]
    assert len(steps) < 17 and {step["batch"] for step in steps} == {1}
    eventually(lambda: server.ask("jobs/job-0002")["state"] == "done")
    assert server.ask("jobs/job-0001")["state"] == "paused"
    server.end(signal.SIGTERM)


def test_each_way_to_cancel_acts_within_a_step_and_between_pictures_of_a_batch(tmp_path):
    server = Server(tmp_path)

    def asked(verb, prompt, moment):
        """The job, and how many steps and pictures came after the call was answered."""
        job_id = f"{verb}-{int(time.monotonic() * 1e6)}"
        server.post(job_id, prompt=prompt, steps=40, images=6, batch_size=3)
        kinds = ("Step", "Saved")

        def told():
            events = server.ask(f"live?job={job_id}")["events"]
            return [event["type"] for event in events if event["type"] in kinds]

        eventually(lambda: told().count(moment[0]) >= moment[1], 20)
        server.ask(f"jobs/{job_id}/{verb}", {})
        before = told()
        eventually(lambda: server.ask(f"jobs/{job_id}")["state"] != "running", 20)
        after = told()
        job = server.ask(f"jobs/{job_id}")
        late = [after.count(kind) - before.count(kind) for kind in kinds]
        return job["state"], [each["image"] for each in job["pictures"]], late, job["skipped"]

    early, decoding = ("Step", 2), ("Saved", 1)
    slow, images = "sleep=0.05", "render=0.3"
    state, pictures, late, _ = asked("cancel", slow, early)
    assert (state, pictures) == ("cancelled", []) and late[0] <= 1
    state, pictures, late, _ = asked("stop", slow, early)
    assert (state, pictures) == ("stopped", [0, 1, 2, -1]) and late[0] <= 1
    state, pictures, late, _ = asked("cancel", images, decoding)
    assert (state, pictures) == ("cancelled", [0])
    state, pictures, late, skipped = asked("skip", images, decoding)
    assert (state, pictures, skipped) == ("done", [0, 1, 3, 4, 5, -1], [2])
    state, pictures, late, skipped = asked("skip", "sleep=0.01", early)
    assert (state, pictures, skipped) == ("done", [3, 4, 5, -1], [0, 1, 2])
    server.end(signal.SIGTERM)
