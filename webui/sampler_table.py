"""What the page, the API and the docs say of the samplers and schedules that ship.

The functions are the engine's, met by name; a test compares what both sides say. In A1111's order,
the ones it has not after them. Names and aliases are A1111's and its clients'.
"""

from collections.abc import Sequence

from webui.interfaces import SamplerInfo, ScheduleInfo

_CHURN = ("s_churn", "s_tmin", "s_tmax", "s_noise")
_ETA = ("eta", "s_noise")
_ENDS = ("sigma_min", "sigma_max")

SAMPLER_INFOS: Sequence[SamplerInfo] = (
    SamplerInfo(
        name="DPM++ 2M",
        aliases=("dpmpp_2m", "k_dpmpp_2m"),
        order=2,
        automatic="Karras",
        help="Learns from the step before: good pictures in 15 to 25 steps, the same each time.",
    ),
    SamplerInfo(
        name="DPM++ SDE",
        aliases=("dpmpp_sde", "k_dpmpp_sde"),
        order=2,
        calls=2,
        random=True,
        automatic="Karras",
        parameters=_ETA,
        help="Rich detail in as few as 8 to 15 steps, each of which takes twice as long.",
    ),
    SamplerInfo(
        name="DPM++ 2M SDE",
        aliases=("dpmpp_2m_sde", "k_dpmpp_2m_sde"),
        order=2,
        random=True,
        automatic="Exponential",
        parameters=(*_ETA, "solver_type"),
        solver_types=("midpoint", "heun"),
        help="DPM++ 2M with fresh noise: more detail, in 20 to 40 steps.",
    ),
    SamplerInfo(
        name="DPM++ 2M SDE Heun",
        aliases=("dpmpp_2m_sde_heun", "k_dpmpp_2m_sde_heun"),
        order=2,
        random=True,
        automatic="Exponential",
        parameters=_ETA,
        help="DPM++ 2M SDE that leans more on the step before; for 25 steps and more.",
    ),
    SamplerInfo(
        name="DPM++ 2S a",
        aliases=("dpmpp_2s_a", "dpmpp_2s_ancestral", "k_dpmpp_2s_a"),
        order=2,
        calls=2,
        random=True,
        automatic="Karras",
        parameters=_ETA,
        help="Ancestral and careful: crisp pictures that keep changing with the number of steps.",
    ),
    SamplerInfo(
        name="DPM++ 3M SDE",
        aliases=("dpmpp_3m_sde", "k_dpmpp_3m_sde"),
        order=2,
        random=True,
        automatic="Exponential",
        parameters=_ETA,
        help="Learns from two steps before; smooth and detailed from 30 steps on.",
    ),
    SamplerInfo(
        name="Euler a",
        aliases=("euler_ancestral", "k_euler_a", "k_euler_ancestral"),
        random=True,
        parameters=_ETA,
        help="Euler with fresh noise in each step: soft, varied; changes with the number of steps.",
    ),
    SamplerInfo(
        name="Euler",
        aliases=("k_euler",),
        parameters=_CHURN,
        help="The plain rule, a straight step along the slope: dependable from 20 steps on.",
    ),
    SamplerInfo(
        name="LMS",
        aliases=("k_lms",),
        order=4,
        parameters=("order",),
        orders=(4, 1, 2, 3),
        help="A curve through the last four steps: exact where steps are many, unstable in few.",
    ),
    SamplerInfo(
        name="Heun",
        aliases=("k_heun",),
        order=2,
        calls=2,
        parameters=_CHURN,
        help="Euler, corrected by a second look: exact, and half as fast.",
    ),
    SamplerInfo(
        name="DPM2",
        aliases=("dpm_2", "k_dpm_2"),
        order=2,
        calls=2,
        automatic="Karras",
        parameters=_CHURN,
        help="Looks again in the middle of a step: exact, and half as fast.",
    ),
    SamplerInfo(
        name="DPM2 a",
        aliases=("dpm_2_a", "dpm_2_ancestral", "k_dpm_2_a", "k_dpm_2_ancestral"),
        order=2,
        calls=2,
        random=True,
        automatic="Karras",
        parameters=_ETA,
        help="DPM2 with fresh noise in each step: varied, with much detail.",
    ),
    SamplerInfo(
        name="DPM fast",
        aliases=("dpm_fast", "k_dpm_fast"),
        order=3,
        parameters=_ETA,
        help="Third order for the price of Euler; wants 20 steps or more to be good.",
    ),
    SamplerInfo(
        name="DPM adaptive",
        aliases=("dpm_adaptive", "dpm_ad", "k_dpm_ad", "k_dpm_adaptive"),
        order=3,
        calls=3,
        parameters=(*_ETA, "order"),
        orders=(3, 2),
        one_by_one=True,
        help="Chooses its own steps and takes as many as it needs; the number you set is ignored.",
    ),
    SamplerInfo(
        name="Restart",
        aliases=("k_restart",),
        order=2,
        calls=2,
        random=True,
        automatic="Karras",
        parameters=("s_noise",),
        help="Heun that goes back once and mends its errors; from 20 steps on.",
    ),
    SamplerInfo(
        name="DDIM",
        aliases=("k_ddim",),
        parameters=("eta",),
        help="The classic for editing pictures: predictable, best with 30 steps and more.",
    ),
    SamplerInfo(
        name="DDIM CFG++",
        aliases=("ddim_cfgpp", "ddim_cfg_pp"),
        parameters=("eta",),
        help="DDIM whose guidance does not burn colours; CFG scale 12.5 is all of the prompt.",
    ),
    SamplerInfo(
        name="PLMS",
        aliases=("k_plms",),
        order=2,
        help="Stable Diffusion's first default: like DDIM, with fewer steps.",
    ),
    SamplerInfo(
        name="UniPC",
        aliases=("uni_pc", "k_unipc"),
        order=4,
        parameters=("order", "solver_type"),
        orders=(3, 1, 2),
        solver_types=("bh1", "bh2"),
        help="Predicts, then corrects itself at no cost: made for 5 to 15 steps.",
    ),
    SamplerInfo(
        name="LCM",
        aliases=("k_lcm",),
        random=True,
        help="4 to 8 steps, with models or LoRAs distilled for it; with others a blur.",
    ),
    SamplerInfo(
        name="DDPM",
        aliases=("k_ddpm",),
        random=True,
        help="The rule that models are trained by: needs 100 steps and more.",
    ),
    SamplerInfo(
        name="DEIS",
        aliases=("k_deis",),
        order=3,
        parameters=("order",),
        orders=(3, 1, 2),
        help="A curve through the last noise predictions: good in 10 to 15 steps.",
    ),
    SamplerInfo(
        name="Heun++ 2",
        aliases=("heunpp2", "heunpp2_2", "k_heunpp2"),
        calls=3,
        parameters=_CHURN,
        help="Looks two steps ahead early on, and is nearly Euler in the end: calm pictures.",
    ),
    SamplerInfo(
        name="ER-SDE",
        aliases=("er_sde", "k_er_sde"),
        order=2,
        random=True,
        parameters=("s_noise", "order", "solver_type"),
        orders=(3, 1, 2),
        solver_types=("er_sde", "reverse_sde", "ode"),
        help="Little fresh noise, and exact: detail of an SDE in 15 to 25 steps.",
    ),
    SamplerInfo(
        name="Euler a CFG++",
        aliases=("euler_ancestral_cfg_pp", "k_euler_a_cfgpp"),
        random=True,
        parameters=_ETA,
        help="Euler a whose guidance does not burn colours; CFG scale 12.5 is all of the prompt.",
    ),
    SamplerInfo(
        name="DPM++ 2M CFG++",
        aliases=("dpmpp_2m_cfg_pp", "k_dpmpp_2m_cfgpp"),
        order=2,
        help="DPM++ 2M whose guidance does not burn colours; CFG scale 12.5 is all of the prompt.",
    ),
)

