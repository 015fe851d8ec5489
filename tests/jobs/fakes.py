"""A workshop without engine or disk for the line's tests: it does what it is told, step by step."""

import queue
import time
from pathlib import Path

from webui.errors import EngineDied, OutOfMemory
from webui.events import Picture, Preview, Rendered, Saved, Skipped, Stage, Step
from webui.jobs.work import Workshop
from webui.request import GenerationRequest


def request(seed=7, **values):
    defaults = {"model": "m", "prompt": "p", "steps": 2, "width": 64, "height": 64}
    return GenerationRequest(**defaults | {"seed": seed} | values)


def eventually(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.001)


class Puppet:
    """Its engine takes an order for each step: "step", "finish" (no more orders), "die", "fail"."""

    def __init__(self, folder=Path("/kept")):
        self.folder = folder
        self.orders = queue.Queue()
        self.runs = []  # (job, first batch)
        self.options = []
        self.stops = []  # (job, keep)
        self.skips = []  # (job, batch)
        self.shown = []
        self.saved = []  # (job, image)
        self.tidied = 0

    def workshop(self, **others):
        functions = {
            "run": self.run,
            "stop": self.stop,
            "skip": self.skip,
            "show": self.shown.append,
            "save": self.save,
            "save_grid": lambda job, pictures: None,
            "keep_folder": lambda job_id: self.folder / job_id,
            "inputs": Path("inputs"),
            "kept_steps": lambda folder, batch: 0,
            "tidy": self.tidy,
            "preview": lambda folder, look: None,
        }
        return Workshop(**functions | others)

    def order(self, *orders):
        for each in orders:
            self.orders.put(each)

    def tidy(self):
        self.tidied += 1

    def stop(self, job_id, keep):
        self.stops.append((job_id, keep))
        self.orders.put((job_id, keep))

    def skip(self, job_id, batch):
        self.skips.append((job_id, batch))
        self.orders.put((job_id, batch, "skip"))

    def save(self, job, rendered):
        self.saved.append((job.id, rendered.image))
        path = f"{job.id}-{rendered.image}.png"
        return Saved(rendered.image, path, rendered.request, 0.5, 9, 64, 64)

    def run(self, job_id, asked, options):
        self.runs.append((job_id, options.first_batch))
        self.options.append(options)
        yield Stage("loading model")
        finishing = False
        for batch in range(options.first_batch, asked.batches):
            order = "step"
            for step in range(1, asked.steps + 1):
                order = "finish" if finishing else self._next(job_id, batch)
                if order == "skip":
                    yield Skipped(batch, step - 1)
                    break
                if order == "die":
                    raise EngineDied("killed as ordered")
                if order == "fail":
                    raise OutOfMemory("failed as ordered")
                if order == "discard":
                    return "cancelled"
                if order == "keep":
                    break
                finishing = order == "finish"
                yield Step(batch, step, asked.steps, 1.0, 0.1)
                yield Preview(batch, step, "noisy", "fast", Picture(2, 1, b"abcdef"))
            if order == "skip":
                continue
            yield from self._render(asked, batch)
            if order == "keep":
                return "stopped"
        return "done"

    def _next(self, job_id, batch):
        """The next order for this job; a stop for another one is none, nor a skip of a batch
        that is over."""
        while isinstance(order := self.orders.get(), tuple):
            if order == (job_id, batch, "skip"):
                return "skip"
            if order[0] == job_id and order[2:] != ("skip",):
                return "keep" if order[1] else "discard"
        return order

    def _render(self, asked, batch):
        for image, seed in enumerate(asked.batch_seeds(batch), batch * asked.batch_size):
            picture = Picture(1, 1, seed.to_bytes(3, "big"))
            yield Rendered(image, picture, asked.alone(image), 0.5, 9)
