"""The networks against the same sums written out once more, and tiles against the whole."""

import re
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from tests.upscaler_files import compact, esrgan, first_code, put, repeating, second_code
from webui.engine.tiling import Canvas, spans
from webui.engine.upscalers import UPSCALER_FAMILIES, UPSCALERS
from webui.errors import ModelRefused
from webui.interfaces import LatentResize
from webui.upscalers import Upscalers


def network(models, weights):
    put(models, "it", weights)
    file = Upscalers(models).find("it")
    assert file.problem is None
    family = next(each for each in UPSCALER_FAMILIES.values() if each.recognises(file))
    return family.load(file, torch.device("cpu"), torch.float32)


def noise(height, width, seed=0):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


# --- the networks -------------------------------------------------------------------------------


def rrdbnet(weights, x, unshuffle=1):
    """RRDBNet as sums over its weights, without a module."""
    w = {name: torch.from_numpy(each) for name, each in weights.items()}
    act = lambda value: torch.where(value > 0, value, 0.2 * value)  # noqa: E731

    def conv(name, value):
        return functional.conv2d(value, w[f"{name}.weight"], w[f"{name}.bias"], padding=1)

    if unshuffle > 1:
        b, c, height, width = x.shape
        x = x.reshape(b, c, height // unshuffle, unshuffle, width // unshuffle, unshuffle)
        x = x.permute(0, 1, 3, 5, 2, 4).reshape(b, -1, height // unshuffle, width // unshuffle)
    first = body = conv("conv_first", x)
    for block in sorted({int(m[1]) for name in w if (m := re.match(r"body\.(\d+)\.", name))}):
        outer = body
        for dense in "123":
            inner, seen = body, [body]
            for k in "1234":
                seen.append(act(conv(f"body.{block}.rdb{dense}.conv{k}", torch.cat(seen, 1))))
            body = inner + 0.2 * conv(f"body.{block}.rdb{dense}.conv5", torch.cat(seen, 1))
        body = outer + 0.2 * body
    x = first + conv("conv_body", body)
    for k in range(sum(re.match(r"conv_up\d\.bias", name) is not None for name in w)):
        x = act(conv(f"conv_up{k + 1}", x.repeat_interleave(2, 2).repeat_interleave(2, 3)))
    return conv("conv_last", act(conv("conv_hr", x)))


@pytest.mark.parametrize("names", [dict, second_code, first_code])
@pytest.mark.parametrize(
    "values",
    [
        {"ups": 0}, {"ups": 1}, {"ups": 2, "blocks": 3}, {"ups": 3},
        {"ups": 2, "unshuffle": 2}, {"ups": 2, "unshuffle": 4},
    ],
)  # fmt: skip
def test_an_esrgan_makes_what_its_formula_says(tmp_path, names, values):
    weights, x = esrgan(**values), noise(8, 12)
    made = network(tmp_path, names(weights))
    scale = 2 ** values["ups"] // values.get("unshuffle", 1)
    expected = rrdbnet(weights, x, values.get("unshuffle", 1))
    assert made.scale == scale
    assert expected.shape == (1, 3, 8 * scale, 12 * scale)
    assert expected.std() > 0.01  # so that equality says something
    torch.testing.assert_close(made(x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("unshuffle", [2, 4])
def test_a_picture_that_squares_do_not_fill_keeps_its_size(tmp_path, unshuffle):
    made = network(tmp_path, esrgan(ups=2, unshuffle=unshuffle))
    scale = 4 // unshuffle
    x = noise(9, 11)
    filled = functional.pad(x, (0, 1, 0, 1 if unshuffle == 2 else 3), mode="replicate")
    whole = made(x)
    assert whole.shape == (1, 3, 9 * scale, 11 * scale)
    torch.testing.assert_close(whole, made(filled)[:, :, : 9 * scale, : 11 * scale])


@pytest.mark.parametrize("ups", [1, 2, 3])
def test_an_esrgan_that_repeats_pixels_repeats_them(tmp_path, ups):
    x = noise(5, 7)
    expected = x.repeat_interleave(2**ups, 2).repeat_interleave(2**ups, 3)
    torch.testing.assert_close(network(tmp_path, repeating(ups))(x), expected)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_compact_makes_what_its_formula_says(tmp_path, scale):
    weights, x = compact(scale=scale), noise(6, 5)
    w = {name: torch.from_numpy(each) for name, each in weights.items()}
    y = x
    for k in range(0, 7, 2):
        y = functional.conv2d(y, w[f"body.{k}.weight"], w[f"body.{k}.bias"], padding=1)
        if k < 6:
            y = torch.where(y > 0, y, y * w[f"body.{k + 1}.weight"][None, :, None, None])
    y = y.reshape(1, 3, scale, scale, 6, 5).permute(0, 1, 4, 2, 5, 3)
    y = y.reshape(1, 3, 6 * scale, 5 * scale)
    assert y.abs().max() > 0.01
    y = y + x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    torch.testing.assert_close(network(tmp_path, weights)(x), y, rtol=1e-5, atol=1e-5)


def test_half_precision_weights_are_used_at_the_devices_own(tmp_path):
    weights, x = esrgan(), noise(8, 8)
    full = network(tmp_path / "a", weights)(x)
    half = network(tmp_path / "b", {name: each.astype("f2") for name, each in weights.items()})(x)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, full, rtol=0, atol=0.01)
    assert not torch.equal(half, full)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("make", [esrgan, compact])
def test_weights_with_nan_or_inf_are_refused(tmp_path, make, poison):
    weights = make()
    name = sorted(weights)[-1]
    weights[name].flat[-1] = poison
    with pytest.raises(ModelRefused, match=f"it: its weights hold NaN or Inf, in {name}"):
        network(tmp_path, weights)


def test_a_file_that_was_cut_after_it_was_listed_is_refused(tmp_path):
    path = put(tmp_path, "it", esrgan())
    file = Upscalers(tmp_path).find("it")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelRefused, match=r"^it: "):
        UPSCALER_FAMILIES["ESRGAN"].load(file, torch.device("cpu"), torch.float32)


# --- without a file -----------------------------------------------------------------------------


def test_a_latent_mode_is_torchs_interpolation_of_that_name():
    latents = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(1))
    modes = {
        "Latent": ("bilinear", False),
        "Latent (antialiased)": ("bilinear", True),
        "Latent (bicubic)": ("bicubic", False),
        "Latent (bicubic antialiased)": ("bicubic", True),
        "Latent (nearest)": ("nearest", False),
        "Latent (nearest-exact)": ("nearest-exact", False),
    }
    assert {n for n, each in UPSCALERS.items() if isinstance(each, LatentResize)} == set(modes)
    for size in ((9, 11), (4, 3)):  # smaller, where antialiasing shows
        made = {name: UPSCALERS[name].resize(latents, size) for name in modes}
        for name, (mode, antialias) in modes.items():
            expected = functional.interpolate(latents, size, mode=mode, antialias=antialias)
            assert torch.equal(made[name], expected)
    assert len({each.numpy().tobytes() for each in made.values()}) == 6


def test_nearest_repeats_pixels_and_lanczos_is_pillows():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (6, 5, 3), np.uint8))
    repeated = np.asarray(image).repeat(3, 0).repeat(3, 1)
    assert np.array_equal(UPSCALERS["Nearest"].resize(image, (15, 18)), repeated)
    smooth = UPSCALERS["Lanczos"].resize(image, (15, 18))
    assert smooth == image.resize((15, 18), Image.Resampling.LANCZOS)