SCHEDULE_INFOS: Sequence[ScheduleInfo] = (
    ScheduleInfo(
        name="Automatic", parameters=(*_ENDS, "rho"), help="What suits the sampler, as in A1111."
    ),
    ScheduleInfo(name="Uniform", help="Steps evenly spread over the model's own levels."),
    ScheduleInfo(
        name="Karras",
        aliases=("ka",),  # k_dpmpp_2m_ka
        parameters=(*_ENDS, "rho"),
        help="Smaller steps towards the end, where details form.",
    ),
    ScheduleInfo(
        name="Exponential",
        aliases=("exp",),
        parameters=_ENDS,
        help="Each step removes the same share of the noise; for SDE samplers.",
    ),
    ScheduleInfo(
        name="Polyexponential",
        parameters=(*_ENDS, "rho"),
        help="Exponential, bent by rho: below 1 more steps early, above 1 more late.",
    ),
    ScheduleInfo(
        name="SGM Uniform",
        aliases=("SGMUniform",),
        parameters=_ENDS,
        help="Uniform that stops a little earlier: for few steps and for distilled models.",
    ),
    ScheduleInfo(
        name="KL Optimal",
        parameters=_ENDS,
        help="Spread so that each step loses as little as the next; for 10 to 20 steps.",
    ),
    ScheduleInfo(
        name="Align Your Steps",
        aliases=("ays",),
        help="The best levels found for this family by search; for about 10 steps.",
    ),
    ScheduleInfo(name="Simple", help="Every so many of the model's levels, from the top."),
    ScheduleInfo(
        name="Normal", parameters=_ENDS, help="Uniform, between a lowest and a highest level."
    ),
    ScheduleInfo(
        name="DDIM",
        aliases=("ddim_uniform",),
        help="The levels of the first DDIM: starts a little below full noise.",
    ),
    ScheduleInfo(
        name="Beta",
        parameters=_ENDS,
        help="Most steps at both ends: composition and detail, little between.",
    ),
    ScheduleInfo(
        name="Linear-quadratic",
        parameters=("sigma_max",),
        help="Half of the steps for the first bit of noise; for models that decide early.",
    ),
)
