import io
import json

import pytest
from PIL import Image

from tests.jobs.fakes import eventually
from webui.library.folder import PIPELINES
from webui.services import request_of

CAT = {"prompt": "a cat", "seed": 7, "steps": 2}
REQUEST = {
    "model": "toy", "prompt": "a cat", "negative_prompt": "", "emphasis": "original",
    "clip_skip": 1, "vae": "Automatic", "embeddings": {}, "loras": {}, "seed": 7, "rng": "cpu",
    "sampler": "DPM++ 2M", "schedule": "Automatic", "steps": 2, "guidance_scale": 7.0,
    "width": 256, "height": 256, "images": 1, "batch_size": 1, "stop_at": 1.0,
    "init": None, "hires": None, "upscale": None, "resume": None, "extras": {},
    "variation": None, "seed_resize": None,
    "sampling": dict.fromkeys(
        ("eta", "s_churn", "s_tmin", "s_tmax", "s_noise", "order", "solver_type")
    ),
    "schedule_options": dict.fromkeys(("sigma_min", "sigma_max", "rho", "shift", "sigmas")),
}  # fmt: skip


def post(client, request=CAT, **others):
    return client.post("/api/v1/jobs", json={"request": request, **others})


def ended(client, job_id):
    def look():
        return client.get(f"/api/v1/jobs/{job_id}").json()

    eventually(lambda: look()["state"] not in ("queued", "running"))
    return look()


def test_a_job_is_accepted_run_saved_and_its_picture_served(client, puppet):
    answer = post(client, id="job-0001", owner="tab-1")
    assert answer.status_code == 201
    job = answer.json()
    assert (job["id"], job["owner"], job["request"]) == ("job-0001", "tab-1", REQUEST)
    puppet.order("finish")
    done = ended(client, "job-0001")
    [picture] = done["pictures"]
    assert done == job | {
        "pictures": [picture],
        "state": "done",
        "ahead": 0,
        "started": done["started"],
        "finished": done["finished"],
        "attempts": 1,
    }
    assert picture["url"] == "api/v1/pictures/" + picture["path"]
    assert picture["seed"] == 7
    assert picture["recipe"].startswith("a cat\nSteps: 2, Sampler: DPM++ 2M, ")
    file = client.get("/" + picture["url"])
    assert (file.status_code, file.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(file.content)) as image:
        assert json.loads(image.text["darkroom"])["request"] == REQUEST
    assert "attachment" not in file.headers["content-disposition"]
    saved = client.get("/" + picture["url"] + "?download=1")
    assert saved.headers["content-disposition"].startswith("attachment")
    assert client.get("/api/v1/jobs").json() == {"jobs": [done]}


def test_several_pictures_get_a_grid(client, puppet):
    job = post(client, CAT | {"batch_count": 2, "batch_size": 2}).json()
    assert job["request"]["images"] == 4
    puppet.order("finish")
    pictures = ended(client, job["id"])["pictures"]
    assert [each["image"] for each in pictures] == [0, 1, 2, 3, -1]
    assert [each["seed"] for each in pictures] == [7, 8, 9, 10, 7]


def test_the_same_id_is_the_same_job_also_with_a_random_seed(client):
    random = {"prompt": "p"}
    first, again = post(client, random, id="job-0001"), post(client, random, id="job-0001")
    assert first.json()["request"]["seed"] == again.json()["request"]["seed"]
    assert len(client.get("/api/v1/jobs").json()["jobs"]) == 1
    other = post(client, {"prompt": "q"}, id="job-0001")
    assert (other.status_code, other.json()["error"]["field"]) == (422, "id")


