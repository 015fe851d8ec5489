import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from tests import headers
from tests.api.test_jobs import CAT, ended, post
from tests.jobs.fakes import eventually
from webui.api import schema
from webui.backend import EngineState
from webui.events import Picture
from webui.library import ModelEntry, Report


def live(client, **query):
    answer = client.get("/api/v1/live", params=query)
    assert answer.status_code == 200
    return answer.json()


def types(answer):
    return [event["type"] for event in answer["events"]]


def test_with_nothing_asked_there_is_nothing_to_see(client):
    assert live(client, owner="tab-1") == {
        "server": "start-1",
        "engine": {"state": "ready", "device": "CPU", "text": "ready on CPU"},
        "waiting": 0,
        "running": None,
        "previews": {"noisy": "fast", "predicted": "fast", "every": 1, "guidance": False},
        "paused": False,
        "interrupted": 0,
        "notices": [],
        "mine": None,
        "wait": None,
        "queue": None,
        "job": None,
        "pictures": 0,
        "events": [],
        "last": 0,
    }


def test_the_panel_gets_what_came_after_the_number_it_has(client, puppet):
    job = post(client, owner="tab-1").json()
    puppet.order("step")
    eventually(lambda: live(client)["last"] == 5)
    seen = live(client, job=job["id"])
    assert types(seen) == ["Queued", "Started", "Stage", "Step", "Preview"]
    assert [event["seq"] for event in seen["events"]] == [1, 2, 3, 4, 5]
    assert seen["events"][3] == {
        "seq": 4, "type": "Step", "batch": 0, "step": 1, "steps": 2, "sigma": 1.0, "seconds": 0.1,
        "turn": 0, "turns": 1,
    }  # fmt: skip
    assert seen["running"] == job["id"] and seen["job"]["state"] == "running"
    puppet.order("step")
    ended(client, job["id"])
    rest = live(client, job=job["id"], after=5)
    assert types(rest) == ["Step", "Preview", "Saved", "Finished"]
    assert (rest["last"], rest["running"], rest["job"]["state"]) == (9, None, "done")
    assert live(client, job=job["id"], after=9)["events"] == []
    assert "request" not in rest["events"][2]


def test_pictures_that_the_panel_has_are_not_sent_again(client, puppet):
    job = post(client, CAT | {"images": 3}).json()["id"]
    puppet.order("finish")
    ended(client, job)
    whole = live(client, job=job)
    assert (whole["pictures"], len(whole["job"]["pictures"])) == (0, 4)
    rest = live(client, job=job, pictures=3)
    assert rest["pictures"] == 3
    assert rest["job"]["pictures"] == whole["job"]["pictures"][3:]
    assert live(client, pictures=3)["job"] == whole["job"]  # not asked for by its id


def test_which_job_is_shown(client, puppet):
    mine, others = post(client, owner="a").json()["id"], post(client, owner="b").json()["id"]
    eventually(lambda: live(client)["running"] == mine)
    assert live(client, job=others)["job"]["id"] == others
    assert live(client, owner="b")["job"]["id"] == others
    assert live(client, owner="c")["job"]["id"] == mine  # the running one
    puppet.order("finish", "finish")
    ended(client, others)
    assert live(client, owner="c")["job"]["id"] == others  # the newest
    assert live(client, job="no-such-job")["job"] is None


def test_the_number_counts_only_for_the_job_asked_for(client, puppet):
    job = post(client, owner="a").json()["id"]
    puppet.order("finish")
    ended(client, job)
    assert live(client, owner="a", after=5)["events"][0]["seq"] == 1
    assert live(client, job=job, after=5)["events"][0]["seq"] == 6


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "NaN", "9" * 5000])
def test_a_wrong_number_is_refused_without_being_quoted(client, after):
    answer = client.get("/api/v1/live", params={"after": after})
    assert answer.status_code == 422
    assert (
        answer.json()["error"]["field"] == "after" and after not in answer.json()["error"]["text"]
    )


def test_frames_come_from_memory_or_are_made_again_or_are_not_there(client, puppet):
    job = post(client, CAT).json()["id"]
    puppet.order("finish")
    ended(client, job)

    def frame(rest):
        return client.get(f"/api/v1/jobs/{job}/frames/{rest}")

    drawn = frame("0/1/noisy?method=fast")
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/png")
    assert drawn.headers["cache-control"] == "private, max-age=31536000, immutable"
    with Image.open(io.BytesIO(drawn.content)) as image:
        assert image.tobytes() == b"abcdef"
    assert frame("0/1/predicted").status_code == 200  # made again
    assert frame("1/1/noisy").status_code == 404
    assert frame("0/1/noisy?method=other").status_code == 404
    for wrong in ("0/1/else", "-1/1/noisy", "0/x/noisy", f"0/{'9' * 200}/noisy"):
        assert frame(wrong).status_code == 422
    assert client.get("/api/v1/jobs/no-such-job/frames/0/1/noisy").status_code == 404


