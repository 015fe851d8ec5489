"""Before an extension is loaded: once in a short-lived process, with a time limit.

What it does there, hang, exit, take all memory, harms nobody. The verdict is kept, and counts until
one of its files is another.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webui.errors import ExtensionError
from webui.extensions.discovery import Found, digest, write
from webui.extensions.loading import Part
from webui.extensions.turns import alone

LIMITS: Mapping[Part, float] = {"server": 20.0, "engine": 90.0}  # seconds; torch takes many
OURS = "start"  # what the process is at while the program prepares itself
_AT_ONCE = 4
_LONGEST = 240.0  # seconds, with what is not the extension's
_LOOK = 0.1  # seconds between two looks
_MOST_RESULT = 2**20  # bytes
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Empty `text`: it came through."""

    text: str = ""  # what went wrong
    hook: str = ""  # where
    trace: str = ""
    seconds: float = 0.0  # that loading and asking took


class Trials:
    """Those of one of the two processes, kept in a file."""

    def __init__(
        self,
        part: Part,
        kept: Path | None = None,
        environ: Mapping[str, str] | None = None,
        limit: float | None = None,
    ) -> None:
        """`kept`: None keeps no verdict; `environ` of the short-lived processes, this one's for
        None; `limit` in seconds."""
        self._part = part
        self._kept = kept
        self._environ = environ
        self._limit = LIMITS[part] if limit is None else limit

    def of(self, extensions: Sequence[Found]) -> dict[str, Verdict]:
        """By their ids; those not tried yet are tried now, several at once."""
        known = self._read()
        marks: dict[str, str] = {}
        verdicts: dict[str, Verdict] = {}
        for each in extensions:
            try:
                marks[each.id] = digest(each)
            except ExtensionError as error:
                verdicts[each.id] = Verdict(str(error), "folder")
        waiting = []
        for each in extensions:
            if each.id in verdicts:
                continue
            mark, verdict = known.get(each.id, ("", Verdict()))
            if mark == marks[each.id]:
                verdicts[each.id] = verdict
            else:
                waiting.append(each)
        if waiting:
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                tried = list(pool.map(self._try, waiting))
            verdicts |= zip((each.id for each in waiting), tried, strict=True)
            fresh = {each.id for each in waiting}
            with self._changing() as now:  # what was forgotten meanwhile stays so
                kept = [id for id in marks if id in fresh or id in now]
                self._write({id: (marks[id], verdicts[id]) for id in kept})
        return verdicts

    def condemn(self, found: Found, hook: str) -> None:
        """It came through, and the process that loaded it ended there all the same."""
        with suppress(ExtensionError):
            verdict = Verdict(f"the {self._part} ended or hung while it was loaded", hook)
            mark = digest(found)
            with self._changing() as known:
                self._write({**known, found.id: (mark, verdict)})

    def forget(self, id: str) -> None:
        """It is tried anew at the next start. Raises OSError."""
        with self._changing() as known:
            if known.pop(id, None) is not None:
                self._write(known)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, tuple[str, Verdict]]]:
        """What is kept, while nobody else changes it."""
        if self._kept is None:
            yield {}
            return
        with ExitStack() as turn:
            with suppress(OSError):  # a disk that cannot be written to keeps nothing anyhow
                turn.enter_context(alone(self._kept))
            yield self._read()

    def _try(self, found: Found) -> Verdict:
        # what it leaves goes too, unless something of it still writes there
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
            result = Path(place, "result")
            command = [sys.executable, "-m", "webui.rehearsal", self._part, str(found.folder)]
            code = self._run([*command, str(result), str(self._limit)], result)
            return _verdict(result, code, self._limit)

    def _run(self, command: Sequence[str], result: Path) -> int | None:
        """Its exit code; None if the extension took too long. What the program itself takes, on a
        busy machine, is not the extension's time."""
        process = subprocess.Popen(
            command,
            cwd=_ROOT,
            env=None if self._environ is None else dict(self._environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # it may print what it likes
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        began, own = time.monotonic(), 0.0
        try:
            while own < self._limit and time.monotonic() - began < _LONGEST:
                with suppress(subprocess.TimeoutExpired):
                    return process.wait(_LOOK)
                own += 0.0 if _last(result).get("hook", OURS) == OURS else _LOOK
            return None
        finally:  # with everything that it has started
            with suppress(ProcessLookupError, PermissionError):
                if sys.platform == "win32":
                    process.kill()
                else:
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _read(self) -> dict[str, tuple[str, Verdict]]:
        """None where there is no file that can be read: then all are tried."""
        if self._kept is None:
            return {}
        with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            written = json.loads(self._kept.read_text(encoding="utf-8"))
            return {id: (each.pop("mark"), Verdict(**each)) for id, each in written.items()}
        return {}

    def _write(self, verdicts: Mapping[str, tuple[str, Verdict]]) -> None:
        if self._kept is None:
            return
        values = {id: {"mark": mark, **asdict(each)} for id, (mark, each) in verdicts.items()}
        with suppress(OSError):  # they are tried again, then
            write(self._kept, values)


def _verdict(result: Path, code: int | None, limit: float) -> Verdict:
    """From what the process has written, line by line, until it ended."""
    last: dict[str, Any] = {}
    for last in _lines(result):
        if "seconds" in last:
            return Verdict(seconds=float(last["seconds"]))
        if "error" in last:
            return Verdict(str(last["error"]), str(last["hook"]), str(last["trace"]))
    hook = str(last.get("hook", "start"))
    if code is None:
        trace = result.with_suffix(".trace")
        said = trace.read_text("utf-8", "replace")[-4000:] if trace.exists() else ""
        return Verdict(f"took longer than {limit:g} s", hook, said)
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return Verdict(f"ended the process ({how})", hook)


def _last(result: Path) -> dict[str, Any]:
    said = list(_lines(result))
    return said[-1] if said else {}


def _lines(result: Path) -> Iterator[dict[str, Any]]:
    if not result.exists():
        return
    with result.open("rb") as file:
        text = file.read(_MOST_RESULT).decode("utf-8", "replace")
    for line in text.splitlines():
        with suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict):
                yield said
