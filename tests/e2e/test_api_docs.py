"""Every example of docs/api.md is run by a shell, one after the other, at the program as a person
starts it: a process of its own, with its engine and the model that ships. So is docs/mcp.md's."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from tests.e2e.conftest import ROOT, Server, free_port
from tests.hub import Hub
from tests.test_downloads import weights
from webui.restarting import SUPERVISED
from webui.settings import RESTART_EXIT_CODE

DOCS = ROOT / "docs"
HOME = "http://127.0.0.1:7860"
END = "the example is over"
FILE = "pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """With models of its own and a hub that has what the example fetches, and stops in the middle
    of it; started by somebody who would start it again."""
    folder, hub = tmp_path_factory.mktemp("program"), Hub()
    shutil.copytree(ROOT / "models", folder / "models")
    hub.add("latent-consistency/lcm-lora-sdv1-5", {FILE: weights(folder, padding=3_000_000)})
    hub.faults.stall[FILE] = 1_000_000
    options = ("--hub", hub.address, "--private-downloads", "--mcp")
    program = Server(folder, free_port(), options, models=folder / "models")
    try:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv(SUPERVISED, str(folder / "ready"))
            program.start()
        yield program
    finally:
        if program.process.poll() is None:
            program.stop()
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
def test_the_example_for_assistants_works(program):
    [example] = examples("mcp.md", "python")
    # in a process of its own, as an assistant's: here a loop of Playwright's may run already
    done = subprocess.run(
        [sys.executable, "-c", example.replace(HOME, program.address)],
        capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"job: \w+\n\npicture 0:\na red fox in snow\nSteps: 4, ", done.stdout)


@pytest.mark.timeout(240)
def test_what_other_pages_ask_with_curl_is_answered(program, tmp_path):
    """README's job, an embedding, and a picture by A1111's API, drawn small."""
    [body] = re.findall(r"```json\n(.*?)```", (DOCS / "sdapi.md").read_text("utf-8"), re.DOTALL)
    small = {"steps": 2, "width": 64, "height": 64}
    (tmp_path / "fox.json").write_text(json.dumps(json.loads(body) | small))
    said = {}
    for name in ("README.md", "docs/embeddings.md", "docs/sdapi.md"):
        [block] = re.findall(r"```\n(curl .*?)```", (ROOT / name).read_text("utf-8"), re.DOTALL)
        call = re.sub(r"(http://127\.0\.0\.1|localhost):7860", program.address, block)
        call = call.replace("curl ", "curl -sS --fail-with-body ", 1)
        done = subprocess.run(["bash", "-c", call], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), f"{name}: {done.stdout}"
        said[name] = json.loads(done.stdout)
    assert said["README.md"]["state"] in ("queued", "running")
    assert said["docs/embeddings.md"]["embedding"]["name"] == "catpanda"
    assert len(said["docs/sdapi.md"]["images"]) == 1


@pytest.mark.timeout(400)
def test_every_example_of_the_api_works_and_every_address_has_one(program, tmp_path):
    Image.new("RGB", (64, 64), "brown").save(tmp_path / "dog.png")
    Image.new("L", (64, 64), 255).save(tmp_path / "mask.png")
    first, jobs, running, events, steps, begin, get, rest, extended = examples("api.md", "sh")
    document = program.get("api/v1/openapi.json")["paths"]
    shipped = {each["id"] for each in program.get("api/v1/extensions")["extensions"]}
    shell = Shell(tmp_path)
    try:
        assert '"version":"0.1.0"' in shell.run(first.replace(HOME, program.address))
        told = shell.run(jobs)
        assert "event: Finished" in told and '"outcome":"done"' in told.replace(" ", "")
        with Image.open(tmp_path / "fox.png") as image:
            assert "a red fox\nSteps: 4" in image.text["parameters"]
        with Image.open(tmp_path / "second.png") as image:
            assert "Seed: 43" in image.text["parameters"]
        assert '"kind":"curl"' in told and '"sampler":"' in told
        shell.run(running)
        states = {job["id"]: job["state"] for job in program.jobs()}
        assert states["hare-0001"] == "stopped"
        assert states["hare-0003"] == "cancelled" and "owl-00001" not in states
        shell.run(events)
        shell.run(steps)
        assert (tmp_path / "fox.gif").read_bytes().startswith(b"GIF8")
        told = shell.run(begin)
        assert '"strength":0.8' in told and '"mode":"RGB","notes":[]}' in told
        told = shell.run(get)
        assert f'"choice":"{FILE}"' in told
        got = re.findall(r'"state":"(\w+)"', told)
        assert got[0] in ("waiting", "running") and got[1] == "paused" and len(got) == 3
        assert program.get("api/v1/downloads")["downloads"] == []
        beside = program.models / "embeddings" / "foxy.png"
        beside.parent.mkdir(exist_ok=True)
        Image.new("RGB", (64, 64), "red").save(beside)
        told = shell.run(rest)
        assert (tmp_path / "foxy.jpg").read_bytes().startswith(b"\xff\xd8")
        assert '"name":"foxy"' in told
        told = shell.run(extended)
        assert [told.count(f'"state":"{each}"') for each in ("seen", "done")] == [2, 3]
        assert '{"rolled_back":"shout"}' in told and '{"removed":"shout"}' in told
        assert '"enabled":false,"pending":true' in told and '{"restarting":true}' in told
        assert program.process.wait(60) == RESTART_EXIT_CODE
        asked = set(shell.asked())
    finally:
        shell.close()
    missing = {
        (method.upper(), path)
        for path, methods in document.items()
        for method in methods
        if path.startswith("/api/v1/") and not any(
            verb == method.upper() and re.fullmatch(pattern(path), place) for verb, place in asked
        )
    }  # fmt: skip
    # what extensions have for themselves stands with them
    own = {pair for pair in missing if shipped & set(pair[1].split("/")[4:5])}
    assert missing - own == set()


def pattern(path):
    return path.replace("{path}", ".+").replace("{", "(?P<").replace("}", ">[^/]+)")
