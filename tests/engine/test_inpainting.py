"""A part of a picture made anew: against diffusers' pipeline, and what is kept to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionInpaintPipeline,
    UNet2DConditionModel,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image

from tests.engine.conftest import die, make_engine, play, request, tiny_pipeline
from tests.engine.pictures import box_mask, pixels, results, scene, sent
from webui.engine import plan
from webui.engine.denoiser import inpainted, later
from webui.engine.pixels import tensor
from webui.engine.samplers import SAMPLERS
from webui.errors import InvalidRequest, OutOfMemory
from webui.events import Look, Preview, Rendered, Step
from webui.interfaces import Conditioning
from webui.masking import blurred, shown_weights
from webui.request import InitImage, Mask, Outpaint, Resume
from webui.trajectories import digest, kept_steps, read_header, read_step
from webui.wire import RunOptions

RIGHT = (32, 0, 64, 64)  # the right half of a scene


@pytest.fixture
def asked(tmp_path):
    """(what the mask is told, its box, more) -> a request, its options."""
    folder = tmp_path / "inputs"

    def make(mask=None, box=RIGHT, picture=None, init=None, painted=None, **values):
        picture = picture or scene()
        painted = painted or box_mask(picture.size, box)
        told = Mask(picture=sent(folder, painted), **({"blur": 0} | (mask or {})))
        given = InitImage(picture=sent(folder, picture), mask=told, **(init or {}))
        return request(init=given, **values), RunOptions(inputs=str(folder))

    return make


def array(image):
    return np.array(image, int)


# --- as diffusers does it ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def inpainting(tmp_path_factory):
    """An engine with a model whose network sees the picture; the pipeline it was saved from."""
    folder = tmp_path_factory.mktemp("models")
    pipe = tiny_pipeline()
    config = dict(pipe.unet.config) | {"in_channels": 9}
    config.pop("_use_default_values")  # of which the number of channels was one
    torch.manual_seed(1)
    parts = pipe.components | {"unet": UNet2DConditionModel.from_config(config)}
    pipe = StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
    pipe.save_pretrained(folder / "checkpoints" / "inpainting")
    assert pipe.unet.config.in_channels == 9
    return make_engine(folder), parts


@pytest.mark.parametrize("model", ["tiny", "inpainting"])
@pytest.mark.parametrize(("strength", "theirs"), [(0.55, 0.6), (0.85, 0.9)])
def test_an_inpainted_picture_equals_the_one_of_diffusers_pipeline(
    engine, inpainting, asked, monkeypatch, model, strength, theirs
):
    # of 10 steps at 0.55 A1111 makes as many as diffusers at 0.6
    wanted, options = asked(
        init={"strength": strength}, model=model, sampler="Euler", schedule="Karras", steps=10
    )
    if model == "inpainting":  # there diffusers leaves it to the network what is kept, A1111 not
        monkeypatch.setattr(plan, "_masked", lambda denoise, *told: denoise)
    mine = results(play(engine if model == "tiny" else inpainting[0], wanted, options))[0]
    # the mean, as ours: a draw of its own would also shift the noise that comes after
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator: self.mean)
    parts = tiny_pipeline().components if model == "tiny" else inpainting[1]
    pipe = StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)
    pipe.scheduler = EulerDiscreteScheduler.from_config(
        pipe.scheduler.config, use_karras_sigmas=True, timestep_spacing="linspace"
    )
    pipe.set_progress_bar_config(disable=True)
    image = pipe(
        wanted.prompt,
        scene(),
        box_mask((64, 64), RIGHT),
        negative_prompt=wanted.negative_prompt,
        width=64,
        height=64,
        num_inference_steps=10,
        strength=theirs,
        guidance_scale=wanted.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(wanted.seed),
        output_type="np",
    ).images[0]
    assert np.abs(mine - (image * 255).round())[:, 32:].max() <= 1
    assert np.array_equal(mine[:, :32], array(scene())[:, :32])  # where diffusers decodes anew


def test_a_network_made_for_inpainting_is_told_the_mask_and_what_is_left_of_the_picture(inpainting):
    model = inpainting[0]._models.load("inpainting").model
    picture, mask = tensor(scene()), tensor(box_mask((64, 64), (33, 0, 64, 64)))
    left = picture.clone()
    left[:, :, :, 33:] = 0
    with torch.no_grad():
        told = model.painting(picture, mask)
        seen = []
        hook = told.unet.register_forward_pre_hook(lambda unet, given: seen.append(given[0]))
        x = torch.ones(2, 4, 8, 8)
        told.predict(x, torch.tensor(1.0), [Conditioning(torch.zeros(1, 77, 32))])
        hook.remove()
        assert torch.allclose(seen[0][:, :4], x / 2**0.5)
        assert seen[0][:, 4].tolist() == [[[0.0] * 4 + [1.0] * 4] * 8] * 2
        assert torch.allclose(seen[0][:, 5:], model.encode(left).expand(2, -1, -1, -1))


def test_out_of_memory_in_what_such_a_network_is_told_is_said(inpainting, asked, monkeypatch):
    engine, _ = inpainting

    def painting(self, picture, mask):
        raise RuntimeError("[enforce fail] can't allocate memory")

    monkeypatch.setattr(type(engine._models.load("inpainting").model), "painting", painting)
    with pytest.raises(OutOfMemory, match="^out of memory while encoding the picture"):
        play(engine, *asked(model="inpainting"))


@pytest.mark.parametrize("resize", ["just resize", "latent upscale"])
def test_a_network_made_for_inpainting_takes_pictures_of_any_size(inpainting, asked, resize):
    engine, _ = inpainting
    given = {"picture": scene(96, 128), "box": (24, 32, 72, 96), "init": {"resize": resize}}
    run = play(engine, *asked(**given, model="inpainting"))
    (made,) = results(run)
    kept = array(scene(96, 128).resize((64, 64), Image.Resampling.LANCZOS))
    differs = np.abs(made - kept).max(axis=2) > 0
    assert not differs[:14].any() and not differs[:, :14].any() and not differs[50:].any()
    assert differs[18:46, 18:46].mean() > 0.9


def test_a_network_made_for_inpainting_also_makes_pictures_from_text(inpainting):
    first, second = (
        play(inpainting[0], request(model="inpainting", seed=seed)).pictures for seed in (1, 2)
    )
    assert first != second


# --- what is kept --------------------------------------------------------------------------------


@pytest.mark.parametrize("area", ["whole picture", "only masked"])
@pytest.mark.parametrize("content", ["fill", "original", "latent noise", "latent nothing"])
def test_what_is_outside_the_blurred_mask_is_kept_to_the_bit(engine, asked, area, content):
    mask = {"area": area, "content": content, "blur": 3, "padding": 8}
    box = (40, 16, 56, 32)
    wanted, options = asked(mask, box, init={"strength": 0.9})
    (made,) = results(play(engine, wanted, options))
    weights = np.array(shown_weights(blurred(box_mask((64, 64), box), 3)))
    source = array(scene())
    assert np.array_equal(made[weights == 0], source[weights == 0])
    assert 0 < (weights > 0).sum() < 2000
    assert np.abs(made - source)[20:28, 44:52].mean() > 3


def test_only_masked_lays_the_result_into_the_picture_at_its_full_size(engine, asked):
    picture = scene(200, 120)
    box = (100, 20, 140, 60)
    mask = {"area": "only masked", "padding": 12}
    wanted, options = asked(mask, box, picture, {"strength": 0.9})
    (made,) = results(play(engine, wanted, options))
    assert made.shape == (120, 200, 3)
    changed = np.argwhere(np.abs(made - array(picture)).sum(-1) > 0)
    assert changed.min(0).tolist() >= [20, 100] and changed.max(0).tolist() <= [59, 139]
    assert len(changed) > 0.9 * 40 * 40


def test_the_other_half_is_repainted_where_the_mask_is_inverted(engine, asked):
    wanted, options = asked({"inverted": True}, init={"strength": 0.9})
    (made,) = results(play(engine, wanted, options))
    assert np.array_equal(made[:, 32:], array(scene())[:, 32:])
    assert np.abs(made - array(scene()))[:, :32].mean() > 3


def test_what_stands_under_the_mask_at_the_start_is_as_asked(engine, asked, tmp_path):
    starts = {}
    for content in ("original", "fill", "latent noise", "latent nothing"):
        keep = tmp_path / content.replace(" ", "-")
        init = {"strength": 0.0, "noise_multiplier": 0.0}
        wanted, options = asked({"content": content}, init=init, sampler="Euler", steps=5)
        play(engine, wanted, replace(options, keep=str(keep)))
        # the kept half of the last latent is the clean one; the other begins as it was asked
        starts[content] = read_step(keep, 0, 1)
    clean = [step.x[..., :4] for name, step in starts.items() if name != "original"]
    assert np.array_equal(clean[0], clean[1]) and np.array_equal(clean[0], clean[2])
    assert len({step.x[..., 4:].tobytes() for step in starts.values()}) == 4


def test_latent_noise_is_each_pictures_own(engine, asked):
    given, told = asked(mask={"content": "latent noise"}, images=2)
    second = play(engine, given, told).pictures[1]
    assert play(engine, given.alone(1), told).pictures == [second]


def test_ten_repaintings_of_a_corner_leave_all_else_as_it_was(engine, asked):
    picture, box = scene(), (0, 0, 16, 16)
    for turn in range(10):
        mask = {"area": "only masked", "blur": 2, "padding": 8}
        wanted, options = asked(mask, box, picture, {"strength": 0.8}, seed=turn, steps=3)
        (event,) = play(engine, wanted, options).of(Rendered)
        picture = Image.fromarray(pixels(event.picture).astype(np.uint8))
    weights = np.array(shown_weights(blurred(box_mask((64, 64), box), 2)))
    assert np.array_equal(array(picture)[weights == 0], array(scene())[weights == 0])
    assert not np.array_equal(array(picture)[:8, :8], array(scene())[:8, :8])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_keeps_the_latent_outside_the_mask(engine, asked, tmp_path, sampler):
    wanted, options = asked(init={"strength": 0.7}, sampler=sampler, steps=6)
    run = play(engine, wanted, replace(options, keep=str(tmp_path / "kept")))
    last = read_step(tmp_path / "kept", 0, run.of(Step)[-1].step)
    clean = last.denoised[..., :4]
    assert np.abs(last.x[..., :4] - clean).max() < 1e-4
    assert np.array_equal(results(run)[0][:, :32], array(scene())[:, :32])


# --- the wrapper ---------------------------------------------------------------------------------


def test_what_is_known_is_the_guess_where_the_mask_is_0():
    clean, new = torch.full((1, 4, 2, 2), 3.0), torch.full((2, 4, 2, 2), 7.0)
    mask = torch.tensor([[[[0.0, 1.0], [0.5, 0.0]]]])
    guess = inpainted(lambda x, sigma: new, lambda: mask, clean)(new, torch.tensor(1.0))
    assert guess[1, 0].tolist() == [[3.0, 7.0], [5.0, 3.0]]


def test_a_cell_of_a_soft_mask_joins_when_no_more_of_the_way_is_left():
    strength = torch.tensor([0.0, 0.25, 0.5, 1.0])
    of_four_steps = [later(strength, lambda n=n: n / 4)().tolist() for n in (1, 2, 3, 4)]
    assert of_four_steps == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]]


def test_a_soft_mask_changes_the_more_the_whiter_it_is(engine, asked):
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, 128).astype(np.uint8), (64, 1)))
    picture = scene(128, 64)
    wanted, options = asked(
        {"soft": True}, picture=picture, painted=ramp, width=128, init={"strength": 1.0},
        images=4, batch_size=4, steps=8,
    )  # fmt: skip
    made = results(play(engine, wanted, options))
    change = np.abs(made - array(picture)).mean((0, 1, 3)).reshape(4, 32).mean(1)
    assert (made[:, :, 0] == array(picture)[:, 0]).all()
    assert change[0] < change[1] < change[3]
    hard = results(play(engine, replace_mask(wanted, soft=False), options))
    assert not np.array_equal(hard, made)


def replace_mask(wanted, **values):
    return replace(wanted, init=replace(wanted.init, mask=replace(wanted.init.mask, **values)))


# --- outpainting ---------------------------------------------------------------------------------


def test_outpainting_grows_the_canvas_and_keeps_the_old_pixels(engine, tmp_path):
    folder = tmp_path / "inputs"
    outpaint = Outpaint(left=32, up=16, blend=8)
    init = InitImage(picture=sent(folder, scene(64, 48)), strength=1.0, outpaint=outpaint)
    wanted = request(init=init, width=96, height=64)
    (made,) = results(play(engine, wanted, RunOptions(inputs=str(folder))))
    assert made.shape == (64, 96, 3)
    assert np.array_equal(made[16 + 8 :, 32 + 8 :], array(scene(64, 48))[8:, 8:])
    assert made[:16].std() > 1 and made[:, :32].std() > 1
    larger = replace(wanted, width=64, height=64)  # the model may work at another size
    (scaled,) = results(play(engine, larger, RunOptions(inputs=str(folder))))
    assert scaled.shape == (64, 96, 3)
    assert np.array_equal(scaled[16 + 8 :, 32 + 8 :], array(scene(64, 48))[8:, 8:])


def test_a_kept_step_of_an_outpainting_is_drawn_again_in_the_grown_picture(engine, tmp_path):
    outpaint = Outpaint(left=32, up=16, blend=0)
    sha256 = sent(tmp_path / "inputs", scene(64, 48))
    init = InitImage(picture=sha256, strength=1.0, outpaint=outpaint)
    folders = {"inputs": str(tmp_path / "inputs"), "keep": str(tmp_path / "kept")}
    run = play(
        engine, request(init=init, width=96, height=64), RunOptions(**folders, predicted="fast")
    )
    for drawn in run.of(Preview):
        assert np.array_equal(pixels(drawn.picture)[16:, 32:], array(scene(64, 48)))
        look = Look(0, drawn.step, "predicted", "fast")
        again = engine.preview(tmp_path / "kept", look, inputs=tmp_path / "inputs")
        assert again == drawn.picture


# --- previews, branches, crashes -----------------------------------------------------------------


@pytest.mark.parametrize("method", ["fast", "vae"])
def test_previews_of_a_part_are_laid_into_the_whole_picture(engine, asked, tmp_path, method):
    picture, box = scene(200, 120), (100, 20, 140, 60)
    mask = {"area": "only masked", "padding": 12}
    wanted, options = asked(mask, box, picture, {"strength": 0.9}, images=2, batch_size=2)
    options = replace(options, keep=str(tmp_path / "kept"), predicted=method, noisy=method)
    run = play(engine, wanted, options)
    for drawn in run.of(Preview):
        shown = pixels(drawn.picture)
        assert shown.shape == (120, 400, 3)  # two side by side
        assert np.array_equal(shown[:, :100], array(picture)[:, :100])
        assert not np.array_equal(shown[20:60, 100:140], array(picture)[20:60, 100:140])
        look = Look(0, drawn.step, drawn.kind, drawn.method)
        inputs = tmp_path / "inputs"
        assert engine.preview(tmp_path / "kept", look, inputs=inputs) == drawn.picture
    if method == "vae":
        assert np.array_equal(pixels(run.of(Preview)[-1].picture)[:, :200], results(run)[0])
    alone = Look(0, 2, "predicted", method, position=1)
    assert engine.preview(tmp_path / "kept", alone, inputs=tmp_path / "inputs").width == 200
    assert engine.preview(tmp_path / "kept", alone).width < 200  # its picture is not there


@pytest.mark.parametrize("area", ["whole picture", "only masked"])
def test_a_branch_with_nothing_changed_is_the_picture_to_the_bit(engine, asked, tmp_path, area):
    mask = {"area": area, "blur": 2, "content": "latent noise"}
    wanted, options = asked(mask, init={"strength": 0.8}, sampler="DPM++ 2M", steps=8)
    kept = tmp_path / "original"
    whole = play(engine, wanted, replace(options, keep=str(kept)))
    sha256 = digest(read_header(kept, 0), kept_steps(kept, 0, 0, 3))
    resume = Resume(job="original", batch=0, position=0, step=3, sha256=sha256)
    branch = replace(wanted, resume=resume)
    assert play(engine, branch, replace(options, resume=str(kept))).pictures == whole.pictures
    other = play(engine, replace(branch, prompt="a cat"), replace(options, resume=str(kept)))
    assert other.pictures != whole.pictures
    assert np.array_equal(results(other)[0][:, :16], array(scene())[:, :16])


def test_a_killed_run_goes_on_to_the_same_bits(engine, asked, tmp_path):
    mask = {"soft": True, "blur": 8, "content": "latent noise"}
    wanted, options = asked(mask, init={"strength": 0.9}, sampler="Euler a", steps=8)
    whole = play(engine, wanted, options)
    options = replace(options, keep=str(tmp_path / "kept"))
    die(engine, wanted, options, (0, 4))
    rest = play(engine, wanted, options)
    assert [each.step for each in rest.of(Step)] == [5, 6, 7, 8]
    assert rest.pictures == whole.pictures


# --- what cannot be ------------------------------------------------------------------------------


def test_a_mask_of_another_size_or_with_nothing_in_it_is_named(engine, asked):
    wanted, options = asked(painted=box_mask((32, 32), (0, 0, 9, 9)))
    with pytest.raises(InvalidRequest, match=r"^init\.mask\.picture: must have the picture's size"):
        play(engine, wanted, options)
    wanted, options = asked(painted=Image.new("L", (64, 64)))
    with pytest.raises(InvalidRequest, match=r"^init\.mask\.picture: has nothing to make anew"):
        play(engine, wanted, options)
