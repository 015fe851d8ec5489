"""Every example of docs/api.md is run by a shell, one after the other, at a server with the line,
the store and the guard, whose engine is a puppet. docs/mcp.md's runs at a server of its own."""

import json
import re
import shutil
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from PIL import Image

from tests.api.conftest import keep
from tests.embedding_files import vectors, write
from tests.hub import Hub
from tests.installing.repositories import service as install_service
from tests.jobs.fakes import eventually
from tests.prompt.conftest import SHIPPED
from tests.test_downloads import weights
from webui import FlagField, SettingsPage
from webui.api import server
from webui.downloads import Access, Downloads
from webui.events import Picture
from webui.extensions import Catalogue, OwnSettings, find, installed
from webui.extensions.standing import Standing
from webui.guard import Guard, Rules
from webui.interfaces.server_hooks import Owned

DOCS = Path(__file__).parents[2] / "docs"
HOME = "http://127.0.0.1:7860"
END = "the example is over"


class Engine:
    """Answers calls that an example makes."""

    def __init__(self, idle, made):
        self._idle, self._made, self.restarts = idle, made, 0

    def __getattr__(self, name):
        return getattr(self._idle, name)

    def call(self, name, arguments, timeout=30):
        return {
            "embedding": {"blob": self._made},
            "extensions": {},
            "load": None,
            "status": {},
            "unload": {"unloaded": []},
        }[name]


@contextmanager
def served(services):
    rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
    config = uvicorn.Config(Guard(server.create(services), rules), port=0, log_level="warning")
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run)
    thread.start()
    try:
        eventually(lambda: serving.started)
        yield f"http://127.0.0.1:{serving.servers[0].sockets[0].getsockname()[1]}"
    finally:
        services.line.hang_up()
        serving.should_exit = True
        thread.join(20)


@pytest.fixture
def ready(whole, puppet, tmp_path):
    """With what the examples take for granted: a tokenizer, kept steps that can be drawn."""
    models = whole.settings.models_dir / "checkpoints" / "toy"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SHIPPED / name, models / "tokenizer")
    (models / "text_encoder" / "config.json").write_text(json.dumps({"hidden_size": 16}))
    made = write(tmp_path / "made", {"emb_params": vectors(2, 16)}).read_bytes()
    puppet.again = lambda folder, look: Picture(8, 8, bytes(192))
    data = whole.settings.data_dir
    found = [each for each in find(installed(data)) if each.id == "prompt_matrix"]
    keep = FlagField(name="keep_template", label="Keep", help=".", default=True)
    page = Owned("wildcards", SettingsPage(title="Dynamic prompts", fields=(keep,)))
    shipped = Catalogue(
        tuple(Standing(each, "on") for each in found),
        data_dir=data,
        own_settings=OwnSettings(data, (page,)),
    )
    whole.restart.offer(lambda: None)
    installs = install_service(data)
    (data / "extensions").mkdir(parents=True, exist_ok=True)
    engine = Engine(whole.backend, made)
    yield replace(whole, backend=engine, extensions=shipped, installs=installs)
    installs.close()


@contextmanager
def getting(services, folder):
    """With a hub that has what the example fetches, and stops in the middle of it."""
    hub = Hub()
    file = "pytorch_lora_weights.safetensors"
    body = weights(folder, padding=3_000_000)
    hub.add("latent-consistency/lcm-lora-sdv1-5", {file: body})
    hub.faults.stall[file] = 1_000_000
    access = Access(hub=hub.address, token="", private=True)
    made = Downloads(services.settings.models_dir, folder / "records", access)
    try:
        yield replace(services, downloads=made)
    finally:
        made.close()
        hub.close()