def test_stop_keeps_what_there_is_and_cancel_throws_it_away(client, puppet):
    first, second, third = (post(client).json()["id"] for _ in range(3))
    eventually(lambda: client.get(f"/api/v1/jobs/{first}").json()["state"] == "running")
    assert client.get(f"/api/v1/jobs/{third}").json()["ahead"] == 2
    assert client.post(f"/api/v1/jobs/{second}/cancel").json()["state"] == "cancelled"
    client.post(f"/api/v1/jobs/{first}/stop")
    stopped = ended(client, first)
    assert (stopped["state"], len(stopped["pictures"])) == ("stopped", 1)
    client.post(f"/api/v1/jobs/{third}/cancel")
    cancelled = ended(client, third)
    assert (cancelled["state"], cancelled["pictures"]) == ("cancelled", [])


def test_a_failed_job_says_why(client, puppet):
    job = post(client).json()
    puppet.order("fail")
    assert ended(client, job["id"])["error"] == {
        "kind": "OutOfMemory",
        "text": "failed as ordered",
        "field": None,
    }


def test_a_full_line_says_when_to_come_back(client):
    codes = [post(client).status_code for _ in range(4)]  # one runs, three wait
    eventually(lambda: client.get("/api/v1/health").json()["waiting"] >= 3 or post(client))
    full = post(client)
    assert codes[:3] == [201] * 3 and full.status_code == 503
    assert full.headers["retry-after"] == "5"
    assert full.json()["error"]["kind"] == "LineFull"


@pytest.mark.parametrize("path", ["no-such-job", "x", "..%2f..%2fx", "\u732b" * 80])
def test_an_unknown_job_is_not_found(client, path):
    for answer in (client.get(f"/api/v1/jobs/{path}"), client.post(f"/api/v1/jobs/{path}/stop")):
        assert (answer.status_code, set(answer.json())) == (404, {"error"})


# --- what is missing, and what is wrong ----------------------------------------------------------


def test_what_is_missing_takes_the_models_and_the_fields_defaults(services):
    request = request_of(services, {})
    assert (request.model, request.prompt, request.width, request.height) == ("toy", "", 256, 256)
    seeds = {request_of(services, {"seed": -1}).seed for _ in range(5)}
    assert len(seeds) == 5 and all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(
    ("given", "proper"),
    [
        ({"sampler": "euler A"}, {"sampler": "Euler a"}),
        ({"sampler": "K_EULER_A"}, {"sampler": "Euler a"}),
        ({"schedule": "karras"}, {"schedule": "Karras"}),
        ({"model": "TOY"}, {"model": "toy"}),
        ({"model": None}, {"model": "toy"}),
    ],
)
def test_names_may_be_aliases_in_any_capitals(client, given, proper):
    assert post(client, CAT | given).json()["request"] == REQUEST | proper


