"""Arguments > environment (DARKROOM_X) > webui.toml in the data folder > defaults.

The only reader of os.environ. Imports nothing but the standard library, so that `launch.py` can
show `--help` and read the settings under a bare Python.
"""

import argparse
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from webui import setting_values as values
from webui.errors import StartError
from webui.passwords import Account
from webui.setting_table import OPTIONS, Option

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
    more_models_dirs: tuple[Path, ...]  # looked through too; what is saved goes into `models_dir`
    quicksettings: tuple[str, ...]  # fields that stand above the tabs, once for all
    device: str
    dtype: str
    offload: str  # what waits in main memory while other parts work on a small device
    threads: int  # of torch; 0: as torch chooses
    open_browser: bool
    safe_mode: bool  # nothing but what ships is loaded
    listen: bool  # to the network
    host_names: tuple[str, ...]  # further names under which browsers may reach the server
    auth: tuple[Account, ...]
    auth_file: tuple[Account, ...]
    api_auth: tuple[Account, ...]  # good for the API alone
    cors_allow_origins: tuple[str, ...]  # of pages that may do what ours may
    mcp: bool  # tools for assistants, by the Model Context Protocol
    trusted_proxies: tuple[str, ...]  # addresses, networks
    max_waiting: int  # jobs
    stall_timeout: int  # seconds; 0: never
    trajectory_quota: int  # bytes; 0 keeps nothing after the run
    temp_quota: int  # bytes
    input_quota: int  # bytes
    max_pixels: int  # width x height x batch size of a request
    downloads: bool  # models may be fetched
    hub: str  # where by their names
    hub_token: str = field(repr=False)
    private_downloads: bool  # by http too, and from this computer's network
    installing: str  # who may install extensions: local, always, never
    extension_sources: tuple[str, ...]  # https, folder, ssh, file
    extension_index: str  # of another one than ours, or ""

    @property
    def temp_dir(self) -> Path:
        """Uploads and Gradio's copies."""
        return self.data_dir / "temp"

    @property
    def models_dirs(self) -> tuple[Path, ...]:
        """All that are looked through, the first one first."""
        return (self.models_dir, *self.more_models_dirs)

    @property
    def no_downloads(self) -> str:
        """Why no models may be fetched; "" if they may."""
        if not self.downloads:
            return "this server was started with --no-downloads"
        if values.is_of_this_computer(self.host) or self.accounts or self.api_auth:
            return ""
        return (
            "models are fetched only where strangers cannot ask for them: this server listens "
            "to the network without a login; start it with --auth-file FILE"
        )

    @property
    def no_installing(self) -> str:
        """Why no extensions may be installed; "" if they may."""
        if self.installing == "never":
            return "this server was started with --installing never"
        reached = self.trusted_proxies or self.host_names or self.cors_allow_origins
        if self.installing == "always" or not (
            reached or not values.is_of_this_computer(self.host)
        ):
            return ""
        return (
            "an extension is a program, and this server can be reached from other computers; "
            "start it with --installing always if all who reach it may run programs on this one"
        )

    @property
    def inputs_dir(self) -> Path:
        """Pictures that requests begin with."""
        return self.data_dir / "inputs"

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Good for everything."""
        return (*self.auth, *self.auth_file)


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
    for option in OPTIONS:
        name = _flag_of(option)
        flags = [name, option.alias] if option.alias else [name]
        shown = ",".join(option.default) if isinstance(option.default, tuple) else option.default
        text = f"{option.help} (default: {'none' if shown == '' else shown})".replace("%", "%%")
        if option.read is values.flag:
            parser.add_argument(*flags, action=argparse.BooleanOptionalAction, help=text)
        else:
            parser.add_argument(*flags, metavar="X", help=text)
    return parser


def read(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> Settings:
    """`environ` is the process's own unless given. Raises StartError naming what is wrong where."""
    environ = os.environ if environ is None else environ
    arguments = vars(parser().parse_args(argv))
    # the last word first; an empty variable counts as not set
    variables = {
        option.name: environ[PREFIX + option.name.upper()]
        for option in OPTIONS
        if environ.get(PREFIX + option.name.upper(), "")
    }
    default_places = {option.name: option.default for option in OPTIONS}
    data_dir = _value(
        _option("data_dir"),
        [("--data-dir", arguments), (f"{PREFIX}DATA_DIR", variables), ("default", default_places)],
    )
    file = data_dir / FILE
    written = _file(file)
    settled = {}
    for option in OPTIONS:
        places: list[tuple[str, Mapping[str, Any]]] = [
            (_flag_of(option), arguments),
            (PREFIX + option.name.upper(), variables),
            (f"{file}: {option.name}", written),
            ("default", default_places),
        ]
        settled[option.name] = data_dir if option.name == "data_dir" else _value(option, places)
    return _checked(Settings(**settled))


def apply_environment(settings: Settings) -> None:
    """What Gradio and the hub's client read when imported, so that nothing leaves this computer."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(settings.temp_dir)


def environment() -> dict[str, str]:
    """The process's own, for its children: without what is secret."""
    secret = {PREFIX + option.name.upper() for option in OPTIONS if option.secret}
    return {name: value for name, value in os.environ.items() if name not in secret}


def hide(argv: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The arguments without the secret ones, and those as variables of the environment.

    Everybody on a computer sees the arguments of every process, but not their environment.
    """
    given = vars(parser().parse_args(argv))
    hidden = {_flag_of(option): option for option in OPTIONS if option.secret}
    left, rest = [], iter(argv)
    for each in rest:
        if each in hidden:
            next(rest)
        elif each.partition("=")[0] not in hidden:
            left.append(each)
    known = {option.name for option in hidden.values()} & given.keys()
    return left, {PREFIX + name.upper(): given[name] for name in known}


def _checked(settings: Settings) -> Settings:
    """Raises StartError for settings that do not go together."""
    if settings.listen and settings.host == _option("host").default:
        settings = replace(settings, host="0.0.0.0")
    if len({each.name for each in settings.accounts}) != len(settings.accounts):
        raise StartError("--auth and --auth-file must not have a name in common")
    for option, address in (("hub", settings.hub), ("extension-index", settings.extension_index)):
        if address.startswith("http:") and not settings.private_downloads:
            raise StartError(
                f"--{option} must begin with https://; http needs --private-downloads too"
            )
    if values.is_of_this_computer(settings.host) or settings.accounts or settings.api_auth:
        return settings
    asked = "--listen" if settings.listen else f"--host {settings.host}"
    raise StartError(
        f"{asked} would open the server to the network, which needs a login; "
        "add --auth-file FILE (a line name:password for each person), or --auth name:password"
    )


def _flag_of(option: Option) -> str:
    return "--" + option.name.replace("_", "-")


def _option(name: str) -> Option:
    return next(option for option in OPTIONS if option.name == name)


def _value(option: Option, places: Sequence[tuple[str, Mapping[str, Any]]]) -> Any:
    """The first place that has the option decides."""
    place, given = next(
        (place, table[option.name]) for place, table in places if option.name in table
    )
    try:
        return option.read(given)
    except ValueError as error:
        quoted = "" if option.secret else f"{str(given)[:80]!r} "
        raise StartError(f"{place}: {quoted}{error}") from None


def _file(path: Path) -> Mapping[str, Any]:
    try:
        written = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StartError(f"{path} cannot be read: {error}") from error
    known = {option.name for option in OPTIONS} - {"data_dir"}
    for name in written:
        if name not in known:
            raise StartError(f"{path}: {name[:80]!r} is no setting; known are {sorted(known)}")
    return written
