"""What the model is shown of a picture, and that nothing else of it changes."""

import math
from typing import Any

import numpy as np
import pytest
from PIL import Image

from webui import masking
from webui.errors import InvalidRequest
from webui.masking import masks
from webui.request import InitImage, Mask, Outpaint

ANY = "0" * 64
RED, BLUE = (200, 30, 30), (20, 40, 220)


def grey_of(rows: list[list[int]]) -> Image.Image:
    return Image.fromarray(np.array(rows, np.uint8))


def values(image: Image.Image) -> Any:
    return np.asarray(image).tolist()


def noisy(width: int, height: int, seed: int = 0) -> Image.Image:
    numbers = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(numbers)


def box_mask(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (width, height))
    mask.paste(255, box)
    return mask


def init(**given: object) -> InitImage:
    return InitImage(picture=ANY, **given)  # type: ignore[arg-type]


def inpaint(**given: object) -> InitImage:
    return init(mask=Mask(picture=ANY, **given))  # type: ignore[arg-type]


# --- sizes -------------------------------------------------------------------------------------


def stripes() -> Image.Image:
    """8 x 4: red on the left, blue on the right, two pixels of white at each end."""
    picture = Image.new("RGB", (8, 4), "white")
    picture.paste(RED, (2, 0, 4, 4))
    picture.paste(BLUE, (4, 0, 6, 4))
    return picture


def test_crop_and_resize_cuts_both_ends() -> None:
    cut = masking.resized(stripes(), 4, 4, "crop and resize")
    assert values(cut) == [[[*RED], [*RED], [*BLUE], [*BLUE]]] * 4


def test_resize_and_fill_sets_it_in_the_middle_and_draws_its_edges_out() -> None:
    column = Image.new("RGB", (2, 4), RED)
    column.paste(BLUE, (1, 0, 2, 4))
    wide = masking.resized(column, 6, 4, "resize and fill")
    assert values(wide) == [[[*RED]] * 3 + [[*BLUE]] * 3] * 4
    high = masking.resized(stripes(), 8, 7, "resize and fill")
    assert values(high) == [values(stripes())[0]] * 7


@pytest.mark.parametrize("mode", ["just resize", "latent upscale"])
def test_just_resize_stretches(mode: str) -> None:
    small = grey_of([[0, 255], [0, 255]])
    assert values(masking.resized(small, 4, 3, mode)) == [[0, 64, 191, 255]] * 3


@pytest.mark.parametrize("mode", ["just resize", "crop and resize", "resize and fill"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 5)])
def test_any_size_comes_to_any_other(mode: str, size: tuple[int, int]) -> None:
    for width, height in ((1, 1), (64, 8), (8, 64)):
        made = masking.resized(Image.new("RGB", size, RED), width, height, mode)
        assert values(made) == [[[*RED]] * width] * height


def test_a_larger_mask_is_black_beside_its_white() -> None:
    mask = masking.resized(box_mask(16, 16, (4, 4, 12, 12)), 64, 64, "just resize")
    bright = np.asarray(mask)
    assert not bright[:14].any() and not bright[50:].any() and (bright[18:46, 18:46] == 255).all()


def test_transparent_pixels_show_the_background() -> None:
    clear = Image.new("RGBA", (1, 1), (200, 30, 30, 0))
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert values(masking.laid_on(clear)) == [[[255, 255, 255]]]
    assert values(masking.laid_on(half)) == [[[127, 127, 127]]]
    assert values(masking.laid_on(Image.new("LA", (1, 1), (9, 255)))) == [[[9, 9, 9]]]


# --- masks -------------------------------------------------------------------------------------


def test_a_mask_is_its_grey_and_what_is_transparent_is_kept() -> None:
    mask = Image.new("RGBA", (3, 1), (255, 255, 255, 0))
    mask.putpixel((1, 0), (255, 255, 255, 255))
    mask.putpixel((2, 0), (255, 0, 0, 255))
    assert values(masking.grey(mask)) == [[0, 255, 76]]
    assert values(masking.grey(mask, inverted=True)) == [[255, 0, 179]]


