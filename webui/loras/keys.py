"""Which tensors of a LoRA file change which weights: the key layouts that are about, as one.

    lora_unet_down_blocks_0_..._to_q.lora_down.weight     Kohya's, and LyCORIS' with .hada_, .lokr_
    unet.down_blocks.0....to_q.lora_A.weight              PEFT, as diffusers saves it
    base_model.model.down_blocks.0....lora_A.weight       PEFT alone
    transformer.transformer_blocks.0....to_q.lora_A.weight PEFT, of a transformer
    unet.down_blocks.0....processor.to_q_lora.down.weight diffusers, before it had PEFT
    text_encoder....q_proj.lora_linear_layer.up.weight

A place is named as Kohya does it, all points turned to underscores, because that cannot be undone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from webui.fields import shown
from webui.library.problem import ProblemError
from webui.safetensors_header import Header, Shape

Kind = Literal["LoRA", "LoHa", "LoKr", "full"]
UNET, TEXT, SECOND_TEXT = "unet", "text_encoder", "text_encoder_2"
TRANSFORMER = "transformer"  # of Stable Diffusion 3, where others have a UNet
NETWORKS = (UNET, TRANSFORMER, TEXT, SECOND_TEXT)

_ENDS = {  # what a key ends with -> what its tensor is for
    ".lora_down.weight": "down", ".lora_up.weight": "up", ".lora_mid.weight": "mid",
    ".lora_A.weight": "down", ".lora_B.weight": "up",
    ".lora_A.default.weight": "down", ".lora_B.default.weight": "up",
    ".lora.down.weight": "down", ".lora.up.weight": "up",
    "_lora.down.weight": "down", "_lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down", ".lora_linear_layer.up.weight": "up",
    ".hada_w1_a": "w1_a", ".hada_w1_b": "w1_b", ".hada_w2_a": "w2_a", ".hada_w2_b": "w2_b",
    ".hada_t1": "t1", ".hada_t2": "t2",
    ".lokr_w1": "w1", ".lokr_w1_a": "w1_a", ".lokr_w1_b": "w1_b", ".lokr_w2": "w2",
    ".lokr_w2_a": "w2_a", ".lokr_w2_b": "w2_b", ".lokr_t2": "t2",
    ".diff": "diff", ".diff_b": "diff_b", ".alpha": "alpha",
}  # fmt: skip
_UNUSABLE = (  # what is in a key -> what it belongs to, which is not built here
    ("dora_scale", "DoRA"), ("magnitude_vector", "DoRA"), ("oft_", "OFT"), ("boft_", "OFT"),
    (".w_norm", "norms"), (".b_norm", "norms"), (".on_input", "IA3"), (".a1.weight", "GLoRA"),
    (".b1.weight", "GLoRA"), ("lora_A.bias", "a LoRA with biases"),
    ("lora_B.bias", "a LoRA with biases"), ("lora_up.bias", "a LoRA with biases"),
    ("double_blocks", "a LoRA for Flux"), ("single_transformer_blocks", "a LoRA for Flux"),
    ("lora_te3_", "a LoRA that changes T5"), ("text_encoder_3.", "a LoRA that changes T5"),
    ("diffusion_model.", "a LoRA for another kind of model"), ("vera_", "VeRA"),
    ("scalar", "a trained scale"),
)  # fmt: skip
_OTHERS = (  # how places in networks begin that are neither UNets nor Stable Diffusion 3's
    ("double_blocks_", "Flux"), ("single_blocks_", "Flux"), ("single_transformer_blocks_", "Flux"),
    ("layers_", "Z-Image or Lumina"), ("blocks_", "Wan"),
)  # fmt: skip
_IN_TRANSFORMER = (  # how places in Stable Diffusion 3's begin, its authors' names and diffusers'
    "joint_blocks_", "transformer_blocks_", "context_embedder", "x_embedder_", "t_embedder_",
    "y_embedder_", "final_layer_", "time_text_embed_", "pos_embed_", "norm_out_", "proj_out",
)  # fmt: skip
_WHOLE: Mapping[Kind, tuple[frozenset[str], ...]] = {  # a kind's roles, in each way to have them
    "LoRA": (frozenset({"down", "up"}), frozenset({"down", "up", "mid"})),
    "LoHa": (
        frozenset({"w1_a", "w1_b", "w2_a", "w2_b"}),
        frozenset({"w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2"}),
    ),
    "LoKr": tuple(
        frozenset({*first, *second})
        for first in (("w1",), ("w1_a", "w1_b"))
        for second in (("w2",), ("w2_a", "w2_b"), ("w2_a", "w2_b", "t2"))
    ),
    "full": (frozenset({"diff"}), frozenset({"diff", "diff_b"})),
}
_KOHYA = (
    ("lora_unet_", UNET), ("lora_te_", TEXT), ("lora_te1_", TEXT), ("lora_te2_", SECOND_TEXT),
    ("lycoris_", UNET),
)  # fmt: skip
_POINTED = (
    ("unet.", UNET), ("transformer.", TRANSFORMER), ("text_encoder.", TEXT),
    ("text_encoder_2.", SECOND_TEXT),
)  # fmt: skip
_IN_UNET = re.compile(
    r"(down_blocks|up_blocks|mid_block|conv_in|conv_out|time_embedding|add_embedding)\b"
)
_IN_TEXT = re.compile(r"(text_model|encoder\.layers|text_projection)\b")
_OLD_TEXT = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "to_out": "out_proj"}
_JOINT = "diffusion_model.joint_blocks."
_BUNDLED = "bundle_emb."  # embeddings that some trainers put beside


class Target(NamedTuple):
    """The weight that is changed."""

    network: str  # of NETWORKS
    place: str  # of the module in it, with underscores


@dataclass(frozen=True, slots=True)
class Change:
    """How one weight is changed."""

    kind: Kind
    keys: Mapping[str, str] = field(repr=False)  # role -> key in the file
    shapes: Mapping[str, Shape] = field(repr=False)  # by role
    module: str = ""  # its place with points, where the file has it so

    @property
    def rank(self) -> int | None:
        """None for what has none."""
        shapes = self.shapes
        if self.kind == "LoRA":
            return shapes["down"][0]
        if self.kind == "LoHa":
            return shapes["w1_b"][0]
        for role in ("w1_b", "w2_b"):  # of a LoKr; both have the same
            if role in shapes:
                return shapes[role][0]
        return None


def changes(header: Header) -> dict[Target, Change]:
    """By what they change. Raises ProblemError, naming keys, for what cannot be used."""
    found: dict[Target, dict[str, str]] = {}
    modules: dict[Target, str] = {}
    strange: list[str] = []
    for key in header.tensors:
        if key.startswith(_BUNDLED):
            continue
        place = _parsed(key)
        if place is None:
            strange.append(key)
            continue
        target, role, module = place
        taken = found.setdefault(target, {})
        if role in taken:
            raise ProblemError(f"{shown(taken[role])} and {shown(key)} are for the same weight")
        taken[role] = key
        modules[target] = module
    if strange:
        raise ProblemError(_strange(strange))
    if not found:
        raise ProblemError("it holds no LoRA")
    for target, keys in found.items():
        for start, name in _OTHERS:
            if target.network in (UNET, TRANSFORMER) and target.place.startswith(start):
                key = shown(next(iter(keys.values())))
                raise ProblemError(f"it is a LoRA for {name}, which cannot be used yet: {key}")
    return {
        target: _change(keys, header, modules[target]) for target, keys in sorted(found.items())
    }


def _parsed(key: str) -> tuple[Target, str, str] | None:
    """(target, role, place with points or ""); None for a key that is not known."""
    at = -1
    for end in _ENDS:
        if key.endswith(end):
            at = len(key) - len(end)
            break
    if at <= 0:
        return None
    role, place = _ENDS[key[at:]], key[:at]
    for prefix, network in _KOHYA:
        if place.startswith(prefix):
            behind = place[len(prefix) :]
            if network == UNET and behind.startswith(_IN_TRANSFORMER):
                network = TRANSFORMER
            return (Target(network, _plain(behind)), role, "") if behind else None
    if place.startswith(_JOINT):
        place = place.replace("diffusion_model", TRANSFORMER, 1)
    found = _pointed(place.removeprefix("base_model.model."))
    if found is None:
        return None
    network, module = found
    return Target(network, _plain(module.replace(".", "_"))), role, module


def _pointed(place: str) -> tuple[str, str] | None:
    """(network, place in it with points)."""
    network = next((name for prefix, name in _POINTED if place.startswith(prefix)), "")
    module = place[len(network) + 1 :] if network else place
    if not network and _IN_UNET.match(module):
        network = UNET
    elif not network and _IN_TEXT.match(module):
        network = TEXT
    if not network or not module:
        return None
    before, _, last = module.replace(".processor.", ".").rpartition(".")
    if network in (UNET, TRANSFORMER):
        return network, f"{before}.to_out.0" if last == "to_out" else f"{before}.{last}".strip(".")
    return network, f"{before}.{_OLD_TEXT.get(last, last)}".strip(".")


def _plain(place: str) -> str:
    """Whether a text encoder's layers stand in a `text_model` differs between versions."""
    return place.removeprefix("text_model_")


