"""What a setting may be: each reader raises ValueError, saying what would work.

Imports nothing but the standard library.
"""

import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

# beside the model, the VAE and clip skip, which always stand above the tabs
QUICK = (
    *("sampler", "schedule", "steps", "guidance_scale"),
    *("batch_count", "batch_size", "emphasis", "rng"),
)


def text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be text")
    return value.strip()


def path(value: object) -> Path:
    return Path(text(value)).expanduser().absolute()


def paths(value: object) -> tuple[Path, ...]:
    """A list, or one text with commas."""
    return tuple(path(each) for each in names(value)) if value != () else ()


def names(value: object) -> tuple[str, ...]:
    """A list, or one text with commas."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Sequence):
        raise ValueError("must be a list of names")
    return tuple(text(part) for part in parts)


def flag(value: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    word = str(value).lower()
    if word not in words:
        raise ValueError(f"must be one of {', '.join(words)}")
    return words[word]


def number(minimum: int, maximum: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError("must be a whole number")
        try:
            whole = int(value)
        except ValueError:
            raise ValueError("must be a whole number") from None
        if not minimum <= whole <= maximum:
            raise ValueError(f"must be from {minimum} to {maximum}")
        return whole

    return read


def host(value: object) -> str:
    return text(value).strip("[]").lower()


def one_of(*choices: str) -> Callable[[object], str]:
    def one(value: object) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return one


def some_of(*choices: str) -> Callable[[object], tuple[str, ...]]:
    def some(value: object) -> tuple[str, ...]:
        given = names(value)
        if set(given) - set(choices) or len(set(given)) != len(given):
            raise ValueError(f"must be some of {', '.join(choices)}, each once")
        return given

    return some


def quicksettings(value: object) -> tuple[str, ...]:
    """Fields that all tabs can share, each once."""
    given = names(value) if value not in ("", ()) else ()
    if set(given) - set(QUICK):
        raise ValueError(f"must be some of {', '.join(QUICK)}")
    return tuple(dict.fromkeys(given))


def offload(value: object) -> str:
    """What of a model waits in main memory: nothing, parts, layers, or as the device asks for."""
    return one_of("auto", "none", "model", "sequential")(value)


def device(value: object) -> str:
    """The engine knows which there are; here only what could be one."""
    given = text(value)
    kind, _, index = given.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps", "xpu") or (index and not index.isdigit()):
        raise ValueError("must be auto, cpu, cuda, cuda:0, mps or xpu")
    return given


def origins(value: object) -> tuple[str, ...]:
    """Of web pages, as browsers send them: in small letters, without the usual port."""
    return tuple(_origin(each) for each in names(value))


def _origin(given: str) -> str:
    if given == "*":
        raise ValueError(
            "would let every web page there is make pictures here and read them; name the origins "
            "that may, like http://localhost:3000"
        )
    wrong = ValueError("must be origins like http://localhost:3000, with commas between several")
    try:
        parts = urlsplit(given.lower())
        port = parts.port
    except ValueError:
        raise wrong from None
    bare = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not parts.hostname or given.lower() != bare:
        raise wrong
    if "@" in parts.netloc or not given.isascii():
        raise wrong
    usual = {"http": 80, "https": 443}[parts.scheme]
    return bare.removesuffix(f":{port}") if port == usual else bare


def site(value: object) -> str:
    """An address, perhaps with a path, to which paths are added."""
    given = text(value).rstrip("/")
    parts = urlsplit(given)
    plain = parts.scheme in ("http", "https") and parts.hostname and given.isascii()
    if not plain or "@" in parts.netloc or parts.query or parts.fragment or " " in given:
        raise ValueError("must be an address like https://huggingface.co")
    return given


def index(value: object) -> str:
    """A whole address, or nothing."""
    return "" if value == "" else site(value)


def token(value: object) -> str:
    """Sent in a line of a request's head: nothing in it may end that line."""
    if value == "":
        return ""
    given = text(value)
    if not given.isascii() or not given.isprintable() or " " in given or len(given) > 1000:
        raise ValueError("must be one word of letters, digits and the like")
    return given


def networks(value: object) -> tuple[str, ...]:
    """Addresses, or networks like 172.16.0.0/12."""
    found = names(value)
    for each in found:
        try:
            ipaddress.ip_network(each)
        except ValueError:
            raise ValueError("must be addresses like 127.0.0.1 or 172.16.0.0/12") from None
    return found


def is_of_this_computer(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
