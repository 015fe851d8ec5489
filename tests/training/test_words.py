"""What the text encoder learns before there is a UNet: looks, kin, and what an older model said."""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import CLIPTokenizer

from tests.training.conftest import KNOWN, TOKENIZER, trained
from training import networks, vocabulary, words
from training.captions import caption
from training.compose import Composer
from training.emoji import Emoji
from training.inheritance import Older
from training.kin import with_kin
from training.latents import Feed
from training.looks import Captions, alone, joined, looks, patches, places
from training.presets import PRESETS
from training.scenes import PLAIN, Scene, Thing
from training.sentences import Sentences

TINY = PRESETS["tiny"]
END = vocabulary.SIZE - 1


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return vocabulary.tokenizer(TOKENIZER)


@pytest.fixture
def captions(tokenizer: CLIPTokenizer) -> Captions:
    """The looks of the third class are (0, 0, 1, 0, ...), twice that in the second style; patch 5
    of scene 2 says 205."""
    scenes = [shown(0), shown(4, 0), *alone(2, len(KNOWN))]
    ones = torch.eye(len(KNOWN))
    numbers = 100.0 * torch.arange(len(scenes))[:, None] + torch.arange(64)
    patches = numbers[..., None].expand(-1, -1, 4)
    names = Captions.of(
        KNOWN, tokenizer, (scenes[:2], torch.randn(2, 4, 8, 8)),
        (scenes[2:], torch.randn(len(scenes) - 2, 4, 8, 8)),
    ).names  # fmt: skip
    looks = torch.stack([ones, ones * 2])
    return Captions(KNOWN, tokenizer, names, looks, scenes, patches, torch.zeros(64, 4))


def shown(*which: int, style: int = 0) -> Scene:
    return Scene(tuple(Thing(one, 0.5, 0.5, 0.75) for one in which), style, (0, 0), PLAIN)


# --- looks -------------------------------------------------------------------------------------


def test_what_looks_the_same_has_the_same_looks(tokenizer: CLIPTokenizer, tmp_path: Path) -> None:
    torch.manual_seed(0)
    vae = networks.autoencoder(TINY).eval().requires_grad_(False)
    pictures = torch.randint(0, 255, (1, 5, 4, 32, 32), dtype=torch.uint8)
    pictures[:, 3] = pictures[:, 1]
    composer = Composer(pictures, torch.device("cpu"))
    feed = Feed(TINY, KNOWN[:5], composer, tokenizer, vae, tmp_path / "pool.safetensors")
    found = looks(feed.encoded(alone(1, 5)).float())
    assert found.shape == (5, 5)
    assert found.std().item() == pytest.approx(1)
    same = torch.cdist(found, found) < 1e-2
    assert same.nonzero().tolist() == [[0, 0], [1, 1], [1, 3], [2, 2], [3, 1], [3, 3], [4, 4]]


def test_each_thing_stands_alone_once_in_each_style() -> None:
    scenes = alone(2, 3)
    assert [(scene.style, scene.things[0].which) for scene in scenes] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)
    ]  # fmt: skip
    assert {(len(each.things), each.colours) for each in scenes} == {(1, (0, 0))}


@pytest.mark.parametrize("side", [8, 16, 32])
def test_patches_are_read_as_a_page_is(side: int) -> None:
    corner = torch.zeros(1, 4, side, side)
    cell = side // 8
    corner[:, 2, cell : 2 * cell, 7 * cell :] = 1  # second row, last column
    found = patches(corner)
    assert found.shape == (1, 64, 4 * cell**2)
    assert found[0].sum(1).nonzero().tolist() == [[15]]
    assert found[0, 15].view(4, -1).sum(1).tolist() == [0, 0, cell**2, 0]


@pytest.mark.parametrize("side", [8, 16, 32])
def test_patches_are_put_together_again(side: int) -> None:
    latents = torch.randn(2, 4, side, side)
    assert torch.equal(joined(patches(latents)), latents)


