"""Samplers against diffusers' schedulers, step by step, where both exist."""

import diffusers
import pytest
import torch

from tests.engine.gaussian import bent, no_noise
from webui.engine.samplers import SAMPLERS

STEPS = 12
# schedulers that keep x in sigma form; the others keep its variance constant
IN_SIGMA_FORM = {
    "EulerDiscrete", "EulerAncestralDiscrete", "LMSDiscrete", "HeunDiscrete", "KDPM2Discrete",
}  # fmt: skip
TRAILING = {"set_alpha_to_one": True, "timestep_spacing": "trailing"}


def configured(name, **extra):
    return getattr(diffusers, f"{name}Scheduler")(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", **extra
    )


def start(sigmas):
    return sigmas[0] * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def by_scheduler(name, scheduler, x, sigmas, **extra):
    """x (sigma form) after each call of the scheduler, fed the noise our denoiser implies.

    `sigmas` are the levels before each call, and 0.
    """
    steps = []
    scales = torch.ones_like(sigmas) if name in IN_SIGMA_FORM else (sigmas**2 + 1).sqrt()
    x = x / scales[0]
    for i, t in enumerate(scheduler.timesteps):
        scheduler.scale_model_input(x, t)  # some insist on it
        clean = bent(x * scales[i], sigmas[i])
        epsilon = (x * scales[i] - clean) / sigmas[i]
        x = scheduler.step(epsilon, t, x, **extra).prev_sample
        steps.append(x * scales[i + 1])
    return steps


def drawing(x, generator):
    return lambda sigma, sigma_next: torch.randn(x.shape, generator=generator)


def agree(ours, theirs, tolerance):
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert (mine - other).abs().max() < tolerance


@pytest.mark.parametrize(
    ("sampler", "name", "extra", "options"),
    [
        ("Euler", "EulerDiscrete", {}, {}),
        ("LMS", "LMSDiscrete", {}, {}),
        ("DPM++ 2M", "DPMSolverMultistep", {"use_karras_sigmas": True}, {}),
        ("DEIS", "DEISMultistep", {"solver_order": 2}, {"order": 2}),
        ("DEIS", "DEISMultistep", {"solver_order": 3}, {"order": 3}),
        ("UniPC", "UniPCMultistep", {"solver_order": 2}, {"order": 2, "solver_type": "bh2"}),
        ("UniPC", "UniPCMultistep", {"solver_order": 3, "solver_type": "bh1"}, {}),
    ],
)
def test_deterministic_samplers_agree(sampler, name, extra, options):
    if name not in IN_SIGMA_FORM and name != "DEISMultistep":
        extra = extra | {"final_sigmas_type": "zero"}
    scheduler = configured(name, **extra)
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas.clone()
    sigmas[-1] = 0
    x = start(sigmas)
    ours = [step.x for step in SAMPLERS[sampler](bent, x, sigmas, no_noise, **options)]
    theirs = by_scheduler(name, scheduler, x, sigmas)
    if name in ("DEISMultistep", "UniPCMultistep"):
        # the last step to 0 is ours alone: DEIS has none, UniPC's bh1 makes NaN of it
        assert torch.equal(ours[-1], bent(ours[-2], sigmas[-2]))
        ours, theirs = ours[:-1], theirs[:-1]
    agree(ours, theirs, 1e-3 * x.abs().max())


@pytest.mark.parametrize(("sampler", "name"), [("Heun", "HeunDiscrete"), ("DPM2", "KDPM2Discrete")])
def test_two_call_samplers_agree_at_the_end_of_each_step(sampler, name):
    scheduler = configured(name)
    scheduler.set_timesteps(STEPS)
    before = list(scheduler.sigmas)  # each level twice but the first and the last; KDPM2 as well
    calls = len(scheduler.timesteps)
    levels = torch.stack([before[0], *before[1::2]])[: STEPS + 1]
    if name == "KDPM2Discrete":
        asked = [before[0]]
        for i in range(1, calls):
            asked.append(scheduler.sigmas_interpol[i] if i % 2 else scheduler.sigmas[i])
    else:
        asked = before[:calls]
    x = start(scheduler.sigmas)
    ours = [step.x for step in SAMPLERS[sampler](bent, x, levels, no_noise)]
    theirs, latent = [], x
    for sigma, t in zip(asked, scheduler.timesteps, strict=True):
        epsilon = (latent - bent(latent, sigma)) / sigma
        latent = scheduler.step(epsilon, t, latent).prev_sample
        theirs.append(latent)
    agree(ours, [*theirs[1::2], theirs[-1]][: len(ours)], 2e-3 * x.abs().max())


