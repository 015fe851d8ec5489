"""What is said of the schedules that ship, in A1111's order, the ones it has not after them."""

from collections.abc import Sequence

from webui.interfaces import ScheduleInfo

_ENDS = ("sigma_min", "sigma_max")

SCHEDULE_INFOS: Sequence[ScheduleInfo] = (
    ScheduleInfo(
        name="Automatic",
        parameters=(*_ENDS, "rho", "shift"),
        flow=True,
        help="What suits the sampler, as in A1111; with a flow model SGM Uniform.",
    ),
    ScheduleInfo(
        name="Uniform",
        parameters=("shift",),
        flow=True,
        help="Steps evenly spread over the model's own levels.",
    ),
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
        parameters=(*_ENDS, "shift"),
        flow=True,
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
    ScheduleInfo(
        name="Simple",
        parameters=("shift",),
        flow=True,
        help="Every so many of the model's levels, from the top.",
    ),
    ScheduleInfo(
        name="Normal",
        parameters=(*_ENDS, "shift"),
        flow=True,
        help="Uniform, between a lowest and a highest level.",
    ),
    ScheduleInfo(
        name="DDIM",
        aliases=("ddim_uniform",),
        parameters=("shift",),
        flow=True,
        help="The levels of the first DDIM: starts a little below full noise.",
    ),
    ScheduleInfo(
        name="Beta",
        parameters=(*_ENDS, "shift"),
        flow=True,
        help="Most steps at both ends: composition and detail, little between.",
    ),
    ScheduleInfo(
        name="Linear-quadratic",
        parameters=("sigma_max",),
        flow=True,
        help="Half of the steps for the first bit of noise; for models that decide early.",
    ),
)