def test_blur_is_a_gaussian_of_five_sigma() -> None:
    line = np.zeros((1, 15), np.uint8)
    line[0, 7] = 255
    weights = [math.exp(-(x**2) / 8) for x in range(-5, 6)]  # sigma 2: 11 pixels
    expected = [round(255 * weight / sum(weights)) for weight in weights]
    assert values(masking.blurred(Image.fromarray(line), 2)) == [[0, 0, *expected, 0, 0]]
    assert expected == [2, 7, 17, 31, 45, 51, 45, 31, 17, 7, 2]


@pytest.mark.parametrize("sigma", [1, 3, 4, 17, 64])
@pytest.mark.parametrize("size", [(1, 1), (3, 200), (97, 61)])
def test_blur_equals_the_plain_convolution(sigma: int, size: tuple[int, int]) -> None:
    mask = noisy(*size).convert("L").point(lambda grey: 255 * (grey > 150))
    radius = -int(-2.5 * sigma // 1)
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    expected = np.pad(np.asarray(mask, np.float64), radius, mode="reflect")
    for axis in (0, 1):
        expected = np.apply_along_axis(np.convolve, axis, expected, kernel / kernel.sum(), "valid")
    made = np.asarray(masking.blurred(mask, sigma), np.float64)
    assert np.abs(made - expected).max() <= 0.5001


def test_no_blur_changes_nothing_and_blur_keeps_flat_parts() -> None:
    mask = box_mask(60, 60, (0, 0, 30, 60))
    assert values(masking.blurred(mask, 0)) == values(mask)
    made = np.asarray(masking.blurred(mask, 4))
    assert (made[:, :20] == 255).all() and (made[:, 40:] == 0).all()
    assert made[30, 29] + made[30, 30] == 255


def test_latent_cells_that_are_half_covered_anywhere_are_made_anew() -> None:
    mask = box_mask(32, 16, (7, 3, 9, 4))  # two pixels, in two cells
    assert masking.at_latent_size(mask, 8).tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    faint = mask.point(lambda grey: 127 if grey else 0)
    assert masking.at_latent_size(faint, 8).tolist() == [[0] * 4] * 2
    half = mask.point(lambda grey: 128 if grey else 0)
    assert masking.at_latent_size(half, 8).tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]


def test_soft_latent_cells_are_means() -> None:
    mask = box_mask(16, 8, (0, 0, 4, 8))
    mask.paste(51, (8, 0, 16, 8))
    assert masking.at_latent_size(mask, 8, soft=True).tolist() == [[0.5, pytest.approx(0.2)]]


def test_what_shows_the_new_picture_alone_was_made_anew() -> None:
    mask = masking.blurred(box_mask(64, 64, (21, 13, 30, 40)), 4)
    shown = np.asarray(masking.shown_weights(mask))
    anew = np.kron(masking.at_latent_size(mask, 8), np.ones((8, 8)))
    assert (shown == 255).any() and anew[shown == 255].all()
    assert (shown[np.asarray(mask) == 0] == 0).all()


@pytest.mark.parametrize(
    ("white", "padding", "shape", "expected"),
    [
        ((40, 40, 60, 60), 0, (64, 64), (40, 40, 60, 60)),
        ((40, 40, 60, 60), 10, (64, 64), (30, 30, 70, 70)),
        ((40, 40, 60, 50), 0, (64, 64), (40, 35, 60, 55)),  # grown to a square
        ((40, 40, 50, 60), 0, (128, 64), (25, 40, 65, 60)),
        ((0, 0, 20, 10), 0, (64, 64), (0, 0, 20, 20)),  # moved into the picture
        ((80, 90, 100, 100), 0, (64, 64), (80, 80, 100, 100)),
        ((0, 40, 100, 60), 32, (64, 128), (0, 0, 100, 100)),  # as far as the picture goes
        ((99, 99, 100, 100), 0, (64, 64), (99, 99, 100, 100)),
        ((5, 5, 6, 6), 256, (64, 64), (0, 0, 100, 100)),
    ],
)
def test_crop_box(
    white: masks.Box, padding: int, shape: tuple[int, int], expected: masks.Box
) -> None:
    assert masking.crop_box(box_mask(100, 100, white), padding, *shape) == expected