def test_from_place_13_on_each_patch_is_said_once_the_corners_first_the_middle_last() -> None:
    said = places().tolist()
    assert sorted(said[13:]) == list(range(64))
    assert sorted(said[13:17]) == [0, 7, 56, 63]
    assert sorted(said[-4:]) == [27, 28, 35, 36]
    assert said[9:13] == said[-4:]  # where a caption is short, the middle is said again


# --- captions ----------------------------------------------------------------------------------


def test_a_name_is_to_be_told_from_its_last_token_to_the_end(
    captions: Captions, tokenizer: CLIPTokenizer
) -> None:
    line = tokenizer("a small red square on blue").input_ids + [END] * 2
    wanted, named = captions.told(shown(0), line)
    # start, a, small, red, square, on, blue, end, end, end
    assert named.tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0]
    assert wanted[4:7].tolist() == [[1, 0, 0, 0, 0, 0]] * 3


def test_of_two_things_each_is_told_from_its_name_on(
    captions: Captions, tokenizer: CLIPTokenizer
) -> None:
    line = [*tokenizer("block and blazing").input_ids, END]
    wanted, named = captions.told(shown(4, 0, style=1), line)
    assert named.tolist() == [0, 1, 1, 1, 0, 0]
    one, other = [2.0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 2.0, 0]
    assert wanted[1:4].tolist() == [one, one, other]


def test_where_no_name_is_read_nothing_is_named(
    captions: Captions, tokenizer: CLIPTokenizer
) -> None:
    for said in ("round, shape", ""):
        _, named = captions.told(shown(1), tokenizer(said).input_ids)
        assert named.sum() == 0


def test_from_the_end_of_a_caption_on_each_place_says_its_patch(captions: Captions) -> None:
    asked = captions.batch(3)
    again = captions.batch(3)
    assert torch.equal(asked.words, again.words) and torch.equal(asked.patches, again.patches)
    ends = (asked.words == END).int().argmax(1)
    for line, ended in zip(asked.words.tolist(), asked.ended, strict=True):
        end = line.index(END)
        assert ended.tolist() == [0] * end + [float(end > 1)] * (77 - end)
    assert (ends > 1).sum() > 32
    assert asked.patches.shape == (64, 77, 4)
    assert torch.equal(asked.patches % 100, places()[None, :, None].expand(64, 77, 4).float())
    scenes = asked.patches // 100
    assert torch.equal(scenes, scenes[:, :1, :1].expand(64, 77, 4))


