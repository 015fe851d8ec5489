"""Writes tests/published_keys.json.gz: keys and shapes of the published checkpoints.

Of Stable Diffusion 1.5 and 2.1, SDXL base and refiner, told from the configs that they were trained
with (v1-inference.yaml, v2-inference-v.yaml, sd_xl_base.yaml, sd_xl_refiner.yaml) and the modules
that these name (CompVis' latent-diffusion, Stability's generative-models, OpenCLIP). It knows
nothing of diffusers, whose tables the product converts with: so the two can be compared.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OUT = Path(__file__).parents[1] / "tests" / "published_keys.json.gz"

Keys = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class UNet:
    """The `unet_config` of a config; two residual blocks a level in all of them."""

    channels: int
    multipliers: tuple[int, ...]
    depths: tuple[int, ...]  # transformer blocks of each level, 0 for none
    middle: int
    context: int
    linear: bool  # whether a transformer's projections are no convolutions
    vector: int = 0  # adm_in_channels
    blocks: int = 2

    def keys(self) -> Keys:
        width, embedded = self.channels, 4 * self.channels
        made = {
            **pair("time_embed.0", embedded, width),
            **pair("time_embed.2", embedded, embedded),
        }
        if self.vector:
            made |= pair("label_emb.0.0", embedded, self.vector)
            made |= pair("label_emb.0.2", embedded, embedded)
        made |= pair("input_blocks.0.0", width, 4, 3, 3)
        skips, now, number = [width], width, 0
        for level, times in enumerate(self.multipliers):
            for _ in range(self.blocks):
                number += 1
                made |= self._block(f"input_blocks.{number}", now, width * times, level)
                now = width * times
                skips.append(now)
            if level + 1 < len(self.multipliers):
                number += 1
                made |= pair(f"input_blocks.{number}.0.op", now, now, 3, 3)
                skips.append(now)
        made |= self._residual("middle_block.0", now, now)
        made |= self._transformer("middle_block.1", now, self.middle)
        made |= self._residual("middle_block.2", now, now)
        return (
            made | self._upwards(skips, now) | norm("out.0", width) | pair("out.2", 4, width, 3, 3)
        )

    def _upwards(self, skips: list[int], now: int) -> Keys:
        made: Keys = {}
        number = 0
        for level in reversed(range(len(self.multipliers))):
            out = self.channels * self.multipliers[level]
            for block in range(self.blocks + 1):
                name = f"output_blocks.{number}"
                made |= self._block(name, now + skips.pop(), out, level)
                now, number = out, number + 1
                if level and block == self.blocks:
                    made |= pair(f"{name}.{1 + bool(self.depths[level])}.conv", out, out, 3, 3)
        return made

    def _block(self, name: str, before: int, after: int, level: int) -> Keys:
        made = self._residual(f"{name}.0", before, after)
        if self.depths[level]:
            made |= self._transformer(f"{name}.1", after, self.depths[level])
        return made

    def _residual(self, name: str, before: int, after: int) -> Keys:
        made = norm(f"{name}.in_layers.0", before)
        made |= pair(f"{name}.in_layers.2", after, before, 3, 3)
        made |= pair(f"{name}.emb_layers.1", after, 4 * self.channels)
        made |= norm(f"{name}.out_layers.0", after)
        made |= pair(f"{name}.out_layers.3", after, after, 3, 3)
        if before != after:
            made |= pair(f"{name}.skip_connection", after, before, 1, 1)
        return made

    def _transformer(self, name: str, width: int, depth: int) -> Keys:
        square = (width, width) if self.linear else (width, width, 1, 1)
        made = norm(f"{name}.norm", width) | pair(f"{name}.proj_in", *square)
        for number in range(depth):
            block = f"{name}.transformer_blocks.{number}"
            for attention, seen in (("attn1", width), ("attn2", self.context)):
                made[f"{block}.{attention}.to_q.weight"] = (width, width)
                made[f"{block}.{attention}.to_k.weight"] = (width, seen)
                made[f"{block}.{attention}.to_v.weight"] = (width, seen)
                made |= pair(f"{block}.{attention}.to_out.0", width, width)
            made |= pair(f"{block}.ff.net.0.proj", 8 * width, width)
            made |= pair(f"{block}.ff.net.2", width, 4 * width)
            for each in ("norm1", "norm2", "norm3"):
                made |= norm(f"{block}.{each}", width)
        return made | pair(f"{name}.proj_out", *square)


def vae(channels: int = 4) -> Keys:
    """`ddconfig` of all: ch 128, ch_mult 1, 2, 4, 4, two blocks; Stable Diffusion 3's has 16
    channels and nothing between it and its latents."""
    widths = (128, 256, 512, 512)
    made = pair("encoder.conv_in", 128, 3, 3, 3)
    now = 128
    for level, width in enumerate(widths):
        for block in range(2):
            made |= _vae_block(f"encoder.down.{level}.block.{block}", now, width)
            now = width
        if level < 3:
            made |= pair(f"encoder.down.{level}.downsample.conv", now, now, 3, 3)
    made |= _vae_middle("encoder") | norm("encoder.norm_out", 512)
    made |= pair("encoder.conv_out", 2 * channels, 512, 3, 3)
    made |= pair("decoder.conv_in", 512, channels, 3, 3)
    made |= _vae_middle("decoder")
    for level in reversed(range(4)):
        for block in range(3):
            made |= _vae_block(f"decoder.up.{level}.block.{block}", now, widths[level])
            now = widths[level]
        if level:
            made |= pair(f"decoder.up.{level}.upsample.conv", now, now, 3, 3)
    made |= norm("decoder.norm_out", 128) | pair("decoder.conv_out", 3, 128, 3, 3)
    if channels == 16:
        return made
    return made | pair("quant_conv", 8, 8, 1, 1) | pair("post_quant_conv", 4, 4, 1, 1)


def _vae_middle(half: str) -> Keys:
    made = _vae_block(f"{half}.mid.block_1", 512, 512) | _vae_block(f"{half}.mid.block_2", 512, 512)
    made |= norm(f"{half}.mid.attn_1.norm", 512)
    for each in ("q", "k", "v", "proj_out"):
        made |= pair(f"{half}.mid.attn_1.{each}", 512, 512, 1, 1)
    return made


def _vae_block(name: str, before: int, after: int) -> Keys:
    made = norm(f"{name}.norm1", before) | pair(f"{name}.conv1", after, before, 3, 3)
    made |= norm(f"{name}.norm2", after) | pair(f"{name}.conv2", after, after, 3, 3)
    if before != after:
        made |= pair(f"{name}.nin_shortcut", after, before, 1, 1)
    return made


def clip(width: int = 768, layers: int = 12) -> Keys:
    """CLIP ViT-L/14's text half, or a larger one's, as transformers names it."""
    made: Keys = {
        "embeddings.token_embedding.weight": (49408, width),
        "embeddings.position_embedding.weight": (77, width),
        "embeddings.position_ids": (1, 77),
    }
    for number in range(layers):
        layer = f"encoder.layers.{number}"
        for each in ("q_proj", "k_proj", "v_proj", "out_proj"):
            made |= pair(f"{layer}.self_attn.{each}", width, width)
        made |= pair(f"{layer}.mlp.fc1", 4 * width, width)
        made |= pair(f"{layer}.mlp.fc2", width, 4 * width)
        made |= norm(f"{layer}.layer_norm1", width) | norm(f"{layer}.layer_norm2", width)
    made |= norm("final_layer_norm", width)
    return {f"text_model.{key}": shape for key, shape in made.items()}


def open_clip(width: int, layers: int) -> Keys:
    """OpenCLIP's text half: ViT-H/14 is 1024 wide, ViT-bigG/14 1280."""
    made: Keys = {
        "token_embedding.weight": (49408, width),
        "positional_embedding": (77, width),
        "text_projection": (width, width),
        "logit_scale": (),
    }
    for number in range(layers):
        layer = f"transformer.resblocks.{number}"
        made[f"{layer}.attn.in_proj_weight"] = (3 * width, width)
        made[f"{layer}.attn.in_proj_bias"] = (3 * width,)
        made |= pair(f"{layer}.attn.out_proj", width, width)
        made |= norm(f"{layer}.ln_1", width) | norm(f"{layer}.ln_2", width)
        made |= pair(f"{layer}.mlp.c_fc", 4 * width, width)
        made |= pair(f"{layer}.mlp.c_proj", width, 4 * width)
    return made | norm("ln_final", width)