def test_only_a_few_frames_are_made_again_at_once_and_those_in_memory_always_come(client, puppet):
    job = post(client, CAT).json()["id"]
    puppet.order("finish")
    ended(client, job)
    begun, go = threading.Semaphore(0), threading.Event()

    def slow(*_):
        begun.release()
        go.wait(10)
        return Picture(2, 1, b"abcdef")

    puppet.again = slow

    def frame(kind):
        return client.get(f"/api/v1/jobs/{job}/frames/0/1/{kind}")

    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(frame, "predicted") for _ in range(4)]
        assert all(begun.acquire(timeout=10) for _ in waiting)
        refused, drawn = frame("predicted"), frame("noisy")
        go.set()
        assert [each.result().status_code for each in waiting] == [200] * 4
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["text"] == "other steps are being drawn; ask again"
    assert drawn.status_code == 200
    assert frame("predicted").status_code == 200


def test_previews_can_be_chosen(client, puppet):
    choice = {"noisy": None, "predicted": "fast", "every": 5, "guidance": False}
    answer = client.put("/api/v1/previews", json={"noisy": None, "every": 5})
    assert (answer.status_code, answer.json()) == (200, {"previews": choice})
    assert client.get("/api/v1/previews").json() == {
        "previews": choice,
        "methods": [{"name": "fast", "label": "Fast", "help": ""}],
    }
    assert live(client)["previews"] == choice


