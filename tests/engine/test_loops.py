"""Loopback: strengths and seeds, and that each loop is the img2img that it would be by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.engine.conftest import die, play, request
from tests.engine.sent import opened, options, sent_in, smooth
from webui.engine.control import Control
from webui.errors import InvalidRequest
from webui.events import Rendered, Step
from webui.request import InitImage, Loopback, Mask
from webui.request.loops import made, of_loop, picture_number, place_of, strengths
from webui.trajectories import read_header


def image_of(run):
    """The last loop's."""
    return opened(run.of(Rendered)[-1].picture)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ("linear", [0.8, 0.7, 0.6, 0.5, 0.4]),
        ("aggressive", [0.8, 0.8 - 0.4 * math.sin(math.pi / 8), 0.8 - 0.4 * math.sqrt(0.5),
                        0.8 - 0.4 * math.sin(3 * math.pi / 8), 0.4]),
        ("lazy", [0.8, 0.4 + 0.4 * math.cos(math.pi / 8), 0.4 + 0.4 * math.sqrt(0.5),
                  0.4 + 0.4 * math.cos(3 * math.pi / 8), 0.4]),
    ],
)  # fmt: skip
def test_strengths_go_from_the_first_to_the_last_early_evenly_or_late(curve, expected):
    asked = Loopback(loops=5, final_strength=0.4, curve=curve)
    assert strengths(0.8, asked) == pytest.approx(expected, abs=1e-6)
    assert strengths(0.5, Loopback(loops=3, final_strength=0.1, curve=curve))[2] == 0.1
    assert strengths(0.8, Loopback(loops=1, final_strength=0.4, curve=curve)) == [0.8]


@pytest.fixture
def picture(tmp_path):
    return sent_in(tmp_path / "inputs", smooth(64, 64))


@pytest.mark.parametrize("masked", [False, True])
def test_each_loop_is_the_img2img_of_the_loop_before(warm, tmp_path, picture, masked):
    shape = Image.new("L", (64, 64))
    shape.paste(255, (16, 8, 48, 40))
    mask = Mask(picture=sent_in(tmp_path / "inputs", shape), content="latent noise")
    loopback = Loopback(loops=3, final_strength=0.3, curve="lazy")
    init = InitImage(picture=picture, strength=0.7, mask=mask if masked else None)
    asked = request(sampler="Euler a", init=replace(init, loopback=loopback))
    run = play(warm, asked, options(tmp_path, "kept"))
    by_hand = [picture]
    for loop, strength in enumerate(strengths(0.7, loopback)):
        content = "latent noise" if loop == 0 else "original"
        each = replace(init, picture=by_hand[-1], strength=strength)
        if masked:
            each = replace(each, mask=replace(mask, content=content))
        made = play(warm, replace(asked, seed=11 + loop, init=each), options(tmp_path))
        by_hand.append(sent_in(tmp_path / "inputs", image_of(made)))
    assert image_of(run) == image_of(made)
    assert len(set(by_hand)) == 4
    assert sorted({(each.turn, each.turns) for each in run.of(Step)}) == [(0, 3), (1, 3), (2, 3)]
    headers = [read_header(tmp_path / "kept", 0, loop).request for loop in range(3)]
    assert [each["seed"] for each in headers] == [11, 12, 13]
    # each loop's picture is sent, with what made it, and can be made again alone
    sent = run.of(Rendered)
    assert [each.image for each in sent] == [1, 2, 0]
    assert [opened(each.picture).tobytes() for each in sent] == [
        Image.open(tmp_path / "inputs" / f"{name}.png").tobytes() for name in by_hand[1:]
    ]
    said = [f"Loop denoising strength: {each:g}" for each in strengths(0.7, loopback)]
    assert [each.notes[1] for each in sent] == said
    assert [each.notes[0] for each in sent] == [f"Loop: {loop} of 3" for loop in (1, 2, 3)]
    assert [each.notes[2] for each in sent] == [f"Loop seed: {seed}" for seed in (11, 12, 13)]
    assert [each.request.init.loopback.stop_after for each in sent] == [1, 2, 0]
    again = play(warm, sent[1].request, options(tmp_path))
    assert [each.picture for each in again.of(Rendered)] == [each.picture for each in sent[:2]]
    assert again.of(Rendered)[1].request == sent[1].request


@pytest.mark.parametrize("resize", ["just resize", "crop and resize", "latent upscale"])
def test_a_mask_may_have_another_size_than_the_model_works_at(warm, tmp_path, resize):
    shape = Image.new("L", (96, 128))
    shape.paste(255, (24, 32, 60, 80))
    mask = Mask(picture=sent_in(tmp_path / "inputs", shape), blur=0)
    source = sent_in(tmp_path / "inputs", smooth(96, 128))
    init = InitImage(picture=source, strength=0.9, resize=resize, mask=mask)
    once = image_of(play(warm, request(init=init), options(tmp_path)))
    loopback = Loopback(loops=3, final_strength=0.9)
    init = replace(init, loopback=loopback)
    last = image_of(play(warm, request(init=init), options(tmp_path)))
    assert last.size == (64, 64)
    before, after = np.asarray(once, int), np.asarray(last, int)
    differs = np.abs(before - after).max(axis=2) > 0
    # in working pixels the mask is 16..40 x 16..40, or a little taller where it was cut
    assert not differs[:, :14].any() and not differs[:, 42:].any()
    assert not differs[:8].any() and not differs[48:].any()
    assert differs[18:38, 18:38].mean() > 0.9


