"""The whole program as a person meets it: a server of its own process, and Chromium.

Nothing here reaches into the program. Every network address that the server's or the engine's
process looks up or connects to is written down by an audit hook, and every request of the page by
Chromium; a test that ends with a foreign one in the list fails.
"""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

expect.set_options(timeout=20_000)  # milliseconds; 5 s are little on two busy cores

ROOT = Path(__file__).parents[2]
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Loaded by every Python that has its folder on PYTHONPATH, before anything else.
_WATCHER = """
import os, sys
def watch(event, arguments):
    if event == "socket.connect":
        address = arguments[1]
        where = address[0] if isinstance(address, tuple) else str(address)
    elif event == "socket.getaddrinfo":
        where = arguments[0]
    else:
        return
    with open(os.environ["WATCHED"], "a") as file:
        file.write(f"{os.getpid()} {event} {where}\\n")
sys.addaudithook(watch)
"""
_LOCAL = {"127.0.0.1", "::1", "localhost", "None", ""}


@dataclass
class Server:
    """A running Darkroom with folders of its own."""

    folder: Path
    port: int
    options: tuple[object, ...] = ()  # further arguments, which go before those of start
    account: str = ""  # name:password, where it has a login
    models: Path = ROOT / "models"
    command: tuple[object, ...] = ("-m", "webui")  # of Python
    process: subprocess.Popen = field(init=False)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    def start(self) -> None:
        watcher = self.folder / "watcher"
        watcher.mkdir(exist_ok=True)
        (watcher / "sitecustomize.py").write_text(_WATCHER)
        arguments = {
            "--port": self.port,
            "--outputs": self.outputs,
            "--data-dir": self.folder / "data",
            "--models-dir": self.models,
            "--device": "cpu",
            "--threads": 1,
        }
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, *map(str, self.command)),
                    *(str(each) for pair in arguments.items() for each in pair),
                    *map(str, self.options),
                ],
                cwd=ROOT,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join([str(watcher), str(ROOT)]),
                    "WATCHED": str(self.folder / "watched"),
                },
                stdout=log,
                stderr=log,
            )
        try:
            self.wait(lambda: self.get("api/v1/health")["engine"]["state"] == "ready", 120)
        except BaseException:
            self.stop()  # nobody else knows of it yet
            raise

    def wait(self, true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                if true():
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError((self.folder / "server.log").read_text()[-3000:])

    def get(self, path: str) -> dict:
        asked = urllib.request.Request(f"{self.address}/{path}", headers=self.headers)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)

    @property
    def headers(self) -> dict[str, str]:
        """With which a program comes in."""
        coded = base64.b64encode(self.account.encode()).decode()
        return {"Authorization": f"Basic {coded}"} if self.account else {}

    def jobs(self) -> list[dict]:
        return self.get("api/v1/jobs")["jobs"]

    def job(self, job_id: str) -> dict:
        return self.get(f"api/v1/jobs/{job_id}")

    def finished(self, job_id: str, seconds: float = 60) -> dict:
        """The job, once it has ended."""
        self.wait(lambda: self.job(job_id)["finished"] is not None, seconds)
        return self.job(job_id)

    def picture(self, job: dict, number: int = 0) -> bytes:
        return (self.outputs / job["pictures"][number]["path"]).read_bytes()

    def engine_pid(self) -> int:
        """The engine is the one child of the server's process that runs webui.engine."""
        return next(
            pid for pid in _children(self.process.pid) if "webui.engine" in _command_line(pid)
        )

    def foreign(self) -> list[str]:
        """Look-ups and connections of server and engine that left this machine."""
        watched = self.folder / "watched"
        lines = watched.read_text().splitlines() if watched.exists() else []
        return [line for line in lines if line.split(" ", 2)[2] not in _LOCAL]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()  # so that it is in no other test's way; an ended one stays as it is
            self.process.wait()


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    threads = [Path(each) / "children" for each in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for each in threads for child in each.read_text().split()] or [
        int(child) for child in text.split()
    ]


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"), free_port())
    server.start()
    yield server
    assert server.foreign() == []
    assert server.stop() == 0


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server that the test may kill."""
    server = Server(tmp_path, free_port())
    server.start()
    yield server
    if server.process.poll() is None:
        server.stop()


@pytest.fixture(scope="package")  # Playwright's event loop must not outlive these tests
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("DARKROOM_CHROMIUM", "/usr/bin/chromium"),
            args=CHROMIUM_FLAGS,
        )
        yield browser
        browser.close()


class Tab:
    """The page in one browser tab, by what a person does there."""

    def __init__(self, page: Page, server: Server, login: tuple[str, str] | None = None) -> None:
        """`login`: name and password, where there is one."""
        self.page = page
        self.server = server
        if login:
            page.goto(f"{server.address}/login")
            page.fill("#name", login[0])
            page.fill("#password", login[1])
            page.click("button")
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        page.on("console", self._console)
        page.on("request", self._request)
        self.open()

    def _console(self, message: object) -> None:
        # "later": the page asks again; "cancel scope": Gradio's stream, of a server that restarts
        awaited = re.search("responded with a status of 503|via cancel scope", message.text)
        if message.type == "error" and not awaited:
            self.problems.append(f"console: {message.text}")

    def _request(self, request: object) -> None:
        if not re.match(rf"{self.server.address}/|data:|blob:", request.url):
            self.problems.append(f"left the machine: {request.url}")

    def open(self) -> None:
        with self._left():
            self.page.goto(self.server.address)
            # another tab may be open, as it was before a refresh
            self.page.wait_for_selector("#txt2img_generate", state="attached")
            self.page.wait_for_selector("#live[data-state]:not([data-state=''])")
            # the draft of the form is restored once the page is up; typing earlier would race it
            self.page.wait_for_function("document.documentElement.dataset.draft === 'ready'")

    def reload(self) -> None:
        with self._left():
            self.page.reload()
            self.page.wait_for_function("document.documentElement.dataset.draft === 'ready'")

    @contextmanager
    def _left(self) -> Iterator[None]:
        """While the page is left for another: Gradio says of its open streams that they end."""
        before = len(self.problems)
        yield
        left = re.compile("AbortError|errored out")
        self.problems[before:] = [each for each in self.problems[before:] if not left.search(each)]

    @property
    def live(self) -> Locator:
        return self.page.locator("#live")

    def fill(self, element: str, value: object) -> None:
        box = self.page.locator(f"#{element}").locator(
            "textarea, input[type=number], input:not([type=range])"
        )
        box.first.fill(str(value))
        box.first.press("Tab")

    def value(self, element: str) -> str:
        box = self.page.locator(f"#{element}").locator(
            "textarea, input[type=number], input:not([type=range])"
        )
        return box.first.input_value()

    def choose(self, element: str, value: str) -> None:
        self.page.locator(f"#{element} input").click()
        self.page.get_by_role("option", name=value, exact=True).click()

    def generate(self) -> str:
        """Clicks Generate; the id of the job that it made."""
        before = {job["id"] for job in self.server.jobs()}
        self.page.click("#txt2img_generate")
        self.server.wait(lambda: {job["id"] for job in self.server.jobs()} != before, 10)
        (new,) = {job["id"] for job in self.server.jobs()} - before
        return new

    def wait_for(self, job_id: str, state: str, seconds: float = 60) -> None:
        self.page.wait_for_selector(
            f"#live[data-job='{job_id}'][data-state='{state}']", timeout=seconds * 1000
        )

    def wait_for_step(self, job_id: str, step: int) -> None:
        self.page.wait_for_function(
            """([job, step]) => {
                const live = document.querySelector("#live");  // not there while a page loads
                return live && live.dataset.job === job && Number(live.dataset.step) >= step;
            }""",
            arg=[job_id, step],
            timeout=30_000,
        )

    def pixels(self, element: str) -> str:
        """What an <img> shows, as a digest of its pixels."""
        return self.page.evaluate(
            """async (id) => {
                const image = document.getElementById(id);
                // decode() fails if a newer frame takes the place meanwhile: then that one is meant
                for (let tries = 0; ; tries += 1) {
                    const failed = await image.decode().then(() => null, (error) => error);
                    if (!failed) break;
                    if (tries > 20) throw failed;
                    await new Promise((done) => setTimeout(done, 50));
                }
                const canvas = document.createElement("canvas");
                canvas.width = image.naturalWidth;
                canvas.height = image.naturalHeight;
                const context = canvas.getContext("2d");
                context.drawImage(image, 0, 0);
                const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
                let hash = 0;
                for (const value of data) hash = (hash * 31 + value) | 0;
                return `${canvas.width}x${canvas.height}:${hash}`;
            }""",
            element,
        )


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Opens the page in a browser profile of its own; problems of any of them fail the test."""
    contexts, tabs = [], []

    def open_it(server: Server, login: tuple[str, str] | None = None, **options: object) -> Tab:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        contexts.append(context)
        tabs.append(Tab(context.new_page(), server, login))
        return tabs[-1]

    yield open_it
    problems = [problem for tab in tabs for problem in tab.problems]
    for context in contexts:
        context.close()
    assert problems == []