def test_a_black_mask_has_no_crop_box() -> None:
    assert masking.crop_box(Image.new("L", (9, 9)), 32, 64, 64) is None


# --- fill --------------------------------------------------------------------------------------


def test_fill_draws_the_colours_in_from_around() -> None:
    picture = Image.new("RGB", (64, 32), RED)
    picture.paste(BLUE, (32, 0, 64, 32))
    picture.paste((0, 255, 0), (4, 8, 28, 24))
    picture.paste((0, 255, 0), (36, 8, 60, 24))
    mask = box_mask(64, 32, (4, 8, 28, 24))
    mask.paste(255, (36, 8, 60, 24))
    made = masking.filled(picture, mask)
    assert values(made)[16][5] == [*RED] and values(made)[16][58] == [*BLUE]
    assert np.asarray(made)[..., 1].max() <= 40  # none of the green


def test_fill_keeps_what_is_not_masked_to_the_bit() -> None:
    picture, mask = noisy(67, 45), box_mask(67, 45, (10, 7, 60, 40))
    made, kept = np.asarray(masking.filled(picture, mask)), np.asarray(mask) == 0
    assert (made[kept] == np.asarray(picture)[kept]).all()
    inside = made[~kept].astype(float)
    assert abs(inside.mean() - 127.5) < 12 and inside.std() < 50


def test_fill_of_one_colour_is_that_colour_and_of_nothing_is_grey() -> None:
    picture = Image.new("RGB", (33, 9), RED)
    half = Image.new("L", (33, 9), 128)
    for mask in (half, box_mask(33, 9, (1, 0, 33, 9))):
        assert values(masking.filled(picture, mask)) == values(picture)
    white = Image.new("L", (33, 9), 255)
    assert values(masking.filled(picture, white)) == [[[128] * 3] * 33] * 9


# --- outpainting -------------------------------------------------------------------------------


def test_the_canvas_grows_and_keeps_the_picture() -> None:
    outpaint = Outpaint(left=8, down=16, blend=3)
    picture = noisy(24, 16)
    made = masking.canvas(picture, outpaint)
    assert made.size == (32, 32) == masking.grown_size(picture.size, outpaint)
    assert values(made.crop((8, 0, 32, 16))) == values(picture)
    flat = masking.canvas(Image.new("RGB", (24, 16), BLUE), outpaint)
    assert values(flat) == [[[*BLUE]] * 32] * 32


def test_the_canvas_mask_fades_over_the_seam_of_the_sides_that_grow() -> None:
    mask = values(masking.canvas_mask((12, 4), Outpaint(left=8, blend=3)))
    assert mask == [[255] * 8 + [191, 128, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0]] * 4
    corner = masking.canvas_mask((2, 2), Outpaint(right=8, up=8, blend=1))
    new = [255] * 8
    assert values(corner) == [[255, 255, *new]] * 8 + [[128, 128, *new], [0, 128, *new]]
    assert values(masking.canvas_mask((2, 1), Outpaint(right=8, blend=0))) == [[0, 0, *new]]


# --- all of it together ------------------------------------------------------------------------


def test_img2img_shows_the_whole_picture_and_keeps_nothing() -> None:
    frame = masking.framed(stripes(), None, init(), 16, 8)
    assert (frame.start.size, frame.mask, frame.whole, frame.crop) == ((16, 8), None, None, None)
    result = noisy(16, 8)
    assert frame.pasted(result) is result


def test_latent_upscale_begins_at_the_pictures_own_size_on_the_grid() -> None:
    frame = masking.framed(noisy(30, 5), None, init(resize="latent upscale"), 64, 64)
    assert frame.start.size == (24, 8)