def pair(name: str, *shape: int) -> Keys:
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def norm(name: str, width: int) -> Keys:
    return pair(name, width)


def checkpoints() -> Iterator[tuple[str, Keys]]:
    widths, deep = (1, 2, 4, 4), (1, 1, 1, 0)
    yield (
        "sd1",
        _whole(UNet(320, widths, deep, 1, 768, False), {"cond_stage_model.transformer": clip()}),
    )
    yield (
        "sd2",
        _whole(
            UNet(320, widths, deep, 1, 1024, True), {"cond_stage_model.model": open_clip(1024, 24)}
        ),
    )
    first, second = "conditioner.embedders.0", "conditioner.embedders.1"
    yield (
        "sdxl",
        _whole(
            UNet(320, (1, 2, 4), (0, 2, 10), 10, 2048, True, 2816),
            {f"{first}.transformer": clip(), f"{second}.model": open_clip(1280, 32)},
        ),
    )
    yield (
        "refiner",
        _whole(
            UNet(384, widths, (0, 4, 4, 0), 4, 1280, True, 2560),
            {f"{first}.model": open_clip(1280, 32)},
        ),
    )


def _whole(unet: UNet, encoders: dict[str, Keys]) -> Keys:
    return named({"model.diffusion_model": unet.keys(), "first_stage_model": vae(), **encoders})


def named(parts: dict[str, Keys]) -> Keys:
    return {f"{name}.{key}": shape for name, part in parts.items() for key, shape in part.items()}


def write_packed(path: Path, found: object) -> None:
    """As JSON, packed; the same bytes each time."""
    text = json.dumps(found, separators=(",", ":")).encode()
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        packed.write(text)


def write(out: Path, made: Iterator[tuple[str, Keys]]) -> None:
    found = {name: {key: list(shape) for key, shape in keys.items()} for name, keys in made}
    write_packed(out, found)
    for name, keys in found.items():
        print(f"{name}: {len(keys)} tensors")
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    write(OUT, checkpoints())
