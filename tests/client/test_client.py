"""`webui.client` against a real server, whose engine is a stub."""

import io
import signal
import subprocess
import sys
import threading

import httpx
import pytest
from PIL import Image

from tests.client.conftest import ROOT, SMALL, Moving, free_port
from tests.serving import Server
from tests.stub_engine import signature
from webui import metadata
from webui.client import Client, Event, JobFailed, NotAllowed, Refused, ServerUnreachable
from webui.client.connection import Connection
from webui.client.stream import Stream
from webui.errors import InvalidRequest, JobNotFound, WrongState


def signed(data):
    return signature(Image.open(io.BytesIO(data)).convert("RGB").tobytes())


def test_a_job_from_its_submission_to_its_saved_pictures(darkroom, tmp_path):
    job = darkroom.txt2img("a red fox", seed=7, images=2, **SMALL)
    assert (job.state, job.request["prompt"], job.request["steps"]) in {
        (state, "a red fox", 4) for state in ("queued", "running")
    }
    assert job.wait(timeout=60) is job
    assert job.state == "done" and job.ended and job.failure is None
    first, second = job.pictures
    assert [signed(each.bytes()) for each in (first, second)] == [(job.id, 7), (job.id, 8)]
    assert (first.image, first.seed, first.width, first.height) == (0, 7, 64, 64)
    assert job.grid.image == -1
    path = second.save(tmp_path / "fox")
    assert path == tmp_path / "fox.png"
    # untouched: the recipe is in it, and it is the server's own bytes
    assert path.read_bytes() == second.bytes()
    assert metadata.read_parameters(path) == second.recipe
    assert second.recipe.startswith("a red fox\nSteps: 4, ") and "Seed: 8" in second.recipe
    assert second.pil().size == (64, 64)
    assert first.save(tmp_path) == tmp_path / first.path.rpartition("/")[2]
    with pytest.raises(InvalidRequest, match=r"path: fox.jpg: the file is image/png; name it .png"):
        first.save(tmp_path / "fox.jpg")


def test_events_say_each_step_and_end_with_the_job(darkroom):
    job = darkroom.txt2img("sleep=0.01", **SMALL)
    events = list(job.events())
    assert [event["step"] for event in events if event.kind == "Step"] == [1, 2, 3, 4]
    assert events[-1].kind == "Finished" and events[-1]["outcome"] == "done"
    assert {event.job for event in events} == {job.id}
    assert job.state == "done"  # it was asked once more
    # those after an event are the rest
    middle = next(at for at, event in enumerate(events) if event.kind == "Step")
    assert list(job.events(after=events[middle].id)) == events[middle + 1 :]


def test_what_is_sent_again_with_its_id_is_the_same_job(darkroom):
    one = darkroom.txt2img("again", id="client-again-1", **SMALL)
    assert darkroom.txt2img("again", id="client-again-1", **SMALL).id == one.id
    assert darkroom.job(one.id).id == one.id
    assert one.id in [job.id for job in darkroom.jobs(limit=5)]


@pytest.mark.parametrize("form", ["path", "text", "bytes", "pillow", "sha256"])
def test_pictures_go_in_as_files_bytes_or_pillows(darkroom, tmp_path, form):
    image = Image.new("RGB", (64, 64), (200, 30, 10))
    image.save(tmp_path / "dog.png")
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    given = {
        "path": tmp_path / "dog.png",
        "text": str(tmp_path / "dog.png"),
        "bytes": (tmp_path / "dog.png").read_bytes(),
        "pillow": image,
        "sha256": darkroom.send_picture(image),
    }[form]
    kept = darkroom.send_picture(tmp_path / "dog.png")
    job = darkroom.img2img(
        given, "a fox", mask=tmp_path / "mask.png", init={"strength": 0.5}, **SMALL
    )
    init = job.request["init"]
    assert (init["picture"], init["strength"]) == (kept, 0.5)
    assert init["mask"]["picture"] == darkroom.send_picture(tmp_path / "mask.png")
    assert job.request["prompt"] == "a fox"
    large = darkroom.upscale(given, 3, upscaler="Lanczos")
    assert large.request["upscale"]["picture"] == kept
    assert large.request["upscale"]["scale"] == 3.0


def test_a_picture_that_cannot_be_is_refused_by_its_field(darkroom, tmp_path):
    with pytest.raises(InvalidRequest) as refused:
        darkroom.img2img(tmp_path / "nothing.png", "a fox")
    assert refused.value.field == "init.picture"
    with pytest.raises(InvalidRequest) as refused:
        darkroom.img2img(b"no picture", "a fox")
    assert refused.value.field == "init.picture"