def test_plms_agrees_in_its_first_two_calls_and_all_later_ones():
    scheduler = configured("PNDM", skip_prk_steps=True, **TRAILING)
    scheduler.set_timesteps(10)
    times = scheduler.timesteps  # the second one twice
    alphas = scheduler.alphas_cumprod[times]
    levels = ((1 - alphas) / alphas).sqrt()
    x = start(levels)
    sigmas = torch.cat([levels, torch.zeros(1)])
    theirs = by_scheduler("PNDM", scheduler, x, sigmas)
    own_levels = torch.cat([levels[:1], levels[2:], torch.zeros(1)])
    ours = [step.x for step in SAMPLERS["PLMS"](bent, x, own_levels, no_noise)]
    agree(ours, theirs[1:], 1e-3 * x.abs().max())


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_agrees(eta):
    scheduler = configured("DDIM", clip_sample=False, **TRAILING)
    scheduler.set_timesteps(10)
    alphas = scheduler.alphas_cumprod[scheduler.timesteps]
    sigmas = torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1)])
    x, generator = start(sigmas), torch.Generator().manual_seed(5)

    def noise(sigma, sigma_next):
        return torch.randn(x.shape, generator=generator)

    ours = [step.x for step in SAMPLERS["DDIM"](bent, x, sigmas, noise, eta=eta)]
    extra = {"eta": eta, "generator": torch.Generator().manual_seed(5)}
    agree(ours, by_scheduler("DDIM", scheduler, x, sigmas, **extra), 1e-4 * x.abs().max())


@pytest.mark.parametrize(
    ("sampler", "name", "extra"),
    [
        ("Euler a", "EulerAncestralDiscrete", {}),
        ("DPM++ 2M SDE", "DPMSolverMultistep", {"algorithm_type": "sde-dpmsolver++"}),
        (
            "DPM++ 2M SDE Heun",
            "DPMSolverMultistep",
            {"algorithm_type": "sde-dpmsolver++", "solver_type": "heun"},
        ),
        # not DPM++ 3M SDE: theirs has a wrong sign in its third order (0.42.1); see k-diffusion's
    ],
)
def test_random_samplers_agree_with_the_same_noise(sampler, name, extra):
    if name == "DPMSolverMultistep":
        extra = extra | {"final_sigmas_type": "zero", "use_exponential_sigmas": True}
        extra |= {"lower_order_final": False, "euler_at_final": True}
    scheduler = configured(name, **extra)
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas
    x, generator = start(sigmas), torch.Generator().manual_seed(5)

    def noise(sigma, sigma_next):
        return torch.randn(x.shape, generator=generator)

    steps = SAMPLERS[sampler](bent, x, sigmas, noise)
    theirs = by_scheduler(name, scheduler, x, sigmas, generator=torch.Generator().manual_seed(5))
    agree([step.x for step in steps], theirs, 2e-3 * x.abs().max())


