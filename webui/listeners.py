"""Events handed to those that listen, each by a thread of its own: nobody waits for a listener."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from queue import Full, Queue

from webui.events import Event
from webui.extensions import Conduct, MishapError
from webui.interfaces.server_hooks import EventListener, Owned
from webui.jobs.log import Log

_BACKLOG = 1000  # events; a listener that is slower misses some
_PATIENCE = 1.0  # seconds that each has at the end

_Told = tuple[str, Event] | None  # None: no more


class Listeners:
    def __init__(self, listeners: Sequence[Owned[EventListener]], conduct: Conduct) -> None:
        self._ears = [_Ear(each, conduct) for each in listeners]

    def tell(self, job_id: str, event: Event) -> None:
        for ear in self._ears:
            ear.tell(job_id, event)

    def close(self) -> None:
        """What is waiting is still told, for a moment."""
        for ear in self._ears:
            ear.end()
        for ear in self._ears:
            ear.thread.join(_PATIENCE)


class _Ear:
    def __init__(self, owned: Owned[EventListener], conduct: Conduct) -> None:
        self._owned, self._conduct = owned, conduct
        self._waiting: Queue[_Told] = Queue(_BACKLOG)
        self.thread = threading.Thread(
            target=self._listen, name=f"{owned.owner} listener", daemon=True
        )
        self.thread.start()

    def tell(self, job_id: str, event: Event) -> None:
        kinds = self._owned.value.kinds
        if not kinds or isinstance(event, kinds):
            with suppress(Full):
                self._waiting.put_nowait((job_id, event))

    def end(self) -> None:
        with suppress(Full):
            self._waiting.put_nowait(None)

    def _listen(self) -> None:
        owner, hear = self._owned.owner, self._owned.value.hear
        while (told := self._waiting.get()) is not None:
            job_id, event = told
            with suppress(MishapError):
                self._conduct.attempt(owner, "event listener", partial(hear, job_id, event))


class HeardLog(Log):
    """Tells listeners what is appended."""

    def __init__(self, listeners: Listeners) -> None:
        super().__init__()
        self._listeners = listeners

    def append(self, job_id: str, event: Event) -> int:
        number = super().append(job_id, event)
        self._listeners.tell(job_id, event)
        return number
