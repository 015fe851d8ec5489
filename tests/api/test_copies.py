"""A request as text to be run elsewhere: the same request comes out, whatever stands in it."""

import ast
import io
import json
import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import webui.client
from tests.api.conftest import CAT
from tests.engine.pictures import scene
from webui import copies
from webui.commands import options
from webui.copies import quoting
from webui.errors import InvalidRequest
from webui.request import GenerationRequest
from webui.request.dotted import nested
from webui.services import request_of

ADDRESS = "http://127.0.0.1:7860/"
# any text that a field takes
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
HOSTILE = [
    "'; touch pwned; '", '"$(touch pwned)"', "`touch pwned`", "\\", "a\\'b", "$'\\x41'", "!!",
    "-rf",
    "--help", "\x1b[201~\ntouch pwned\n", "'''\nimport os\n'''", '"""\n', "#\n", "\r\n",
    "\u2028\x85\x7f",
    "\u202egnp.exe", "%s {x} \\u0000", "\N{FOX FACE}", "it's", "</script><script>",
]  # fmt: skip
FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def in_bash(text, folder, *before):
    """The words of each command that it runs, which are only said."""
    script = "\n".join([*before, text])
    done = subprocess.run(
        ["bash", "--norc", "-c", script], cwd=folder, capture_output=True, timeout=30, check=True
    )
    assert list(folder.iterdir()) == []  # nothing else was run
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@pytest.fixture
def empty(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def kinds(services, values):
    asked = copies.asked(services, values)
    return asked, {each.kind: each for each in copies.copies(services, asked, ADDRESS)}


# --- quoting -----------------------------------------------------------------------------------


@FEW
@given(texts=st.lists(TEXTS, min_size=1, max_size=40))
@example(texts=HOSTILE)
def test_any_text_is_one_word_of_a_shell(empty, texts):
    words = " ".join(quoting.shell(text) for text in texts)
    assert words.isprintable()
    assert in_bash(f"printf '%s\\0' {words}", empty) == texts


@FEW
@given(text=TEXTS)
@example(text="".join(HOSTILE))
def test_any_text_is_a_literal_of_python_and_of_json(text):
    assert ast.literal_eval(quoting.python({"a": text, "b": {"c": [text]}})) == {
        "a": text, "b": {"c": [text]},
    }  # fmt: skip
    assert json.loads(quoting.json_text({"a": text})) == {"a": text}
    assert quoting.json_text({"a": text}).isprintable()
    for line in quoting.comment(text):
        assert line.startswith("#") and line.isprintable()


# --- all four, of any prompt ---------------------------------------------------------------------


@FEW
@given(prompt=TEXTS, negative=TEXTS)
@example(prompt="'; touch pwned; '", negative="\x1b[201~\ntouch pwned\n")
@example(prompt="-5 degrees --help", negative="-x")
def test_a_prompt_stays_text_in_each_form(services, empty, prompt, negative):
    values = {"prompt": prompt, "negative_prompt": negative, "seed": 3}
    asked, made = kinds(services, values)
    said = {name: value for name, value in values.items() if value != ""}
    assert asked.said == said
    assert all("\x1b" not in each.text for each in made.values())
    # curl: what it would send
    stub = "curl() { printf '%s\\0' \"$@\" END; }"
    words = in_bash(made["curl"].text, empty, stub)
    body = json.loads(words[words.index("--data-binary") + 1])
    assert body["request"] == said and body["id"].startswith("curl-")
    assert words[-2] == f"{ADDRESS}api/v1/jobs/{body['id']}/pictures/0"
    # the command: what it would read
    stub = "python() { printf '%s\\0' \"$@\"; }"
    words = in_bash(made["command"].text, empty, stub)
    assert words[:2] == ["launch.py", "generate"]
    assert nested(options.read(words[1:]).values if prompt else {**_bare(words)}) == said
    # Python: what it would submit
    assert _submitted(made["python"].text) == {"prompt": "", **said}


def _bare(words):
    """Without a prompt the command refuses; what else it was given is read all the same."""
    return {
        name: value
        for name, value in options.read([words[1], "x", *words[2:]]).values.items()
        if name != "prompt"
    }


def _submitted(text, monkeypatch=pytest.MonkeyPatch):
    sent = {}

    class Stub:
        pictures = ()

        def __init__(self, address, login=None):
            assert address == ADDRESS.rstrip("/")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def wait(self):
            return self

        def txt2img(self, prompt, **fields):
            sent.update(fields, prompt=prompt)
            return self

        def submit(self, request):
            sent.update(request)
            return self

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webui.client, "Client", Stub)
        exec(compile(text, "copy.py", "exec"), {})
    return sent


