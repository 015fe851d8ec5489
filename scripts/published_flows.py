"""Writes tests/published_flows.json.gz: keys and shapes of Stable Diffusion 3 and 3.5.

Told from the sizes that were published with them and Stability's mmdit.py, with the text encoders
as transformers names them. It knows nothing of diffusers, whose networks they are loaded into.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from scripts.published_keys import OUT, Keys, clip, named, pair, vae, write

FLOWS = OUT.with_name("published_flows.json.gz")


@dataclass(frozen=True)
class Joint:
    """A transformer of mmdit.py: blocks that look at picture and texts at once."""

    blocks: int  # as many as heads, each 64 wide
    places: int  # of the table, each way
    normed: bool  # whether queries and keys are
    dual: int = 0  # the first so many look at the picture a second time

    def keys(self) -> Keys:
        width = 64 * self.blocks
        made: Keys = {
            "pos_embed": (1, self.places**2, width),
            **pair("x_embedder.proj", width, 16, 2, 2),
            **pair("t_embedder.mlp.0", width, 256),
            **pair("t_embedder.mlp.2", width, width),
            **pair("y_embedder.mlp.0", width, 2048),
            **pair("y_embedder.mlp.2", width, width),
            **pair("context_embedder", width, 4096),
            **pair("final_layer.linear", 2 * 2 * 16, width),
            **pair("final_layer.adaLN_modulation.1", 2 * width, width),
        }
        for number in range(self.blocks):
            last, dual = number + 1 == self.blocks, number < self.dual
            place = f"joint_blocks.{number}"
            made |= self._half(f"{place}.x_block", width, 9 if dual else 6, dual)
            made |= self._half(f"{place}.context_block", width, 2 if last else 6, False)
        return made

    def _half(self, name: str, width: int, told: int, dual: bool) -> Keys:
        """`told`: how many shifts, scales and gates it is told; two: it only gives keys."""
        made = pair(f"{name}.adaLN_modulation.1", told * width, width)
        for attention in ("attn", "attn2") if dual else ("attn",):
            made |= pair(f"{name}.{attention}.qkv", 3 * width, width)
            if told > 2:
                made |= pair(f"{name}.{attention}.proj", width, width)
            for each in ("ln_q", "ln_k") if self.normed else ():
                made[f"{name}.{attention}.{each}.weight"] = (64,)
        if told > 2:
            made |= pair(f"{name}.mlp.fc1", 4 * width, width)
            made |= pair(f"{name}.mlp.fc2", width, 4 * width)
        return made


def t5() -> Keys:
    """T5 v1.1 XXL's encoder, as transformers names it."""
    width, inner = 4096, 10240
    made: Keys = {"shared.weight": (32128, width), "encoder.final_layer_norm.weight": (width,)}
    table = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    made[table] = (32, 64)
    for number in range(24):
        first, second = (f"encoder.block.{number}.layer.{at}" for at in range(2))
        made |= {f"{first}.SelfAttention.{each}.weight": (width, width) for each in "qkvo"}
        made |= {f"{second}.DenseReluDense.{each}.weight": (inner, width) for each in _GATED}
        made[f"{second}.DenseReluDense.wo.weight"] = (width, inner)
        made |= {f"{each}.layer_norm.weight": (width,) for each in (first, second)}
    return made


_GATED = ("wi_0", "wi_1")


def flows() -> Iterator[tuple[str, Keys]]:
    second = clip(1280, 32) | {"text_projection.weight": (1280, 1280)}
    encoders = {"clip_l": clip(), "clip_g": second, "t5xxl": t5()}
    texts = {f"text_encoders.{name}.transformer": keys for name, keys in encoders.items()}
    sizes = {
        "sd3 medium": Joint(24, 192, normed=False),
        "sd3.5 medium": Joint(24, 384, normed=True, dual=13),
        "sd3.5 large": Joint(38, 192, normed=True),
    }
    for name, joint in sizes.items():
        yield (
            name,
            named({"model.diffusion_model": joint.keys(), "first_stage_model": vae(16), **texts}),
        )


if __name__ == "__main__":
    write(FLOWS, flows())
