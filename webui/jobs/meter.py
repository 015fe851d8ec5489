"""How fast a job runs, measured from its own events; how far it is.

Knows one run and no clock but the one it is given.
"""

import statistics
import threading
from collections.abc import Callable

from webui.events import EngineEvent, Rendered, Stage, Step
from webui.jobs import speed
from webui.jobs.job import Progress
from webui.jobs.speed import Speed
from webui.request import GenerationRequest
from webui.request.turns import PlannedTurn, planned

_RECENT = 8  # steps that the estimate of the rest looks at


class Meter:
    """One thread feeds it, any may ask."""

    def __init__(
        self, request: GenerationRequest, expected: Speed | None, clock: Callable[[], float]
    ) -> None:
        """`expected` from earlier runs; `clock` in seconds, that never goes back."""
        self._request = request
        self._expected = expected
        self._clock = clock
        self._lock = threading.Lock()
        self._steps: list[float] = []  # seconds of each
        self._pictures: list[float] = []  # seconds of each, after the last step
        self._batch = 0
        self._step = 0
        self._planned = planned(request)
        self._count = self._planned[0].steps if self._planned else 0
        self._turn, self._turns = 0, len(self._planned)
        self._tiles: float | None = None  # when the first one of a picture made larger began
        self._images = 0  # of the batch in hand, finished
        self._since: float | None = None  # the step or picture before

    def goes_on(self, batch: int, step: int) -> None:
        """Where a run begins that was begun before; 0, 0 for a new one."""
        with self._lock:
            self._batch, self._step, self._images, self._turn = batch, step, 0, 0

    def saw(self, event: EngineEvent) -> None:
        """Before it is acted on: saving a picture belongs to the next one's time."""
        with self._lock:
            if isinstance(event, Step):
                if event.batch != self._batch:
                    self._images = 0
                self._batch, self._step, self._count = event.batch, event.step, event.steps
                self._turn, self._turns = event.turn, event.turns
                self._steps.append(event.seconds / self._all_turns()[event.turn].weight)
                self._since = self._clock()
            elif isinstance(event, Rendered) and event.image < self._request.images:
                self._batch = event.image // self._request.batch_size
                self._images = event.image % self._request.batch_size + 1
                if self._since is not None:
                    self._pictures.append(self._clock() - self._since)
                self._since = self._clock()
            elif isinstance(event, Stage) and event.name == "sampling":
                self._since = None
            elif isinstance(event, Stage) and event.of and not self._planned:
                self._step, self._count = event.done, event.of
                if event.done == 0 or self._tiles is None:
                    self._tiles = self._clock()

    def measured(self) -> Speed | None:
        """None without a step. The first step of several warms up and is left out."""
        with self._lock:
            if not self._steps:
                return None
            steps = self._steps[1:] or self._steps
            picture = statistics.median(self._pictures) if self._pictures else 0.0
            if not self._pictures and self._expected is not None:
                picture = self._expected.picture
            return Speed(statistics.median(steps), picture)

    def progress(self) -> Progress:
        with self._lock:
            request = self._request
            batches = request.batches
            if not self._planned:
                return self._in_tiles()
            turns = self._all_turns()
            step = sum(turn.steps for turn in turns[: self._turn]) + self._step
            count = sum(turn.steps for turn in turns)
            made = sum(turn.steps * turn.weight for turn in turns[: self._turn])
            made += self._step * turns[self._turn].weight
            whole = sum(turn.steps * turn.weight for turn in turns)
            share = made / whole if whole else 0.0
            steps = whole - made + (batches - self._batch - 1) * whole
            images = request.images - self._batch * request.batch_size - self._images
            recent = self._steps[-_RECENT:]
            pace = Speed(sum(recent) / len(recent), 0.0) if recent else self._expected
            left = None
            if pace is not None:
                known = self._pictures[-1] if self._pictures else None
                expected = self._expected.picture if self._expected else 0.0
                picture = expected if known is None else known
                left = speed.seconds(max(0, steps), max(0, images), Speed(pace.step, picture))
            done = min(1.0, (self._batch + share) / batches)
            return Progress(self._batch, step, count, done, left)

    def _all_turns(self) -> list[PlannedTurn]:
        """Of the batch in hand; the one that is made, as its steps have it."""
        turns = list(self._planned)
        if len(turns) != self._turns:  # the request alone does not say it
            turns = [PlannedTurn(self._count)] * self._turns
        if self._turn < len(turns):
            turns[self._turn] = turns[self._turn]._replace(steps=self._count)
        return turns

    def _in_tiles(self) -> Progress:
        """Of a picture that is only made larger."""
        step, count, left = self._step, self._count, None
        if self._tiles is not None and step:
            left = (count - step) * (self._clock() - self._tiles) / step
        return Progress(0, step, count, step / count if count else 0.0, left)
