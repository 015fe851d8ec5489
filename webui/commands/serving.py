"""The server of a command: the one that is named, else the one that runs, else one of its own."""

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import webui
from webui import data_folder, settings
from webui.client import Client, NotAllowed, ServerUnreachable
from webui.commands.options import Asked
from webui.commands.progress import Progress
from webui.errors import InvalidRequest, StartError

ROOT = Path(webui.__file__).parents[1]  # folders in the settings count from it
_READY = "Darkroom is at "
_ENDING = 20.0  # seconds that a server of our own may take to end
# so that Ctrl+C reaches the command alone, which then cancels its job
_APART: Mapping[str, Any] = (
    {"creationflags": 0x200} if os.name == "nt" else {"start_new_session": True}
)
_TRYING = 5.0  # seconds in which a server that runs says so


@dataclass(frozen=True, slots=True)
class Reached:
    client: Client
    outputs: Path | None  # its folder of pictures, where that is on this computer


@contextmanager
def reached(asked: Asked, environ: Mapping[str, str], progress: Progress) -> Iterator[Reached]:
    """Raises StartError, ServerUnreachable, NotAllowed, InvalidRequest."""
    login = _login(asked.login or environ.get("DARKROOM_LOGIN"))
    named = asked.server or environ.get("DARKROOM_SERVER")
    if named:
        with Client(named, login=login, owner="command-line") as client:
            client.health()
            yield Reached(client, None)
        return
    with chdir(ROOT):
        wanted = settings.read(asked.settings)
    if running := _running(wanted.data_dir, login):
        with running.client:
            yield running
        return
    progress.say("starting Darkroom for this")
    with _own(asked, environ) as client:
        yield Reached(client, wanted.outputs)


def _running(data_dir: Path, login: tuple[str, str] | None) -> Reached | None:
    """Of the data folder. Raises NotAllowed if it wants another login."""
    note = data_folder.find_note(data_dir)
    if note is None or not data_folder.is_held(data_dir):
        return None
    client = Client(note.address, login=login, timeout=_TRYING, owner="command-line")
    try:
        there = client.health()["server"] == note.server
    except NotAllowed as error:
        client.close()
        text = f"{note.address} wants a login ({error}): give --login, or set DARKROOM_LOGIN"
        raise NotAllowed(error.status, text) from None
    except ServerUnreachable:  # it was killed, or something else is there now
        there = False
    client.close()
    if not there:
        return None
    outputs = Path(note.outputs) if note.outputs else None
    return Reached(Client(note.address, login=login, owner="command-line"), outputs)


@contextmanager
def _own(asked: Asked, environ: Mapping[str, str]) -> Iterator[Client]:
    """Started on a free port of this computer, for this command alone: nobody else has its login.

    Raises StartError; what the server says of it stands on stderr.
    """
    login = ("command", secrets.token_urlsafe(32))
    arguments, hidden = settings.hide(asked.settings)
    arguments += ["--host=127.0.0.1", "--port=0", "--no-listen", "--no-open-browser"]
    process = subprocess.Popen(
        [sys.executable, "-P", "-u", "-m", "webui.commands.alone", *arguments],
        cwd=ROOT,
        env={
            **environ,
            **hidden,
            "DARKROOM_API_AUTH": ":".join(login),
            "PYTHONPATH": settings.PATH_SEPARATOR.join([str(ROOT), environ.get("PYTHONPATH", "")]),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **_APART,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        said = process.stdout.readline()
        if not said.startswith(_READY):
            raise StartError("Darkroom could not be started for this; what it said stands above")
        address = said.removeprefix(_READY).strip()
        with Client(address, login=login, owner="command-line") as client:
            yield client
    finally:
        process.stdin.close()
        try:
            process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _login(given: str | None) -> tuple[str, str] | None:
    """Raises InvalidRequest."""
    if not given:
        return None
    name, colon, password = given.partition(":")
    if not colon or not name:
        raise InvalidRequest("--login", "must be name:password")
    return name, password
