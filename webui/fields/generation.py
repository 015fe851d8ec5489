"""The fields of one request that every sampler and schedule knows."""

from webui.fields.kinds import (
    AnyField,
    ChoiceField,
    IntegerField,
    NumberField,
    SeedField,
    TextField,
)

AUTOMATIC_VAE = "Automatic"  # the one that goes with the model by its name, else its own
OWN_VAE = "None"  # A1111's word for the model's own
MAX_BATCH_SIZE = 8  # pictures denoised together
MAX_BATCH_COUNT = 100

GENERATION: tuple[AnyField, ...] = (
    TextField(
        name="prompt",
        label="Prompt",
        help="What the picture should show.",
    ),
    TextField(
        name="negative_prompt",
        label="Negative prompt",
        help="What the picture should not show.",
        metadata="Negative prompt",
    ),
    ChoiceField(
        name="emphasis",
        label="Emphasis",
        default="original",
        choices=("original", "no norm", "ignore", "none"),
        help="What (word:1.3) does. Original keeps the mean of the text as it was, no norm does "
        "not; ignore leaves weights out; none reads brackets as they are written.",
        metadata="Emphasis",
    ),
    IntegerField(
        name="clip_skip",
        label="Clip skip",
        default=1,
        minimum=1,
        maximum=12,
        help="1 reads a prompt with all layers of the text encoder, 2 with all but the last.",
        metadata="Clip skip",
    ),
    ChoiceField(
        name="model",
        label="Model",
        help="The weights that turn noise into a picture; from the folder models/.",
        metadata="Model",
    ),
    ChoiceField(
        name="vae",
        label="VAE",
        default=AUTOMATIC_VAE,
        help="What turns latents into pictures. Automatic: the one beside the model with its name, "
        "else the model's own. None: its own always.",
        metadata="VAE",
    ),
    ChoiceField(
        name="sampler",
        label="Sampling method",
        default="DPM++ 2M",
        help="The rule by which each step removes noise.",
        metadata="Sampler",
    ),
    ChoiceField(
        name="schedule",
        label="Schedule type",
        default="Automatic",
        help="How the noise level falls from step to step.",
        metadata="Schedule type",
    ),
    IntegerField(
        name="steps",
        label="Sampling steps",
        default=20,
        minimum=1,
        maximum=150,
        help="How many times noise is removed. More is slower and, beyond some point, no better.",
        metadata="Steps",
    ),
    NumberField(
        name="guidance_scale",
        label="CFG scale",
        default=7.0,
        minimum=1.0,
        maximum=30.0,
        step=0.5,
        help="How strictly the picture follows the prompt. 1 ignores the negative prompt.",
        metadata="CFG scale",
    ),
    IntegerField(
        name="width",
        label="Width",
        default=512,
        minimum=64,
        maximum=2048,
        step=8,
        help="Pixels. A model draws best at the size it was trained on.",
    ),
    IntegerField(
        name="height",
        label="Height",
        default=512,
        minimum=64,
        maximum=2048,
        step=8,
        help="Pixels. A model draws best at the size it was trained on.",
    ),
    IntegerField(
        name="images",
        label="Pictures",
        default=1,
        minimum=1,
        maximum=MAX_BATCH_COUNT * MAX_BATCH_SIZE,
        help="How many pictures; picture i uses seed + i.",
    ),
    IntegerField(
        name="batch_size",
        label="Batch size",
        default=1,
        minimum=1,
        maximum=MAX_BATCH_SIZE,
        help="How many pictures are made at the same time. More is faster on a GPU, and takes "
        "more memory.",
    ),
    SeedField(
        name="seed",
        label="Seed",
        default=0,
        minimum=0,
        maximum=2**32 - 1,
        help="The number that the noise is drawn from. The same seed and settings give the same "
        "picture.",
        metadata="Seed",
    ),
    ChoiceField(
        name="rng",
        label="Random numbers",
        default="cpu",
        choices=("cpu", "nv"),
        help="cpu: noise as torch draws it on a processor. nv: as on an NVIDIA card, which is "
        "A1111's default. Both are the same on every machine.",
        metadata="RNG",
    ),
)

# A form's second way to say `images`: the number of batches.
BATCH_COUNT = IntegerField(
    name="batch_count",
    label="Batch count",
    default=1,
    minimum=1,
    maximum=MAX_BATCH_COUNT,
    help="How many batches are made one after the other. Takes longer, not more memory.",
)

# Not on the form, which makes whole pictures: what seed triage asks for.
STOP_AT = NumberField(
    name="stop_at",
    label="Stop at",
    default=1.0,
    minimum=0.01,
    maximum=1.0,
    step=0.05,
    help="The share of its steps after which a picture is decoded as it is predicted there.",
)

_MOST = 10**6  # batches, pictures, steps; no job has as many

# Where a branch begins; a page's timeline sets them.
RESUME: tuple[IntegerField, ...] = (
    IntegerField(
        name="resume.batch",
        label="Batch",
        default=0,
        minimum=0,
        maximum=_MOST,
        help="The batch that the picture was made in, from 0.",
    ),
    IntegerField(
        name="resume.position",
        label="Place in the batch",
        default=0,
        minimum=0,
        maximum=MAX_BATCH_SIZE - 1,
        help="Which of the batch's pictures, from 0.",
    ),
    IntegerField(
        name="resume.step",
        label="Step",
        default=1,
        minimum=1,
        maximum=_MOST,
        help="The last step that is taken over, from 1.",
    ),
    IntegerField(
        name="resume.turn",
        label="Turn",
        default=0,
        minimum=0,
        maximum=_MOST,
        help="Which sampling of the batch the step is of, from 0.",
    ),
)
