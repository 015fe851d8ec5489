"""Writes tests/published_loras.json.gz: keys and shapes of LoRA files as trainers write them.

Of Kohya's sd-scripts (which names the modules of Stable Diffusion 1 and 2 as diffusers does, and
SDXL's as the program that it was published with), LyCORIS, PEFT and diffusers. The modules are
those of the published checkpoints (published_keys.py); it knows nothing of the product's tables.
How many there are is what the trainers say themselves: sd-scripts "create LoRA for U-Net: 192
modules" and "for Text Encoder: 72" of 1.5, 722, 72 and 192 of SDXL.
"""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from scripts.published_keys import UNet, checkpoints, write_packed

OUT = Path(__file__).parents[1] / "tests" / "published_loras.json.gz"
RANK = 16
FACTOR = 8  # of a LoKr

Shape = tuple[int, ...]
Modules = dict[str, Shape]  # place with points -> the weight's shape
Tensors = dict[str, Shape]

_PREFIX = "model.diffusion_model."
_INNER = {
    "in_layers.2": "conv1", "out_layers.3": "conv2", "emb_layers.1": "time_emb_proj",
    "skip_connection": "conv_shortcut", "0.op": "conv", "conv": "conv",
}  # fmt: skip


# --- modules -------------------------------------------------------------------------------------


def unet(family: str, *, attention: bool = False) -> Modules:
    """Of a published UNet by its own names: those in its transformers and residual blocks, its
    samplers; with `attention` those of its transformers alone."""
    keys = dict(checkpoints())[family]
    made = {}
    for key, shape in keys.items():
        place = key.removeprefix(_PREFIX).removesuffix(".weight")
        in_block = place.startswith(("input_blocks.", "middle_block.", "output_blocks."))
        if key.startswith(_PREFIX) and key.endswith(".weight") and in_block and len(shape) > 1:
            if place == "input_blocks.0.0":
                continue
            if not attention or "transformer_blocks" in place or ".proj_" in place:
                made[place] = shape
    return made


def as_diffusers(modules: Modules) -> Modules:
    """The same modules by diffusers' names; two residual blocks a level, as all have."""
    return {_renamed(place): shape for place, shape in modules.items()}


def _renamed(place: str) -> str:
    way, rest = place.split(".", 1)
    if way == "middle_block":
        number, inner = rest.split(".", 1)
        kind = f"attentions.0.{inner}" if number == "1" else f"resnets.{int(number) // 2}."
        return f"mid_block.{kind if number == '1' else kind + _INNER[inner]}"
    block, part, inner = re.fullmatch(r"(\d+)\.(\d+)\.(.+)", rest).groups()  # type: ignore[union-attr]
    level, at = divmod(int(block) - (way == "input_blocks"), UNet.blocks + 1)
    side = "down" if way == "input_blocks" else "up"
    if inner in ("op", "conv"):
        return f"{side}_blocks.{level}.{side}samplers.0.conv"
    if part == "0":
        return f"{side}_blocks.{level}.resnets.{at}.{_INNER[inner]}"
    return f"{side}_blocks.{level}.attentions.{at}.{inner}"


def text(width: int, layers: int, *, attention: bool = False) -> Modules:
    """Of a CLIP by transformers' names."""
    made: Modules = {}
    for number in range(layers):
        layer = f"text_model.encoder.layers.{number}"
        for each in ("q_proj", "k_proj", "v_proj", "out_proj"):
            made[f"{layer}.self_attn.{each}"] = (width, width)
        if not attention:
            made[f"{layer}.mlp.fc1"] = (4 * width, width)
            made[f"{layer}.mlp.fc2"] = (width, 4 * width)
    return made


# --- how a change is written ---------------------------------------------------------------------


def lora(place: str, shape: Shape) -> Tensors:
    outputs, inputs, *kernel = shape
    return {
        f"{place}.lora_down.weight": (RANK, inputs, *kernel),
        f"{place}.lora_up.weight": (outputs, RANK, *(1 for _ in kernel)),
        f"{place}.alpha": (),
    }


def tucker(place: str, shape: Shape) -> Tensors:
    """LoCon with `use_tucker`: a kernel stands between two of one cell."""
    outputs, inputs, *kernel = shape
    if math.prod(kernel) == 1:
        return lora(place, shape)
    return {
        f"{place}.lora_down.weight": (RANK, inputs, 1, 1),
        f"{place}.lora_mid.weight": (RANK, RANK, *kernel),
        f"{place}.lora_up.weight": (outputs, RANK, 1, 1),
        f"{place}.alpha": (),
    }


