"""One turn, walked step by step: each step recorded, told of and shown.

Knows no course: what the turn is for, and what becomes of it, is for others to know.
"""

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from webui.engine.control import Control
from webui.engine.device import Device, memory_for
from webui.engine.drawing import Drawing
from webui.engine.hooks import PREVIEW
from webui.engine.plan import Plan
from webui.engine.recorder import Recorder
from webui.events import EngineEvent, Picture, Preview, PreviewKind, Warned
from webui.events import Step as StepEvent
from webui.extensions import Mishap, MishapError
from webui.request import to_dict
from webui.trajectories import Header, KeptStep


@dataclass(frozen=True, slots=True)
class Walk:
    plan: Plan
    batch: int  # 0-based
    number: int  # of the turn, 0-based
    device: Device
    drawing: Drawing
    control: Control

    def recorder(self, keep: str | None) -> Recorder:
        plan = self.plan
        shape = (len(plan.request.batch_seeds(self.batch)), *plan.size)
        sigmas = tuple(plan.sigmas.tolist())
        values, memory = to_dict(plan.request), plan.entry.memory
        place = self.number, plan.turn.turns
        header = Header(values, self.batch, shape, sigmas, memory, plan.begun, *place)
        return Recorder(header, keep, self.device, plan.inherited)

    def steps(self, recorder: Recorder) -> Generator[EngineEvent, None, KeptStep | None]:
        """Walks on from what is recorded; returns the last step that was made."""
        plan, past = self.plan, recorder.past()
        seeded, x = plan.begin(self.batch, self.device.where)
        if past:
            x = past[-1].x
            seeded.skip_to(recorder.kept[-1].draws)
        last = recorder.kept[-1] if past else None
        total = last.steps if last else plan.steps
        steps = plan.walked(x, plan.noise(self.batch, seeded, self.device.where), past)
        plan.progress.begin(past)
        for index in count(len(past) + 1):
            if plan.ends(index - 1, total):
                break
            with memory_for(f"sampling step {index}"):
                step = next(steps, None)
            if step is None:
                break
            plan.progress.after(index, step)
            plan.saw(index, step)
            if plan.view and (seen := plan.view.take()):
                recorder.take_guidance(index, *seen)
            total = step.pace.steps if step.pace else plan.steps
            for kept in recorder.take(index, seeded.draws, step):
                last = kept
                yield from self._shown(kept)
            if self.control.stop or self.control.drops(self.batch):
                break
        plan.saw(0, None)
        for kept in recorder.flush():
            last = kept
            yield from self._shown(kept)
        return last

    def _shown(self, kept: KeptStep) -> Iterator[EngineEvent]:
        plan, control, place = self.plan, self.control, (self.number, self.plan.turn.turns)
        steps = max(kept.step, plan.request.last_step(kept.steps))
        yield StepEvent(self.batch, kept.step, steps, kept.sigma, kept.seconds, *place)
        if kept.step % control.every and kept.sigma > 0 and kept.step < steps:
            return
        asked: list[tuple[PreviewKind, str | None]] = [
            ("noisy", control.noisy),
            ("predicted", control.predicted),
        ]
        for kind, method in asked:
            drawn = None if method is None else self._drawn(kept, kind, method)
            if method is not None and drawn is not None:
                yield Preview(self.batch, kept.step, kind, method, drawn, self.number)
        for mishap in plan.hooks.job.new() if plan.hooks else ():
            yield Warned(mishap.note)

    def _drawn(self, kept: KeptStep, kind: PreviewKind, method: str) -> Picture | None:
        """None where it is an extension's that fails, has failed in this job, or is not here: how
        a job is looked at must not end it."""
        plan, job = self.plan, self.plan.hooks.job if self.plan.hooks else None
        owner = self.drawing.owner(method)
        if job and job.failed(owner or method, PREVIEW):
            return None
        if job and owner is None:
            job.mishaps.append(Mishap(method, PREVIEW, "the engine has none of that name"))
            return None
        attempt = job.attempt if job else None
        with memory_for(f"drawing the preview of step {kept.step}"), suppress(MishapError):
            return self.drawing.draw(plan.model, kept, kind, method, plan.turn.view, attempt)
        return None