# --- tiles --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize(
    ("length", "tile", "overlap", "blend"),
    [
        (50, 64, 32, 16), (64, 64, 32, 16), (65, 64, 32, 16), (97, 64, 32, 16), (1000, 256, 32, 16),
        (300, 64, 32, 16), (1025, 512, 256, 256), (130, 64, 0, 0), (600, 512, 64, 64),
    ],
)  # fmt: skip
def test_tiles_cover_a_side_and_their_weights_add_up_to_one(length, tile, overlap, blend, scale):
    found = spans(length, tile, overlap, blend, scale)
    total = np.zeros(length * scale)
    for span in found:
        assert 0 <= span.start < span.stop <= length
        assert span.stop - span.start == min(tile, length)
        assert span.weights.min() >= 0
        total[span.start * scale : span.stop * scale] += span.weights
    assert np.abs(total - 1).max() < 1e-6
    for before, after in pairwise(found):
        assert before.stop - after.start >= overlap


def test_what_is_near_a_tiles_border_counts_nothing():
    first, second, *_ = spans(1000, 256, 32, 16)
    shared = first.stop - second.start
    cut = (shared - 16) // 2
    assert cut >= 8
    assert not first.weights[-cut:].any()
    assert not second.weights[:cut].any()


@pytest.mark.parametrize("scale", [1, 4])
def test_a_canvas_gives_back_a_picture_cut_into_tiles(scale):
    picture = np.random.default_rng(3).integers(0, 256, (300, 210, 3), np.uint8)
    rows, columns = spans(300, 64, 32, 16, scale), spans(210, 64, 32, 16, scale)
    canvas = Canvas(rows, columns, scale)
    for row, column in canvas.places():
        part = picture[row.start : row.stop, column.start : column.stop] / 255
        canvas.lay(row, column, part.repeat(scale, 0).repeat(scale, 1).astype("f4"))
    assert np.array_equal(canvas.pixels, picture.repeat(scale, 0).repeat(scale, 1))


def test_a_tile_that_is_a_little_brighter_fades_into_the_next():
    # neighbours that differ by 20 levels: no step between two pixels is larger than the ramp's
    rows, columns = spans(64, 64, 32, 16), spans(96, 64, 32, 16)
    canvas = Canvas(rows, columns, 1)
    for k, (row, column) in enumerate(canvas.places()):
        canvas.lay(row, column, np.full((64, 64, 3), (100 + 20 * (k % 2)) / 255, "f4"))
    line = canvas.pixels[10, :, 0].astype(int)
    assert (line[0], line[-1]) == (100, 120)
    assert np.abs(np.diff(line)).max() <= 2
