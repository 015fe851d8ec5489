"""LoRA files as the programs that train them write them, and what each one changes, by formula.

The formulas are written out here on whole weights, from the papers; the product never makes most of
these matrices. Names of Stable Diffusion XL's modules are those of `tests.checkpoints`.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from tests import checkpoints

RANK, ALPHA = 4, 2.0


@dataclass
class Made:
    """A LoRA: its tensors by network and module, and what it adds to weights and biases."""

    tensors: dict = field(default_factory=dict)  # (network, module) -> role -> tensor
    weights: dict = field(default_factory=dict)  # (network, module) -> tensor
    biases: dict = field(default_factory=dict)


def networks(pipe):
    network = "unet" if hasattr(pipe, "unet") else "transformer"
    made = {network: getattr(pipe, network), "text_encoder": pipe.text_encoder}
    return made | {"text_encoder_2": getattr(pipe, "text_encoder_2", None)}


def made(pipe, kind, seed=0, only=None, strength=0.6) -> Made:
    """Of every matrix and convolution of a pipeline, or of those whose names hold `only`."""
    torch.manual_seed(seed)
    result = Made()
    for network, module in networks(pipe).items():
        for name, each in module.named_modules() if module is not None else ():
            if not isinstance(each, nn.Linear | nn.Conv2d) or (only and only not in name):
                continue
            roles, change = KINDS[kind](each.weight)
            # as strong in every kind as the weights that it changes
            size = strength * float(each.weight.detach().std() / change.std())
            first = next(role for role in ("up", "w1_a", "w1", "diff") if role in roles)
            result.tensors[network, name] = roles | {first: roles[first] * size}
            result.weights[network, name] = change * size
            if kind == "full" and each.bias is not None:
                bias = torch.randn_like(each.bias) * 0.1
                result.tensors[network, name]["diff_b"] = bias
                result.biases[network, name] = bias
    return result


# --- the formulas --------------------------------------------------------------------------------


def _low_rank(weight):
    outputs, inputs, *kernel = weight.shape
    ones = [1] * len(kernel)
    down, up = torch.randn(RANK, inputs, *kernel), torch.randn(outputs, RANK, *ones)
    change = (up.flatten(1) @ down.flatten(1)).reshape(weight.shape) * ALPHA / RANK
    return {"down": down, "up": up, "alpha": torch.tensor(ALPHA)}, change


def _tucker(weight):
    if weight.ndim == 2 or weight.shape[2] == 1:
        return _low_rank(weight)
    outputs, inputs, *kernel = weight.shape
    down, up = torch.randn(RANK, inputs, 1, 1), torch.randn(outputs, RANK, 1, 1)
    mid = torch.randn(RANK, RANK, *kernel)
    change = torch.einsum("or,rshw,si->oihw", up[:, :, 0, 0], mid, down[:, :, 0, 0])
    return {"down": down, "up": up, "mid": mid, "alpha": torch.tensor(ALPHA)}, change * ALPHA / RANK


def _hadamard(weight):
    outputs, flat = weight.shape[0], weight[0].numel()
    parts = {"w1_a": (outputs, RANK), "w1_b": (RANK, flat), "w2_a": (outputs, RANK),
             "w2_b": (RANK, flat)}  # fmt: skip
    parts = {role: torch.randn(*shape) for role, shape in parts.items()}
    change = (parts["w1_a"] @ parts["w1_b"]) * (parts["w2_a"] @ parts["w2_b"])
    alpha = {"alpha": torch.tensor(ALPHA)}
    return parts | alpha, change.reshape(weight.shape) * ALPHA / RANK


def _hadamard_tucker(weight):
    if weight.ndim == 2 or weight.shape[2] == 1:
        return _hadamard(weight)
    outputs, inputs, *kernel = weight.shape
    parts = {}
    for side in "12":
        parts[f"w{side}_a"], parts[f"w{side}_b"] = (
            torch.randn(RANK, outputs),
            torch.randn(RANK, inputs),
        )
        parts[f"t{side}"] = torch.randn(RANK, RANK, *kernel)
    one, two = (
        torch.einsum("rshw,ro,si->oihw", parts[f"t{n}"], parts[f"w{n}_a"], parts[f"w{n}_b"])
        for n in "12"
    )
    return parts | {"alpha": torch.tensor(ALPHA)}, one * two * ALPHA / RANK


def _halves(weight):
    """A LoKr's: a factor of 2 or 4 of each side where there is one."""
    outputs, inputs = weight.shape[:2]
    rows, columns = (next(n for n in (4, 2, 1) if size % n == 0) for size in (outputs, inputs))
    return rows, columns, outputs // rows, inputs // columns


def _kronecker(weight):
    rows, columns, outputs, inputs = _halves(weight)
    first, second = torch.randn(rows, columns), torch.randn(outputs, inputs, *weight.shape[2:])
    return {"w1": first, "w2": second, "alpha": torch.tensor(ALPHA)}, _cells(first, second)


def _cells(first, second):
    """Every cell of `first` times the whole of `second`."""
    rows = [torch.cat([cell * second for cell in row], dim=1) for row in first]
    return torch.cat(rows, dim=0)


