"""Files that are no checkpoint, or a broken one: what is in each, and what is said of it."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path

from tests import headers

UNET, VAE = "model.diffusion_model.", "first_stage_model."
SD1 = headers.published()["sd1"]


def raw(header: bytes, tensors: int = 0, length: int | None = None) -> Callable[[Path], object]:
    size = len(header) if length is None else length
    return lambda path: path.write_bytes(size.to_bytes(8, "little") + header + bytes(tensors))


def said(**tensors) -> bytes:
    return json.dumps(tensors).encode()


def tensor(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def of(keys, metadata=None) -> Callable[[Path], object]:
    return lambda path: headers.write(path, keys, metadata)


def without(*prefixes) -> dict:
    return {key: shape for key, shape in SD1.items() if not key.startswith(prefixes)}


def cut(path: Path) -> None:
    headers.write(path, SD1)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1000)


def zipped(path: Path) -> None:
    headers.write(path, {"a": [2]})
    path.write_bytes(path.read_bytes() + b"PK\x05\x06" + bytes(18))


# name -> (how it is made, part of the problem)
WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "it is empty"),
    "seven bytes": (lambda path: path.write_bytes(bytes(7)), "it is empty"),
    "a huge header": (raw(b"{}", length=2**63), "its header does not fit into it"),
    "a header of 100 MB": (raw(b"{}", length=10**8 + 1), "its header does not fit into it"),
    "a header beyond the end": (raw(b"{}", length=1000), "its header does not fit into it"),
    # their lengths begin as a pickle and a JSON file do
    "cut in its header": (raw(b"{}", length=0x280), "or it is cut: its header does not fit"),
    "cut there too": (raw(b"{}", length=0x37B), "or it is cut: its header does not fit into it"),
    "a header too large": (raw(b" " * (16 * 2**20 + 1)), "its header is larger than"),
    "no text": (raw(b'{"\xff": 1}'), "its header is not valid JSON"),
    "no json": (raw(b"{model}"), "its header is not valid JSON"),
    "deep json": (raw(b"[" * 100_000), "its header is not valid JSON"),
    "a list": (raw(b"[]"), "its header is no JSON object"),
    "no tensor": (raw(said(a=5)), "its header does not say what 'a' is"),
    "an odd type": (raw(said(a=tensor("F7")), 8), "'a' is of the type 'F7', which is not known"),
    "a negative shape": (raw(said(a=tensor(shape=[-2])), 8), "the shape of 'a' cannot be"),
    "a shape that overflows": (raw(said(a=tensor(shape=[2**62] * 4))), "the shape of 'a' cannot"),
    "fewer bytes": (raw(said(a=tensor(offsets=(0, 4))), 8), "not have as many bytes as its shape"),
    "a gap": (raw(said(a=tensor(offsets=(4, 12))), 12), "overlap or leave gaps"),
    "an overlap": (raw(said(a=tensor(), b=tensor()), 8), "overlap or leave gaps"),
    "cut": (cut, "it is cut: 1000 bytes of its tensors are missing"),
    "something behind": (zipped, "22 bytes that are no tensors stand at its end"),
    "a key twice": (raw(b'{"a": 1, "a": 2}'), "its header is not valid JSON"),
    "too many": (raw(json.dumps({str(n): {} for n in range(20_001)}).encode()), "20001 tensors"),
    "an lfs pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
        "it is a Git LFS pointer",
    ),
    "a web page": (lambda path: path.write_text("<!doctype html><html>"), "it is a web page"),
    "a pickle renamed": (
        lambda path: path.write_bytes(pickle.dumps({"state_dict": 1})), "it is a pickle",
    ),
    "a zip renamed": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(60)), "it is a pickle"),
    "a lora": (of({"lora_unet_a.lora_down.weight": [4, 8]}), "a LoRA, not a checkpoint"),
    "another lora": (of({"unet.a.to_q.lora_A.weight": [4, 8]}), "a LoRA, not a checkpoint"),
    "an embedding": (of({"emb_params": [2, 768]}), "an embedding, not a checkpoint; it belongs "),
    "a vae": (of({"encoder.conv_in.weight": [1], "decoder.conv_in.weight": [1]}),
              "a VAE alone, not a checkpoint; it belongs into VAE/"),
    "an upscaler": (of({"conv_first.weight": [64, 3, 3, 3]}), "an upscaler, not a checkpoint"),
    "a controlnet": (of({"control_model.time_embed.0.weight": [4]}), "a ControlNet, not a"),
    "a unet": (of(without("cond", VAE)), "a UNet alone: its text encoder and VAE are missing"),
    "another kind": (of({f"{UNET}double_blocks.0.img_attn.norm.key_norm.scale": [4]}),
                     "this is Flux, which cannot be used yet"),
    "nothing known": (of({"<script>alert(1)</script>.x": [4]}), "nothing that is known, not a"),
    "whole numbers": (of({**SD1, f"{UNET}out.2.weight": ["I32", SD1[f"{UNET}out.2.weight"]]}),
                      "holds whole numbers, which are no weights"),
    "no middle": (of(without(f"{UNET}middle_block")), "the UNet's middle is not as deep"),
    "deeper on the way up": (
        of({**SD1, f"{UNET}output_blocks.9.1.transformer_blocks.1.norm1.weight": [320]}),
        "attentions are not as deep on the way up as down"),
    "deeper on the way up alone": (
        of({**SD1, f"{UNET}output_blocks.0.1.transformer_blocks.0.norm1.weight": [1280],
            f"{UNET}output_blocks.0.1.transformer_blocks.1.norm1.weight": [1280]}),
        "the UNet's middle is not as deep as its last level"),
    "no words": (of(without("cond_stage_model.transformer.text_model.embeddings.token")),
                 "token_embedding.weight is missing in it"),
    "an odd width": (of({**SD1, f"{UNET}input_blocks.0.0.weight": []}), "which cannot be"),
}  # fmt: skip
