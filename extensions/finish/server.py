"""The controls of the finishing touches; what they do is in engine.py."""

from collections.abc import Sequence

from webui import ControlGroup, NumberField, hookimpl


def _touch(name: str, label: str, help: str) -> NumberField:
    return NumberField(
        name=name,
        label=label,
        default=1.0,
        minimum=0.0,
        maximum=2.0,
        step=0.05,
        help=f"{help} 1 leaves it as it is.",
        metadata=f"Finish {label.lower()}",
    )


GROUP = ControlGroup(
    name="finish",
    title="Finishing touches",
    help="Done to each picture after it is decoded, in this order.",
    fields=(
        NumberField(
            name="again",
            label="Second look",
            default=0.0,
            minimum=0.0,
            maximum=0.6,
            step=0.05,
            help="Makes the picture anew at this denoising strength, with the same prompt. 0: not.",
            metadata="Finish second look",
        ),
        _touch("brightness", "Brightness", "0 is black."),
        _touch("contrast", "Contrast", "0 is grey."),
        _touch("colour", "Colour", "0 is black and white."),
        _touch("sharpness", "Sharpness", "0 blurs, 2 sharpens."),
    ),
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)
