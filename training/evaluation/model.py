"""A model's folder, asked for pictures as a user would: 20 steps of DPM++ 2M Karras, with guidance.

Any folder of diffusers' layout will do, so that an old model and a new one meet the same measures.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from torch import Tensor

STEPS = 20
_AT_A_TIME = {"cpu": 16, "cuda": 100}


@dataclass(frozen=True)
class Model:
    """`pixels`: width and height of its pictures."""

    pipeline: Any  # StableDiffusionPipeline
    pixels: int
    guidance: float

    @classmethod
    def of(cls, folder: Path, guidance: float, device: torch.device) -> "Model":
        """Raises OSError if the folder is no model."""
        kind: Any = StableDiffusionPipeline
        sampler: Any = DPMSolverMultistepScheduler
        pipeline = kind.from_pretrained(
            str(folder), local_files_only=True, dtype=torch.float32, safety_checker=None
        ).to(device)
        pipeline.scheduler = sampler.from_config(pipeline.scheduler.config, use_karras_sigmas=True)
        pipeline.set_progress_bar_config(disable=True)
        pixels = 8 * pipeline.unet.config.sample_size
        return cls(pipeline, pixels, guidance)

    def pictures(self, prompts: Sequence[str], seeds: Sequence[int]) -> Tensor:
        """(prompts, 3, pixels, pixels) from -1 to 1, on the CPU; a seed for each prompt, whose
        picture does not depend on the others."""
        made = []
        several = _AT_A_TIME[self.pipeline.device.type]
        for start in range(0, len(prompts), several):
            now = slice(start, start + several)
            noise = [torch.Generator().manual_seed(seed) for seed in seeds[now]]
            answer = self.pipeline(
                list(prompts[now]),
                num_inference_steps=STEPS,
                guidance_scale=self.guidance,
                generator=noise,
                output_type="pt",
            )
            made.append(answer.images.float().cpu() * 2 - 1)
        return torch.cat(made)

    def seconds(self, rounds: int = 5) -> dict[str, float]:
        """Medians, for one picture: of the text encoder (prompt and negative prompt), of all steps
        of the UNet with guidance, of the decoder."""
        parts = self.pipeline
        side = self.pixels // 8
        words = torch.zeros(2, 77, dtype=torch.int64, device=parts.device)
        noise = torch.randn(2, 4, side, side, device=parts.device)
        taken: dict[str, list[float]] = {"text": [], "steps": [], "decoder": []}
        with torch.inference_mode():
            for _ in range(rounds):
                marks = [time.perf_counter()]
                context = parts.text_encoder(words).last_hidden_state
                marks.append(_now(parts.device))
                for _ in range(STEPS):
                    parts.unet(noise, 500, context)
                marks.append(_now(parts.device))
                parts.vae.decode(noise[:1])
                marks.append(_now(parts.device))
                for name, begun, ended in zip(taken, marks, marks[1:], strict=False):
                    taken[name].append(ended - begun)
        return {name: sorted(each)[rounds // 2] for name, each in taken.items()}


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