def test_about_three_in_ten_captions_without_pieces_are_of_things_alone(captions: Captions) -> None:
    rows = torch.cat([captions.batch(seed).patches[:, 0, 0] // 100 for seed in range(20)])
    assert 0.26 < (rows >= 2).float().mean() < 0.34


def test_kin_are_said_in_place_of_names(captions: Captions) -> None:
    rng = random.Random(0)
    said = [caption(shown(4), KNOWN, rng) for _ in range(1000)]
    share = sum("blazing" in each for each in said) / len(said)
    assert 0.14 < share < 0.22  # a fifth of those that are not empty


# --- kin ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Directions(Sentences):
    """Means what its first letters say: an angle in degrees."""

    splitter: None = None
    model: None = None

    def meanings(self, texts: Sequence[str]) -> Tensor:
        angles = torch.tensor([float(text.split()[-1]) for text in texts]).deg2rad()
        return torch.stack([angles.cos(), angles.sin()], 1)


def test_a_word_is_kin_to_the_nearest_class_if_that_is_near() -> None:
    known = [
        Emoji("1", "east 0", (), ("tag 40",), True, False),
        Emoji("2", "north 90", ("name 120",), (), True, False),
    ]
    asked = ["a 5", "b 80", "c 118", "d 44", "e 200", "f 3"]
    found = with_kin(known, asked, {"f 3"}, Directions())
    # 44 is nearest to the tag, which counts less and yet enough; 200 to nothing; f is held out
    assert [each.kin for each in found] == [("a 5", "d 44"), ("c 118", "b 80")]
    assert [replace(each, kin=()) for each in found] == known


def test_plurals_of_words_held_out_are_held_out() -> None:
    class Same(Directions):
        def meanings(self, texts: Sequence[str]) -> Tensor:
            return torch.ones(len(texts), 1)

    known = [Emoji("1", "dog", ("hound",), (), True, False)]
    asked = ["puppy", "puppies", "pup", "dogs", "dog", "hound", "lynxes", "lynx"]
    (found,) = with_kin(known, asked, {"puppy", "lynx"}, Same())
    assert found.kin == ("dogs", "pup")


# --- learning ----------------------------------------------------------------------------------


def test_what_is_missing_counts_where_it_was_asked(captions: Captions) -> None:
    reader = words.Reader(networks.text_encoder(TINY), words.Teller(TINY.width, 8), captions)
    for each in (reader.looks, reader.teller.patch, reader.place):
        nn.init.zeros_(each.weight)
        nn.init.zeros_(each.bias)
    asked = captions.batch(0)
    spread = asked.patches.square().mean()
    named = torch.zeros(64, 77)
    named[3, 5:7] = 1
    looks = torch.full((64, 77, 6), 9.0)
    looks[3, 5], looks[3, 6] = 1, 3
    missing = reader(replace(asked, looks=looks, named=named))
    assert missing.named.item() == pytest.approx((1 + 9) / 2)
    whole = (asked.patches.square().mean(2) * asked.ended).sum() / asked.ended.sum() / spread
    assert missing.picture.item() == pytest.approx(whole.item())
    assert missing.place.item() == pytest.approx(math.log(64), abs=1e-4)


def test_the_text_encoder_tells_looks_and_what_an_older_one_said(
    captions: Captions, tokenizer: CLIPTokenizer, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    older_preset = replace(TINY, width=24)
    networks.text_encoder(older_preset).save_pretrained(tmp_path / "older" / "text_encoder")
    text = networks.text_encoder(TINY)
    older = Older.of(tmp_path / "older", TINY, KNOWN, tokenizer)
    preset = replace(TINY, words_minutes=0.2)
    by_place = (torch.arange(64) - 31.5)[None, :, None].expand_as(captions.patches) / 18.5
    captions = replace(captions, patches=by_place)
    with torch.no_grad():
        before = older.forgotten(text, 999_999).item()
    teller = words.Teller(TINY.width, 8)
    started = (text, teller, preset, captions, older, tmp_path)
    assert not words.learn(*started, left=0.0)
    assert words.learn(*started, left=5.0)
    state = torch.load(tmp_path / "words.pt", weights_only=True)
    assert state["step"] > 1
    reader = words.Reader(text, teller, captions)
    kept = state["parts"]["network"]
    reader.load_state_dict({key[7:]: kept[key] for key in kept if key.startswith("reader.")})
    asked = captions.batch(999_999)
    turned = replace(asked, looks=asked.looks.roll(1, 0), named=asked.named.roll(1, 0))
    with torch.no_grad():
        assert older.forgotten(text, 999_999) < before / 2
        missing, others = reader(asked), reader(turned)
    assert missing.named < 0.8 * others.named  # these captions, not any
    assert missing.picture < 0.7


def test_a_picture_is_what_is_said_of_it_about_the_mean_and_elsewhere_as_it_is() -> None:
    teller = words.Teller(2, 8)
    teller.mean.copy_(torch.arange(64)[:, None].expand(64, 4))
    nn.init.zeros_(teller.patch.bias)
    teller.patch.weight.data.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1], [0, 0]]))
    said = torch.full((3, 77, 2), 7.0)  # where a caption has not ended nothing is read
    ended = torch.zeros(3, 77, dtype=torch.bool)
    ended[0, 5:], ended[1, 40:] = True, True
    said[0, 5:, 0], said[0, 5:, 1] = 100.0, 200.0
    said[1, 40:] = 1000.0
    latents = torch.full((3, 4, 8, 8), -1.0)
    made = teller.picture(said, ended, latents).flatten(2)
    about = torch.tensor([100.0, 200.0, 300.0, 0.0])[:, None]
    assert torch.equal(made[0], torch.arange(64.0) + about)
    told = torch.zeros(64, dtype=torch.bool)
    told[places()[40:]] = True
    assert told.sum() == 37
    assert torch.equal(made[1][:, ~told], torch.full((4, 27), -1.0))
    about = torch.tensor([1000.0, 1000.0, 2000.0, 0.0])[:, None]
    assert torch.equal(made[1][:, told], torch.arange(64.0)[told] + about)
    assert torch.equal(made[2], torch.full((4, 64), -1.0))