def test_what_the_server_refuses_is_its_sentence_with_the_field(darkroom):
    with pytest.raises(InvalidRequest) as refused:
        darkroom.txt2img("a fox", width=500)
    assert refused.value.field == "width"
    assert str(refused.value) == (
        "width: must be from 64 to 2048 and a multiple of 8, got 500; try 504"
    )
    with pytest.raises(InvalidRequest) as refused:
        darkroom.complete({"prompt": "x", "hires": {"scale": 99}})
    assert refused.value.field == "hires.scale"
    with pytest.raises(JobNotFound):
        darkroom.job("there-is-no-such-job")
    with pytest.raises(WrongState, match="done"):
        darkroom.txt2img("a fox", **SMALL).wait().edit(prompt="late")


def test_a_complete_request_has_every_default_and_makes_no_job(darkroom):
    before = len(darkroom.jobs(limit=500))
    whole = darkroom.complete({"prompt": "a fox", "seed": 3})
    assert (whole["steps"], whole["sampler"], whole["seed"], whole["width"]) == (
        20, "DPM++ 2M", 3, 256,
    )  # fmt: skip
    assert len(darkroom.jobs(limit=500)) == before


def test_a_failed_job_raises_with_what_it_ended_with(darkroom):
    job = darkroom.txt2img("error@2:OutOfMemory", **SMALL)
    with pytest.raises(JobFailed) as failed:
        job.wait(timeout=60)
    assert failed.value.failure.kind == "OutOfMemory"
    assert failed.value.job.state == "failed"
    assert str(failed.value).startswith(f"job {job.id} is failed: ")
    again = job.retry(id="client-retry-1")
    assert again.values["retry_of"] == job.id
    again.cancel()


def test_waiting_gives_up_in_time(darkroom):
    job = darkroom.txt2img("sleep=5", **SMALL)
    with pytest.raises(TimeoutError, match=f"job {job.id} is (queued|running) after 0.3 seconds"):
        job.wait(timeout=0.3)
    assert job.cancel().id == job.id
    assert job.wait(timeout=60).state == "cancelled"


def test_the_three_ways_to_end_a_job(darkroom):
    def begun(prompt):
        job = darkroom.txt2img(prompt, images=2, **SMALL)
        for event in job.events():
            if event.kind == "Step":
                return job
        raise AssertionError

    stopped = begun("sleep=0.2").stop()
    assert stopped.wait(timeout=60).state == "stopped" and len(stopped.pictures) >= 1
    cancelled = begun("sleep=0.2").cancel()
    assert cancelled.wait(timeout=60).state == "cancelled" and cancelled.pictures == []
    skipped = begun("sleep=0.2").skip()
    assert skipped.wait(timeout=60).state == "done"
    assert [picture.image for picture in skipped.pictures] == [1]
    assert skipped.drop().values["dropped"] is True


def test_the_line_can_be_paused_reordered_edited_and_cleared(darkroom):
    assert darkroom.pause_queue()["paused"] is True
    one, two, three = (darkroom.txt2img(name, **SMALL) for name in ("one", "two", "three"))
    three.move("front")
    one.move(after=two)
    waiting = [each["id"] for each in darkroom.queue()["waiting"]]
    assert [name for name in waiting if name in {one.id, two.id, three.id}] == [
        three.id, two.id, one.id,
    ]  # fmt: skip
    assert two.edit(prompt="deux", steps=3).request["prompt"] == "deux"
    assert two.pause().state == "paused" and two.resume().state == "queued"
    copy = two.duplicate(seed=99)
    assert (copy.request["prompt"], copy.request["seed"]) == ("deux", 99)
    assert darkroom.clear_queue() == 4
    assert one.refresh().state == "cancelled"


def test_what_there_is_and_what_can_be_read(darkroom, tmp_path):
    assert [(each["name"], each["default"]) for each in darkroom.models()] == [("toy", True)]
    assert darkroom.models(refresh=True) == darkroom.models()
    assert [each["name"] for each in darkroom.samplers()][:2] == ["DPM++ 2M", "DPM++ SDE"]
    assert [each["name"] for each in darkroom.schedules()][:2] == ["Automatic", "Uniform"]
    assert {"Latent", "Lanczos"} <= {each["name"] for each in darkroom.upscalers()}
    assert darkroom.embeddings() == []
    assert darkroom.loras() == []
    health = darkroom.health()
    assert (health["version"], health["engine"]["state"]) == ("0.1.0", "ready")
    assert darkroom.previews(every=2)["every"] == 2 and darkroom.previews()["every"] == 2
    job = darkroom.txt2img("read me", seed=5, **SMALL).wait()
    found = darkroom.read_recipe(job.pictures[0].bytes())
    assert (found["values"]["prompt"], found["values"]["seed"]) == ("read me", 5)
    text = job.pictures[0].recipe.replace("Seed: 5", "Seed: 6")
    assert darkroom.read_parameters(text)["values"]["seed"] == 6
    assert job.recipe()["values"]["prompt"] == "read me"


