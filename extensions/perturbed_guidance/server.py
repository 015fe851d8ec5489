"""The controls of perturbed-attention guidance."""

from collections.abc import Sequence

from webui import ControlGroup, NumberField, hookimpl

GROUP = ControlGroup(
    name="perturbed_guidance",
    title="Perturbed-attention guidance",
    fields=(
        NumberField(
            name="scale",
            label="Scale",
            default=0.0,
            minimum=0.0,
            maximum=10.0,
            step=0.1,
            help="How far from the perturbed prediction; around 3 is usual, 0 is off.",
            metadata="PAG scale",
        ),
    ),
)


@hookimpl
def register_controls() -> Sequence[ControlGroup]:
    return (GROUP,)
