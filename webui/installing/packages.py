"""Python packages that an extension needs: resolved against what Darkroom is locked to before
anything changes, then fetched by their hashes into a folder of the extension's own.

Only wheels, and only from indexes: building a package would run its code, so pip can start no other
program here. pip reads its own settings for where to fetch.
"""

import importlib.metadata
import importlib.util
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webui.extensions.manifest import split
from webui.extensions.packages import PACKAGES
from webui.files import invisible
from webui.installing.errors import InstallError
from webui.installing.running import Limits, Told, module, run

_LIMITS = Limits(seconds=600, most_bytes=512 * 2**20)
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST_REPORT = 32 * 2**20  # bytes
# of pip's settings in the environment those that say where to fetch; no other
_PIP = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "TRUSTED_HOST", "CERT", "PROXY")
# and of the rest what leads to its settings, and to other computers; not our tokens and passwords
_KEPT = (
    "PATH", "HOME", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "SYSTEMROOT",
    "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS", "NETRC", "LANG", "LC_ALL", "LC_CTYPE",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
    "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",
    "NO_PROXY", "no_proxy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str
    sha256: str

    @property
    def pinned(self) -> str:
        return f"{self.name}=={self.version}"


class Pip:
    def __init__(self, environ: Mapping[str, str]) -> None:
        kept = (*_KEPT, *(f"PIP_{name}" for name in _PIP), "PIP_CONFIG_FILE")
        self._environ = {name: environ[name] for name in kept if name in environ}

    def resolve(
        self, dependencies: Sequence[str], locked: Sequence[str], work: Path, told: Told
    ) -> tuple[Package, ...]:
        """What has to be fetched so that all are there; none of the `locked` (numpy==2.1) changes.

        Raises InstallError, saying what conflicts.
        """
        self._check_there()
        asked = "\n".join(map(_requirement, dependencies))
        (work / "asked.txt").write_text(asked, encoding="utf-8")
        (work / "locked.txt").write_text("\n".join(locked), encoding="utf-8")
        report = work / "report.json"
        options = ["--dry-run", "--report", str(report), "--constraint", str(work / "locked.txt")]
        self._run([*options, "--requirement", str(work / "asked.txt")], work, told)
        try:
            with report.open("rb") as file:
                given = json.loads(file.read(_MOST_REPORT))
            return tuple(_package(each) for each in given["install"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InstallError(f"what pip says cannot be read: {error}", "packages") from None

    def install(self, packages: Sequence[Package], folder: Path, work: Path, told: Told) -> None:
        """Just these, into the extension's own place in `folder`. Raises InstallError."""
        lines = [f"{each.pinned} --hash=sha256:{each.sha256}" for each in packages]
        (work / "wanted.txt").write_text("\n".join(lines), encoding="utf-8")
        options = ["--target", str(folder / PACKAGES), "--no-deps", "--require-hashes"]
        options += ["--no-compile", "--no-warn-script-location"]
        self._run([*options, "--requirement", str(work / "wanted.txt")], work, told)

    def _run(self, arguments: Sequence[str], work: Path, told: Told) -> None:
        fixed = ["--no-input", "--disable-pip-version-check", "--only-binary", ":all:"]
        fixed += ["--cache-dir", str(work / ".cache")]
        command = module("pip", ["install", *fixed, *arguments], _LIMITS)
        environ = {**self._environ, "TMPDIR": str(work), "HOME": self._environ.get("HOME", "")}
        ended = run("pip", command, environ, work, _LIMITS, told)
        if ended.code:
            out = ended.out.decode("utf-8", "replace")
            raise InstallError(_reason(out, ended.said), "packages")

    def _check_there(self) -> None:
        if importlib.util.find_spec("pip") is None:
            raise InstallError(
                "it needs Python packages, and pip is not there to fetch them; start Darkroom by "
                "launch.py, which brings it",
                "packages",
            )


def locked(others: Iterable[Path]) -> list[str]:
    """All that is installed here, and what other extensions have in folders of their own."""
    here = [each for each in sys.path if Path(each).name != PACKAGES]
    there = [str(each / PACKAGES) for each in others]
    found: dict[str, str] = {}
    for each in importlib.metadata.distributions(path=[*here, *there]):
        name, version = each.metadata["Name"] or "", each.version or ""
        if _NAME.fullmatch(name) and _VERSION.fullmatch(version):
            found.setdefault(_normal(name), version)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _normal(name: str) -> str:
    """As indexes have it (PEP 503). Without points in it, pip takes it for no file or address."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirement(dependency: str) -> str:
    """A manifest's, in one line for pip: name and bounds, nothing else."""
    name, bounds = split(dependency)
    return _normal(name) + "".join(bounds.split())


def _package(given: Mapping[str, Any]) -> Package:
    """Raises InstallError for what is of no index: by its address anything can come later."""
    name, version = given["metadata"]["name"], given["metadata"]["version"]
    if given.get("is_direct"):
        where = str(given["download_info"].get("url"))[:200]
        raise InstallError(
            f"{str(name)[:80]!r} would come from {where!r}; packages come from an index alone",
            "packages",
        )
    sha256 = given["download_info"]["archive_info"]["hashes"]["sha256"]
    if not (_NAME.fullmatch(name) and _VERSION.fullmatch(version) and _SHA256.fullmatch(sha256)):
        raise ValueError(f"{str(name)[:80]!r} is no package")
    return Package(_normal(name), version, sha256)


def _reason(out: str, said: str) -> str:
    """What pip says of a conflict, else its last errors; packages' words are in it."""
    out, said = (
        "".join(each for each in text if each == "\n" or not invisible(each))
        for text in (out, said)
    )
    lines = [line.strip() for line in out.splitlines()]
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if "ERROR: " in line]
    if "The conflict is caused by:" in lines:
        begin = lines.index("The conflict is caused by:") + 1
        rest = lines[begin:]
        told = rest[: rest.index("")] if "" in rest else rest
        said = "; ".join(["its packages conflict with what is installed", *map(_clearer, told)])
        return said[:1500]
    return "; ".join(errors[:3])[:1500] or "pip failed and does not say why"


def _clearer(line: str) -> str:
    """pip calls whoever starts it the user."""
    locked = line.replace("The user requested (constraint)", "what is installed stays at")
    return locked.replace("The user requested", "it asks for")
