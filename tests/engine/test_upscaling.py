"""Upscale jobs: sizes, two upscalers, alpha, tiles, cancelling, running out of memory."""

import hashlib
import io

import numpy as np
import pytest
import torch
from PIL import Image

from tests.engine.conftest import MODELS, make_engine, play
from tests.upscaler_files import compact, esrgan, put, repeating
from webui.engine import builtin, upscaling
from webui.engine.engine import Control
from webui.errors import ExtensionError, InvalidRequest, ModelRefused, NotFinite, OutOfMemory
from webui.events import Picture, Rendered, Skipped, Stage, Step, Warned
from webui.extensions import engine_registry
from webui.hookspecs import hookimpl
from webui.request import GenerationRequest, Upscale
from webui.request.sizes import upscaled
from webui.wire import RunOptions


def smooth(width, height, mode="RGB", seed=0):
    """A picture with large shapes and no noise."""
    bands = len(mode)
    small = np.random.default_rng(seed).integers(0, 256, (8, 8, bands), np.uint8)
    image = Image.fromarray(small.squeeze(), mode)
    return image.resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def store(tmp_path):
    """A function that puts a picture where requests find it, and says what it is called."""
    folder = tmp_path / "inputs"
    folder.mkdir()

    def put_in(image):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        digest = hashlib.sha256(buffer.getvalue()).hexdigest()
        (folder / f"{digest}.png").write_bytes(buffer.getvalue())
        return digest

    return put_in


@pytest.fixture
def models(tmp_path):
    """No diffusion model at all: none is needed."""
    folder = tmp_path / "models"
    put(folder, "4x-repeating", repeating(2))
    put(folder, "2x-repeating", repeating(1))
    put(folder, "4x-random", esrgan(features=6, growth=3))
    put(folder, "1x-compact", compact(scale=1))
    return folder


def asked(picture, **values):
    return GenerationRequest(
        model="none", prompt="", seed=1, upscale=Upscale(picture=picture, **values)
    )


@pytest.fixture
def upscale(models, store, tmp_path):
    """Plays an upscale job and gives its picture."""

    def run(image, **values):
        played = play(make_engine(models), asked(store(image), **values), options(tmp_path))
        assert played.outcome == "done"
        (rendered,) = played.of(Rendered)
        return opened(rendered.picture)

    return run


def options(tmp_path):
    return RunOptions(inputs=str(tmp_path / "inputs"))


def opened(picture: Picture):
    size = (picture.width, picture.height)
    image = Image.frombytes("RGB", size, picture.rgb)
    if picture.alpha:
        image.putalpha(Image.frombytes("L", size, picture.alpha))
    return image


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "scaled", "box"),
    [
        ({"scale": 2.0}, (200, 100), (0, 0, 200, 100)),
        ({"scale": 0.25}, (25, 12), (0, 0, 25, 12)),
        ({"scale": 1.005}, (100, 50), (0, 0, 100, 50)),
        ({"width": 300}, (300, 150), (0, 0, 300, 150)),
        ({"height": 300}, (600, 300), (0, 0, 600, 300)),
        ({"width": 300, "height": 300}, (300, 150), (0, 0, 300, 150)),
        ({"width": 300, "height": 300, "crop": True}, (600, 300), (150, 0, 450, 300)),
        ({"width": 90, "height": 10, "crop": True}, (90, 45), (0, 17, 90, 27)),
    ],
)
def test_a_size_is_that_of_the_scale_or_fits_or_is_cut_from_the_middle(
    upscale, values, scaled, box
):
    cut = (box[2] - box[0], box[3] - box[1])
    assert upscaled(Upscale(picture="0" * 64, **values), 100, 50) == (scaled, cut)
    image = smooth(100, 50)
    made = upscale(image, upscaler="Lanczos", **values)
    assert made.size == cut
    whole = image.resize(scaled, Image.Resampling.LANCZOS)
    assert made == whole.crop(box)


def test_a_network_goes_over_a_picture_until_it_is_large_enough(upscale):
    image = smooth(12, 9)
    twice = np.asarray(image).repeat(4, 0).repeat(4, 1)
    assert np.array_equal(upscale(image, upscaler="2x-repeating", scale=4.0), twice)
    assert np.array_equal(upscale(image, upscaler="4x-repeating", scale=4.0), twice)
    # too large by half: brought to the size
    half = Image.fromarray(twice).resize((24, 18), Image.Resampling.LANCZOS)
    assert upscale(image, upscaler="4x-repeating", scale=2.0) == half
    # one that only restores goes over it once
    restored = upscale(image, upscaler="1x-compact", scale=1.0)
    assert restored != image
    once = restored.resize((24, 18), Image.Resampling.LANCZOS)
    assert upscale(image, upscaler="1x-compact", scale=2.0) == once


