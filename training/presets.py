"""Sizes and budgets of a training: `cpu` makes a model of 128 px, `gpu` one of 256 px."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """All that two trainings differ in; what they share stands where it is used."""

    name: str
    pixels: int  # width and height of a picture
    source: int  # width and height that the emoji are kept at before they are composed
    # budgets: trained minutes, summed over the runs that a training is interrupted into
    vae_minutes: float
    encoder_share: float  # of them, after which the encoder stays as it is and the decoder goes on
    words_minutes: float  # of the text encoder alone
    unet_minutes: float
    tiny_minutes: float
    # batches
    vae_batch: int
    vae_crop: int  # most of the autoencoder's training sees crops of this size: cheaper, no worse
    unet_batch: int
    pool: int  # compositions whose latents are kept at a time
    pool_uses: int  # how often each is used, on average, before the pool is made anew
    # networks
    vae_channels: tuple[int, ...]
    width: int  # of the text encoder, and so of the context that the UNet attends to
    text_layers: int
    text_hidden: int  # numbers between the two halves of each of its layers: where things are kept
    unet_channels: tuple[int, ...]
    down_attends: bool  # whether the UNet looks at the text on its way down too
    # the pictures' world
    grid: int  # corners and sides of things are multiples of so many pixels; 0: of any
    flat_share: float  # of pictures in the second style
    several_share: float  # of pictures of two or three things
    familiar_share: float  # of things drawn from the familiar classes (animals, food, ...)
    vae_rate: float
    unet_rate: float

    @property
    def latent(self) -> int:
        """Width and height of a latent; the autoencoder's factor is 8."""
        return self.pixels // 8

    def vae(self) -> dict[str, Any]:
        """AutoencoderKL's arguments."""
        levels = len(self.vae_channels)
        return {
            "down_block_types": ["DownEncoderBlock2D"] * levels,
            "up_block_types": ["UpDecoderBlock2D"] * levels,
            "block_out_channels": list(self.vae_channels),
            "layers_per_block": 1,
            "latent_channels": 4,
            "norm_num_groups": 16,
            "sample_size": self.pixels,
        }

    def unet(self) -> dict[str, Any]:
        """UNet2DConditionModel's arguments. Attention costs too much at the first of four levels
        (32 x 32 latents); with three, the first is of 16 x 16 and has it."""
        levels = len(self.unet_channels)
        attends = [levels == 3, *[True] * (levels - 2), False]
        down = [a and self.down_attends for a in attends]
        return {
            "sample_size": self.latent,
            "block_out_channels": list(self.unet_channels),
            "layers_per_block": 1,
            "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in down],
            "up_block_types": [
                "CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)
            ],
            "cross_attention_dim": self.width,
            "attention_head_dim": 4,  # diffusers' name for the number of heads
            "norm_num_groups": 16,
        }


PRESETS = {
    "cpu": Preset(
        name="cpu",
        pixels=128,
        source=144,
        vae_minutes=24,
        encoder_share=0.83,
        words_minutes=90,
        unet_minutes=150,
        tiny_minutes=5,
        vae_batch=16,
        vae_crop=64,
        unet_batch=32,
        pool=16384,
        pool_uses=12,
        vae_channels=(32, 64, 96, 128),
        width=96,
        text_layers=4,
        text_hidden=1280,
        down_attends=False,
        unet_channels=(80, 160, 240),
        grid=16,
        flat_share=0.0,
        several_share=0.25,
        familiar_share=0.6,
        vae_rate=4e-4,
        unet_rate=5e-4,
    ),
    "gpu": Preset(
        name="gpu",
        pixels=256,
        source=256,
        vae_minutes=6,
        encoder_share=0.85,
        words_minutes=2,
        unet_minutes=15,
        tiny_minutes=1,
        vae_batch=64,
        vae_crop=128,
        unet_batch=512,
        pool=150_000,
        pool_uses=12,
        vae_channels=(32, 64, 96, 128),
        width=112,
        text_layers=4,
        text_hidden=448,
        down_attends=True,
        unet_channels=(64, 112, 160, 192),
        grid=0,
        flat_share=0.15,
        several_share=0.35,
        familiar_share=0.4,
        vae_rate=1e-3,
        unet_rate=1e-3,
    ),
    "tiny": Preset(  # for the tests: every step in seconds, nothing learnt
        name="tiny",
        pixels=64,
        source=32,
        vae_minutes=0.01,
        encoder_share=0.5,
        words_minutes=0.01,
        unet_minutes=0.01,
        tiny_minutes=0.01,
        vae_batch=2,
        vae_crop=32,
        unet_batch=2,
        pool=8,
        pool_uses=2,
        vae_channels=(16, 16, 16, 16),
        width=16,
        text_layers=1,
        text_hidden=64,
        down_attends=False,
        unet_channels=(16, 16, 32),
        grid=8,
        flat_share=0.2,
        several_share=0.5,
        familiar_share=0.5,
        vae_rate=1e-4,
        unet_rate=1e-4,
    ),
}
