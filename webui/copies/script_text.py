"""The text of a script with diffusers, section by section."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from webui.copies.prompts import Written
from webui.copies.quoting import comment, python
from webui.copies.source import Inlined
from webui.request import GenerationRequest

_WHOLE_GUIDANCE = 12.5  # A1111's scale that is CFG++'s 1, as in the engine's plan


@dataclass(frozen=True, slots=True)
class Scheduler:
    """One of diffusers' that takes the steps of a sampler of ours, drawing what ours draws."""

    name: str
    options: str = ""  # of its config
    levels: str = "sigmas, levels.sigma_to_t(sigmas[:-1])"  # and the timesteps at which it calls
    start: str = "sigmas[0]"  # what the noise is to be multiplied by, besides its own doing


_OWN_START = "1"  # it multiplies by the first level itself
_EACH_TWICE = (
    "torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]]), "
    "levels.sigma_to_t(torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2)]))"
)
SCHEDULERS: Mapping[str, Scheduler] = {
    "Euler": Scheduler("EulerDiscreteScheduler", ', timestep_spacing="linspace"', start=_OWN_START),
    "Euler a": Scheduler(
        "EulerAncestralDiscreteScheduler", ', timestep_spacing="linspace"', start=_OWN_START
    ),
    "Heun": Scheduler(
        "HeunDiscreteScheduler",
        ', timestep_spacing="linspace"',
        levels=_EACH_TWICE,
        start=_OWN_START,
    ),
    "DPM++ 2M": Scheduler(
        "DPMSolverMultistepScheduler",
        ', final_sigmas_type="zero", lower_order_final=False, euler_at_final=True',
        start="sigmas[0] / (sigmas[0] ** 2 + 1) ** 0.5",
    ),
}


@dataclass(frozen=True, slots=True)
class Parts:
    """What a script is made of."""

    request: GenerationRequest
    model: str  # the folder
    random: bool
    scheduler: Scheduler | None
    code: Inlined
    sampler: Mapping[str, Any]  # what the engine's table says of it
    windows: tuple[Sequence[Written], Sequence[Written]] | None
    schedule: str  # the call that makes the levels
    sample: str  # the sampler's name in the code


def body(parts: Parts) -> Iterator[str]:
    yield from _imports(parts)
    yield ""
    yield from _given(parts)
    yield ""
    yield "# --- from Darkroom's engine, Apache-2.0 " + "-" * 59
    yield ""
    yield parts.code.text
    yield ""
    yield "# " + "-" * 98
    yield ""
    yield from _pipeline(parts)
    yield ""
    if parts.windows:
        yield from _encoding(parts)
        yield ""
        yield ""
    yield from _by_scheduler(parts, parts.scheduler) if parts.scheduler else _by_loop(parts)


def _imports(parts: Parts) -> Iterator[str]:
    kinds = {"DDPMScheduler", "StableDiffusionPipeline"}
    kinds |= {parts.scheduler.name} if parts.scheduler else set()
    lines = parts.code.imports | {
        "import torch",
        f"from diffusers import {', '.join(sorted(kinds))}",
    }
    lines |= {"import random"} if parts.random else set()
    yield from sorted(lines, key=lambda line: (line.startswith("from"), line))


def _given(parts: Parts) -> Iterator[str]:
    request = parts.request
    yield 'DEVICE = "cuda" if torch.cuda.is_available() else "cpu"'
    yield f"MODEL = {python(parts.model)}"
    if parts.windows:
        yield "# the prompts as tokens with their weights, in windows of at most 75"
        for name, windows in zip(("PROMPT", "NEGATIVE_PROMPT"), parts.windows, strict=True):
            text = request.prompt if name == "PROMPT" else request.negative_prompt
            yield from comment(repr(text))
            yield f"{name} = ["
            yield from (f"    {python(each)}," for each in windows)
            yield "]"
    else:
        yield f"PROMPT = {python(request.prompt)}"
        yield f"NEGATIVE_PROMPT = {python(request.negative_prompt)}"
    yield "SEED = random.randrange(2**32)" if parts.random else f"SEED = {request.seed}"
    yield f"IMAGES = {request.images}  # picture i has the seed SEED + i"
    yield f"STEPS = {request.steps}"
    yield f"GUIDANCE = {request.guidance_scale!r}"
    yield f"WIDTH, HEIGHT = {request.width}, {request.height}"
    if parts.windows:
        yield f"CLIP_SKIP = {request.clip_skip}  # 1: all layers of the text encoder"


def _pipeline(parts: Parts) -> Iterator[str]:
    yield "pipe = StableDiffusionPipeline.from_pretrained("
    yield "    MODEL, safety_checker=None, requires_safety_checker=False"
    yield ").to(DEVICE, torch.float32)"
    yield "signal = DDPMScheduler.from_config(pipe.scheduler.config).alphas_cumprod"
    listed = ", ALIGN_YOUR_STEPS" if "ALIGN_YOUR_STEPS" in parts.code.text else ""
    yield f"levels = DiscreteLevels(signal{listed})"
    yield f"sigmas = {parts.schedule}"
    yield "factor = pipe.vae_scale_factor"
    yield "shape = (pipe.unet.config.in_channels, HEIGHT // factor, WIDTH // factor)"


