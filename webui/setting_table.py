"""Every setting: its name, how it is read, what it is when nobody says, and what it does.

Imports nothing but the standard library.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from webui import passwords
from webui import setting_values as values


@dataclass(frozen=True, slots=True)
class Option:
    name: str
    read: Callable[[object], Any]
    default: object
    help: str
    alias: str = ""
    secret: bool = False  # never quoted, never handed to a child in its arguments


OPTIONS = (
    Option(
        "host",
        values.host,
        "127.0.0.1",
        "address to serve at; with --listen 0.0.0.0",
        alias="--server-name",
    ),
    Option("listen", values.flag, False, "serve the whole network; needs --auth or --auth-file"),
    Option("port", values.number(0, 65535), 7860, "port to serve at; 0 takes any free one"),
    Option("data_dir", values.path, "outputs/.darkroom", "folder of jobs, log, trajectories, temp"),
    Option("outputs", values.path, "outputs", "folder that pictures are saved in"),
    Option(
        "image_format",
        values.one_of("png", "jpeg", "webp", "avif"),
        "png",
        "png, jpeg, webp or avif: what pictures are saved as",
    ),
    Option("image_quality", values.number(1, 100), 90, "1 to 100, for jpeg, webp and avif"),
    Option("models_dir", values.path, "models", "folder of models; A1111's and ComfyUI's too"),
    Option("more_models_dirs", values.paths, (), "further ones, with commas between"),
    Option("quicksettings", values.quicksettings, (), "fields above the tabs, as steps,sampler"),
    Option("device", values.device, "auto", "auto, cpu, cuda, cuda:1, mps, ..."),
    Option(
        "dtype", values.one_of("auto", "fp32", "fp16", "bf16"), "auto", "auto, fp32, fp16, bf16"
    ),
    Option("offload", values.offload, "auto", "auto, none, model, sequential: for small cards"),
    Option("threads", values.number(0, 1024), 0, "CPU threads of the engine; 0: as torch chooses"),
    Option("open_browser", values.flag, False, "show the page in a browser when it is ready"),
    Option("safe_mode", values.flag, False, "load nothing but what ships: no installed extension"),
    Option(
        "host_names",
        values.names,
        (),
        "further host names to answer to, with commas between",
        alias="--host-name",
    ),
    Option(
        "auth",
        passwords.accounts,
        (),
        "name:password of who may use it, with commas between",
        secret=True,
    ),
    Option("auth_file", passwords.accounts_of_file, (), "file with a name:password in each line"),
    Option(
        "api_auth",
        passwords.accounts,
        (),
        "name:password for programs, good for the API alone",
        secret=True,
    ),
    Option("cors_allow_origins", values.origins, (), "other sites whose pages may use this server"),
    Option("mcp", values.flag, False, "tools for assistants at /mcp; needs the package mcp"),
    Option("trusted_proxies", values.networks, (), "addresses of reverse proxies to believe"),
    Option("max_waiting", values.number(1, 1_000_000), 10_000, "jobs that may wait in the line"),
    Option(
        "stall_timeout",
        values.number(0, 10**6),
        600,
        "seconds without a sign of progress after which the engine is started anew; 0: never",
    ),
    Option(
        "trajectory_quota",
        values.number(0, 2**60),
        4 * 2**30,
        "bytes of steps to keep on disk, oldest out; 0 keeps none after the run",
    ),
    Option(
        "temp_quota",
        values.number(256 * 2**20, 2**60),
        2 * 2**30,
        "bytes of uploads to keep, oldest out, none longer than a day",
    ),
    Option("input_quota", values.number(2**28, 2**60), 4 * 2**30, "bytes of sent pictures kept"),
    Option(
        "max_pixels",
        values.number(64 * 64, 2**40),
        2048 * 2048 * 4,
        "most pixels at once: width x height x batch size",
    ),
    Option("downloads", values.flag, True, "let people fetch models from the page and the API"),
    Option("hub", values.site, "https://huggingface.co", "where models are fetched by name"),
    Option(
        "hub_token",
        values.token,
        "",
        "token of an account on the hub, for models that are not for everybody",
        secret=True,
    ),
    Option(
        "private_downloads",
        values.flag,
        False,
        "fetch models also by http, and from this computer and its network",
    ),
    Option(
        "installing",
        values.one_of("local", "always", "never"),
        "local",
        "local, always, never: may extensions be installed; local: if other computers cannot ask",
    ),
    Option(
        "extension_sources",
        values.some_of("https", "folder", "ssh", "file"),
        ("https", "folder"),
        "where extensions may come from: https, folder, ssh, file, with commas between",
    ),
    Option("extension_index", values.index, "", "address of an index of extensions; none: ours"),
)
