"""The engine's end of the pipe: runs requests one after the other, answers calls in between.

Knows the messages of `wire` and the engine's few verbs; how bytes get here, `__main__` knows.
"""

import logging
import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from webui.engine.control import Control
from webui.engine.device import Device, is_broken, peak_memory
from webui.engine.engine import Engine
from webui.engine.models import Models
from webui.errors import EngineBusy, InvalidRequest, failure
from webui.events import Look
from webui.request import from_dict
from webui.wire import Message, RunOptions, event_message

log = logging.getLogger(__name__)

Send = Callable[[Message], None]
Answer = tuple[Any, tuple[bytes, ...]]  # a JSON value, and raw bytes behind it

_SLOW = ("preview", "embedding")  # calls that take as long as a step, or longer
_CREDIT = 0.25  # seconds that slow calls may take at once


class DeviceBroken(Exception):
    """The process cannot use the device any more and should end."""


class Session:
    def __init__(
        self,
        engine: Engine,
        models: Models,
        device: Device,
        send: Send,
        extensions: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """`extensions` says how those in this process are."""
        self._engine = engine
        self._models = models
        self._device = device
        self._send = send
        self._running: tuple[str, Control] | None = None
        self._next: Message | None = None  # a run that was asked for
        self._later: deque[Message] = deque()  # slow calls, which come after all else
        self._credit = 0.0  # seconds that they may take now; below 0 the run's turn comes first
        self._calls: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "stop": self._stop,
            "skip": self._skip,
            "previews": self._previews,
            "load": self._load,
            "unload": self._unload,
            "preview": self._preview,
            "embedding": self._embedding,
            "status": self._status,
            "extensions": lambda args: (extensions(), ()),
        }

    def serve(self, inbox: "queue.Queue[Message]") -> None:
        """Works off `inbox` for ever. Raises DeviceBroken after a fault of the device."""
        while True:
            if self._next is None and not self._later:
                self._take(inbox.get())
            self._sort(inbox)
            if self._next is not None:
                message, self._next = self._next, None
                self._run(message, inbox)
            elif self._later:
                self._call(self._later.popleft())

    def _run(self, message: Message, inbox: "queue.Queue[Message]") -> None:
        job = message.head["run"]
        end: dict[str, Any] = {"end": job}
        try:
            options = RunOptions(**message.head["options"])
            control = Control(None, options.noisy, options.predicted, options.every)
            control.attend = lambda: self._serve_waiting(inbox, 0.0)
            self._running = (job, control)
            run = self._engine.run(from_dict(message.head["request"]), options, control)
            while True:
                began = time.monotonic()
                self._send(event_message(next(run)))
                self._serve_waiting(inbox, time.monotonic() - began)
        except StopIteration as stopped:
            end["outcome"] = stopped.value
        except (Exception, SystemExit) as error:  # whatever it is, only this job fails
            log.exception("job %s failed", job)
            if is_broken(error):  # no end: to the server this is a death, and the job goes on
                raise DeviceBroken from error
            end["error"] = asdict(failure(error))
        self._running = None
        self._send(Message(end))

    def _serve_waiting(self, inbox: "queue.Queue[Message]", worked: float) -> None:
        """What is asked of the run at once, whatever else waits; slow calls for no more time than
        the run has `worked` (seconds): readers, however many, never take more than half of it."""
        self._credit = min(self._credit + worked, _CREDIT)
        self._sort(inbox)
        while self._later and self._credit > 0:
            began = time.monotonic()
            self._call(self._later.popleft())
            self._credit -= time.monotonic() - began
            self._sort(inbox)

    def _sort(self, inbox: "queue.Queue[Message]") -> None:
        while self._next is None:  # what comes after a run may be meant for it
            try:
                self._take(inbox.get_nowait())
            except queue.Empty:
                return

    def _take(self, message: Message) -> None:
        if "run" in message.head:
            self._next = message
        elif message.head["name"] in _SLOW:
            self._later.append(message)
        else:
            self._call(message)

    def _call(self, message: Message) -> None:
        number, name = message.head["call"], message.head["name"]
        try:
            call = self._calls.get(name)
            if call is None:
                known = ", ".join(self._calls)
                raise InvalidRequest("name", f"{name!r} is no call; known are {known}")
            value, blobs = call(message.head["args"])
        except (Exception, SystemExit) as error:  # a failed call must not end the engine
            log.exception("call %s failed", name)
            if is_broken(error):
                raise DeviceBroken from error
            self._send(Message({"answer": number, "error": asdict(failure(error))}))
        else:
            self._send(Message({"answer": number, "value": value}, blobs))

    def _stop(self, args: dict[str, Any]) -> Answer:
        if self._running is None or self._running[0] != args["job"]:
            return {"stopping": False}, ()
        control = self._running[1]
        if control.stop != "discard":  # what was thrown away is not brought back
            control.stop = "keep" if args["keep"] else "discard"
        return {"stopping": True}, ()

    def _skip(self, args: dict[str, Any]) -> Answer:
        if self._running is None or self._running[0] != args["job"]:
            return {"skipping": False}, ()
        self._running[1].skip = int(args["batch"])
        return {"skipping": True}, ()

    def _previews(self, args: dict[str, Any]) -> Answer:
        if self._running is not None:
            control = self._running[1]
            control.noisy, control.predicted = args["noisy"], args["predicted"]
            control.every = max(1, int(args["every"]))
        return {}, ()

    def _load(self, args: dict[str, Any]) -> Answer:
        if self._running is None:
            self._engine.load(args["model"])
        return {}, ()

    def _unload(self, args: dict[str, Any]) -> Answer:
        """One model, or all for None."""
        if self._running is not None:
            raise EngineBusy("a job runs; unload models when none does")
        return {"unloaded": self._models.unload(args["model"])}, ()

    def _preview(self, args: dict[str, Any]) -> Answer:
        drawn = self._engine.preview(
            Path(args["keep"]),
            Look(**args["look"]),
            running=self._running is not None,
            inputs=Path(args["inputs"]) if args.get("inputs") else None,
        )
        if drawn is None:
            return None, ()
        return {"width": drawn.width, "height": drawn.height}, (drawn.rgb,)

    def _embedding(self, args: dict[str, Any]) -> Answer:
        made = self._engine.embedding(args["model"], args["text"], self._running is not None)
        return {"bytes": len(made)}, (made,)

    def _status(self, args: dict[str, Any]) -> Answer:
        return {
            "device": self._device.label,
            "model": self._models.loaded,
            "models": self._models.kept,
            "plan": self._models.plan,
            "memory": peak_memory(self._device),
        }, ()