class Shell:
    """Runs one example after the other in a shell that stops at the first thing that fails."""

    def __init__(self, folder):
        self.calls = folder / "calls"
        self.calls.write_text("")
        log = f'curl() {{ printf "%s\\n" "$*" | tr "\\n" " " >> {self.calls}; echo >> {self.calls}'
        self.bash = subprocess.Popen(
            ["bash", "-e", "-o", "pipefail"], cwd=folder, text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.bash.stdin.write(f'{log}; command curl "$@"; }}\n')

    def run(self, example):
        """What it printed."""
        self.bash.stdin.write(f'{example}\necho; echo "{END}"\n')
        self.bash.stdin.flush()
        said = []
        for line in self.bash.stdout:
            if line.strip() == END:
                return "".join(said)
            said.append(line)
        raise AssertionError(f"{example}\nended with\n{''.join(said)[-2000:]}")

    def close(self):
        self.bash.stdin.close()
        self.bash.stdout.close()
        self.bash.wait(20)

    def asked(self):
        """(method, path) of all that was asked for."""
        for line in self.calls.read_text().splitlines():
            [address] = re.findall(r"http://127\.0\.0\.1:\d+(/[^\s?]*)", line)
            method = re.search(r" -X (\w+)", line)
            sends = " -d " in line or "--data-binary" in line
            yield method[1] if method else "POST" if sends else "GET", address


def examples(page, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text("utf-8"), re.DOTALL)


@pytest.mark.timeout(240)
def test_every_example_of_the_api_works_and_every_address_has_one(ready, puppet, tmp_path):
    Image.new("RGB", (64, 64), "brown").save(tmp_path / "dog.png")
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    first, jobs, running, events, steps, begin, get, rest, extended = examples("api.md", "sh")
    with getting(ready, tmp_path) as ready, served(ready) as address:
        shell = Shell(tmp_path)
        try:
            assert '"version":"0.1.0"' in shell.run(first.replace(HOME, address))
            puppet.order("finish")
            told = shell.run(jobs)
            assert "event: Finished" in told and '"outcome":"done"' in told.replace(" ", "")
            with Image.open(tmp_path / "fox.png") as image:
                assert "a red fox\nSteps: 4" in image.text["parameters"]
            with Image.open(tmp_path / "second.png") as image:
                assert "Seed: 43" in image.text["parameters"]
            assert '"kind":"curl"' in told and '"sampler":"' in told
            shell.run(running)
            states = {job.id: job.state for job in ready.line.jobs()}
            assert states["hare-0001"] == "stopped"
            assert states["hare-0003"] == "cancelled" and "owl-00001" not in states
            puppet.order("finish", "finish")  # of the retry
            keep(ready, {"id": "fox-00001", "request": request_of(ready, "fox-00001")})
            shell.run(events)
            puppet.order(*["finish"] * 4, *["finish"] * 10)
            shell.run(steps)
            assert (tmp_path / "fox.gif").read_bytes().startswith(b"GIF8")
            told = shell.run(begin)
            assert '"strength":0.8' in told and '"mode":"RGB","notes":[]}' in told
            told = shell.run(get)
            assert '"choice":"pytorch_lora_weights.safetensors"' in told
            got = re.findall(r'"state":"(\w+)"', told)
            assert got[0] in ("waiting", "running") and got[1] == "paused" and len(got) == 3
            assert ready.downloads.all() == []
            beside = ready.settings.models_dir / "embeddings" / "foxy.png"
            beside.parent.mkdir(exist_ok=True)
            Image.new("RGB", (64, 64), "red").save(beside)
            told = shell.run(rest)
            assert (tmp_path / "foxy.jpg").read_bytes().startswith(b"\xff\xd8")
            assert '"name":"foxy"' in told
            told = shell.run(extended)
            assert [told.count(f'"state":"{each}"') for each in ("seen", "done")] == [2, 3]
            assert '{"rolled_back":"shout"}' in told and '{"removed":"shout"}' in told
            assert '"enabled":false,"pending":true' in told and '{"restarting":true}' in told
            asked = set(shell.asked())
        finally:
            shell.close()
        document = server.create(ready).openapi()["paths"]
    missing = {
        (method.upper(), path)
        for path, methods in document.items()
        for method in methods
        if path.startswith("/api/v1/") and not any(
            verb == method.upper() and re.fullmatch(pattern(path), place) for verb, place in asked
        )
    }  # fmt: skip
    assert missing == set()


def pattern(path):
    return path.replace("{path}", ".+").replace("{", "(?P<").replace("}", ">[^/]+)")


def request_of(services, job):
    from webui.request import to_dict

    return to_dict(services.line.job(job).request)


def test_the_example_for_assistants_works(ready, puppet, tmp_path, capsys):
    [example] = examples("mcp.md", "python")
    with_tools = replace(ready, settings=replace(ready.settings, mcp=True))
    puppet.order("finish")
    with served(with_tools) as address:
        exec(compile(example.replace(HOME, address), "docs/mcp.md", "exec"), {"__name__": "docs"})
    told = capsys.readouterr().out
    assert re.match(r"job: \w+\n\npicture 0:\na red fox in snow\nSteps: 4, ", told)


def test_every_address_stands_in_the_docs(client):
    text = (DOCS / "api.md").read_text("utf-8")
    shown = {
        path.removeprefix("/api/v1")
        for path in client.get("/api/v1/openapi.json").json()["paths"]
        if path.startswith("/api/v1")
    }
    for path in shown:
        first = path.split("/")[1]
        assert f"/{first}" in text, path