def _strange(keys: list[str]) -> str:
    what = next((name for part, name in _UNUSABLE if any(part in key for key in keys)), "")
    shown_keys = ", ".join(shown(key) for key in keys[:3])
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    known = f"it is {what}, which cannot be used" if what else "it has keys that nothing here knows"
    return f"{known}: {shown_keys}{more}"


def _change(keys: Mapping[str, str], header: Header, module: str) -> Change:
    roles = frozenset(keys) - {"alpha"}
    key = next(iter(keys.values()))
    for kind, ways in _WHOLE.items():
        prefix = {"LoHa": ".hada_", "LoKr": ".lokr_"}.get(kind, "")
        if roles in ways and all(prefix in keys[role] for role in roles):
            shapes = {role: _shape(header, keys[role]) for role in roles}
            if any(len(shape) < (1 if role == "diff_b" else 2) for role, shape in shapes.items()):
                raise ProblemError(f"the shapes beside {shown(key)} are those of no matrix")
            if "alpha" in keys and header.tensors[keys["alpha"]].count != 1:
                raise ProblemError(f"{shown(keys['alpha'])} is no number")
            return Change(kind, keys, shapes, module)
    raise ProblemError(f"what belongs to {shown(key)} is missing")


def _shape(header: Header, key: str) -> Shape:
    tensor = header.tensors[key]
    if tensor.dtype not in ("F64", "F32", "F16", "BF16"):
        raise ProblemError(f"{shown(key)} is of the type {tensor.dtype}, which cannot be used")
    if len(tensor.shape) > 4 or 0 in tensor.shape:
        raise ProblemError(f"{shown(key)} is of the shape {list(tensor.shape)}, which cannot be")
    return tensor.shape


def networks(targets: Iterable[Target]) -> tuple[str, ...]:
    """Those that are changed, what denoises first."""
    there = {target.network for target in targets}
    return tuple(name for name in NETWORKS if name in there)