# --- two upscalers, alpha -----------------------------------------------------------------------


@pytest.mark.parametrize("visibility", [0.0, 0.3, 1.0])
def test_the_second_upscalers_picture_is_laid_over_the_first(upscale, visibility):
    image = smooth(20, 16)
    values = {"upscaler": "Nearest", "second": "Lanczos", "second_visibility": visibility}
    made = np.asarray(upscale(image, **values)).astype(float)
    first, second = (
        np.asarray(image.resize((40, 32), each)).astype(float)
        for each in (Image.Resampling.NEAREST, Image.Resampling.LANCZOS)
    )
    assert np.abs(first - second).max() > 20
    assert np.abs(made - (first + visibility * (second - first))).max() <= 1


@pytest.mark.parametrize("upscaler", ["Lanczos", "4x-repeating"])
def test_alpha_is_kept_and_no_colour_bleeds_out_of_what_cannot_be_seen(upscale, upscaler):
    image = Image.new("RGBA", (24, 24), (0, 255, 0, 0))  # green that nobody sees
    image.paste((200, 30, 40, 255), (4, 6, 14, 19))
    made = upscale(image, upscaler=upscaler, scale=4.0)
    assert made.mode == "RGBA"
    alpha = image.getchannel("A").resize((96, 96), Image.Resampling.LANCZOS)
    assert made.getchannel("A") == alpha
    pixels = np.asarray(made)
    seen = pixels[pixels[..., 3] > 0][:, :3].astype(int)
    assert np.abs(seen - (200, 30, 40)).max() <= 1


def test_grey_becomes_colour_and_an_opaque_picture_gets_no_alpha(upscale):
    image = smooth(20, 16, "L")
    made = upscale(image, upscaler="Lanczos")
    assert made.mode == "RGB"
    assert made == image.convert("RGB").resize((40, 32), Image.Resampling.LANCZOS)


# --- tiles --------------------------------------------------------------------------------------


def test_tiled_and_whole_agree_and_no_seam_is_seen(models, store, tmp_path, monkeypatch):
    image = smooth(320, 128)  # tiles share exactly the overlap

    def made(*tiles):
        monkeypatch.setattr(upscaling, "TILES", tiles)
        job = asked(store(image), upscaler="4x-random", scale=4.0)
        played = play(make_engine(models), job, options(tmp_path))
        (rendered,) = played.of(Rendered)
        count = {each.of for each in played.of(Stage) if each.of}
        return np.asarray(opened(rendered.picture)).astype(int), count

    whole, one = made(1024)
    tiled, many = made(64)
    assert (one, many) == ({1}, {9 * 3})
    assert np.abs(np.diff(whole, axis=1)).max() > 5  # there is something to see
    assert np.abs(whole - tiled).max() <= 1  # the network looks 7 pixels far, 8 are cut off


def test_progress_is_told_tile_by_tile_and_a_cancel_takes_effect_within_one(
    models, store, tmp_path, monkeypatch
):
    monkeypatch.setattr(upscaling, "TILES", (64,))
    job = asked(store(smooth(100, 100)), upscaler="4x-random", scale=4.0)
    played = play(make_engine(models), job, options(tmp_path))
    told = [(each.done, each.of) for each in played.of(Stage) if each.of]
    assert told == [(done, 9) for done in range(9)]
    assert played.of(Step) == []
    for wish, outcome in (("discard", "cancelled"), ("keep", "cancelled")):
        control = Control()
        events, seen = make_engine(models).run(job, options(tmp_path), control), []
        with pytest.raises(StopIteration) as end:
            while True:
                seen.append(next(events))
                if seen[-1] == Stage("upscaling", 4, 9):
                    control.stop = wish
        assert (seen[-1], end.value.value) == (Stage("upscaling", 4, 9), outcome)


def test_a_skip_leaves_the_picture_out_and_the_job_is_done(models, store, tmp_path):
    job = asked(store(smooth(20, 20)), upscaler="4x-random")
    played = play(make_engine(models), job, options(tmp_path), Control(skip=0))
    assert (played.outcome, played.of(Skipped), played.pictures) == ("done", [Skipped(0, 0)], [])


# --- memory -------------------------------------------------------------------------------------


