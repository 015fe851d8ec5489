"""Captions between the words: what they are read with, and what they should say."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from transformers import CLIPTokenizer

from tests.training.conftest import KNOWN, TOKENIZER
from training import networks, vocabulary, words
from training.blends import blended
from training.looks import Asked, Captions, alone, places
from training.presets import PRESETS

TINY = PRESETS["tiny"]
START, END = vocabulary.SIZE - 2, vocabulary.SIZE - 1


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return vocabulary.tokenizer(TOKENIZER)


@pytest.fixture(scope="module")
def captions(tokenizer: CLIPTokenizer) -> Captions:
    """Patch 5 of thing 2 says 205; the looks of the third class are (0, 0, 1, 0, ...)."""
    scenes = alone(1, len(KNOWN))
    latents = torch.randn(len(scenes), 4, 8, 8)
    made = Captions.of(KNOWN, tokenizer, (scenes[:1], latents[:1]), (scenes, latents))
    numbers = 100.0 * torch.arange(-1, len(scenes))[:, None] + torch.arange(64)
    said = numbers[..., None].expand(-1, -1, 4)
    return replace(made, looks=torch.eye(len(KNOWN))[None], patches=said)


@pytest.fixture(scope="module")
def asked(captions: Captions) -> Asked:
    return captions.batch(0)


@pytest.fixture(scope="module")
def made(asked: Asked, captions: Captions) -> Asked:
    return blended(asked, captions, 0)


def test_the_first_eight_lie_on_the_way_from_a_name_to_another(
    made: Asked, captions: Captions, tokenizer: CLIPTokenizer
) -> None:
    names = {"block": 0, "hoop": 4, "blazing": 4, "fire": 4}  # those of one token
    seen = set()
    for row in range(8):
        first, second = (
            names[tokenizer.decode(int(line[row, 1])).strip()] for line in (made.words, made.others)
        )
        for line in (made.words[row], made.others[row]):
            assert line[0] == START and (line[2:] == END).all()
        share = made.share[row]
        seen.add(share.item())
        there = (100.0 * (first + (second - first) * share) + places())[:, None].expand(77, 4)
        torch.testing.assert_close(made.patches[row], there)
        assert made.named[row].nonzero().flatten().tolist() == [1]
        wanted = torch.zeros(6)
        wanted[first] += 1 - share
        wanted[second] += share
        torch.testing.assert_close(made.looks[row, 1], wanted)
        assert made.ended[row].tolist() == [0, 0] + [1] * 75
    assert len(seen) == 8 and 0 <= min(seen) < 0.3 and 0.7 < max(seen) <= 1


def test_sixteen_more_are_a_little_of_other_words_and_say_what_they_said(
    made: Asked, asked: Asked
) -> None:
    for row in range(8, 24):
        end = int((asked.words[row] == END).int().argmax())
        away = made.others[row] != made.words[row]
        assert not away[0] and not away[end:].any()
        assert away[1:end].float().mean() > 0.4 or end == 1
        assert 0 < made.share[row] < 0.35
    for name in ("words", "looks", "named", "patches", "ended"):
        assert torch.equal(getattr(made, name)[8:], getattr(asked, name)[8:]), name


def test_the_others_stay_as_they_are(made: Asked, asked: Asked, captions: Captions) -> None:
    assert torch.equal(made.others[24:], asked.words[24:])
    assert made.share[24:].count_nonzero() == 0
    assert asked.share.count_nonzero() == 0  # nothing was written into what was given
    again = blended(asked, captions, 0)
    assert all(torch.equal(getattr(again, name), each) for name, each in vars(made).items())


def test_a_caption_is_read_with_the_rows_between(captions: Captions, asked: Asked) -> None:
    torch.manual_seed(0)
    reader = words.Reader(networks.text_encoder(TINY), words.Teller(TINY.width, 8), captions)
    read: list[Tensor] = []
    layer = reader.text.get_submodule("embeddings")
    layer.register_forward_hook(lambda _, __, rows: read.append(rows))
    others = asked.words.flip(0)
    share = torch.linspace(0, 1, 64)
    with torch.no_grad():
        reader(replace(asked, others=others, share=share))
        for each in (asked.words, others):
            reader.text(each)
    between = read[1].lerp(read[2], share[:, None, None])
    torch.testing.assert_close(read[0], between)