def _kronecker_low_rank(weight):
    rows, columns, outputs, inputs = _halves(weight)
    kernel = weight.shape[2:]
    flat = inputs * kernel.numel()
    parts = {"w1_a": torch.randn(rows, RANK), "w1_b": torch.randn(RANK, columns),
             "w2_a": torch.randn(outputs, RANK), "w2_b": torch.randn(RANK, flat)}  # fmt: skip
    second = (parts["w2_a"] @ parts["w2_b"]).reshape(outputs, inputs, *kernel)
    change = _cells(parts["w1_a"] @ parts["w1_b"], second) * ALPHA / RANK
    return parts | {"alpha": torch.tensor(ALPHA)}, change


def _kronecker_tucker(weight):
    if weight.ndim == 2 or weight.shape[2] == 1:
        return _kronecker_low_rank(weight)
    rows, columns, outputs, inputs = _halves(weight)
    parts = {"w1": torch.randn(rows, columns), "w2_a": torch.randn(RANK, outputs),
             "w2_b": torch.randn(RANK, inputs),
             "t2": torch.randn(RANK, RANK, *weight.shape[2:])}  # fmt: skip
    second = torch.einsum("rshw,ro,si->oihw", parts["t2"], parts["w2_a"], parts["w2_b"])
    change = _cells(parts["w1"], second) * ALPHA / RANK
    return parts | {"alpha": torch.tensor(ALPHA)}, change


def _full(weight):
    change = torch.randn(weight.shape)
    return {"diff": change}, change


KINDS = {
    "lora": _low_rank, "tucker": _tucker, "loha": _hadamard, "loha tucker": _hadamard_tucker,
    "lokr": _kronecker, "lokr low rank": _kronecker_low_rank, "lokr tucker": _kronecker_tucker,
    "full": _full,
}  # fmt: skip


# --- the layouts ---------------------------------------------------------------------------------

_KOHYA = {
    "down": "lora_down.weight", "up": "lora_up.weight", "mid": "lora_mid.weight",
    "alpha": "alpha", "diff": "diff", "diff_b": "diff_b",
}  # fmt: skip


def kohya(pipe, lora: Made, prefix="") -> dict:
    """sd-scripts and LyCORIS: SDXL's UNet under the names that its authors gave."""
    original = {}
    if getattr(pipe, "text_encoder_2", None) is not None:
        weights = {key: key for key in pipe.unet.state_dict()}
        unet = type("", (), {"config": pipe.unet.config, "state_dict": lambda self: weights})()
        original = {old: new for new, old in checkpoints.unet_keys(unet).items()}
    keys = {}
    for (network, module), roles in lora.tensors.items():
        start = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_",
                 "text_encoder_2": "lora_te2_text_model_"}[network]  # fmt: skip
        if original and network == "text_encoder":
            start = "lora_te1_text_model_"
        if network == "unet" and original:
            module = original[f"{module}.weight"].removesuffix(".weight")
        if network != "unet":
            module = module.removeprefix("text_model.")
        if module == "text_projection":
            start = start.removesuffix("text_model_")
        place = start + module.replace(".", "_")
        lycoris = "hada_" if "w2_a" in roles and "w1_b" in roles and prefix == "hada" else "lokr_"
        for role, tensor in roles.items():
            keys[f"{place}.{_KOHYA.get(role, lycoris + role)}"] = tensor
    return keys


def peft(pipe, lora: Made) -> tuple[dict, dict]:
    """diffusers' own of today, with the config in the metadata."""
    keys, config = {}, {}
    for (network, module), roles in lora.tensors.items():
        keys[f"{network}.{module}.lora_A.weight"] = roles["down"]
        keys[f"{network}.{module}.lora_B.weight"] = roles["up"]
        config |= {f"{network}.r": RANK, f"{network}.lora_alpha": ALPHA}
    return keys, {"lora_adapter_metadata": json.dumps(config)}


def peft_alone(pipe, lora: Made) -> dict:
    """PEFT's own `adapter_model.safetensors` of a UNet, with `adapter_config.json` beside it."""
    keys = {}
    for (network, module), roles in lora.tensors.items():
        assert network == "unet"
        keys[f"base_model.model.{module}.lora_A.weight"] = roles["down"]
        keys[f"base_model.model.{module}.lora_B.weight"] = roles["up"]
    return keys


def old_diffusers(pipe, lora: Made) -> dict:
    """Attention alone, under the processors' names; alpha is the rank."""
    keys = {}
    for (network, module), roles in lora.tensors.items():
        place, _, last = module.rpartition(".")
        if network == "unet":
            if last == "0":
                place, last = place.rpartition(".")[0], "to_out"
            start, (down, up) = f"unet.{place}.processor.{last}_lora", ("down", "up")
        else:
            start = f"{network}.text_model.{module.removeprefix('text_model.')}.lora_linear_layer"
            down, up = "down", "up"
        keys[f"{start}.{down}.weight"] = roles["down"]
        keys[f"{start}.{up}.weight"] = roles["up"] * ALPHA / RANK
    return keys


def newer_diffusers(pipe, lora: Made) -> dict:
    """Between the two: `.lora.down.weight`."""
    keys = {}
    for (network, module), roles in lora.tensors.items():
        keys[f"{network}.{module}.lora.down.weight"] = roles["down"]
        keys[f"{network}.{module}.lora.up.weight"] = roles["up"] * ALPHA / RANK
    return keys


def save(path: Path, keys, metadata=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {key: each.detach().contiguous().clone() for key, each in keys.items()}
    save_file(tensors, path, metadata)
    return path