def _encoding(parts: Parts) -> Iterator[str]:
    yield from f'''
@torch.no_grad()
def encoded(windows):
    """The windows one after the other: (1, 77 x windows, width)."""
    encoder, tokenizer, parts = pipe.text_encoder, pipe.tokenizer, []
    for ids, weights in windows:
        padding = [tokenizer.pad_token_id] * (75 - len(ids))
        tokens = [tokenizer.bos_token_id, *ids, tokenizer.eos_token_id, *padding]
        states = encoder(torch.tensor([tokens], device=DEVICE), output_hidden_states=True)
        hidden = states[0]
        if CLIP_SKIP > 1:
            norm = getattr(encoder, "text_model", encoder).final_layer_norm
            hidden = norm(states.hidden_states[-CLIP_SKIP])
        parts.append(emphasised(hidden, weights, {python(parts.request.emphasis)}))
    return torch.cat(parts, dim=1)
'''.strip().splitlines()


def _by_scheduler(parts: Parts, chosen: Scheduler) -> Iterator[str]:
    if parts.windows:
        given = "prompt_embeds=encoded(PROMPT), negative_prompt_embeds=encoded(NEGATIVE_PROMPT)"
    else:
        given = "prompt=PROMPT, negative_prompt=NEGATIVE_PROMPT"
    yield from f'''
class Scheduler({chosen.name}):
    """diffusers' own, on the levels above."""

    def set_timesteps(self, num_inference_steps=None, device=None, *others, **more):
        super().set_timesteps(len(sigmas) - 1, device=device)
        self.sigmas, self.timesteps = {chosen.levels}


pipe.scheduler = Scheduler.from_config(pipe.scheduler.config{chosen.options})
for number in range(IMAGES):
    seed = (SEED + number) % 2**32
    generator = torch.Generator("cpu").manual_seed(seed)  # the same noise on every device
    noise = torch.randn((1, *shape), generator=generator)
    picture = pipe(
        {given},
        num_inference_steps=len(sigmas) - 1,
        guidance_scale=GUIDANCE,
        width=WIDTH,
        height=HEIGHT,
        latents=noise * ({chosen.start}),
        generator=generator,
    ).images[0]
    picture.save(f"picture-{{seed}}.png")
'''.strip().splitlines()


def _by_loop(parts: Parts) -> Iterator[str]:
    request = parts.request
    yield from _context(parts)
    yield from _denoiser(bool(parts.sampler.get("plus_plus")))
    varied = request.variation is not None and request.variation.strength > 0
    seed = "SEED" if varied else "(SEED + number) % 2**32"
    options = _options(parts)
    noise = "noise"
    if parts.sampler.get("noise") == "brownian":
        noise = f"BrownianNoise([seed], shape, sigmas, device, {request.rng!r})"
    yield from f"""
device = torch.device(DEVICE)
for number in range(IMAGES):
    seed = {seed}
    noise = SeededNoise([seed], shape, device, {request.rng!r})
    x = sigmas[0] * noise.start({_start(request)})
    with torch.no_grad():
        for step in {parts.sample}(denoise, x, sigmas, {noise}{options}):
            x = step.x
        vae = pipe.vae
        scaled = x / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
        picture = pipe.image_processor.postprocess(vae.decode(scaled).sample)[0]
    picture.save(f"picture-{{SEED + number}}.png")
""".strip().splitlines()


def _context(parts: Parts) -> Iterator[str]:
    if parts.windows:
        yield "context = torch.cat([encoded(NEGATIVE_PROMPT), encoded(PROMPT)])"
        return
    yield "with torch.no_grad():"
    yield "    towards, away = pipe.encode_prompt(PROMPT, DEVICE, 1, True, NEGATIVE_PROMPT)"
    yield "context = torch.cat([away, towards])"


def _denoiser(plus_plus: bool) -> Iterator[str]:
    yield from '''
velocity = pipe.scheduler.config.prediction_type == "v_prediction"
clean = from_velocity if velocity else from_epsilon


def predicted(x, sigma, context):
    """The clean latent, once for each of the contexts."""
    scaled = (x / (sigma**2 + 1) ** 0.5).repeat(len(context), 1, 1, 1)
    timestep = levels.sigma_to_t(sigma).to(DEVICE)
    output = pipe.unet(scaled, timestep, encoder_hidden_states=context).sample
    return [clean(x, sigma, each) for each in output.chunk(len(context))]


'''.strip().splitlines()
    yield ""
    yield ""
    if plus_plus:
        yield from f"""
unguided = []  # the last prediction without the prompt


def denoise(x, sigma):
    away, towards = predicted(x, sigma, context)
    unguided[:] = [away]
    return away + GUIDANCE / {_WHOLE_GUIDANCE} * (towards - away)
""".strip().splitlines()
    else:
        yield from """
def denoise(x, sigma):
    if GUIDANCE == 1:
        return predicted(x, sigma, context[1:])[0]
    away, towards = predicted(x, sigma, context)
    return away + GUIDANCE * (towards - away)
""".strip().splitlines()
    yield ""
    yield ""


def _options(parts: Parts) -> str:
    told = asdict(parts.request.sampling)
    given = [f"{name}={value!r}" for name, value in told.items() if value is not None]
    given += ["unguided=lambda: unguided[0]"] if parts.sampler.get("plus_plus") else []
    return "".join(f", {each}" for each in given)


def _start(request: GenerationRequest) -> str:
    """What the first draw is changed by."""
    given = []
    if request.variation is not None and request.variation.strength > 0:
        given += [
            f"[({request.variation.seed} + number) % 2**32]",
            f"{request.variation.strength!r}",
        ]
    if request.seed_resize is not None:
        width, height = request.seed_resize
        given += [f"old_size=({height} // factor, {width} // factor)"]
    return ", ".join(given)
