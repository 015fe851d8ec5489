"""What the UNet is fed."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training import latents, networks, prepare, vocabulary
from training.autoencoder import encoded
from training.compose import Composer
from training.latents import Feed, Said
from training.presets import PRESETS

TINY = replace(PRESETS["tiny"], pool=8, unet_batch=2, pool_uses=2)  # 4 steps a use, 8 a pool


@pytest.fixture
def feed(work: Path, tmp_path: Path) -> Feed:
    data = work / "data"
    known = prepare.classes(data)
    torch.manual_seed(0)
    vae = networks.autoencoder(TINY).eval().requires_grad_(False)
    vae.register_to_config(scaling_factor=2.0)
    composer = Composer(prepare.pictures(data, known, TINY.source), torch.device("cpu"))
    tokenizer = vocabulary.tokenizer(data / "tokenizer")
    return Feed(TINY, known, composer, tokenizer, vae, tmp_path / "pool.safetensors")


def first(feed: Feed, step: int, count: int) -> list[tuple[Tensor, Tensor]]:
    return list(islice(feed.batches(step), count))


def test_what_is_interrupted_goes_on_with_the_same_batches(feed: Feed) -> None:
    whole = first(feed, 0, 18)
    for step in (3, 4, 9, 16):
        later = first(feed, step, 2)
        for (seen, words), (wanted, said) in zip(later, whole[step:], strict=False):
            assert torch.equal(seen, wanted)
            assert torch.equal(words, said)


def test_each_composition_comes_once_in_a_use_and_another_pool_has_others(feed: Feed) -> None:
    seen = [batch for batch, _ in first(feed, 0, 12)]
    uses = [torch.cat(seen[start : start + 4]).flatten(1) for start in (0, 4, 8)]
    same = torch.cdist(uses[0], uses[1]) < 1e-6
    assert same.sum(1).tolist() == same.sum(0).tolist() == [1] * 8
    assert not torch.equal(uses[0], uses[1])  # another order
    others = torch.cdist(uses[2], uses[0]).amin(1) > 1e-3  # of six drawings one may come again
    assert others.sum() >= 4


def test_latents_are_those_of_the_compositions_scaled(feed: Feed) -> None:
    scenes, made = feed.pool(0)
    rows, _ = Said(scenes, feed.known, feed.tokenizer, 2)[0]
    ((batch, _),) = first(feed, 0, 1)
    wanted = encoded(feed.vae, feed.composer([scenes[row] for row in rows.tolist()], TINY.pixels))
    torch.testing.assert_close(batch, 2.0 * wanted, atol=0.03, rtol=0.02)
    assert made.dtype == torch.float16


def test_a_pool_that_is_there_is_not_encoded_again(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, before = feed.pool(0)
    monkeypatch.setattr(latents, "encoded", lambda *_: pytest.fail("encoded again"))
    assert torch.equal(feed.pool(0)[1], before)


def test_a_pool_of_another_encoder_or_number_is_made_anew(feed: Feed) -> None:
    _, before = feed.pool(0)
    assert not torch.equal(feed.pool(1)[1], before)
    assert torch.equal(feed.pool(0)[1], before)
    with torch.no_grad():
        feed.vae.quant_conv.weight.mul_(2)
    feed.vae.register_to_config(scaling_factor=1.0)
    assert not torch.equal(feed.pool(0)[1], before)