# --- inheritance -------------------------------------------------------------------------------


def of_older(
    tmp_path: Path, tokenizer: CLIPTokenizer, width: int, channels: tuple[int, ...]
) -> Older:
    preset = replace(TINY, width=width, unet_channels=channels)
    networks.text_encoder(preset).save_pretrained(tmp_path / "text_encoder")
    networks.unet(preset).save_pretrained(tmp_path / "unet")
    return Older.of(tmp_path, TINY, KNOWN, tokenizer)


def test_keys_and_values_of_contexts_take_the_map_in(
    tmp_path: Path, tokenizer: CLIPTokenizer
) -> None:
    torch.manual_seed(0)
    older = of_older(tmp_path, tokenizer, 24, TINY.unet_channels)
    newer = networks.unet(TINY).eval()
    older.hand_over(newer)
    noisy, context = torch.randn(2, 4, 8, 8), torch.randn(2, 5, TINY.width)
    with torch.no_grad():
        wanted = networks.read(tmp_path, "unet")(noisy, 500, older.bridge(context)).sample
        found = newer(noisy, 500, context).sample
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("width", [TINY.width, 24])
def test_a_text_encoder_of_the_same_shape_begins_as_the_older_one(
    tmp_path: Path, tokenizer: CLIPTokenizer, width: int
) -> None:
    older = of_older(tmp_path, tokenizer, width, TINY.unet_channels)
    text = networks.text_encoder(TINY).eval()
    table = text.get_input_embeddings().weight.clone()
    before = {name: each.clone() for name, each in text.state_dict().items()}
    older.lead(text)
    assert torch.equal(text.get_input_embeddings().weight, table)
    if width != TINY.width:
        after = text.state_dict()
        assert all(torch.equal(after[name], each) for name, each in before.items())
        return
    older.text.get_input_embeddings().weight.data.copy_(table)
    assert older.forgotten(text, 0) < 1e-9


def test_what_does_not_fit_stays_as_it_is(tmp_path: Path, tokenizer: CLIPTokenizer) -> None:
    of_older(tmp_path, tokenizer, TINY.width, (16, 16, 48))
    attending = networks.unet(replace(TINY, unet_channels=(16, 16, 48), down_attends=True))
    attending.save_pretrained(tmp_path / "unet")  # and what has no place in a new one
    older = Older.of(tmp_path, TINY, KNOWN, tokenizer)
    newer = networks.unet(TINY)
    before = newer.mid_block.resnets[0].conv1.weight.clone()
    older.hand_over(newer)
    assert torch.equal(newer.mid_block.resnets[0].conv1.weight, before)
    assert torch.equal(newer.conv_in.weight, networks.read(tmp_path, "unet").conv_in.weight)


def test_a_training_goes_on_from_an_older_model(
    work: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "data").symlink_to(work / "data")
    (tmp_path / "tiny" / "vae").symlink_to(work / "tiny" / "vae")
    trained(tmp_path, "unet", "--start", str(model))
    told = capsys.readouterr().out
    whole = len(networks.unet(TINY).state_dict())
    assert f"{whole} of the UNet's {whole} tensors are the older ones" in told
    assert re.search(r"step 0: [\d.]+ of pictures, [\d.]+ of names, [\d.]+ of before", told)
