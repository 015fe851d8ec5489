"""What is put together from pieces is what would have been drawn; captions say what is where."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.training.conftest import KNOWN
from training import networks, prepare, vocabulary
from training.compose import Composer
from training.latents import Feed
from training.looks import Captions, alone, joined, places
from training.pieces import Pieces
from training.presets import PRESETS
from training.scenes import COLOURS, Scene

TINY = PRESETS["tiny"]


@dataclass(frozen=True)
class Averaged(Feed):
    """The mean colour of each 8 x 8 pixels in place of latents: the same wherever they are."""

    def encoded(self, scenes: Sequence[Scene]) -> Tensor:
        mean = F.avg_pool2d(self.composer(scenes, self.preset.pixels), 8)
        return torch.cat([mean, mean.mean(1, keepdim=True)], 1)


@pytest.fixture(scope="module")
def feed(work: Path) -> Feed:
    data = work / "data"
    six = prepare.classes(data)
    known = six * 8  # enough that two stand on one colour
    pictures = prepare.pictures(data, six, TINY.source).repeat(1, 8, 1, 1, 1)
    composer = Composer(pictures, torch.device("cpu"))
    vae = networks.autoencoder(TINY)
    vae.register_to_config(scaling_factor=1.0)
    tokenizer = vocabulary.tokenizer(data / "tokenizer")
    return Averaged(TINY, known, composer, tokenizer, vae, work / "none.safetensors")


@pytest.fixture(scope="module")
def pieces(feed: Feed) -> Pieces:
    return Pieces.of(feed)


@pytest.fixture(scope="module")
def scenes(pieces: Pieces) -> list[Scene]:
    rng = random.Random(0)
    return [pieces.scene(rng) for _ in range(200)]


def test_scenes_are_of_two_or_three_different_things_on_grounds_of_one_colour(
    scenes: list[Scene],
) -> None:
    assert {len(scene.things) for scene in scenes} == {2, 3}
    assert all(len({each.which for each in scene.things}) > 1 for scene in scenes)
    assert {scene.colours for scene in scenes} == {(each, each) for each in range(len(COLOURS))}
    assert {scene.stacked for scene in scenes} == {True, False}


def test_what_is_put_together_is_what_would_have_been_drawn(
    feed: Feed, pieces: Pieces, scenes: list[Scene]
) -> None:
    made = torch.stack([pieces.together(scene) for scene in scenes])
    assert torch.allclose(made, feed.encoded(scenes), atol=1e-5)


def test_a_colour_with_too_few_things_is_left_for_white(pieces: Pieces) -> None:
    rng = random.Random(0)
    few = replace(pieces, known=pieces.known[:6])  # one for a colour
    found = [few.scene(rng) for _ in range(100)]
    assert {scene.colours for scene in found} == {(0, 0)}
    assert {each.which for scene in found for each in scene.things} == set(range(6))


def test_a_preset_without_a_grid_has_no_pieces(feed: Feed) -> None:
    with pytest.raises(ValueError, match="'tiny' has no grid"):
        Pieces.of(replace(feed, preset=replace(TINY, grid=0)))


def test_two_in_five_captions_are_of_pieces_and_say_what_stands_where(feed: Feed) -> None:
    single = alone(1, len(KNOWN))
    marked = torch.arange(1.0, len(KNOWN) + 1)[None, :, None, None, None]
    things = {wide: marked.expand(2, -1, 4, wide, wide) for wide in (2, 4)}
    pieces = replace(Pieces.of(feed), known=KNOWN, things=things,
                     grounds=torch.zeros(len(COLOURS), 4, 8, 8))  # fmt: skip
    shown = (single, torch.full((len(single), 4, 8, 8), -9.0))
    captions = Captions.of(KNOWN, feed.tokenizer, (single[:1], shown[1][:1]), shown, pieces)
    together, told = 0, 0
    for seed in range(20):
        asked = captions.batch(seed)
        cells = torch.zeros(64, 64, 4)
        cells[:, places()] = asked.patches
        said = feed.tokenizer.batch_decode(asked.words, skip_special_tokens=True)
        for line, picture in zip(said, joined(cells + captions.mean)[:, 0], strict=True):
            together += int(picture.max() > 0)
            first, joint, second = line.partition(" to the left of ")
            if joint:
                for half, name in ((2, first), (6, second)):
                    thing = KNOWN[round(picture[4, half].item()) - 1]
                    assert any(each in name for each in (thing.label, *thing.names, *thing.kin))
                told += 1
    assert 0.36 < together / (20 * 64) < 0.44
    assert told > 20
