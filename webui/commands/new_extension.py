"""`new-extension`: a folder with a working extension, its test and its README.

    python launch.py new-extension NAME [--into FOLDER]

Imports the standard library alone: it asks for no set-up and no server.
"""

import argparse
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from webui import extension_ids, settings
from webui.errors import InvalidRequest, NotSaved

COMMAND = "new-extension"
_TEMPLATE = Path(__file__).parent / "template"
_ROOT = Path(__file__).resolve().parents[2]
_FILES = ("extension.toml", "server.py", "engine.py", "README.md", "test_example.py")


def main(argv: Sequence[str], environ: Mapping[str, str], here: Path, python: Path) -> str:
    """Makes it; returns what to tell. `here` is where the user is, `python` what runs the tests.

    Raises InvalidRequest or StartError for what is wrong with the arguments, NotSaved.
    """
    given = parser().parse_args(argv)
    told = ["--data-dir", given.data_dir] if "data_dir" in given else []
    own = settings.read(told, environ).data_dir.absolute() / "extensions"
    folder = made(given.name, here / given.into if given.into else own)
    return _steps(folder, python, installed=folder.parent.resolve() == own.resolve())


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"launch.py {COMMAND}",
        usage=f"python launch.py {COMMAND} NAME [--into FOLDER]",
        description="Makes the folder of a working extension, to be changed into yours; "
        "docs/extensions.md says how.",
        allow_abbrev=False,
    )
    parser.add_argument("name", metavar="NAME", help="its id: small letters, digits, '_'")
    parser.add_argument(
        "--into", metavar="FOLDER", help="where its folder is made (default: among the installed)"
    )
    parser.add_argument(
        "--data-dir", metavar="X", default=argparse.SUPPRESS, help="the server's, if not the usual"
    )
    return parser


def made(name: str, into: Path) -> Path:
    """The folder `into`/`name`; whole, or not there. Raises InvalidRequest, NotSaved."""
    if problem := extension_ids.problem(name):
        near = extension_ids.near(name)
        raise InvalidRequest("NAME", problem + (f"; try {near}" if near else ""))
    folder = into / name
    if folder.exists() or folder.is_symlink():
        raise InvalidRequest("NAME", f"{folder} is there already; choose another name")
    if (_ROOT / "extensions" / name).exists():
        raise InvalidRequest("NAME", f"{name!r} is an extension that ships; choose another name")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=into) as place:
            part = Path(place, name)
            part.mkdir()
            for each in _FILES:
                text = _named((_TEMPLATE / each).read_text("utf-8"), name)
                (part / _named(each, name)).write_text(text, "utf-8", newline="\n")
            part.rename(folder)
    except OSError as error:
        raise NotSaved(f"{folder} cannot be made: {error.strerror or error}") from error
    return folder


def _named(text: str, name: str) -> str:
    title = name.replace("_", " ").strip().capitalize()
    return text.replace("example", name).replace("Example", title)


def _steps(folder: Path, python: Path, *, installed: bool) -> str:
    """What to do next, in lines that can be typed."""
    # from any folder: with the settings of the project's own tests, which say where `webui` is
    test = f"{python} -m pytest -c {_ROOT / 'pyproject.toml'} {shlex.quote(str(folder))}"
    first = "" if installed else "put it into the data folder's extensions/, then "
    return (
        f"Made {folder}\n"
        "  extension.toml   what it is and which hooks it has\n"
        "  server.py        its controls, and what it changes of a request\n"
        "  engine.py        what it does to a picture\n"
        f"  test_{folder.name}.py, README.md\n"
        "Next:\n"
        f"  {test}\n"
        "                   runs its test; without pytest, `python launch.py test` sets it up\n"
        f"  {first}python launch.py\n"
        f"                   starts with it: there is a fold {_named('Example', folder.name)!r} on "
        "the generating tabs\n"
        "docs/extensions.md is the tutorial and lists the hooks.\n"
    )
