"""Sees plots to their end: goes on with what a restart has interrupted, saves the finished grid.

A thread of its own sleeps until a job has ended.
"""

import logging
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from webui import DarkroomError, Finished, Services, save_sheet

from . import plots
from .layout import ID
from .plots import Plot
from .sheet import drawn

_ENDED = ("done", "stopped", "cancelled", "failed")
_ACTIVE = ("queued", "paused", "running")
_MOST_CRASHES = 2  # of a cell that takes the server down with it
_REMEMBERED = 4000  # cells that have ended
_ALL = 2**30  # events
_LOOK = 60.0  # seconds between two looks at what nobody told of
_MOST_SAID = 300  # characters
_PATIENCE = 30.0  # seconds that a large grid may take to be drawn
_logger = logging.getLogger(__name__)


def folder_of(services: Services) -> Path:
    return services.extensions.folder(ID) / "plots"


def finished(services: Services, id: str) -> Path | None:
    """The grid of the plot whose first job that is, once it is saved; waits a moment for it."""
    until = time.monotonic() + _PATIENCE
    while (plot := plots.read(folder_of(services), id)) is not None:
        if plot.over:
            return services.settings.outputs / plot.grid if plot.grid else None
        if time.monotonic() > until:
            return None
        time.sleep(0.05)
    return None


class Keeper:
    """Any thread may call."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._folder = folder_of(services)
        self._lock = threading.Lock()  # of `_known`, which requests read too
        self._known: OrderedDict[str, dict[str, Any]] = OrderedDict()  # ended jobs
        self._over: set[str] = set()  # plots
        self._problems: dict[str, str] = {}  # plot -> why it has no grid
        self._woken = threading.Event()
        self._seen = services.line.read_all(2**62, 0)[1]
        self._go_on()
        self._unwatch = services.line.watch(self._woken.set)
        self._woken.set()  # for what has ended meanwhile
        threading.Thread(target=self._serve, name="plots", daemon=True).start()

    # --- looking ----------------------------------------------------------------------------------

    def cell(self, jobs: tuple[str, ...]) -> dict[str, Any]:
        """Its state and its picture: the first of its job, or the sheet of several."""
        found = [self._job(each) for each in jobs]
        states = [each["state"] for each in found]
        first = next((each for each in found if each["picture"]), found[0])
        state = next((each for each in ("running", *_ACTIVE) if each in states), states[0])
        return {**first, "state": state}

    def _job(self, id: str) -> dict[str, Any]:
        with self._lock:
            if (known := self._known.get(id)) is not None:
                return known
        try:
            job = self._services.line.job(id)
        except DarkroomError:
            return {"job": id, "state": "gone", "picture": "", "error": "", "width": 0, "height": 0}
        saved = min(job.pictures, key=lambda each: each.image, default=None)
        given_up = job.state == "interrupted" and job.crashes >= _MOST_CRASHES
        made = {
            "job": id,
            "state": "failed" if given_up else job.state,
            "picture": saved.path if saved else "",
            "width": saved.width if saved else 0,
            "height": saved.height if saved else 0,
            "error": job.error.text if job.error else "",
        }
        if job.state in _ENDED:
            with self._lock:
                self._known[id] = made
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return made

    def problem(self, id: str) -> str:
        """Why the grid of a plot could not be saved, since the start; "" if nothing went wrong."""
        return self._problems.get(id, "")

    # --- working ----------------------------------------------------------------------------------

    def cancel(self, plot: Plot) -> int:
        """All cells that wait or run, the last first, so that none begins meanwhile; how many."""
        line, count = self._services.line, 0
        for id in reversed([id for jobs in plot.jobs for id in jobs]):
            with suppress(DarkroomError):
                if line.job(id).state in (*_ACTIVE, "interrupted"):
                    self._end(id)
                    count += 1
        return count

    def _end(self, id: str) -> None:
        line = self._services.line
        if line.job(id).state == "interrupted":
            line.order.resume(id)
        line.cancel(id)

    def _saved(self, plot: Plot, cells: list[dict[str, Any]]) -> str:
        outputs = self._services.settings.outputs
        pictures = {
            place: outputs / cell["picture"]
            for place, cell in zip(plot.cells, cells, strict=True)
            if cell["picture"]
        }
        sheet = drawn(plot, pictures)
        return save_sheet(self._services, sheet, plot.recipe()) if sheet is not None else ""

    def _go_on(self) -> None:
        """What the last server's end has interrupted goes back into the line, in its place."""
        line = self._services.line
        for plot in self._open():
            for id in (id for jobs in plot.jobs for id in jobs):
                with suppress(DarkroomError):
                    job = line.job(id)
                    if job.state == "interrupted" and job.crashes < _MOST_CRASHES:
                        line.order.resume(id)
            self._try(plot)

    def _open(self) -> list[Plot]:
        found = []
        for id in plots.ids(self._folder):
            if id not in self._over and id not in self._problems:
                plot = plots.read(self._folder, id)
                if plot is None or plot.over:
                    self._over.add(id)
                else:
                    found.append(plot)
        return found

    def _serve(self) -> None:
        line = self._services.line
        while not line.hung_up:
            told = self._woken.wait(_LOOK)
            self._woken.clear()
            entries, self._seen = line.read_all(self._seen, _ALL)
            ended = {each.job_id for each in entries if isinstance(each.event, Finished)}
            if told and not ended:
                continue
            for plot in self._open():
                if not told or any(id in ended for jobs in plot.jobs for id in jobs):
                    self._try(plot)
        self._unwatch()

    def _try(self, plot: Plot) -> None:
        """Once: what went wrong would go wrong again, until the next start."""
        try:
            self._finish(plot)
        except Exception as error:  # whatever it is, this is the one thread that sees to plots
            _logger.warning("the grid of plot %s could not be saved: %s", plot.id, error)
            self._problems[plot.id] = str(error)[:_MOST_SAID] or type(error).__name__

    def _finish(self, plot: Plot) -> None:
        """Its grid is saved if all its jobs have ended."""
        cells = [self.cell(each) for each in plot.jobs]
        if any(each["state"] in (*_ACTIVE, "interrupted") for each in cells):
            return
        if all(each["state"] == "gone" for each in cells):
            return  # they are not in the line yet
        plots.write(self._folder, replace(plot, over=True, grid=self._saved(plot, cells)))
        plots.sweep(self._folder)
