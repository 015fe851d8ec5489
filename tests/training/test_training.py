"""The whole way, with networks that learn nothing: what is made can be used, and goes on."""

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers.loaders import single_file_utils
from PIL import Image
from safetensors.torch import load_file

from tests.training.conftest import trained
from training import networks, original_layout, parcels, sheet, sources
from training.diffusion import Conditioned, _learn, spread
from training.diffusion import signal as signal_at
from training.evaluation import table
from training.evaluation.model import Model
from training.presets import PRESETS
from training.run import Run, average, rate
from training.tiny import least_squares
from training.words import Teller

pytestmark = pytest.mark.timeout(600)
PARTS = {"vae", "unet", "text_encoder"}


def test_each_part_of_the_model_is_there_in_half_precision(model: Path) -> None:
    for part in PARTS:
        weights = load_file(next((model / part).glob("*.safetensors")))
        assert {weight.dtype for weight in weights.values()} == {torch.float16}
        assert all(weight.isfinite().all() for weight in weights.values())


def test_the_model_is_shown_measured_and_described(work: Path, model: Path) -> None:
    trained(work, "evaluate", "card", "--scale", "quick")
    found = json.loads((work / "tiny" / "found-model-quick.json").read_text("utf-8"))
    assert tuple(found["found"]) == table.PARTS
    shown = sum(len(part) for part in found["found"].values())
    told = (model / "README.md").read_text("utf-8")
    assert "# model\n" in told
    assert "64 x 64 pixels,\nlatents of 4 x 8 x 8" in told
    assert "- 6 things" in told and "3 of them" in told
    assert re.search(r"VAE: PSNR .*: [\d.]+ dB, where 30 dB was the aim", told)
    assert len(re.findall(r"^\| .* \|$", told, re.M)) == 2 + shown + 2 + len(sources.PACKAGES)
    assert "| npm `@lobehub/fluent-emoji-3d` 1.1.0 |" in told
    beside = json.loads(model.with_name("model.json").read_text("utf-8"))
    assert "at 64 pixels" in beside["description"]
    assert beside["default_settings"] == {"cfg_scale": 2.0}
    assert told.count("20 steps, guidance 2") == 2
    examples = told.split("## Examples")[1].split("## ")[0]
    assert len(set(re.findall(r"^- (.+)$", examples, re.M))) == 30


def test_the_page_on_training_names_every_package() -> None:
    page = (Path(original_layout.__file__).with_name("README.md")).read_text("utf-8")
    for registry, name, _, _, licence in sources.PACKAGES:
        assert re.search(rf"^\| {registry} `{name}` \| .* \| {licence} \|$", page, re.M), name


def test_a_sheet_has_a_picture_for_each_prompt_in_rows(model: Path, tmp_path: Path) -> None:
    shown = Model.of(model, 4.0, torch.device("cpu"))
    sheet.sheet(shown, ["red square", "green disc", "fire"], tmp_path / "sheet.webp", across=2)
    alone = ((shown.pictures(["green disc", "red square"], [1, 0]) + 1) * 127.5).round()
    with Image.open(tmp_path / "sheet.webp") as paper:
        assert paper.size == (128, 128)
        seen = torch.tensor(list(paper.crop((64, 0, 128, 64)).get_flattened_data())).view(64, 64, 3)
        away = (seen.permute(2, 0, 1) - alone).abs().mean((1, 2, 3))
        assert away[0] < away[1] / 2
        assert paper.getpixel((100, 100)) == (255, 255, 255)