def loha(place: str, shape: Shape) -> Tensors:
    outputs, inputs, *kernel = shape
    made: Tensors = {f"{place}.alpha": ()}
    for each in ("w1", "w2"):
        made[f"{place}.hada_{each}_a"] = (outputs, RANK)
        made[f"{place}.hada_{each}_b"] = (RANK, inputs * math.prod(kernel))
    return made


def lokr(place: str, shape: Shape) -> Tensors:
    outputs, inputs, *kernel = shape
    return {
        f"{place}.alpha": (),
        f"{place}.lokr_w1": (FACTOR, FACTOR),
        f"{place}.lokr_w2_a": (outputs // FACTOR, RANK),
        f"{place}.lokr_w2_b": (RANK, inputs // FACTOR * math.prod(kernel)),
    }


def peft(place: str, shape: Shape) -> Tensors:
    made = lora(place, shape)
    return {
        f"{place}.lora_A.weight": made[f"{place}.lora_down.weight"],
        f"{place}.lora_B.weight": made[f"{place}.lora_up.weight"],
    }


def processor(place: str, shape: Shape) -> Tensors:
    """As diffusers wrote attention before it had PEFT: attn1.processor.to_out_lora.down.weight."""
    before, _, last = place.removesuffix(".0").rpartition(".")
    made = lora(place, shape)
    return {
        f"{before}.processor.{last}_lora.down.weight": made[f"{place}.lora_down.weight"],
        f"{before}.processor.{last}_lora.up.weight": made[f"{place}.lora_up.weight"],
    }


# --- files ---------------------------------------------------------------------------------------


def files() -> Iterator[tuple[str, str, str, Tensors]]:
    """(name, family, kind, tensors)"""
    ones, twos, large = (unet(each, attention=True) for each in ("sd1", "sd2", "sdxl"))
    first, open_clip, second = text(768, 12), text(1024, 23), text(1280, 32)
    both = {"lora_te1_": first, "lora_te2_": second}
    yield "kohya sd1", "sd1", "LoRA", _kohya(lora, as_diffusers(ones), {"lora_te_": first})
    yield "kohya sd2", "sd2", "LoRA", _kohya(lora, as_diffusers(twos), {"lora_te_": open_clip})
    yield "kohya sdxl", "sdxl", "LoRA", _kohya(lora, large, both)
    whole, whole_large = as_diffusers(unet("sd1")), unet("sdxl")
    yield "lcm sdxl", "sdxl", "LoRA", _kohya(lora, as_diffusers(whole_large), {})
    for name, write, kind in (
        ("locon", lora, "LoRA"), ("tucker", tucker, "LoRA"), ("loha", loha, "LoHa"),
        ("lokr", lokr, "LoKr"),
    ):  # fmt: skip
        yield f"{name} sd1", "sd1", kind, _kohya(write, whole, {"lora_te_": first})
        yield f"{name} sdxl", "sdxl", kind, _kohya(write, whole_large, both)
    attended, attended_large = (_attention(as_diffusers(each)) for each in (ones, large))
    words = {f"text_encoder.{key}": shape for key, shape in text(768, 12, attention=True).items()}
    yield "peft sd1", "sd1", "LoRA", _written(peft, _under("unet.", attended) | words)
    yield "peft sdxl", "sdxl", "LoRA", _written(peft, _under("unet.", attended_large))
    alone = _under("base_model.model.", attended)
    yield "peft alone sd1", "sd1", "LoRA", _written(peft, alone)
    yield "processors sd1", "sd1", "LoRA", _written(processor, _under("unet.", attended))


def _kohya(
    write: Callable[[str, Shape], Tensors], of_unet: Modules, of_text: dict[str, Modules]
) -> Tensors:
    named = {"lora_unet_": of_unet, **of_text}
    return _written(
        write,
        {
            prefix + place.replace(".", "_"): shape
            for prefix, modules in named.items()
            for place, shape in modules.items()
        },
    )


def _attention(modules: Modules) -> Modules:
    """What diffusers' training scripts change: queries, keys, values and outputs."""
    ends = ("to_q", "to_k", "to_v", "to_out.0")
    return {place: shape for place, shape in modules.items() if place.endswith(ends)}


def _under(prefix: str, modules: Modules) -> Modules:
    return {prefix + place: shape for place, shape in modules.items()}


def _written(write: Callable[[str, Shape], Tensors], modules: Modules) -> Tensors:
    return {
        key: each for place, shape in modules.items() for key, each in write(place, shape).items()
    }


def main() -> None:
    found = {
        name: {
            "family": family,
            "kind": kind,
            "keys": {key: list(shape) for key, shape in keys.items()},
        }
        for name, family, kind, keys in files()
    }
    write_packed(OUT, found)
    for name, each in found.items():
        print(f"{name}: {len(each['keys'])} tensors")
    print(f"{OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