class Hungry:
    """Repeats pixels twice, in tiles of at most `most`; then as if memory were out."""

    scale = 2

    def __init__(self, most):
        self.most = most
        self.seen = []

    def __call__(self, pixels):
        self.seen.append(pixels.shape[2])
        if max(pixels.shape[2:]) > self.most():
            raise torch.OutOfMemoryError("planted")
        return pixels.repeat_interleave(2, 2).repeat_interleave(2, 3)


def hungry_engine(models, network, loads=None):
    class Family:
        def recognises(self, file):
            return True

        def load(self, file, device, dtype):
            if loads is not None:
                loads()
            return network

    class Plugin:
        register_samplers = staticmethod(builtin.register_samplers)
        register_schedules = staticmethod(builtin.register_schedules)
        register_families = staticmethod(builtin.register_families)
        register_previews = staticmethod(builtin.register_previews)
        register_upscalers = staticmethod(builtin.register_upscalers)

        @hookimpl
        def register_upscaler_families(self):
            return {"hungry": Family()}

    return make_engine(models, engine_registry({"builtin": Plugin()}))


def test_where_memory_does_not_suffice_tiles_become_smaller(models, store, tmp_path):
    network, image = Hungry(lambda: 130), smooth(300, 200)
    job = asked(store(image), upscaler="4x-random", scale=2.0)
    (rendered,) = play(hungry_engine(models, network), job, options(tmp_path)).of(Rendered)
    assert network.seen[0] == 200  # 256 wide, as high as the picture
    assert set(network.seen[1:]) == {128}
    expected = np.asarray(image).repeat(2, 0).repeat(2, 1)
    assert np.array_equal(opened(rendered.picture), expected)


def test_the_model_stays_in_memory_unless_the_smallest_tile_does_not_fit(
    models, models_dir, store, tmp_path
):
    (models / "checkpoints").symlink_to(models_dir / "checkpoints")
    job = asked(store(smooth(300, 200)), upscaler="4x-random", scale=2.0)
    roomy = hungry_engine(models, Hungry(lambda: 64))
    roomy.load("tiny")
    play(roomy, job, options(tmp_path))
    assert roomy._models.loaded == "tiny"
    engine = None
    network = Hungry(lambda: 40 if engine._models.loaded else 256)
    engine = hungry_engine(models, network)
    engine.load("tiny")
    assert play(engine, job, options(tmp_path)).outcome == "done"
    assert engine._models.loaded is None
    assert network.seen == [200, 128, 64, 200, 200]


def test_where_nothing_helps_the_job_fails_and_says_so(models, store, tmp_path):
    job = asked(store(smooth(300, 200)), upscaler="4x-random", scale=2.0)
    engine = hungry_engine(models, Hungry(lambda: 0))
    with pytest.raises(OutOfMemory, match="^out of memory while making the picture larger"):
        play(engine, job, options(tmp_path))

    def no_room():
        raise torch.OutOfMemoryError("planted")

    engine = hungry_engine(models, Hungry(lambda: 0), no_room)
    with pytest.raises(OutOfMemory, match="^out of memory while loading the upscaler 4x-random"):
        play(engine, job, options(tmp_path))


# --- of extensions ------------------------------------------------------------------------------


class Own:
    """What an extension registers; `recognises` and `load` are as they are given."""

    def __init__(self, load, recognises=lambda file: True):
        self.load, self.recognises = load, recognises

    @hookimpl
    def register_upscaler_families(self):
        return {f"of {id(self)}": self}


def broken(*_):
    raise KeyError("planted")


def network(scale=2, call=lambda pixels: pixels.repeat_interleave(2, 2).repeat_interleave(2, 3)):
    return type("Net", (), {"scale": scale, "__call__": lambda self, pixels: call(pixels)})()