WRONG = [
    ({"sampler": "DDIM"}, "sampler", "must be one of: DPM++ 2M, Euler a; got 'DDIM'"),
    ({"sampler": 5}, "sampler", "must be one of: DPM++ 2M, Euler a; got 5"),
    ({"schedule": ""}, "schedule", "must be one of: Automatic, Karras; got ''"),
    ({"model": "../toy"}, "model", "must be one of: toy; got '../toy'"),
    ({"model": ["toy"]}, "model", "must be a name, got ['toy']"),
    (
        {"model": "broken"},
        "model",
        "broken cannot be used: model_index.json says None; "
        f"only {', '.join(PIPELINES)} can be used now",
    ),
    ({"width": 500}, "width", "must be from 64 to 2048 and a multiple of 8, got 500; try 504"),
    ({"width": "512"}, "width", "must be a whole number, got '512'"),
    ({"width": 512.5}, "width", "must be a whole number, got 512.5"),
    ({"width": True}, "width", "must be a whole number, got True"),
    ({"steps": 0}, "steps", "must be from 1 to 150, got 0; try 1"),
    ({"steps": None}, "steps", "must be a whole number, got None"),
    ({"steps": 10**400}, "steps",
     "must be from 1 to 150, got a number of more than 20 digits; try 150"),
    ({"seed": -2}, "seed", "must be -1 for a random one, or 0 to 4294967295; got -2"),
    ({"seed": None}, "seed", "must be a whole number, got None"),
    ({"guidance_scale": 0.5}, "guidance_scale", "must be from 1 to 30, got 0.5; try 1"),
    ({"prompt": 1}, "prompt", "must be text, got 1"),
    ({"prompt": "a\0"}, "prompt",
     "has an invisible character, U+0000, at place 2; take it out"),
    ({"prompt": "x" * 100_001}, "prompt", "has 100001 characters; at most 100000 fit"),
    ({"batch_count": 0}, "batch_count", "must be from 1 to 100, got 0; try 1"),
    ({"batch_count": 2, "images": 2}, "images",
     "is batch_count x batch_size already; send one of the two"),
    ({"width": 1024, "height": 512}, "width",
     "x height must be at most 262144 pixels (--max-pixels), got 1024 x 512"),
    ({"batch_size": 8, "images": 8}, "batch_size",
     "at 256 x 256 must be at most 4 (--max-pixels), got 8"),
    ({"extras": []}, "extras", "must map extension names to their settings"),
    ({"extras": {"x": {}}}, "extras", "names 'x', but there is no such extension"),
    ({"guidance_scale": 10**400}, "guidance_scale",
     "must be from 1 to 30, got a number of more than 20 digits; try 30"),
    ({"guidance_scale": -(10**400)}, "guidance_scale",
     "must be from 1 to 30, got a number of more than 20 digits; try 1"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "field", "text"), WRONG)
def test_a_wrong_value_is_refused_with_its_field_and_what_would_work(client, values, field, text):
    answer = post(client, CAT | values)
    assert answer.status_code == 422
    assert answer.json() == {"error": {"kind": "InvalidRequest", "text": text, "field": field}}
    assert client.get("/api/v1/jobs").json() == {"jobs": []}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "request"),
        ({}, "request"),
        ({"request": []}, "request"),
        ({"request": CAT | {"cfg": 7}}, "cfg"),
        ({"request": CAT, "prority": 1}, "prority"),
        ({"request": CAT, "id": 5}, "id"),
        ({"request": CAT, "id": "../../x"}, "id"),
        ({"request": CAT, "owner": "a b"}, "owner"),
        ({"request": CAT, "owner": {}}, "owner"),
    ],
)
def test_a_wrong_shape_is_refused_with_its_field(client, body, field):
    answer = client.post("/api/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


RAW = [
    b"", b"NaN", b"[NaN]", b'{"request": {"prompt": "p", "guidance_scale": NaN}}',
    b'{"request": {"prompt": "p", "guidance_scale": 1e999}}',
    b'{"request": {"prompt": "p", "seed": Infinity}}',
    b'{"request": {"prompt": "\\ud800"}}', b'{"request": {"\\ud800": 1}}', b'"\\udc00"',
    b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"[" * 100_000, 
    b'{"request":' * 1000 + b"1" + b"}" * 1000,
    b'{"request": {"prompt": "p", "seed": ' + b"9" * 4301 + b"}}", b"\0", b"{", b"null", b"true",
    b"5", b'"x"', b'{"request": {"prompt": "p", "prompt": "q"}}',
    b'{"request": {"extras": {"a": 1}}}',
    b"\xff\xfe", b"<xml/>", b"a=b", b"{" * 2_000_001,
]  # fmt: skip


@pytest.mark.parametrize("body", RAW, ids=range(len(RAW)))
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "jobs"), ("POST", "jobs/job-0001/stop"), ("POST", "jobs/job-0001/cancel"),
        ("PUT", "previews"), ("POST", "models/refresh"), ("POST", "nothing"), ("PUT", "live"),
    ],
)  # fmt: skip
def test_no_body_whatever_makes_the_server_fail(client, method, path, body):
    headers = {"content-type": "application/json"}
    answer = client.request(method, f"/api/v1/{path}", content=body, headers=headers)
    assert answer.status_code < 500
    answer.json()