def test_churn_agrees_with_the_same_noise():
    scheduler = configured("EulerDiscrete")
    scheduler.set_timesteps(STEPS)
    sigmas = scheduler.sigmas
    x = start(sigmas)
    for s_churn in (2.0, 40.0):  # the second one is cut off at sqrt(2) - 1 a step
        churn = {"s_churn": s_churn, "s_noise": 1.01}
        ours_from, theirs_from = (torch.Generator().manual_seed(5) for _ in range(2))
        steps = SAMPLERS["Euler"](bent, x, sigmas, drawing(x, ours_from), **churn)
        ours = [step.x for step in steps]
        scheduler.set_timesteps(STEPS)
        theirs, latent = [], x
        for i, t in enumerate(scheduler.timesteps):
            gamma = min(s_churn / STEPS, 2**0.5 - 1)
            raised = sigmas[i] * (1 + gamma)
            again = torch.Generator()
            again.set_state(theirs_from.get_state())
            eps = torch.randn(x.shape, generator=again) * 1.01
            lifted = latent + eps * (raised**2 - sigmas[i] ** 2) ** 0.5
            scheduler.scale_model_input(latent, t)
            epsilon = (lifted - bent(lifted, raised)) / raised
            latent = scheduler.step(epsilon, t, latent, generator=theirs_from, **churn).prev_sample
            theirs.append(latent)
        agree(ours, theirs, 1e-4 * x.abs().max())


@pytest.mark.parametrize(("sampler", "name"), [("DDPM", "DDPM"), ("LCM", "LCM")])
def test_ddpm_and_lcm_agree_with_the_same_noise(sampler, name):
    if name == "DDPM":
        scheduler = configured(name, clip_sample=False, timestep_spacing="trailing")
        scheduler.set_timesteps(10)
    else:
        # its output is a blend with the input, by a boundary condition that we leave out: the
        # larger the factor, the less of the input
        scheduler = configured(name, timestep_scaling=1e6, set_alpha_to_one=True)
        scheduler.set_timesteps(10)
    alphas = scheduler.alphas_cumprod[scheduler.timesteps]
    sigmas = torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1)])
    x = start(sigmas)
    ours_from, theirs_from = (torch.Generator().manual_seed(5) for _ in range(2))
    ours = [step.x for step in SAMPLERS[sampler](bent, x, sigmas, drawing(x, ours_from))]
    theirs = by_scheduler(name, scheduler, x, sigmas, generator=theirs_from)
    agree(ours, theirs, 1e-3 * x.abs().max())


def test_dpm2_a_agrees_at_the_end_of_each_step_with_the_same_noise():
    scheduler = configured("KDPM2AncestralDiscrete")
    scheduler.set_timesteps(STEPS)
    levels = torch.stack([scheduler.sigmas[0], *scheduler.sigmas[1::2]])[: STEPS + 1]
    x = start(levels)
    ours_from, theirs_from = (torch.Generator().manual_seed(5) for _ in range(2))
    ours = [step.x for step in SAMPLERS["DPM2 a"](bent, x, levels, drawing(x, ours_from))]
    theirs, latent = [], x
    for i, t in enumerate(scheduler.timesteps):
        sigma = scheduler.sigmas_interpol[i - 1] if i % 2 else scheduler.sigmas[i]
        epsilon = (latent - bent(latent, sigma)) / sigma
        latent = scheduler.step(epsilon, t, latent, generator=theirs_from).prev_sample
        theirs.append(latent)
    agree(ours, [*theirs[1::2], theirs[-1]][: len(ours)], 2e-3 * x.abs().max())


def test_dpmpp_2s_a_without_noise_agrees_at_the_end_of_each_step():
    # diffusers' single steps take two of its levels each, the first of them the middle by logarithm
    levels = torch.tensor([14.0, 9.0, 4.0, 2.0, 0.6, 0.1])
    middles = (levels[1:] * levels[:-1]).sqrt()
    scheduler = configured("DPMSolverSinglestep", solver_order=2, final_sigmas_type="zero")
    scheduler.set_timesteps(10)
    asked = torch.stack([levels[:-1], middles], 1).flatten()
    scheduler.sigmas = torch.cat([asked, levels[-1:]])
    scheduler.order_list = [1, 2] * 5
    x = start(levels)
    ours = [step.x for step in SAMPLERS["DPM++ 2S a"](bent, x, levels, no_noise, eta=0.0)]
    theirs = by_scheduler("DPMSolverSinglestep", scheduler, x, scheduler.sigmas)
    agree(ours, theirs[1::2], 1e-3 * x.abs().max())
