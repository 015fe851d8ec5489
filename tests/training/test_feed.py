"""What the UNet is fed, and what a new one has of an older one."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training import inheritance, latents, networks, prepare, vocabulary
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


# --- inheritance -------------------------------------------------------------------------------


def test_keys_and_values_of_contexts_take_the_map_in() -> None:
    torch.manual_seed(0)
    older = networks.unet(replace(TINY, width=24)).eval()
    newer = networks.unet(TINY).eval()
    bridge = torch.randn(24, TINY.width)
    inheritance._take_over(newer, older.state_dict(), bridge)
    noisy, context = torch.randn(2, 4, 8, 8), torch.randn(2, 5, TINY.width)
    with torch.no_grad():
        wanted = older(noisy, 500, context @ bridge.T).sample
        found = newer(noisy, 500, context).sample
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_a_table_of_tokens_begins_with_the_older_rows_and_guesses_those_never_read() -> None:
    torch.manual_seed(0)
    meanings = torch.randn(200, 4).double()
    wanted = meanings @ torch.randn(4, 6).double()  # what every token's row would be
    older = wanted.clone()
    older[::5] = 0
    made = inheritance.table(older, meanings)
    assert made.shape == (200, 4)
    apart = torch.cdist(wanted, wanted)
    off = (torch.cdist(made, made) - apart).abs()
    read = torch.arange(200) % 5 != 0
    assert off[read][:, read].max() < 1e-6  # turned, and nothing else
    assert off.max() < 0.1 * apart.max()


def test_a_table_wider_than_the_older_one_has_its_rows_and_nothing_beside() -> None:
    older, meanings = torch.randn(200, 3).double(), torch.randn(200, 5).double()
    made = inheritance.table(older, meanings)
    torch.testing.assert_close(torch.cdist(made, made), torch.cdist(older, older))
    assert made[:, 3:].abs().max() == 0


def test_what_does_not_fit_stays_as_it_is() -> None:
    older = networks.unet(replace(TINY, unet_channels=(16, 16, 48)))
    newer = networks.unet(TINY)
    before = newer.mid_block.resnets[0].conv1.weight.clone()
    inheritance._take_over(newer, older.state_dict(), torch.eye(TINY.width))
    assert torch.equal(newer.mid_block.resnets[0].conv1.weight, before)
    assert torch.equal(newer.conv_in.weight, older.conv_in.weight)


def test_a_text_encoder_learns_to_say_what_an_older_one_says(
    feed: Feed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    older = replace(TINY, width=24)
    networks.text_encoder(older).save_pretrained(tmp_path / "older" / "text_encoder")
    networks.unet(older).save_pretrained(tmp_path / "older" / "unet")
    text, unet = networks.text_encoder(TINY), networks.unet(TINY)
    words = inheritance.Words(feed.known, feed.tokenizer)
    preset = replace(TINY, words_minutes=0.08)
    started = (text, unet, preset, words, tmp_path / "older", tmp_path)
    assert not inheritance.inherit(*started, left=0.0)
    assert inheritance.inherit(*started, left=5.0)
    ours = {key for key in unet.state_dict() if "to_k" in key}
    assert ours
    told = capsys.readouterr().out
    assert f"{len(unet.state_dict())} of the UNet's {len(unet.state_dict())} tensors" in told
    state = torch.load(tmp_path / "words.pt", weights_only=True)
    assert state["step"] > 1
    asked = words.batch(999_999)
    with torch.no_grad():
        wanted = networks.read(tmp_path / "older", "text_encoder")(asked).last_hidden_state
        said = text(asked).last_hidden_state @ state["parts"]["bridge"]["weight"].T
    off = (said - wanted).square().mean()
    assert off < 0.5 * wanted.var()
    assert off < 0.95 * (said - wanted.roll(1, 0)).square().mean()  # these captions, not any
