"""The fields of a request that begins with a picture, and of what is done to pictures.

img2img, inpainting, outpainting, tiles, the second pass at a higher resolution, upscaling.
"""

from webui.fields.kinds import AnyField, ChoiceField, IntegerField, NumberField, TextField

MAX_SCALE = 8.0

INIT: tuple[AnyField, ...] = (
    NumberField(
        name="init.strength",
        label="Denoising strength",
        default=0.75,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        help="How much of the picture is made anew. 0 keeps nearly all of it, 1 nearly nothing.",
        metadata="Denoising strength",
    ),
    ChoiceField(
        name="init.resize",
        label="Resize mode",
        default="just resize",
        choices=("just resize", "crop and resize", "resize and fill", "latent upscale"),
        help="How the picture comes to the size: stretched, cut to its shape, set into it with the "
        "edges drawn out, or stretched as a latent.",
        metadata="Resize mode",
    ),
    NumberField(
        name="init.noise_multiplier",
        label="Noise multiplier",
        default=1.0,
        minimum=0.0,
        maximum=1.5,
        step=0.01,
        help="The strength of the noise that the picture starts with; a little over 1 adds detail.",
        metadata="Noise multiplier",
    ),
)

MASK: tuple[AnyField, ...] = (
    IntegerField(
        name="init.mask.blur",
        label="Mask blur",
        default=4,
        minimum=0,
        maximum=64,
        help="Pixels over which the mask fades out at its edge.",
        metadata="Mask blur",
    ),
    ChoiceField(
        name="init.mask.content",
        label="Masked content",
        default="original",
        choices=("fill", "original", "latent noise", "latent nothing"),
        help="What stands under the mask at the start: colours from around it, the picture itself, "
        "noise, or an empty latent.",
        metadata="Masked content",
    ),
    ChoiceField(
        name="init.mask.area",
        label="Inpaint area",
        default="whole picture",
        choices=("whole picture", "only masked"),
        help="Only masked cuts the masked part out, makes it at full size and sets it back in.",
        metadata="Inpaint area",
    ),
    IntegerField(
        name="init.mask.padding",
        label="Only masked padding, pixels",
        default=32,
        minimum=0,
        maximum=256,
        step=4,
        help="How much around the masked part the model sees.",
        metadata="Masked area padding",
    ),
)

OUTPAINT: tuple[AnyField, ...] = (
    *(
        IntegerField(
            name=f"init.outpaint.{side}",
            label=side.capitalize(),
            default=0,
            minimum=0,
            maximum=1024,
            step=8,
            help=f"Pixels that the picture grows by: {side}.",
            metadata=f"Outpaint {side}",
        )
        for side in ("left", "right", "up", "down")
    ),
    IntegerField(
        name="init.outpaint.blend",
        label="Seam",
        default=16,
        minimum=0,
        maximum=128,
        help="Pixels of the old picture over which the new part fades in.",
        metadata="Outpaint seam",
    ),
)

TILES: tuple[AnyField, ...] = (
    NumberField(
        name="init.tiles.scale",
        label="Scale",
        default=2.0,
        minimum=1.0,
        maximum=MAX_SCALE,
        step=0.05,
        help="How much larger the picture becomes before it is made anew tile by tile.",
        metadata="SD upscale",
    ),
    ChoiceField(
        name="init.tiles.upscaler",
        label="Upscaler",
        default="Lanczos",
        help="What makes the picture larger before its tiles are made anew.",
        metadata="SD upscale upscaler",
    ),
    IntegerField(
        name="init.tiles.overlap",
        label="Tile overlap",
        default=64,
        minimum=0,
        maximum=256,
        step=8,
        help="Pixels by which tiles overlap; the seam is blended over them.",
        metadata="SD upscale overlap",
    ),
)

