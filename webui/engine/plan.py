"""From a turn to what a run of it needs: the denoiser, the sampler with its options, the levels.

Knows neither courses nor events.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from webui.engine.branching import Branch
from webui.engine.brownian import BrownianNoise
from webui.engine.conditioning.timeline import Timeline
from webui.engine.denoiser import Guides, RecordedGuidance, guided, inpainted, later
from webui.engine.entries import Entries
from webui.engine.guidance_view import GuidanceView
from webui.engine.hooks import TurnHooks
from webui.engine.noise import SeededNoise
from webui.engine.progress import Progress
from webui.engine.sampler_choice import sampler_on, sampler_options, turn_levels
from webui.engine.turns import Start, Turn
from webui.interfaces import (
    Denoiser,
    Model,
    Noise,
    Sampler,
    SamplerEntry,
    Step,
)
from webui.interfaces.engine_hooks import StepSeen
from webui.request import GenerationRequest
from webui.trajectories import KeptStep

# A1111's scale of guidance that is CFG++'s 1; Chung et al. 2024 (arXiv:2406.08070), table 1.
WHOLE_GUIDANCE = 12.5


@dataclass(frozen=True, slots=True)
class Plan:
    """A turn, with everything looked up."""

    turn: Turn
    denoise: Denoiser
    sample: Sampler
    entry: SamplerEntry
    sigmas: Tensor  # (n + 1,) float32, on the CPU
    progress: Progress
    inherited: Sequence[KeptStep] = ()  # what a branch begins with
    begun: int = 0  # how many of them the sampler is not told of
    view: GuidanceView | None = None  # where what guidance is made of is wanted
    hooks: TurnHooks | None = None  # extensions'

    def walked(self, x: Tensor, noise: Noise, past: Sequence[Step]) -> Iterator[Step]:
        """The steps after those in `past`, which are all that there are; x (B, C, h, w)."""
        sigmas, own = self.sigmas[self.begun :], past[self.begun :]
        for step in self.sample(self.denoise, x, sigmas, noise, own):
            if step.pace and self.begun:
                yield step._replace(pace=step.pace._replace(steps=step.pace.steps + self.begun))
            else:
                yield step

    def attended(self) -> AbstractContextManager[None]:
        """While it lasts the network's attentions are as extensions have them."""
        return self.hooks.attended(self.model) if self.hooks else nullcontext()

    def saw(self, number: int, step: Step | None) -> None:
        """Shows extensions a step, or that there are no more."""
        if self.hooks is None:
            return

        def seen() -> StepSeen | None:
            if step is None:
                return None
            left = step.pace.sigma if step.pace else float(self.sigmas[number])
            x, denoised = step.x.clone(), step.denoised.clone()
            return StepSeen(step=number, sigma=left, x=x, denoised=denoised)

        self.hooks.saw(seen)

    def ends(self, made: int, total: int) -> bool:
        """Whether the picture is to be decoded after `made` of `total` steps, before its end."""
        return self.request.stop_at < 1 and made >= self.request.last_step(total)

    @property
    def request(self) -> GenerationRequest:
        return self.turn.request

    @property
    def model(self) -> Model:
        return self.turn.model

    @property
    def steps(self) -> int:
        return len(self.sigmas) - 1

    @property
    def size(self) -> tuple[int, int, int]:
        """(C, h, w) of a latent."""
        return (self.model.latent_channels, *self._cells(*self.turn.size))

    def _cells(self, width: int, height: int) -> tuple[int, int]:
        """(h, w) of the latent of a picture."""
        factor = self.model.scale_factor
        return max(1, height // factor), max(1, width // factor)

    def begin(self, batch: int, device: torch.device) -> tuple[SeededNoise, Tensor]:
        """The batch's streams of noise, and the noisy latent (B, C, h, w) that is walked from."""
        noise, drawn = self.start(batch, device)
        start = self.turn.start
        if start is None:
            return noise, self.model.noised(torch.zeros_like(drawn), drawn, self.sigmas[0])
        drawn = drawn * start.noise_multiplier
        return noise, self.model.noised(start.latents.expand_as(drawn), drawn, self.sigmas[0])

    def start(self, batch: int, device: torch.device) -> tuple[SeededNoise, Tensor]:
        """The batch's streams of noise, and what they gave for the start (B, C, h, w)."""
        request, images = self.request, self.request.batch(batch)
        seeds = [each.seed for each in images]
        noise = SeededNoise(seeds, self._drawn, device, request.rng)
        varied = [each.variation.seed for each in images if each.variation]
        strength = request.variation.strength if request.variation else 0.0
        old_size = self._cells(*request.seed_resize) if request.seed_resize else None
        return noise, self._own(noise.start(varied, strength, old_size))

    def noise(self, batch: int, seeded: SeededNoise, device: torch.device) -> Noise:
        """What the sampler draws from."""
        drawn: Noise = seeded
        if self.entry.noise == "brownian":
            seeds = self.request.batch_seeds(batch)
            drawn = BrownianNoise(seeds, self._drawn, self.sigmas, device, self.request.rng)
        if self.turn.part is None:
            return drawn
        return lambda sigma, sigma_next: self._own(drawn(sigma, sigma_next))

    @property
    def _drawn(self) -> tuple[int, int, int]:
        """(C, h, w) of the noise, of which this turn may have a part."""
        part = self.turn.part
        return self.size if part is None else (self.size[0], *part.whole)

    def _own(self, noise: Tensor) -> Tensor:
        """The turn's part of the noise."""
        part = self.turn.part
        if part is None:
            return noise
        _, height, width = self.size
        return noise[..., part.top : part.top + height, part.left : part.left + width]


def plan_of(
    entries: Entries,
    turn: Turn,
    timeline: Timeline,
    branch: Branch | None = None,
    view: GuidanceView | None = None,
    hooks_of: Callable[[Progress], TurnHooks] | None = None,
) -> Plan:
    """`timeline` says what guides each of the turn's steps; `branch` is what is taken over of
    another run; `view` is shown what is guided. Raises InvalidRequest."""
    request, model = turn.request, turn.model
    entry = sampler_on(entries, request, model.levels)
    sigmas = branch.sigmas if branch else turn_levels(entries, turn)
    progress = Progress(turn.steps, len(sigmas) - 1)

    hooks = hooks_of(progress) if hooks_of else None

    def now() -> Guides:
        guides = timeline.at(progress.step)
        return hooks.guides(guides, progress.step) if hooks else guides

    sample = partial[Iterator[Step]](entry.sample, **sampler_options(request))
    denoise: Denoiser
    seen = view.saw if view else None
    if entry.plus_plus:
        scale = request.guidance_scale / WHOLE_GUIDANCE
        denoise = recorded = RecordedGuidance(model, now, scale, seen)
        sample = partial[Iterator[Step]](sample, unguided=recorded.unguided)
    else:
        denoise = guided(model, now, request.guidance_scale, seen)
    if hooks:
        denoise = hooks.wrapped(denoise)
    if turn.start and turn.start.mask is not None:
        denoise = _masked(denoise, turn.start, turn.start.mask, progress)
    plan = Plan(turn, denoise, sample, entry, sigmas, progress, view=view, hooks=hooks)
    if branch is None:
        return plan
    return replace(plan, inherited=branch.steps, begun=branch.begun)


def _masked(denoise: Denoiser, start: Start, mask: Tensor, progress: Progress) -> Denoiser:
    """`mask` (1, 1, h, w) is the start's."""
    if start.soft:
        return inpainted(denoise, later(mask, lambda: progress.share), start.latents)
    return inpainted(denoise, lambda: mask, start.latents)
