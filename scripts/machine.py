"""What this machine has: disk space, a free port, a card, a screen, a browser for the tests.

Knows nothing of packages; says what is missing as a StartError of one sentence.
"""

import errno
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from webui.errors import StartError

GB = 10**9


def require_space(folder: Path, needed: int, free: Callable[[Path], int]) -> None:
    """Raises StartError unless the disk of `folder` has `needed` bytes."""
    there = free(folder)
    if there < needed:
        raise StartError(
            f"the set-up needs about {needed / GB:.0f} GB in {folder}, and {there / GB:.1f} GB "
            "are free; make room there, or move this folder to a bigger disk"
        )


def free_space(folder: Path) -> int:
    """Bytes free on the disk of `folder`."""
    return shutil.disk_usage(folder).free


def require_port(host: str, port: int) -> None:
    """Raises StartError if something else listens at `port`; 0 stands for any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # on Windows it would let two servers share a port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartError(
                    f"port {port} of {host} is in use (is Darkroom already running?); "
                    f"choose another: python launch.py --port {port % 65535 + 1}"
                ) from error
            raise StartError(f"cannot serve at {host}:{port}: {error.strerror}") from error


def card(exists: Callable[[str], bool], which: Callable[[str], str | None]) -> str | None:
    """The make of the graphics card that torch could use with the right build of it."""
    if exists("/proc/driver/nvidia/gpus") or which("nvidia-smi"):
        return "NVIDIA"
    return "AMD" if exists("/dev/kfd") else None


def card_advice(make: str | None, build: str) -> str | None:
    """What to do about a card that torch's build ("cuda 13.0", "hip 7.1", "cpu") cannot use."""
    fitting = {"NVIDIA": "cuda", "AMD": "hip"}
    if make is None or build.startswith(fitting[make]):
        return None
    name = {"NVIDIA": "CUDA", "AMD": "ROCm"}[make]
    return (
        f"This machine has an {make} card, and the installed torch ({build}) cannot use it. "
        "To use the card: python launch.py --torch-index ADDRESS, with the address that "
        f'pytorch.org shows after --index-url under "Get Started" for your system and {name}.'
    )


def has_display(system: str, environ: Mapping[str, str]) -> bool:
    """Whether a browser that is opened here would be seen."""
    if environ.get("CI"):
        return False
    if system == "linux":
        return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))
    return "SSH_CONNECTION" not in environ


def chromium(
    which: Callable[[str], str | None], exists: Callable[[str], bool], environ: Mapping[str, str]
) -> str | None:
    """The path of a Chromium (or Chrome, or Edge) that is installed."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    folders = [environ.get(name, "") for name in ("PROGRAMFILES", "PROGRAMFILES(X86)")]
    places = ["/Applications/Chromium.app/Contents/MacOS/Chromium"]
    places += ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
    places += [f"{folder}\\Google\\Chrome\\Application\\chrome.exe" for folder in folders]
    places += [f"{folder}\\Microsoft\\Edge\\Application\\msedge.exe" for folder in folders]
    on_path = next((path for name in names if (path := which(name))), None)
    return on_path or next((place for place in places if exists(place)), None)


def require_chromium(
    environ: Mapping[str, str],
    *,
    install: bool,
    which: Callable[[str], str | None] = shutil.which,
    exists: Callable[[str], bool] = os.path.exists,
) -> str:
    """A browser for the tests; with `install`, Debian's package if there is none yet."""
    found = chromium(which, exists, environ)
    if found is None and install and which("apt-get"):
        print("Installing Chromium for the tests (about 100 MB, by apt-get)", flush=True)
        command = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium"]
        quiet = {**environ, "DEBIAN_FRONTEND": "noninteractive"}
        for each in (["apt-get", "update", "-q"], command):
            if subprocess.run(each, stdout=subprocess.DEVNULL, env=quiet).returncode != 0:
                raise StartError(f"`{' '.join(each)}` failed; what it said stands above")
        found = which("chromium")
    if found is None:
        raise StartError(
            "the tests need Chromium, and there is none: install Chromium or Chrome "
            "(on Debian: python launch.py test --install-browser, as root)"
        )
    return found