# --- only what differs, and nothing less ---------------------------------------------------------

REQUESTS = [
    {},
    CAT,
    {"prompt": "x", "steps": 20, "sampler": "DPM++ 2M", "width": 256, "height": 256, "seed": 1},
    {"prompt": "x", "width": 128, "height": 64, "images": 6, "batch_size": 2, "seed": 0},
    {"prompt": "x", "sampler": "Euler a", "schedule": "Karras", "guidance_scale": 3, "seed": 9},
    {"prompt": "x", "variation": {"seed": 7, "strength": 0.25}, "seed": 9},
    {"prompt": "x", "seed_resize": [64, 128], "seed": 9},
    {"prompt": "x", "schedule_options": {"sigmas": [9.5, 0.1, 0]}, "seed": 9},
    {"prompt": "x", "hires": {}, "seed": 9},
    {"prompt": "x", "hires": {"scale": 1.5, "prompt": "y", "sampler": "Euler a"}, "seed": 9},
    {"prompt": "x", "stop_at": 0.5, "clip_skip": 2, "emphasis": "no norm", "rng": "nv", "seed": 9},
]  # fmt: skip


@pytest.mark.parametrize("values", REQUESTS)
def test_what_is_said_makes_the_same_request(services, empty, values):
    asked, made = kinds(services, values)
    if "seed" in values:
        assert request_of(services, asked.said) == asked.request
    words = in_bash(made["command"].text, empty, "python() { printf '%s\\0' \"$@\"; }")
    if "prompt" in values:
        assert nested(options.read(words[1:]).values) == asked.said
    assert {"prompt": "", **_submitted(made["python"].text)} == {"prompt": "", **asked.said}


def test_a_random_seed_is_left_to_chance(services):
    asked, made = kinds(services, {"prompt": "x", "steps": 9})
    assert asked.said == {"prompt": "x", "steps": 9}
    assert made["command"].text == "python launch.py generate x --steps 9 --out picture.png\n"
    assert made["python"].text == (
        "from webui.client import Client\n\n"
        "with Client('http://127.0.0.1:7860') as darkroom:\n"
        "    job = darkroom.txt2img(\n        'x',\n        steps=9,\n    )\n"
        '    for picture in job.wait().pictures:\n        print(picture.save("."))\n'
    )


def test_pictures_are_named_and_said(services, client):
    file = io.BytesIO()
    scene().save(file, "PNG")
    headers = {"content-type": "image/png"}
    sha = client.post("/api/v1/inputs", content=file.getvalue(), headers=headers).json()["sha256"]
    init = {"picture": sha, "strength": 0.5, "outpaint": {"left": 64}}
    asked, made = kinds(services, {"prompt": "x", "init": init, "seed": 1})
    assert asked.said["init"] == init
    assert f"--init {sha} --strength 0.5 --outpaint-left 64" in made["command"].text.replace(
        " \\\n ", ""
    )
    for kind in ("curl", "python", "command"):
        assert made[kind].notes == (
            f"Names pictures that this server has kept ({ADDRESS}api/v1/inputs/{sha}); elsewhere "
            "give the file's name.",
        )
    assert request_of(services, asked.said) == asked.request
    init = {"picture": sha, "loopback": {"loops": 3, "stop_after": 2}}
    _, made = kinds(services, {"prompt": "x", "init": init})
    assert (
        made["command"].notes[0] == "init.loopback.stop_after cannot be said on the command line."
    )
    _, made = kinds(services, {"upscale": {"picture": sha, "scale": 3}})
    assert made["diffusers"].text == "" and "no script" in made["diffusers"].notes[0]
    words = made["command"].text.replace("\\\n", "").split()
    assert words[3:7] == ["--upscale", sha, "--upscale-scale", "3.0"]


