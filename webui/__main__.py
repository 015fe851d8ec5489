"""The server process: arguments -> settings -> app -> serve, until it is asked to end."""

import gc
import os
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psutil
import uvicorn

from webui import app, connections, data_folder, settings
from webui.errors import DarkroomError, ExtensionError, StartError
from webui.restarting import SUPERVISED
from webui.settings import Settings

_CANNOT_START = 2  # exit code: as asked it never will
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # and what to call it on this computer


def main(argv: Sequence[str], *, noted: bool = True) -> int:
    """Returns the exit code. Whatever was foreseen is one sentence on stderr.

    `noted`: a note in the data folder says where it is, for programs that look for a server.
    """
    try:
        wanted = settings.read(argv)
        with _bound(wanted) as listening:
            return _serve(wanted, listening, noted)
    except DarkroomError as error:
        sys.stderr.write(f"darkroom: {error}\n")
        # without extensions it may start: launch.py tries that next
        return 1 if isinstance(error, ExtensionError) else _CANNOT_START
    except KeyboardInterrupt:
        return 0


def _serve(wanted: Settings, listening: socket.socket, noted: bool) -> int:
    application = app.build(wanted)
    gc.freeze()  # what there is by now stays: looking through it for garbage takes 0.3 s each time
    port = listening.getsockname()[1]
    address = _address(wanted.host, port)

    supervised = settings.environment().get(SUPERVISED)

    def ready() -> None:
        if supervised:
            Path(supervised).touch()
        if noted:
            outputs = str(wanted.outputs.absolute())
            note = data_folder.Note(address, application.services.server_id, outputs)
            data_folder.leave_note(wanted.data_dir, note)
        _say(f"Darkroom is at {address}\nLog file: {application.log_path}\n")
        for each in _network_addresses(wanted.host, port):
            _say(f"On the network: {each}\n")
        if wanted.open_browser:
            threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

    server = _Server(_config(wanted, application), ready, application.services.line.hang_up)
    if supervised:
        application.services.restart.offer(partial(setattr, server, "should_exit", True))
    # uvicorn raises the signal that ended it again when all is closed
    signal.signal(signal.SIGTERM, _end)
    try:
        server.run(sockets=[listening])
    finally:
        if noted:
            data_folder.take_note_away(wanted.data_dir)
        application.close()  # once more does nothing
    if application.services.restart.asked:
        return settings.RESTART_EXIT_CODE
    return 0 if server.started else 1


def _config(wanted: Settings, application: app.Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        log_level="warning",
        http=connections.protocol(connections.affordable()),
        backlog=128,  # so many are let in before any is counted
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
        lifespan="on",
        # whose word on the client's address and on https is taken; nobody's unless named
        proxy_headers=bool(wanted.trusted_proxies),
        forwarded_allow_ips=list(wanted.trusted_proxies),
    )


class _Server(uvicorn.Server):
    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], ending: Callable[[], None]
    ) -> None:
        """`ending()` is called before open connections are waited for."""
        super().__init__(config)
        self._ready = ready
        self._ending = ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._ending()
        await super().shutdown(sockets)


def _end(_signal: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0)


def _bound(wanted: Settings) -> socket.socket:
    """Before anything else starts. Raises StartError if the port is in use."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            wanted.host, wanted.port, type=socket.SOCK_STREAM
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"--host {wanted.host}: {error.strerror or error}") from error
    try:
        if os.name == "posix":  # on Windows it would let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        listening.close()
        raise StartError(
            f"port {wanted.port} of {wanted.host} cannot be used ({error.strerror}); is Darkroom "
            f"running already? Open {_address(wanted.host, wanted.port)}, or give another --port"
        ) from error
    return listening


def _address(host: str, port: int) -> str:
    """To type into a browser of this computer."""
    host = _EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _network_addresses(host: str, port: int) -> list[str]:
    """Where others reach a server that listens everywhere: this computer's own IPv4 addresses."""
    if host not in _EVERYWHERE:
        return []
    found = [each for card in psutil.net_if_addrs().values() for each in card]
    own = [each.address for each in found if each.family == socket.AF_INET]
    return [f"http://{each}:{port}" for each in own if not each.startswith("127.")]


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