def test_a_family_that_fails_to_recognise_is_passed_over_and_named(models, store, tmp_path):
    image = smooth(30, 20)
    job = asked(store(image), upscaler="4x-random", scale=2.0)
    good = Own(lambda *_: network())
    engine = make_engine(models, engine_registry({"bad": Own(broken, broken), "good": good}))
    run = play(engine, job, options(tmp_path))
    (rendered,) = run.of(Rendered)
    assert np.array_equal(opened(rendered.picture), np.asarray(image).repeat(2, 0).repeat(2, 1))
    said = "the upscaler of the extension bad did not run: KeyError: 'planted'"
    assert [each.text for each in run.of(Warned)] == [
        f"{said}; the Extensions tab has the traceback"
    ]
    alone = make_engine(models, engine_registry({"bad": Own(broken, broken)}))
    with pytest.raises(ModelRefused, match=f"no upscaler that is known recognises it; {said}"):
        play(alone, job, options(tmp_path))


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (broken, "KeyError: 'planted'"),
        (lambda *_: None, "must give a network with a scale from 1 to 16, gave NoneType"),
        (lambda *_: network(scale=0), "must give a network with a scale from 1 to 16"),
        (lambda *_: network(call=broken), "KeyError: 'planted'"),
        (lambda *_: network(call=lambda pixels: pixels), "must return (1, 3, 40, 60), returned"),
        (lambda *_: network(call=lambda pixels: 7), "must return a tensor, returned int"),
    ],
    ids=["load", "nothing", "scale", "call", "size", "type"],
)
def test_a_network_of_an_extension_that_fails_fails_the_job_and_is_named(
    models, store, tmp_path, load, said
):
    engine = make_engine(models, engine_registry({"culprit": Own(load)}))
    job = asked(store(smooth(30, 20)), upscaler="4x-random", scale=2.0)
    with pytest.raises(ExtensionError) as caught:
        play(engine, job, options(tmp_path))
    start = "the upscaler of the extension culprit did not run: "
    assert str(caught.value).startswith(start)
    assert said in str(caught.value)
    assert "Traceback" in engine._conduct.report()["culprit"]["mishap"]["trace"]


def test_memory_that_an_extensions_network_lacks_makes_tiles_smaller(models, store, tmp_path):
    hungry, image = Hungry(lambda: 130), smooth(300, 200)
    engine = make_engine(models, engine_registry({"own": Own(lambda *_: hungry)}))
    job = asked(store(image), upscaler="4x-random", scale=2.0)
    assert play(engine, job, options(tmp_path)).outcome == "done"
    assert set(hungry.seen[1:]) == {128}


def test_what_would_be_too_large_on_the_way_is_refused_before_it_takes_memory(
    models, store, tmp_path, monkeypatch
):
    monkeypatch.setattr(upscaling, "_MOST_PIXELS", 100 * 100 * 16 - 1)
    network = Hungry(lambda: 999)
    network.scale = 4
    job = asked(store(smooth(100, 100)), upscaler="4x-random", scale=1.5)
    with pytest.raises(InvalidRequest, match="upscale.upscaler: .* 400 x 400 pixels on the way"):
        play(hungry_engine(models, network), job, options(tmp_path))
    assert network.seen == []


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"upscaler": "nobody"}, "upscale.upscaler: 'nobody' is not known; known are Latent"),
        ({"upscaler": "Latent"}, "upscale.upscaler: Latent makes latents larger, no pictures"),
        ({"second": "../evil"}, "upscale.second: '../evil' is not known"),
        ({"upscaler": "bad"}, "upscale.upscaler: bad cannot be used: .pth files are pickles"),
    ],
)
def test_an_upscaler_that_cannot_be_used_is_named(models, store, tmp_path, values, problem):
    (models / "ESRGAN" / "bad.pth").write_bytes(b"")
    with pytest.raises(InvalidRequest) as refused:
        play(make_engine(models), asked(store(smooth(9, 9)), **values), options(tmp_path))
    assert str(refused.value).startswith(problem)


def test_a_picture_that_is_not_kept_is_refused(models, store, tmp_path):
    with pytest.raises(InvalidRequest, match="^upscale.picture: names a picture that is not kept"):
        play(make_engine(models), asked("0" * 64), options(tmp_path))
    with pytest.raises(InvalidRequest, match="^upscale.picture: needs a folder of pictures"):
        play(make_engine(models), asked(store(smooth(9, 9))))


def test_nan_never_becomes_a_black_picture(models, store, tmp_path):
    network = Hungry(lambda: 999)
    network.__class__ = type("Nan", (Hungry,), {"__call__": lambda self, pixels: torch.full(
        (1, 3, pixels.shape[2] * 2, pixels.shape[3] * 2), float("nan"))})  # fmt: skip
    job = asked(store(smooth(20, 20)), upscaler="4x-random")
    with pytest.raises(NotFinite, match="the upscaler 4x-random made NaN or Inf"):
        play(hungry_engine(models, network), job, options(tmp_path))


def test_the_shipped_model_is_not_loaded_for_it(store, tmp_path):
    engine = make_engine(MODELS)
    play(engine, asked(store(smooth(20, 20))), options(tmp_path))
    assert engine._models.loaded is None