def test_measures_of_other_weights_are_not_taken_for_these(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "found.json"
    (tmp_path / "unet.safetensors").write_bytes(b"one")
    row = table.Row("seconds", 1.5, "s", None)
    mark = table._mark(tmp_path)
    kept.write_text(json.dumps({"weights": mark, "found": {"speed": [asdict(row)]}}), "utf-8")
    assert table.kept(tmp_path, kept) == [row]
    with monkeypatch.context() as other:
        other.setattr(table, "GUIDANCE", table.GUIDANCE + 1)
        assert table.kept(tmp_path, kept) == []
    (tmp_path / "unet.safetensors").write_bytes(b"two")
    assert table.kept(tmp_path, kept) == []


def test_the_table_of_tokens_stays_as_it_began(work: Path, model: Path) -> None:
    rows = load_file(work / "data" / "tokens.safetensors")["tokens"]
    weights = load_file(model / "text_encoder" / "model.safetensors")
    name = next(key for key in weights if key.endswith("token_embedding.weight"))
    assert torch.equal(weights[name], (rows.float() * 0.05).half())


def test_what_is_done_is_not_done_again(
    work: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = torch.load(work / "tiny" / "vae.pt", weights_only=True)["step"]
    trained(work, "vae")
    assert capsys.readouterr().out == "vae is done\n"
    assert torch.load(work / "tiny" / "vae.pt", weights_only=True)["step"] == before > 0


def test_the_original_layout_holds_the_same_weights(model: Path, tmp_path: Path) -> None:
    whole = shutil.copytree(model, tmp_path / "whole")
    suits = {"default_settings": {"cfg_scale": 4.0}}
    (tmp_path / "whole.json").write_text(json.dumps(suits), "utf-8")
    original_layout.write(whole, tmp_path / "one.safetensors")
    tensors = load_file(tmp_path / "one.safetensors")
    unet = json.loads((model / "unet" / "config.json").read_text("utf-8"))
    vae = json.loads((model / "vae" / "config.json").read_text("utf-8"))
    back = single_file_utils.convert_ldm_unet_checkpoint(dict(tensors), unet)
    same(back, load_file(model / "unet" / "diffusion_pytorch_model.safetensors"))
    back = single_file_utils.convert_ldm_vae_checkpoint(dict(tensors), vae)
    same(back, load_file(model / "vae" / "diffusion_pytorch_model.safetensors"))
    told = json.loads((tmp_path / "one.json").read_text("utf-8"))
    assert told["default_settings"] == {"cfg_scale": 4.0}
    assert told["unet"] == {"attention_head_dim": 4, "norm_num_groups": 16}
    assert told["vae"]["scaling_factor"] == vae["scaling_factor"] > 0


def test_pieces_are_put_together_to_what_they_were_cut_from(
    work: Path, model: Path, tmp_path: Path
) -> None:
    parcels.cut(work / "tiny", tmp_path / "pieces")
    assert all(path.stat().st_size < 16 * 2**20 for path in (tmp_path / "pieces").iterdir())
    parcels.join(tmp_path / "pieces", tmp_path / "joined", work / "data")
    for part in PARTS:
        wanted = load_file(next((work / "tiny" / part).glob("*.safetensors")))
        found = load_file(next((tmp_path / "joined" / part).glob("*.safetensors")))
        same(found, {key: weight.half().float() for key, weight in wanted.items()}, exact=False)


def test_attention_on_the_way_down_has_names_in_the_original_layout_too() -> None:
    unet = networks.unet(replace(PRESETS["tiny"], down_attends=True))
    attends = [kind.startswith("CrossAttn") for kind in unet.config.up_block_types]
    named = {
        f"model.diffusion_model.{original_layout.unet_name(key, 1, attends)}": weight
        for key, weight in unet.state_dict().items()
    }
    assert "model.diffusion_model.input_blocks.1.1.proj_in.weight" in named
    back = single_file_utils.convert_ldm_unet_checkpoint(named, dict(unet.config))
    same(back, unet.state_dict())


def same(
    found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], exact: bool = True
) -> None:
    assert found.keys() == wanted.keys()
    for key, weight in wanted.items():
        near = 0 if exact else 1e-3  # the table of tokens was rounded before it was scaled
        assert (found[key].view(weight.shape) - weight).abs().max() <= near, key


# --- its pieces --------------------------------------------------------------------------------


def test_a_run_goes_on_where_it_was_ended(tmp_path: Path) -> None:
    def run(left: float) -> Run:
        torch.manual_seed(0)
        network = torch.nn.Linear(2, 2)
        return Run(tmp_path / "state.pt", {"network": network}, budget=1e9, left=left)

    first = run(left=1e9)
    for progress in first.steps():
        assert progress >= 0
        torch.nn.init.constant_(first.parts["network"].weight, 5.0)
        if first.step == 2:
            first.left = 0.0
    second = run(left=0.0)
    assert second.resume()
    assert second.step == 3
    assert second.parts["network"].weight.tolist() == [[5.0, 5.0], [5.0, 5.0]]


def test_a_run_that_is_asked_to_end_keeps_the_step_that_it_is_in(tmp_path: Path) -> None:
    network = torch.nn.Linear(2, 2)
    started = Run(tmp_path / "state.pt", {"network": network}, budget=1e9, left=1e9)
    before = signal.getsignal(signal.SIGTERM)
    for _ in started.steps():
        if started.step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            torch.nn.init.constant_(network.weight, 7.0)
    assert signal.getsignal(signal.SIGTERM) is before
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["step"] == 3
    assert state["parts"]["network"]["weight"].tolist() == [[7.0, 7.0], [7.0, 7.0]]


def test_the_rate_rises_stays_and_falls() -> None:
    assert rate(1.0, 0, 0.0) == pytest.approx(1 / 200)
    assert rate(1.0, 5000, 0.5) == 1.0
    assert rate(1.0, 5000, 1.0) == pytest.approx(0.02)


def test_an_average_follows_what_is_learnt_and_leaves_the_rest() -> None:
    kept, new = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    for each, value in ((kept, 0.0), (new, 1.0)):
        torch.nn.init.constant_(each.weight, value)
        torch.nn.init.constant_(each.bias, value)
    new.bias.requires_grad_(False)
    average(kept, new, step=10**6, longest=0.9)
    assert (kept.weight.item(), kept.bias.item()) == (pytest.approx(0.1), 0.0)


def test_the_levels_are_stable_diffusions() -> None:
    noise = ((1 - signal_at()) / signal_at()).sqrt()
    assert noise[[0, -1]].tolist() == pytest.approx([0.0292, 14.6146], abs=1e-4)


def test_a_batch_sees_levels_of_all_heights_and_each_level_is_as_likely() -> None:
    torch.manual_seed(0)
    batches = torch.stack([spread(8, torch.device("cpu")) for _ in range(4000)])
    assert (batches.min(), batches.max()) == (0, 999)
    tenths = torch.bincount(batches.flatten() // 100) / batches.numel()
    torch.testing.assert_close(tenths, torch.full((10,), 0.1), atol=0.01, rtol=0)
    assert all(sorted((row * 8 // 1000).tolist()) == list(range(8)) for row in batches[:100])


class Told(torch.nn.Module):
    """A text encoder that says in each row how many tokens its caption has, and which row it is."""

    def forward(self, words: torch.Tensor) -> SimpleNamespace:
        count = (words != 49407).sum(1, keepdim=True).expand(-1, 77)
        rows = torch.arange(77).expand_as(count)
        return SimpleNamespace(last_hidden_state=torch.stack([count, rows], 2).float())


class Guess(torch.nn.Module):
    """A UNet that knows one number."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self.number = number

    def forward(self, noisy: torch.Tensor, *given: object) -> SimpleNamespace:
        return SimpleNamespace(sample=torch.full_like(noisy, self.number))


def learning(guess: float = 0.0) -> Conditioned:
    """What it says of each patch is 10 times as many as the caption has tokens."""
    teller = Teller(2, 8)
    teller.patch.weight.data.copy_(torch.tensor([[10.0, 0.0]] * 4))
    torch.nn.init.zeros_(teller.patch.bias)
    return Conditioned(Told(), teller, Guess(guess))


def test_the_velocity_is_learnt_which_is_the_noise_at_first_and_the_picture_at_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Conditioned, "_lacking", lambda _, latents: torch.zeros_like(latents))
    ones, words = torch.ones(2, 4, 8, 8), torch.full((2, 77), 49407)
    words[:, 0] = 49406
    # sqrt(share): 0.9996 and 0.0683; the latents are 3, the noise is 1
    for level, guess in ((0, 0.9996 - 3 * 0.0292), (999, 0.0683 - 3 * 0.9977)):
        levels = torch.tensor([level] * 2)
        loss, _ = learning(guess)(3 * ones, words, ones, levels, Guess(0))
        assert loss.item() == pytest.approx(0, abs=1e-6)
        loss, _ = learning(guess + 2)(3 * ones, words, ones, levels, Guess(0))
        assert loss.item() == pytest.approx(4, abs=1e-2)


def test_levels_count_by_how_much_of_the_picture_is_at_stake() -> None:
    ones, words = torch.ones(2, 4, 8, 8), torch.full((2, 77), 49407)
    words[:, 0] = 49406
    # share of the noise: 0.00085, which counts as a tenth, and 0.99534; the velocity is 1 and 0
    levels = torch.tensor([0, 999])
    velocity = torch.tensor([0.99958, 0.06827])[:, None, None, None]
    loss, _ = learning(0.0)(0 * ones, words, ones, levels, Guess(0))
    wanted = (velocity.square() * torch.tensor([0.1, 0.99534]).view(2, 1, 1, 1)).mean() / 0.54767
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-3)


def test_a_picture_to_learn_is_half_what_its_caption_says() -> None:
    words = torch.full((2, 77), 49407)
    words[:, 0] = 49406
    words[1, 1:4] = 320
    _, _, latents = learning()._context(words, torch.full((2, 4, 8, 8), 2.0))
    assert torch.equal(latents[0], torch.full((4, 8, 8), 2.0))  # an empty caption says nothing
    assert torch.equal(latents[1], torch.full((4, 8, 8), (10 * 4 + 2) / 2))


def test_what_is_drawn_after_words_alone_and_what_is_torn_between_two_captions() -> None:
    words = torch.full((4000, 77), 49407)
    words[:, 0] = 49406
    words[::2, 1:4] = 320  # three words: every other caption has none more
    words[1::2, 1:7] = 320
    words[:1000, 1:] = 49407  # and the first are empty
    torch.manual_seed(0)
    made, told, latents = learning()._context(words, torch.zeros(4000, 4, 8, 8))
    count, pictures = (words != 49407).sum(1), latents.mean((1, 2, 3))
    assert torch.equal(made[:, 0, 0].long(), count)  # the first row weighs nothing more
    said = made[:, 7:, 0]
    assert torch.equal(said, said[:, :1].expand_as(said))
    said = said[:, 0]
    assert (said[:1000] == 1).all() and not told[:1000].any()
    assert (pictures[:1000] == 0).all()

    weight = made[:, 1, 0] / count
    by_words, torn = (said == 1) & (count > 1), (said != 1) & (said != count)
    whole = ~by_words & ~torn & (count > 1)
    for part, share in ((by_words, 0.2), (torn, 0.25), (whole, 0.55)):
        assert part.sum() / 3000 == pytest.approx(share, abs=0.02)
    for part in (by_words, whole):
        assert torch.equal(weight[part], torch.ones(int(part.sum())))
        assert torch.equal(pictures[part], 5.0 * count[part])
    assert torch.equal(told[whole], words[whole] == 49407) and not told[by_words].any()

    assert (said[torn] == (count.roll(1))[torn]).all()  # the next one's picture
    assert (told[torn].nonzero()[:, 1] >= 7).all() and (told[torn].sum(1) == 70).all()
    heavy = weight[torn]
    assert heavy.min() < 0.1 and 2.9 < heavy.max() <= 3
    share = heavy / (1 + heavy)
    between = 5.0 * (count.roll(1)[torn] * (1 - share) + count[torn] * share)
    torch.testing.assert_close(pictures[torn], between)


class Leading(torch.nn.Module):
    """A UNet that knows the right velocity of each row, whose number is in its context, but for an
    error."""

    def __init__(self, latents: torch.Tensor, noise: torch.Tensor, error: float) -> None:
        super().__init__()
        self.latents, self.noise, self.error = latents, noise, error

    def forward(self, _: object, levels: torch.Tensor, context: torch.Tensor) -> SimpleNamespace:
        self.rows, self.levels = context[:, 0, 0].long(), levels
        share = signal_at().float()[levels].view(-1, 1, 1, 1)
        right = share.sqrt() * self.noise[self.rows] - (1 - share).sqrt() * self.latents[self.rows]
        return SimpleNamespace(sample=right + self.error)


def test_a_noisy_picture_may_be_where_a_step_has_led_to() -> None:
    torch.manual_seed(0)
    latents, noise = torch.randn(2, 4000, 4, 2, 2)
    levels = torch.tensor([400] * 2000 + [96] * 1000 + [95] * 1000)
    context = torch.arange(4000.0)[:, None, None].expand(-1, 77, 2)
    signal = signal_at().float()
    assert 1 - signal[95] < 0.1 < 1 - signal[96]  # a picture nearly done is not led
    share = signal[levels].view(-1, 1, 1, 1)
    plain = share.sqrt() * latents + (1 - share).sqrt() * noise
    assert torch.equal(learning()._led(latents, noise, levels, context, None), plain)
    right, wrong = (Leading(latents, noise, error) for error in (0.0, 0.5))
    noisy = learning()._led(latents, noise, levels, context, right)
    torch.testing.assert_close(noisy, plain)  # one that knows the way goes it

    noisy = learning()._led(latents, noise, levels, context, wrong)
    rows, before = wrong.rows, signal[wrong.levels].view(-1, 1, 1, 1)
    now, off = share[rows], torch.zeros(4000, 1, 1, 1)
    off[rows] = 0.5 * ((1 - now).sqrt() * before.sqrt() - now.sqrt() * (1 - before).sqrt())
    torch.testing.assert_close(noisy, plain + off)
    for part, wanted in ((rows < 2000, 800), ((rows >= 2000) & (rows < 3000), 400)):
        assert part.sum() == pytest.approx(wanted, rel=0.1)
    assert not (rows >= 3000).any()
    way = (wrong.levels[rows < 2000] - 400) / 600
    assert (way.min() >= 0, way.max() < 1) == (True, True)
    assert (way.mean(), way.std()) == (pytest.approx(0.5, abs=0.04), pytest.approx(0.289, abs=0.02))


class Seeing(torch.nn.Module):
    """A UNet that knows its way to pictures that are all 2."""

    def forward(self, noisy: torch.Tensor, levels: torch.Tensor, _: object) -> SimpleNamespace:
        self.noisy, share = noisy, signal_at().float()[levels].view(-1, 1, 1, 1)
        return SimpleNamespace(sample=(share.sqrt() * noisy - 2) / (1 - share).sqrt())


def test_half_of_the_noisy_pictures_come_from_noise_alone() -> None:
    torch.manual_seed(0)
    words = torch.full((4000, 77), 49407)
    words[:, 0] = 49406
    pictures = torch.full((4000, 4, 8, 8), 2.0)
    noise = torch.zeros_like(pictures)  # so that all that is seen is of the picture
    for level in (999, 500):
        network, leading = learning(), Seeing()
        network.unet = sees = Seeing()
        levels = torch.tensor([level] * 4000)
        loss, _ = network(pictures, words, noise, levels, leading)
        assert loss.item() == pytest.approx(0, abs=1e-6)  # it is the way to the whole picture
        share, last = signal_at().float()[[level, 999]]
        held = sees.noisy / 2
        assert held.std((1, 2, 3)).max() < 1e-5
        lacking = (share.sqrt() - held.mean((1, 2, 3))) / (1 - share).sqrt()
        found = lacking / (last / (1 - last)).sqrt()  # 1: all that the last level holds
        whole = found > 0.999
        assert whole.float().mean() == pytest.approx(0.5, abs=0.03)
        torch.testing.assert_close(found[whole], torch.ones(int(whole.sum())), atol=1e-3, rtol=0)
        rest = found[~whole]
        assert (rest.min() >= -1e-3, rest.mean()) == (True, pytest.approx(0.5, abs=0.03))
        if level == 999:
            for seen in (sees, leading):
                nothing = seen.noisy.abs().amax((1, 2, 3)) < 1e-4
                assert nothing.float().mean() == pytest.approx(0.5, abs=0.04)


def test_from_half_of_the_training_on_the_average_leads(tmp_path: Path) -> None:
    led = []

    class Watching(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unet = torch.nn.Linear(1, 1)

        def forward(self, *given: object) -> tuple[torch.Tensor, torch.Tensor]:
            led.append(given[-1])
            return self.unet.weight.sum(), torch.zeros(())

    class Halves(Run):
        def steps(self) -> Iterator[float]:
            yield from (0.4, 0.6)

    network, mean = Watching(), Watching()
    parts = {"network": network, "mean": mean, "optimizer": torch.optim.SGD(network.parameters())}
    latents, words = torch.zeros(2, 4, 8, 8), torch.full((2, 77), 49407)
    feed: Any = SimpleNamespace(batches=lambda step: repeat((latents, words)))
    _learn(Halves(tmp_path / "unet.pt", parts, 1, 1), PRESETS["tiny"], feed, torch.device("cpu"))
    assert led == [None, mean.unet]


def test_from_where_a_step_has_led_to_the_way_to_the_picture_is_learnt() -> None:
    class Watching(Guess):
        def forward(self, noisy: torch.Tensor, *given: object) -> SimpleNamespace:
            self.seen = noisy
            return super().forward(noisy)

    torch.manual_seed(0)
    ones, words = torch.ones(64, 4, 8, 8), torch.full((64, 77), 49407)
    words[:, 0] = 49406
    network = learning()
    network.unet = watching = Watching(0.0)
    loss, _ = network(3 * ones, words, ones, torch.tensor([400] * 64), Guess(0.5))
    share = signal_at().float()[400]
    velocity = (share.sqrt() * watching.seen - 3) / (1 - share).sqrt()
    assert velocity.std() > 0.05
    assert loss.item() == pytest.approx(velocity.square().mean().item(), rel=1e-4)


def test_least_squares_finds_the_matrix_that_colours_were_made_with() -> None:
    draw = torch.Generator().manual_seed(0)
    matrix = torch.randn(5, 3, generator=draw)
    latents = torch.randn(2, 4, 8, 8, generator=draw)
    ones = torch.ones(2, 1, 8, 8)
    colours = torch.einsum("bchw,cd->bdhw", torch.cat([latents, ones], 1), matrix)
    torch.testing.assert_close(least_squares(latents, colours), matrix, atol=1e-4, rtol=1e-4)