def test_a_programs_copies_are_the_servers(darkroom):
    made = {each["kind"]: each for each in darkroom.copies({"prompt": "it's", "steps": 9})}
    assert list(made) == ["curl", "python", "command", "diffusers"]
    assert made["command"]["text"] == (
        "python launch.py generate 'it'\"'\"'s' --steps 9 --out picture.png\n"
    )


def test_nothing_at_the_address_is_said_so():
    port = free_port()
    with Client(f"127.0.0.1:{port}") as client, pytest.raises(ServerUnreachable) as gone:
        client.health()
    assert str(gone.value).startswith(f"http://127.0.0.1:{port}/ cannot be reached: ")
    for address in ("ftp://x", "http://", "http://a@b", "http://x/?q=1", "http://x:0"):
        with pytest.raises(InvalidRequest, match="address: must be like"):
            Client(address)


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, {"error": {"kind": "Refused", "text": "log in"}}, NotAllowed, "log in"),
        (413, {"error": {"kind": "Refused", "text": "too large"}}, Refused, "too large"),
        (422, {"detail": "odd"}, Refused, "odd"),
        (502, None, Refused, "the server answered 502"),
        (200, None, ServerUnreachable, "http://x/ answers, but is no Darkroom: ''"),
    ],
)
def test_every_other_answer_is_an_error_too(status, body, kind, text):
    answer = httpx.MockTransport(
        lambda request: httpx.Response(
            status, headers={"Retry-After": "7"}, **({"json": body} if body else {})
        )
    )
    with Client("http://x", transport=answer) as client, pytest.raises(kind) as refused:
        client.health()
    assert type(refused.value) is kind and str(refused.value) == text
    if isinstance(refused.value, Refused):
        assert (refused.value.status, refused.value.retry_after) == (status, 7.0)


def test_a_login_goes_with_every_call():
    seen = []

    def answer(request):
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json={"models": []})

    with Client("http://x", login=("me", "pass:word"), transport=httpx.MockTransport(answer)) as c:
        c.models()
    assert seen == [httpx.BasicAuth("me", "pass:word")._build_auth_header("me", "pass:word")]


def test_a_broken_stream_goes_on_after_the_last_event():
    asked = []
    parts = [
        b"retry: 1\n\nid: s.1\nevent: Step\ndata: {\"step\": 1}\n\nid: s.2\nevent: Step\nda",
        b": beat\n\nid: s.2\nevent: Step\ndata: {\"step\": 2}\n\nevent: Gap\ndata: {}\n\n",
        b"id: s.3\nevent: Finished\ndata: {\"outcome\": \"done\"}\n\n",
    ]  # fmt: skip

    def answer(request):
        asked.append(request.headers.get("last-event-id"))
        if len(asked) == 2:
            raise httpx.ConnectError("gone")
        return httpx.Response(200, content=parts.pop(0))

    connection = Connection("http://x", transport=httpx.MockTransport(answer))
    events = list(Stream(connection, "jobs/j/events", patience=5))
    assert [(event.kind, dict(event.values), event.id) for event in events] == [
        ("Step", {"step": 1}, "s.1"),
        ("Step", {"step": 2}, "s.2"),
        ("Gap", {}, "s.2"),
        ("Finished", {"outcome": "done"}, "s.3"),
    ]
    assert asked == [None, "s.1", "s.1", "s.2"]
    assert Event("Gap").job == ""


def test_a_server_that_stays_away_ends_the_waiting():
    def answer(request):
        raise httpx.ConnectError("gone")

    stream = Stream(Connection("http://x", transport=httpx.MockTransport(answer)), "events", 0)
    with pytest.raises(ServerUnreachable, match="gone"):
        list(stream)


def test_waiting_survives_a_restart_of_the_server(tmp_path):
    transport = Moving()
    transport.server = Server(tmp_path)
    begun = threading.Event()
    try:
        with Client("http://127.0.0.1:9", transport=transport, patience=60) as client:
            job = client.txt2img("sleep=0.1", images=3, **SMALL)
            behind = client.txt2img("sleep=0.01", **SMALL)

            def restart():
                begun.wait(30)
                transport.server.end(signal.SIGKILL)
                transport.server = Server(tmp_path)

            thread = threading.Thread(target=restart)
            thread.start()
            for event in behind.events():
                begun.set()
                assert event.job == behind.id
            thread.join()
            assert behind.state == "done"
            assert job.refresh().state == "interrupted"
            with pytest.raises(JobFailed):
                job.wait(timeout=30)
            assert job.wait(timeout=60, resume=True).state == "done"
            assert [signed(each.bytes())[0] for each in job.pictures] == [job.id] * 3
    finally:
        transport.server.end()


def test_it_needs_httpx_alone():
    program = (
        "import sys; import webui.client;"
        "heavy = {'torch', 'gradio', 'fastapi', 'starlette', 'pydantic', 'PIL', 'numpy'};"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}));"
        "print(sorted(name for name in sys.modules if name.startswith('webui.')"
        " and not name.startswith('webui.client')))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ran.stdout == "[]\n['webui.errors']\n"