def test_a_login_is_named_and_never_its_password(services):
    from dataclasses import replace

    from webui.passwords import accounts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("webui.passwords._COST", 2)
        locked = replace(services.settings, api_auth=accounts("it's:secret"))
    asked = copies.asked(services, {"prompt": "x"})
    made = {
        each.kind: each
        for each in copies.copies(replace(services, settings=locked), asked, ADDRESS)
    }
    assert "-u 'it'\"'\"'s'" in made["curl"].text
    assert 'login=("it\'s", getpass())' in made["python"].text
    assert made["command"].notes == ("Set DARKROOM_LOGIN=it's:PASSWORD first.",)
    assert all("secret" not in each.text for each in made.values())


# --- over HTTP -----------------------------------------------------------------------------------


def test_the_route_answers_for_a_request_and_for_a_picture(client, services, kept):
    answer = client.post("/api/v1/copies", json={"request": CAT, "address": "https://x.org/d/"})
    made = {each["kind"]: each for each in answer.json()["copies"]}
    assert list(made) == ["curl", "python", "command", "diffusers"]
    assert "https://x.org/d/api/v1/jobs" in made["curl"]["text"]
    assert "--server https://x.org/d --" not in made["command"]["text"]
    assert made["command"]["text"].endswith("--server https://x.org/d\n")
    second = client.post("/api/v1/copies", json={"job": "original", "image": 1}).json()["copies"]
    words = second[2]["text"].replace(" \\\n ", "").split()
    assert words[words.index("--seed") + 1] == "6" and "--images" not in words
    whole = client.post("/api/v1/copies", json={"job": "original"}).json()["copies"]
    assert "--images 2 --batch-size 2" in whole[2]["text"].replace(" \\\n ", "")
    assert len(services.line.jobs(10)) == 1  # nothing was queued


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "request"),
        ({"request": []}, "request"),
        ({"request": {}, "job": "original"}, "request"),
        ({"request": {"steps": 0}}, "steps"),
        ({"request": {}, "address": "javascript:alert(1)"}, "address"),
        ({"request": {}, "address": "http://x/\n"}, "address"),
        ({"request": {}, "address": "http://me:it@x/"}, "address"),
        ({"job": "original", "image": 2}, "image"),
        ({"job": "original", "image": True}, "image"),
        ({"request": {}, "image": 0}, "request"),
        ({"request": {}, "more": 1}, "more"),
    ],
)
def test_the_route_refuses_what_it_cannot_write(client, kept, body, field):
    answer = client.post("/api/v1/copies", json=body)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_a_picture_by_its_number(client, services, puppet):
    assert client.get("/api/v1/jobs/none/pictures/0").status_code == 404
    job = client.post("/api/v1/jobs", json={"request": CAT}).json()
    assert client.get(f"/api/v1/jobs/{job['id']}/pictures/0").status_code == 404
    puppet.order("step", "finish")
    from tests.jobs.fakes import eventually

    eventually(lambda: services.line.job(job["id"]).state == "done")
    saved = client.get(f"/api/v1/jobs/{job['id']}").json()["pictures"][0]
    answer = client.get(f"/api/v1/jobs/{job['id']}/pictures/0")
    assert answer.content == client.get(f"/{saved['url']}").content
    assert answer.headers["content-type"] == "image/png"
    assert client.get(f"/api/v1/jobs/{job['id']}/pictures/1").status_code == 404


def test_the_complete_request_of_the_route_is_what_would_be_queued(client, services):
    whole = client.post("/api/v1/requests/complete", json={"request": CAT}).json()["request"]
    queued = client.post("/api/v1/jobs", json={"request": CAT}).json()["request"]
    assert whole == queued
    wrong = client.post("/api/v1/requests/complete", json={"request": {"width": 1}})
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "width")
    assert client.post("/api/v1/requests/complete", json={}).status_code == 422


def test_defaults_are_those_of_the_dataclass():
    plain = GenerationRequest(model="m", prompt="p", seed=1)
    from webui.copies.asked import differing

    assert differing(plain) == {"model": "m", "prompt": "p", "seed": 1}
    with pytest.raises(InvalidRequest):
        GenerationRequest(model="m", prompt="p", seed=-1)
