"""Arguments > environment (DARKROOM_X) > webui.toml in the data folder > defaults.

The only reader of os.environ. Imports nothing but the standard library, so that `launch.py` can
show `--help` and read the settings under a bare Python.
"""

import argparse
import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.errors import StartError

RESTART_EXIT_CODE = 75  # the server ends with it to be started again by launch.py
PREFIX = "DARKROOM_"
FILE = "webui.toml"
PATH_SEPARATOR = os.pathsep  # in PYTHONPATH


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What does not change the pixels; paths are absolute."""

    host: str
    port: int  # 0: any free one
    data_dir: Path  # jobs, log, trajectories, temp
    outputs: Path
    image_format: str  # png, jpeg, webp or avif
    image_quality: int  # 1 to 100, of what is not png
    models_dir: Path
    device: str
    dtype: str
    threads: int  # of torch; 0: as torch chooses
    open_browser: bool
    safe_mode: bool  # nothing but what ships is loaded
    host_names: tuple[str, ...]  # further names under which browsers may reach the server
    max_waiting: int  # jobs
    trajectory_quota: int  # bytes; 0 keeps nothing after the run
    max_pixels: int  # width x height x batch size of a request

    @property
    def temp_dir(self) -> Path:
        """Uploads and Gradio's copies."""
        return self.data_dir / "temp"


# --- what a value may be: each raises ValueError saying what would work --------------------------


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text")
    return value.strip()


def _path(value: object) -> Path:
    return Path(_text(value)).expanduser().absolute()


