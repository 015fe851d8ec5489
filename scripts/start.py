"""`python launch.py` as a straight line: arguments, set-up, then the server or the checks.

Imports the standard library alone, and of webui only what does so too.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from scripts import machine
from scripts.environment import Environment, ensure, wanted
from scripts.supervisor import Limits, supervise
from webui import settings
from webui.commands import new_extension, options
from webui.errors import DarkroomError
from webui.restarting import SUPERVISED

USAGE = """python launch.py [options]                sets up what is missing, then serves
       python launch.py generate "a red fox" [options] --out fox.png
       python launch.py batch FILE [options]     pictures without the page; --help says more
       python launch.py new-extension NAME       makes the folder of an extension to begin with
       python launch.py setup [set-up options]   sets up alone
       python launch.py test [set-up options] [pytest arguments]
                                                 sets up the tests too, and runs every check"""


def main(argv: Sequence[str], environ: Mapping[str, str], root: str) -> int:
    """Returns the exit code; an error that was foreseen is one sentence on stderr."""
    here = os.getcwd()
    os.chdir(root)  # folders in the settings count from the project's
    try:
        if argv and argv[0] in options.COMMANDS:
            return _command(argv, environ, Path(root), here)
        if argv and argv[0] == new_extension.COMMAND:
            python = Environment(Path(root) / ".venv").python
            print(new_extension.main(argv[1:], environ, Path(here), python), end="")
            return 0
        return _run(argv, environ, Path(root))
    except DarkroomError as error:
        print(f"darkroom: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; the next start goes on from here.", file=sys.stderr)
        return 130


def _run(argv: Sequence[str], environ: Mapping[str, str], root: Path) -> int:
    command = argv[0] if argv and argv[0] in ("setup", "test") else "serve"
    chosen, rest = set_up_parser().parse_known_args(argv[command != "serve" :])
    if {"-h", "--help"} & set(rest):
        help_parser().print_help()
        return 0
    if command == "test":
        return _test(chosen, rest, environ, root)
    if command == "serve":
        help_parser().parse_args(rest)
        return _serve(chosen, rest, environ, root)
    if rest:
        help_parser().error(f"setup does not know {rest[0]}")
    if not _set_up(root, chosen):
        _say("The set-up is complete already")
    return 0


def set_up_parser() -> argparse.ArgumentParser:
    """The options of the set-up itself; all others are the server's or pytest's."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    group = parser.add_argument_group("set-up options")
    group.add_argument(
        "--torch-index",
        metavar="ADDRESS",
        help="package index to take torch from, for another card than pip's own choice is made "
        'for; remembered, until "default"',
    )
    group.add_argument(
        "--install-browser",
        action="store_true",
        help="with test: install Debian's Chromium if there is none",
    )
    return parser


def help_parser() -> argparse.ArgumentParser:
    """Every option there is: the server's and the set-up's."""
    server = settings.parser()
    return argparse.ArgumentParser(
        prog="launch.py",
        usage=USAGE,
        description=server.description,
        epilog=f"{server.epilog} Folders count from the project's own. Where there is a screen, "
        "the page is opened in a browser unless something was said of --open-browser.",
        parents=[server, set_up_parser()],
        add_help=False,  # the server's parser brings it
        allow_abbrev=False,
    )


def _set_up(root: Path, chosen: argparse.Namespace, locks: Sequence[str] = ("run",)) -> bool:
    """Returns whether there was anything to do."""
    environment = Environment(root / ".venv")
    make = machine.card(os.path.exists, shutil.which)
    before = environment.stamp()
    index = chosen.torch_index or (before.torch_index if before else None)
    stamp = wanted(locks, None if index == "default" else index)
    cuda = make == "NVIDIA" and sys.platform == "linux"
    started = time.monotonic()
    worked = ensure(environment, stamp, _say, needed=(10 if cuda else 3) * machine.GB)
    if worked:
        _say(f"The set-up is complete ({time.monotonic() - started:.0f} s)")
    if advice := machine.card_advice(make, environment.torch_build()):
        _say(advice)
    return worked


def _test(
    chosen: argparse.Namespace, rest: Sequence[str], environ: Mapping[str, str], root: Path
) -> int:
    browser = machine.require_chromium(
        environ, install=chosen.install_browser or bool(environ.get("CI"))
    )
    _set_up(root, chosen, ("run", "test"))
    command = [str(Environment(root / ".venv").python), "-m", "scripts.checks", *rest]
    for_tests = {"OMP_NUM_THREADS": "1", "DARKROOM_CHROMIUM": browser}
    return subprocess.run(command, cwd=root, env={**environ, **for_tests}).returncode


def _command(argv: Sequence[str], environ: Mapping[str, str], root: Path, here: str) -> int:
    """`generate` and `batch`: they run in the folder `here`, where their files are looked for."""
    asked = options.read(argv)  # a mistake is said before the set-up, not after
    settings.read(asked.settings, environ)
    with redirect_stdout(sys.stderr):  # on stdout stand the pictures alone
        _set_up(root, argparse.Namespace(torch_index=None))
    command = [str(Environment(root / ".venv").python), "-P", "-m", "webui.commands", *argv]
    path = os.pathsep.join(each for each in (str(root), environ.get("PYTHONPATH")) if each)
    with subprocess.Popen(command, cwd=here, env={**environ, "PYTHONPATH": path}) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # the command has had Ctrl+C too, and cancels its job


def _serve(
    chosen: argparse.Namespace, rest: Sequence[str], environ: Mapping[str, str], root: Path
) -> int:
    given = settings.read(rest, environ)  # a mistake is said before the set-up, not after
    if given.port:
        machine.require_port(given.host, given.port)
    _set_up(root, chosen)
    show = not browser_is_settled(rest, environ, given)
    show = show and machine.has_display(sys.platform, environ)
    shown, hidden = settings.hide(rest)
    server = [str(Environment(root / ".venv").python), "-u", "-m", "webui", *shown]

    def command(starts: int, safe: bool) -> list[str]:
        browser = ["--no-open-browser"] if starts else ["--open-browser"] if show else []
        return [*server, *browser, *(["--safe-mode"] if safe else [])]

    with tempfile.TemporaryDirectory(prefix="darkroom-") as place:
        ready = Path(place, "ready")
        told = {**environ, **hidden, SUPERVISED: str(ready)}
        return supervise(command, root, Limits(), _say, told, ready)


def browser_is_settled(
    rest: Sequence[str], environ: Mapping[str, str], given: settings.Settings
) -> bool:
    """Whether the person said anything of it: in the arguments, the environment or webui.toml."""
    if {"--open-browser", "--no-open-browser"} & set(rest):
        return True
    if environ.get(f"{settings.PREFIX}OPEN_BROWSER"):
        return True
    file = given.data_dir / settings.FILE
    return file.exists() and "open_browser" in tomllib.loads(file.read_text("utf-8"))


def _say(text: str) -> None:
    print(text, flush=True)