LOOPBACK: tuple[AnyField, ...] = (
    IntegerField(
        name="init.loopback.loops",
        label="Loops",
        default=4,
        minimum=1,
        maximum=32,
        help="How many times the result is made anew.",
        metadata="Loops",
    ),
    NumberField(
        name="init.loopback.final_strength",
        label="Final denoising strength",
        default=0.5,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        help="The denoising strength of the last loop; the first has the picture's own.",
        metadata="Final denoising strength",
    ),
    ChoiceField(
        name="init.loopback.curve",
        label="Denoising curve",
        default="linear",
        choices=("aggressive", "linear", "lazy"),
        help="How the strength goes from the first to the last: early, evenly, or late.",
        metadata="Denoising curve",
    ),
)

HIRES: tuple[AnyField, ...] = (
    ChoiceField(
        name="hires.upscaler",
        label="Upscaler",
        default="Latent",
        help="What makes the first picture larger.",
        metadata="Hires upscaler",
    ),
    NumberField(
        name="hires.scale",
        label="Upscale by",
        default=2.0,
        minimum=1.0,
        maximum=4.0,
        step=0.05,
        help="How much larger the second pass is; not used where a size is given.",
        metadata="Hires upscale",
    ),
    *(
        IntegerField(
            name=f"hires.{side}",
            label=f"Resize {side} to",
            default=0,
            minimum=0,
            maximum=4096,
            step=8,
            help="Pixels; 0 goes by the scale. Where both are given the picture is cut to them.",
        )
        for side in ("width", "height")
    ),
    IntegerField(
        name="hires.steps",
        label="Hires steps",
        default=0,
        minimum=0,
        maximum=150,
        help="Steps of the second pass; 0 takes as many as the first has.",
        metadata="Hires steps",
    ),
    NumberField(
        name="hires.strength",
        label="Denoising strength",
        default=0.7,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        help="How much of the enlarged picture is made anew.",
        metadata="Denoising strength",
    ),
    ChoiceField(
        name="hires.sampler",
        label="Hires sampling method",
        help="The sampler of the second pass; by default the first one's.",
        metadata="Hires sampler",
    ),
    ChoiceField(
        name="hires.schedule",
        label="Hires schedule type",
        help="The schedule of the second pass; by default the first one's.",
        metadata="Hires schedule type",
    ),
    TextField(
        name="hires.prompt",
        label="Hires prompt",
        help="The prompt of the second pass; by default the first one's.",
        metadata="Hires prompt",
    ),
    TextField(
        name="hires.negative_prompt",
        label="Hires negative prompt",
        help="The negative prompt of the second pass; by default the first one's.",
        metadata="Hires negative prompt",
    ),
    NumberField(
        name="hires.guidance_scale",
        label="Hires CFG scale",
        default=7.0,
        minimum=1.0,
        maximum=30.0,
        step=0.5,
        help="The CFG scale of the second pass; by default the first one's.",
        metadata="Hires CFG Scale",
    ),
)

UPSCALE: tuple[AnyField, ...] = (
    ChoiceField(
        name="upscale.upscaler",
        label="Upscaler",
        default="Lanczos",
        help="What makes the picture larger.",
        metadata="Postprocess upscaler",
    ),
    NumberField(
        name="upscale.scale",
        label="Scale by",
        default=2.0,
        minimum=0.25,
        maximum=MAX_SCALE,
        step=0.05,
        help="How much larger the picture becomes; not used where a size is given.",
        metadata="Postprocess upscale by",
    ),
    *(
        IntegerField(
            name=f"upscale.{side}",
            label=f"Scale {side} to",
            default=0,
            minimum=0,
            maximum=16384,
            help="Pixels; 0 goes by the scale.",
        )
        for side in ("width", "height")
    ),
    ChoiceField(
        name="upscale.second",
        label="Upscaler 2",
        help="A second upscaler whose picture is laid over the first one's; none by default.",
        metadata="Postprocess upscaler 2",
    ),
    NumberField(
        name="upscale.second_visibility",
        label="Upscaler 2 visibility",
        default=0.0,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        help="How much of the second upscaler's picture shows.",
        metadata="Postprocess upscaler 2 visibility",
    ),
)

IMAGES: tuple[AnyField, ...] = (*INIT, *MASK, *OUTPAINT, *TILES, *LOOPBACK, *HIRES, *UPSCALE)
