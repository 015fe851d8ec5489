"""The fields that only some samplers or schedules have, and those of the noise.

In a request each may be None, which is the sampler's or the schedule's own default. The `default`
here is where a control starts.
"""

from webui.fields.kinds import (
    AnyField,
    ChoiceField,
    IntegerField,
    NumberField,
    SeedField,
    TextField,
)

SAMPLING: tuple[AnyField, ...] = (
    NumberField(
        name="sampling.eta",
        label="Eta",
        default=1.0,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        help="How much of the noise is drawn afresh in each step. 0 draws none.",
        metadata="Eta",
    ),
    NumberField(
        name="sampling.s_churn",
        label="Sigma churn",
        default=0.0,
        minimum=0.0,
        maximum=100.0,
        step=0.01,
        help="Noise that is added before a step, spread over all steps. 0 adds none.",
        metadata="Sigma churn",
    ),
    NumberField(
        name="sampling.s_tmin",
        label="Sigma tmin",
        default=0.0,
        minimum=0.0,
        maximum=100.0,
        step=0.01,
        help="The lowest noise level at which churn is added.",
        metadata="Sigma tmin",
    ),
    NumberField(
        name="sampling.s_tmax",
        label="Sigma tmax",
        default=999.0,
        minimum=0.0,
        maximum=999.0,
        step=0.01,
        help="The highest noise level at which churn is added.",
        metadata="Sigma tmax",
    ),
    NumberField(
        name="sampling.s_noise",
        label="Sigma noise",
        default=1.0,
        minimum=0.0,
        maximum=1.1,
        step=0.001,
        help="The strength of the noise that is drawn on the way; a little over 1 adds detail.",
        metadata="Sigma noise",
    ),
    IntegerField(
        name="sampling.order",
        label="Order",
        default=3,
        minimum=1,
        maximum=4,
        help="How many predictions a step is made from. More is more exact, up to a point.",
        metadata="Solver order",
    ),
    ChoiceField(
        name="sampling.solver_type",
        label="Solver type",
        default="midpoint",
        choices=("midpoint", "heun", "bh1", "bh2", "er_sde", "reverse_sde", "ode"),
        help="The variant of the sampler's rule.",
        metadata="Solver type",
    ),
)

SCHEDULING: tuple[AnyField, ...] = (
    NumberField(
        name="schedule_options.sigma_min",
        label="Sigma min",
        default=0.03,
        minimum=0.001,
        maximum=10.0,
        step=0.001,
        help="The noise level that the last step starts from.",
        metadata="Schedule min sigma",
    ),
    NumberField(
        name="schedule_options.sigma_max",
        label="Sigma max",
        default=14.6,
        minimum=0.01,
        maximum=1000.0,
        step=0.01,
        help="The noise level that the first step starts from.",
        metadata="Schedule max sigma",
    ),
    NumberField(
        name="schedule_options.rho",
        label="Rho",
        default=7.0,
        minimum=0.1,
        maximum=30.0,
        step=0.01,
        help="How strongly the steps crowd towards the end. More makes the last ones smaller.",
        metadata="Schedule rho",
    ),
    NumberField(
        name="schedule_options.shift",
        label="Shift",
        default=3.0,
        minimum=0.1,
        maximum=100.0,
        step=0.01,
        help="For flow models (SD 3): more spends more of the steps on much noise, where the "
        "composition forms; larger pictures want more.",
        metadata="Shift",
    ),
)

# A form's way to say `schedule_options.sigmas`.
OWN_SIGMAS = TextField(
    name="schedule_options.sigmas",
    label="Own noise levels",
    help="Falling numbers with commas between, the last one 0. They take the place of the schedule "
    "and of the number of steps.",
    metadata="Sigmas",
)

NOISE: tuple[AnyField, ...] = (
    SeedField(
        name="variation.seed",
        label="Variation seed",
        default=0,
        minimum=0,
        maximum=2**32 - 1,
        help="The number that the other noise is drawn from.",
        metadata="Variation seed",
    ),
    NumberField(
        name="variation.strength",
        label="Variation strength",
        default=0.0,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        help="How far the noise is turned towards the variation seed's. 1 is all the way.",
        metadata="Variation seed strength",
    ),
    IntegerField(
        name="seed_resize.width",
        label="Seed from width",
        default=512,
        minimum=64,
        maximum=2048,
        step=8,
        help="Draws the noise as for a picture of this width, so that it stays similar.",
    ),
    IntegerField(
        name="seed_resize.height",
        label="Seed from height",
        default=512,
        minimum=64,
        maximum=2048,
        step=8,
        help="Draws the noise as for a picture of this height, so that it stays similar.",
    ),
)