def test_of_a_loop_the_request_stands_for_it_alone():
    mask = Mask(picture="0" * 64, content="fill")
    init = InitImage(picture="1" * 64, strength=0.7, mask=mask, loopback=Loopback())
    assert of_loop(init, 0.7, 0) == replace(init, loopback=None)
    later = replace(init, strength=0.2, mask=replace(mask, content="original"), loopback=None)
    assert of_loop(init, 0.2, 3) == later


def test_numbers_of_pictures_lead_back_to_their_image_and_loop():
    init = InitImage(picture="0" * 64, loopback=Loopback(loops=4))
    for asked in (request(images=3, init=init), request(images=3)):
        loops = made(asked)
        numbers = [
            picture_number(asked, image, loop) for image in range(3) for loop in range(loops)
        ]
        assert sorted(numbers) == list(range(3 * loops))
        assert [numbers[image * loops + loops - 1] for image in range(3)] == [0, 1, 2]
        places = [(image, loop) for image in range(3) for loop in range(loops)]
        assert [place_of(asked, number) for number in numbers] == places
        assert sorted([*numbers, -1], key=lambda each: place_of(asked, each)) == [-1, *numbers]
    for wrong in (-1, 5, 1.0, True, None):
        with pytest.raises(InvalidRequest, match=r"^init\.loopback\.stop_after: must be a whole"):
            Loopback(loops=4, stop_after=wrong)


def test_the_seed_after_the_last_one_is_0(warm, tmp_path, picture):
    init = InitImage(picture=picture, strength=0.5, loopback=Loopback(loops=2))
    play(warm, request(seed=2**32 - 1, init=init), options(tmp_path, "kept"))
    headers = [read_header(tmp_path / "kept", 0, loop).request for loop in range(2)]
    assert [each["seed"] for each in headers] == [2**32 - 1, 0]


def test_images_go_on_from_their_own_seeds(warm, tmp_path, picture):
    init = InitImage(picture=picture, strength=0.5, loopback=Loopback(loops=2))
    asked = request(images=2, init=init)
    run = play(warm, asked, options(tmp_path))
    assert [each.image for each in run.of(Rendered)] == [2, 0, 3, 1]
    assert play(warm, asked.alone(1), options(tmp_path)).pictures == run.pictures[2:]
    assert len(set(run.pictures)) == 4


def test_stopped_in_a_loop_there_is_what_that_loop_predicts(warm, tmp_path, picture):
    init = InitImage(picture=picture, strength=0.9, loopback=Loopback(loops=3))
    control, seen = Control(), []
    for event in warm.run(request(init=init), options(tmp_path), control):
        seen.append(event)
        if isinstance(event, Step) and (event.turn, event.step) == (1, 2):
            control.stop = "keep"
    steps = [(each.turn, each.step) for each in seen if isinstance(each, Step)]
    assert steps[-1] == (1, 2)
    first, rendered = [each for each in seen if isinstance(each, Rendered)]
    assert (first.image, first.notes[0]) == (1, "Loop: 1 of 3")
    assert (rendered.image, rendered.notes[0]) == (0, "Stopped at step: 2")
    assert rendered.notes[1:3] == ("Loop: 2 of 3", "Loop denoising strength: 0.7")


@pytest.mark.parametrize("place", [(0, 3), (1, 2), (2, 1)])
def test_loops_that_died_go_on_to_the_same_bits(warm, tmp_path, picture, place):
    init = InitImage(picture=picture, strength=0.6, loopback=Loopback(loops=3))
    asked = request(sampler="DPM++ 2M SDE", init=init)
    whole = play(warm, asked, options(tmp_path))
    die(warm, asked, options(tmp_path, "kept"), place)
    rest = play(warm, asked, options(tmp_path, "kept"))
    assert min((each.turn, each.step) for each in rest.of(Step)) > place
    assert rest.pictures == whole.pictures  # those of loops that were over are told once more


def test_a_batch_is_made_one_after_the_other(warm, tmp_path, picture):
    init = InitImage(picture=picture, strength=0.5, loopback=Loopback(loops=2))
    asked = request(images=2, batch_size=2, init=init)
    assert asked.batches == 2
    both = play(warm, asked, options(tmp_path)).pictures
    alone = [play(warm, asked.alone(k), options(tmp_path)).pictures for k in (0, 1)]
    assert both == alone[0] + alone[1]


def test_outpainting_would_grow_again_and_is_refused():
    from webui.request import Outpaint

    with pytest.raises(InvalidRequest, match=r"^init\.loopback: goes not with outpainting"):
        InitImage(picture="0" * 64, loopback=Loopback(), outpaint=Outpaint(left=64))
    assert np.isfinite(strengths(0.0, Loopback(loops=32))).all()
