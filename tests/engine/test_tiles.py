"""Tiles: sizes, the same noise where they overlap, no seam, what survives a stop and a death."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.engine.conftest import die, make_engine, play, request
from tests.engine.sent import opened, options, sent_in, smooth
from webui.engine import builtin
from webui.engine.control import Control
from webui.engine.noise import SeededNoise
from webui.errors import InvalidRequest
from webui.events import Preview, Rendered, Step
from webui.extensions import engine_registry
from webui.hookspecs import hookimpl
from webui.interfaces import SamplerEntry
from webui.interfaces import Step as Made
from webui.request import InitImage, Mask, Tiles
from webui.trajectories import read_header


def image_of(run):
    (rendered,) = run.of(Rendered)
    return opened(rendered.picture)


@pytest.fixture
def picture(tmp_path):
    return sent_in(tmp_path / "inputs", smooth(64, 48))


def asked(picture, **values):
    tiles = {"scale": 2.0, "overlap": 32, **values.pop("tiles", {})}
    init = InitImage(picture=picture, strength=values.pop("strength", 0.5), tiles=Tiles(**tiles))
    return request(init=init, **values)


@pytest.mark.parametrize(
    ("tiles", "size", "count"),
    [
        ({"scale": 1.0}, (64, 48), 1),
        ({"scale": 2.0}, (128, 96), 3 * 2),
        ({"scale": 2.0, "overlap": 0}, (128, 96), 2 * 2),
        ({"scale": 4.0}, (256, 192), 7 * 5),
        ({"scale": 1.3}, (80, 56), 2 * 1),  # 83.2 x 62.4: whole cells
    ],
)
def test_the_picture_grows_to_the_scale_in_tiles_of_the_requests_size(
    warm, tmp_path, picture, tiles, size, count
):
    run = play(warm, asked(picture, tiles=tiles, steps=2), options(tmp_path))
    assert image_of(run).size == size
    assert {each.turn for each in run.of(Step)} == set(range(count))
    assert {each.turns for each in run.of(Step)} == {count}


class Spy:
    """A sampler that notes what it is given and leaves the picture as it is."""

    def __init__(self):
        self.starts, self.draws = [], []

    def __call__(self, denoise, x, sigmas, noise, past=()):
        self.starts.append(x.clone())
        self.draws.append([noise(sigmas[0], sigmas[1]), noise(sigmas[1], sigmas[2])])
        for _ in sigmas[1:]:
            yield Made(x, x)


@pytest.mark.parametrize("kind", ["gaussian", "brownian"])
def test_all_noise_is_cut_from_that_of_the_whole_picture(models_dir, tmp_path, picture, kind):
    spy = Spy()

    class Plugin:
        @hookimpl
        def register_samplers(self):
            return {"Spy": SamplerEntry(spy, noise=kind)}

    engine = make_engine(models_dir, engine_registry({"builtin": builtin, "spy": Plugin()}))
    job = asked(picture, sampler="Spy", steps=4, strength=1.0)
    play(engine, job, options(tmp_path))
    quiet = replace(job, init=replace(job.init, noise_multiplier=0.0))
    with_noise, draws, spy.starts = spy.starts, list(spy.draws), []
    play(engine, quiet, options(tmp_path))
    whole = SeededNoise([11], (4, 12, 16), torch.device("cpu"))
    start = whole.start()
    assert len(with_noise) == 6
    for number, (noisy, clean) in enumerate(zip(with_noise, spy.starts, strict=True)):
        top, left = (0, 4)[number // 3], (0, 4, 8)[number % 3]
        place = (..., slice(top, top + 8), slice(left, left + 8))
        noise = noisy - clean
        scale = noise.std() / start[place].std()
        torch.testing.assert_close(noise / scale, start[place], rtol=1e-3, atol=1e-3)
        if kind == "gaussian":
            again = SeededNoise([11], (4, 12, 16), torch.device("cpu"))
            again.skip_to(1)
            for drawn in draws[number]:
                assert torch.equal(drawn, again.draw()[place])
    assert {tuple(each.shape) for drawn in draws for each in drawn} == {(1, 4, 8, 8)}
    if kind == "brownian":  # neighbours see the same where they overlap
        for first, second in ((0, 1), (1, 2), (3, 4)):
            for one, other in zip(draws[first], draws[second], strict=True):
                assert torch.equal(one[..., 4:], other[..., :4])


def test_no_seam_is_seen(warm, tmp_path):
    # a flat picture: whatever edge there is, tiles made it
    flat = sent_in(tmp_path / "inputs", Image.new("RGB", (64, 64), (90, 120, 150)))
    job = asked(flat, strength=0.3, sampler="Euler a", tiles={"scale": 3.0})
    made = np.asarray(image_of(play(warm, job, options(tmp_path)))).astype(float)
    assert made.shape == (192, 192, 3)
    for axis in (0, 1):
        steps = np.abs(np.diff(made, axis=axis)).mean(axis=(1 - axis, 2))
        borders = [47, 79, 111, 143]  # the middle of what neighbours share
        assert steps[borders].mean() < 1.3 * steps.mean()


def test_tiles_keep_the_picture_at_a_low_strength_on_the_model_that_ships(shipped, tmp_path):
    first = request(
        model="fluent-emoji", prompt="dog face", negative_prompt="", width=128, height=128,
        steps=12, seed=7,
    )  # fmt: skip
    source = image_of(play(shipped, first))
    given = sent_in(tmp_path / "inputs", source)
    init = InitImage(picture=given, strength=0.15, tiles=Tiles(scale=1.5, overlap=64))
    made = image_of(play(shipped, replace(first, init=init), options(tmp_path)))
    larger = source.resize((192, 192), Image.Resampling.LANCZOS)
    change = np.abs(np.asarray(made).astype(int) - np.asarray(larger)).mean()
    assert 1 < change < 10


def test_previews_show_the_tile_in_its_place(warm, tmp_path, picture):
    job = asked(picture, steps=2, tiles={"overlap": 0})
    run = play(warm, job, options(tmp_path, predicted="fast"))
    previews = [each for each in run.of(Preview)]
    assert {(each.picture.width, each.picture.height) for each in previews} == {(128, 96)}
    larger = np.asarray(smooth(64, 48).resize((128, 96), Image.Resampling.LANCZOS))
    first = np.asarray(opened(previews[0].picture))
    assert np.array_equal(first[:, 64:], larger[:, 64:])  # what is not made yet
    assert not np.array_equal(first[:48, :64], larger[:48, :64])
    second = np.asarray(opened(next(each for each in previews if each.turn == 1).picture))
    assert not np.array_equal(second[:32, 64:], larger[:32, 64:])
    assert np.array_equal(second[64:], larger[64:])
    last = np.asarray(opened(previews[-1].picture))
    assert not np.array_equal(last[:48, :64], larger[:48, :64])


def test_stopped_in_the_middle_the_rest_is_the_picture_made_larger(warm, tmp_path, picture):
    control, seen = Control(), []
    job = asked(picture, tiles={"overlap": 0}, steps=10)
    for event in warm.run(job, options(tmp_path, "kept"), control):
        seen.append(event)
        if isinstance(event, Step) and (event.turn, event.step) == (1, 2):
            control.stop = "keep"
    # what was kept says of how many tiles it is, when all events are forgotten
    headers = [read_header(tmp_path / "kept", 0, turn) for turn in (0, 1)]
    assert [(each.turn, each.turns) for each in headers] == [(0, 4), (1, 4)]
    (rendered,) = [each for each in seen if isinstance(each, Rendered)]
    made = np.asarray(opened(rendered.picture))
    larger = np.asarray(smooth(64, 48).resize((128, 96), Image.Resampling.LANCZOS))
    assert np.array_equal(made[64:], larger[64:])
    assert not np.array_equal(made[:32, :64], larger[:32, :64])


@pytest.mark.parametrize("place", [(0, 1), (1, 3), (4, 1)])
def test_tiles_that_died_go_on_to_the_same_bits(warm, tmp_path, picture, place):
    job = asked(picture, sampler="Euler a", strength=0.6)
    whole = play(warm, job, options(tmp_path))
    die(warm, job, options(tmp_path, "kept"), place)
    rest = play(warm, job, options(tmp_path, "kept"))
    assert min((each.turn, each.step) for each in rest.of(Step)) > place
    assert rest.pictures == whole.pictures


def test_what_cannot_be_is_refused(warm, tmp_path, picture):
    with pytest.raises(InvalidRequest, match="^init.tiles.overlap: must be less than a tile's"):
        play(warm, asked(picture, tiles={"overlap": 64}), options(tmp_path))
    with pytest.raises(InvalidRequest, match="^init.tiles.upscaler: Latent makes latents larger"):
        play(warm, asked(picture, tiles={"upscaler": "Latent"}), options(tmp_path))
    with pytest.raises(InvalidRequest, match="^init.tiles: goes with neither a mask nor"):
        InitImage(picture=picture, tiles=Tiles(), mask=Mask(picture=picture))