def test_previews_by_a_tiny_decoder_are_there_where_one_is(client, tmp_path):
    fast, tiny = ({"name": name, "label": name.title(), "help": ""} for name in ("fast", "tiny"))
    assert client.get("/api/v1/previews").json()["methods"] == [fast]
    refused = client.put("/api/v1/previews", json={"predicted": "tiny"})
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "predicted")
    path = tmp_path / "models" / "VAE-approx" / "taesd_decoder.safetensors"
    headers.write(path, {"1.weight": [8, 4, 3, 3], "2.weight": [3, 8, 3, 3]})
    assert client.get("/api/v1/previews").json()["methods"] == [fast, tiny]
    chosen = client.put("/api/v1/previews", json={"predicted": "tiny"}).json()["previews"]
    assert chosen["predicted"] == "tiny"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"noisy": "taesd"}, "noisy"), ({"predicted": 5}, "predicted"), ({"every": 0}, "every"),
        ({"every": "1"}, "every"),
        ({"every": 151}, "every"), ({"every": True}, "every"), ({"often": 1}, "often"),
    ],
)  # fmt: skip
def test_a_wrong_choice_of_previews_is_refused(client, body, field):
    answer = client.put("/api/v1/previews", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_the_tables_can_be_read(client, tmp_path):
    models = {each["name"]: each for each in client.get("/api/v1/models").json()["models"]}
    report = models["toy"].pop("report")
    assert models["toy"] == {
        "name": "toy", "family": "sd1", "width": 256, "height": 256, "scale_factor": 8,
        "size_bytes": 220, "problem": None, "default": True, "layout": "folder", "settings": {},
    }  # fmt: skip
    assert (report["kind"], report["prediction"], report["fits"]) == ("checkpoint", "epsilon", None)
    assert report["parts"] == ["unet", "vae", "text_encoder"]
    assert report["plan"] is None  # nothing is known of the device, nor of what it is to hold
    assert models["broken"]["problem"].startswith("model_index.json says None")
    (tmp_path / "models" / "checkpoints" / "broken").rename(tmp_path / "away")
    refreshed = client.post("/api/v1/models/refresh").json()["models"]
    assert [each["name"] for each in refreshed] == ["toy"]
    samplers = client.get("/api/v1/samplers").json()["samplers"]
    assert samplers[1] == {
        "name": "Euler a", "aliases": ["k_euler_a"], "order": 1, "calls": 1, "random": True,
        "automatic": "Uniform", "parameters": [], "orders": [], "solver_types": [],
        "one_by_one": False, "flow": False, "help": "",
    }  # fmt: skip
    schedules = client.get("/api/v1/schedules").json()["schedules"]
    assert [each["name"] for each in schedules] == ["Automatic", "Karras"]
    health = client.get("/api/v1/health").json()
    assert health.pop("free_bytes") > 0
    assert health == {
        "version": "0.1.0", "server": "start-1", "waiting": 0, "running": None, "notices": [],
        "engine": {"state": "ready", "device": "CPU", "text": "ready on CPU"},
    }  # fmt: skip


def test_nothing_else_is_there(client):
    for path in ("/api/v1/nothing", "/api/x", "/docs", "/redoc", "/openapi.json"):
        answer = client.get(path)
        assert answer.status_code == 404 and answer.json()["error"]["kind"] == "NotFound", path


def test_looking_changes_nothing(client, services):
    """Every GET that there is, then the job list, the line and the files are as before."""
    before = (client.get("/api/v1/jobs").json(), live(client))
    schema = client.get("/api/v1/openapi.json").json()
    looked = [path for path, methods in schema["paths"].items() if "get" in methods]
    looked.remove("/api/v1/events")  # it never ends
    assert len(looked) >= 9
    for path in looked:
        client.get(path.replace("{", "").replace("}", ""))
    assert (client.get("/api/v1/jobs").json(), live(client)) == before
    assert not any(path.is_file() for path in services.settings.outputs.rglob("*"))


def test_the_line_comes_along_where_it_is_asked_for(client, puppet):
    running = post(client, owner="a").json()["id"]
    eventually(lambda: live(client)["running"] == running)
    waits = [post(client, CAT | {"seed": n}, owner="b").json()["id"] for n in range(2)]
    seen = live(client, owner="b", queue=1, ended=3)
    assert seen["mine"] == {"id": waits[1], "state": "queued"}
    assert [each["id"] for each in seen["queue"]["waiting"]] == waits[:1]
    assert seen["queue"]["ended"] == []
    rest = live(client, queue=5, cursor=seen["queue"]["cursor"])
    assert [each["id"] for each in rest["queue"]["waiting"]] == waits[1:]
    assert live(client)["queue"] is None
    puppet.order("finish", "finish", "finish")
    ended(client, waits[1])
    assert live(client, owner="a")["mine"] == {"id": running, "state": "done"}
    assert len(live(client, queue=1, ended=2)["queue"]["ended"]) == 2


def test_a_waiting_job_knows_for_how_long(client, puppet):
    puppet.order("finish")
    ended(client, post(client).json()["id"])  # 2 steps of 0.1 s
    running = post(client, CAT | {"steps": 5}).json()["id"]
    eventually(lambda: live(client)["running"] == running)
    post(client)
    last = post(client).json()["id"]
    assert live(client, job=last)["wait"] == pytest.approx(0.7, abs=0.1)
    assert live(client, job=running)["wait"] is None
    client.post("/api/v1/queue/pause")
    assert live(client, job=last)["wait"] is None


def test_notices_and_what_was_interrupted_reach_the_page(client, puppet, services):
    services.line._notices.append("the disk is nearly full")
    job = post(client).json()["id"]
    eventually(lambda: live(client)["running"] == job)
    services.line.close()
    seen = live(client)
    assert (seen["notices"], seen["interrupted"]) == (["the disk is nearly full"], 1)
    client.post(f"/api/v1/jobs/{job}/drop")
    assert live(client)["interrupted"] == 0


def test_a_models_plan_for_a_small_card_is_told(tmp_path):
    sizes = {"text_encoder": 10**9, "unet": 2 * 10**9}
    entry = ModelEntry(name="large", path=tmp_path, report=Report(weights=3 * 10**9, sizes=sizes))

    def told(**hello):
        state = EngineState("ready", "a card", "ready", 1, {"weight_bytes": 2, **hello})
        return schema.model(entry, None, state, {})["report"]

    small = told(memory=6 * 2**30, main_memory=16 * 2**30, offload="auto")
    assert small["fits"] is False  # not all of it at once
    assert small["plan"] == {
        "offload": "model",
        "device_bytes": int(4 * 10**9 * 1.15) + 2**30,
        "main_bytes": 6 * 10**9,
        "places": (
            {"part": "unet", "bytes": 4 * 10**9, "where": "by turns"},
            {"part": "text_encoder", "bytes": 2 * 10**9, "where": "by turns"},
        ),
        "fits": True,
        "text": small["plan"]["text"],
    }
    assert small["plan"]["text"].startswith("Fits part by part, at most 5.3 GB with a picture ")
    assert told(memory=6 * 2**30, offload="none")["plan"]["offload"] == "none"