@pytest.mark.parametrize("area", ["whole picture", "only masked"])
def test_the_result_changes_nothing_outside_of_the_blurred_mask(area: str) -> None:
    picture, mask = noisy(96, 64), box_mask(96, 64, (40, 20, 56, 44))
    frame = masking.framed(picture, mask, inpaint(area=area, blur=2, padding=8), 96, 64)
    made = np.asarray(frame.pasted(Image.new("RGB", (96, 64), RED)))
    far = np.asarray(masking.blurred(mask, 2)) == 0
    assert (made[far] == np.asarray(picture)[far]).all()
    assert (made[22:42, 42:54] == RED).all()
    assert far[:, :35].all() and far[:, 61:].all()  # 2.5 sigma


def test_only_the_masked_part_is_cut_out_and_set_back() -> None:
    picture, mask = noisy(96, 64), box_mask(96, 64, (40, 20, 56, 36))
    frame = masking.framed(picture, mask, inpaint(area="only masked", blur=0, padding=8), 64, 64)
    assert frame.crop == (32, 12, 64, 44)
    assert frame.start.size == (64, 64)
    half = frame.start.resize((32, 32), Image.Resampling.BOX)
    difference = np.abs(np.asarray(half, float) - np.asarray(picture.crop((32, 12, 64, 44)), float))
    assert difference.mean() < 25  # the same part, enlarged and shrunk
    assert frame.mask is not None and frame.mask.size == (64, 64)
    assert frame.pasted(frame.start.resize((8, 8))).size == (96, 64)  # a small preview


@pytest.mark.parametrize("content", ["fill", "latent noise", "latent nothing"])
def test_masked_content_is_filled_at_the_start(content: str) -> None:
    picture = Image.new("RGB", (32, 32), RED)
    picture.paste(BLUE, (8, 8, 24, 24))
    mask = box_mask(32, 32, (8, 8, 24, 24))
    for area in ("whole picture", "only masked"):
        frame = masking.framed(picture, mask, inpaint(content=content, area=area, blur=0), 32, 32)
        assert values(frame.start) == [[[*RED]] * 32] * 32
        kept = masking.framed(picture, mask, inpaint(area=area, blur=0), 32, 32)
        assert values(kept.start) == values(picture)


def test_an_inverted_mask_makes_the_rest_anew() -> None:
    mask = box_mask(32, 32, (8, 8, 24, 24))
    frame = masking.framed(stripes().resize((32, 32)), mask, inpaint(inverted=True, blur=0), 32, 32)
    made = np.asarray(frame.pasted(Image.new("RGB", (32, 32), RED)))
    assert (made[:8] == RED).all() and (made[8:24, 24:] == RED).all()
    assert (made[8:24, 8:24] == np.asarray(frame.whole)[8:24, 8:24]).all()


def test_outpainting_keeps_the_old_pixels_behind_the_seam() -> None:
    picture = noisy(40, 24)
    frame = masking.framed(picture, None, init(outpaint=Outpaint(right=24, blend=4)), 64, 24)
    made = frame.pasted(Image.new("RGB", (64, 24), RED))
    assert made.size == (64, 24)
    assert values(made.crop((0, 0, 36, 24))) == values(picture.crop((0, 0, 36, 24)))
    assert values(made.crop((40, 0, 64, 24))) == [[[*RED]] * 24] * 24


def test_ten_results_that_equal_their_start_change_no_colour() -> None:
    picture, mask = noisy(64, 64), masking.blurred(box_mask(64, 64, (20, 20, 40, 40)), 3)
    now = picture
    for _ in range(10):
        now = masking.overlaid(now, now, mask, (0, 0))
    assert values(now) == values(picture)


@pytest.mark.parametrize(
    ("mask", "given", "words"),
    [
        (Image.new("L", (32, 32)), {}, "nothing to make anew"),
        (Image.new("L", (32, 32), 255), {"inverted": True}, "nothing to make anew"),
        (Image.new("L", (32, 24), 255), {}, "must have the picture's size, 32 x 32, got 32 x 24"),
    ],
)
def test_masks_that_cannot_be(mask: Image.Image, given: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        masking.framed(Image.new("RGB", (32, 32)), mask, inpaint(**given), 32, 32)
    assert caught.value.field == "init.mask.picture"