def _names(value: object) -> tuple[str, ...]:
    """A list, or one text with commas."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence):
        raise ValueError("must be a list of names")
    return tuple(_text(part) for part in parts)


def _flag(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    word = str(value).lower()
    if word not in words:
        raise ValueError(f"must be one of {', '.join(words)}")
    return words[word]


def _number(minimum: int, maximum: int) -> Callable[[object], int]:
    def number(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("must be a whole number")
        try:
            whole = int(value)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not minimum <= whole <= maximum:
            raise ValueError(f"must be from {minimum} to {maximum}")
        return whole

    return number


def _loopback(value: object) -> str:
    """Until there is a login, nobody else may reach the server."""
    host = _text(value).strip("[]")
    try:
        local = host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise ValueError(
            "would open the server to the network, which needs a login, and there is none yet; "
            "use 127.0.0.1"
        )
    return host.lower()


def _one_of(*choices: str) -> Callable[[object], str]:
    def one(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return one


def _device(value: object) -> str:
    """The engine knows which there are; here only what could be one."""
    text = _text(value)
    kind, _, index = text.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps", "xpu") or (index and not index.isdigit()):
        raise ValueError("must be auto, cpu, cuda, cuda:0, mps or xpu")
    return text


@dataclass(frozen=True, slots=True)
class _Option:
    name: str
    read: Callable[[object], Any]
    default: object
    help: str


_OPTIONS = (
    _Option("host", _loopback, "127.0.0.1", "address to serve at; of this computer only"),
    _Option("port", _number(0, 65535), 7860, "port to serve at; 0 takes any free one"),
    _Option("data_dir", _path, "outputs/.darkroom", "folder of jobs, log, trajectories, temp"),
    _Option("outputs", _path, "outputs", "folder that pictures are saved in"),
    _Option(
        "image_format",
        _one_of("png", "jpeg", "webp", "avif"),
        "png",
        "png, jpeg, webp or avif: what pictures are saved as",
    ),
    _Option("image_quality", _number(1, 100), 90, "1 to 100, for jpeg, webp and avif"),
    _Option("models_dir", _path, "models", "folder with checkpoints/ in it"),
    _Option("device", _device, "auto", "auto, cpu, cuda, cuda:1, mps, ..."),
    _Option(
        "dtype",
        _one_of("auto", "fp32", "fp16", "bf16"),
        "auto",
        "auto, fp32, fp16 or bf16",
    ),
    _Option("threads", _number(0, 1024), 0, "CPU threads of the engine; 0: as torch chooses"),
    _Option("open_browser", _flag, False, "show the page in a browser when it is ready"),
    _Option("safe_mode", _flag, False, "load nothing but what ships: no installed extension"),
    _Option("host_names", _names, (), "further host names to answer to, with commas between"),
    _Option("max_waiting", _number(1, 1_000_000), 10_000, "jobs that may wait in the line"),
    _Option(
        "trajectory_quota",
        _number(0, 2**60),
        4 * 2**30,
        "bytes of steps to keep on disk, oldest out; 0 keeps none after the run",
    ),
    _Option(
        "max_pixels",
        _number(64 * 64, 2**40),
        2048 * 2048 * 4,
        "most pixels at once: width x height x batch size",
    ),
)


def parser() -> argparse.ArgumentParser:
    """All arguments; those not given are absent from the result."""
    parser = argparse.ArgumentParser(
        prog="darkroom",
        description="Pictures from text, with Stable Diffusion, in a browser.",
        epilog=f"Each can also be set as an environment variable ({PREFIX}PORT=7861) or in "
        f"{FILE} in the data folder (port = 7861).",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    for option in _OPTIONS:
        name = "--" + option.name.replace("_", "-")
        shown = ",".join(option.default) if isinstance(option.default, tuple) else option.default
        text = f"{option.help} (default: {'none' if shown == '' else shown})".replace("%", "%%")
        if option.read is _flag:
            parser.add_argument(name, action=argparse.BooleanOptionalAction, help=text)
        else:
            parser.add_argument(name, metavar="X", help=text)
    return parser


def read(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> Settings:
    """`environ` is the process's own unless given. Raises StartError naming what is wrong where."""
    environ = os.environ if environ is None else environ
    arguments = vars(parser().parse_args(argv))
    # the last word first; an empty variable counts as not set
    variables = {
        option.name: environ[PREFIX + option.name.upper()]
        for option in _OPTIONS
        if environ.get(PREFIX + option.name.upper(), "")
    }
    default_places = {option.name: option.default for option in _OPTIONS}
    data_dir = _value(
        _option("data_dir"),
        [("--data-dir", arguments), (f"{PREFIX}DATA_DIR", variables), ("default", default_places)],
    )
    file = data_dir / FILE
    written = _file(file)
    values = {}
    for option in _OPTIONS:
        places: list[tuple[str, Mapping[str, Any]]] = [
            ("--" + option.name.replace("_", "-"), arguments),
            (PREFIX + option.name.upper(), variables),
            (f"{file}: {option.name}", written),
            ("default", default_places),
        ]
        values[option.name] = data_dir if option.name == "data_dir" else _value(option, places)
    return Settings(**values)


def apply_environment(settings: Settings) -> None:
    """What Gradio and the hub's client read when imported, so that nothing leaves this computer."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(settings.temp_dir)


def environment() -> dict[str, str]:
    """The process's own, for its children."""
    return dict(os.environ)


def _option(name: str) -> _Option:
    return next(option for option in _OPTIONS if option.name == name)


def _value(option: _Option, places: Sequence[tuple[str, Mapping[str, Any]]]) -> Any:
    """The first place that has the option decides."""
    place, given = next(
        (place, table[option.name]) for place, table in places if option.name in table
    )
    try:
        return option.read(given)
    except ValueError as error:
        raise StartError(f"{place}: {str(given)[:80]!r} {error}") from None


def _file(path: Path) -> Mapping[str, Any]:
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StartError(f"{path} cannot be read: {error}") from error
    known = {option.name for option in _OPTIONS} - {"data_dir"}
    for name in written:
        if name not in known:
            raise StartError(f"{path}: {name[:80]!r} is no setting; known are {sorted(known)}")
    return written
