"""What lives where on cards of each size: told from the published checkpoints' headers alone."""

from itertools import pairwise

import pytest

from tests import headers
from webui.library import Library, Report, plan

GB = 2**30
CARDS = (4, 6, 8, 12, 24)  # GB


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    for family, keys in headers.published().items():
        headers.write(place / "checkpoints" / f"{family}.safetensors", keys)
    library = Library(place)
    return {family: library.find(family).report for family in headers.published()}


@pytest.mark.parametrize(
    ("family", "weight_bytes", "expected"),
    [
        ("sd1", 2, "none none none none none"),
        ("sd1", 4, "sequential none none none none"),
        ("sd2", 2, "none none none none none"),
        ("sdxl", 2, "sequential sequential model none none"),
        ("refiner", 2, "sequential model none none none"),
        ("sdxl", 4, "sequential sequential sequential model none"),
    ],
)
def test_a_card_gets_all_of_it_or_parts_by_turns_or_layers(reports, family, weight_bytes, expected):
    plans = [plan(reports[family], weight_bytes, card * GB) for card in CARDS]
    assert [each.offload for each in plans] == expected.split()
    assert all(each.fits for each in plans)
    assert all(each.device_bytes <= card * GB for each, card in zip(plans, CARDS, strict=True))
    for one, more in pairwise(plans):  # a larger card never gets less of it
        assert one.device_bytes <= more.device_bytes


def test_the_plan_says_what_lives_where_and_why(reports):
    made = plan(reports["sdxl"], 2, 8 * GB, main_memory=16 * GB)
    sizes = {each.part: each.bytes for each in made.places}
    assert list(sizes) == ["unet", "text_encoder_2", "vae", "text_encoder"]  # the largest first
    assert sizes["unet"] == 2 * 2_567_463_684
    assert sizes["vae"] == 4 * 83_653_863  # fp16 is too narrow for it
    assert {each.where for each in made.places} == {"by turns"}
    assert made.main_bytes == sum(sizes.values())
    assert made.device_bytes == int(sizes["unet"] * 1.15) + GB
    assert made.text == (
        "Fits part by part, at most 6.5 GB with a picture in work, while the rest waits in main "
        "memory (6.6 GB): at once it takes 8.6 GB of 8.0 GB."
    )
    small = plan(reports["sdxl"], 2, 6 * GB)
    assert small.text == (
        "Fits layer by layer, which is slow, while the rest waits in main memory (6.6 GB): its "
        "UNet alone takes 6.5 GB of 6.0 GB."
    )
    assert {each.where for each in small.places} == {"layer by layer"}
    large = plan(reports["sdxl"], 2, 12 * GB)
    assert large.text == "Fits: 8.6 GB of 12.0 GB with a picture in work."
    assert (large.main_bytes, {each.where for each in large.places}) == (0, {"device"})


def test_it_can_be_forced_and_says_when_that_does_not_fit(reports):
    forced = plan(reports["sd1"], 2, 24 * GB, "sequential")
    assert (forced.offload, forced.fits) == ("sequential", True)
    assert forced.text.endswith("main memory (2.0 GB): asked for by --offload.")
    whole = plan(reports["sdxl"], 4, 8 * GB, "none")
    assert (whole.offload, whole.fits) == ("none", False)
    assert whole.text == "May not fit: 15.9 GB of 8.0 GB with a picture in work."
    assert plan(reports["sdxl"], 2, 8 * GB, main_memory=6 * GB).fits is False
    assert plan(reports["sdxl"], 2, GB // 2).fits is False


def test_of_what_is_not_known_nothing_is_promised(reports):
    assert plan(Report(), 2, 8 * GB) is None
    unknown = plan(reports["sdxl"], 2, 0)
    assert (unknown.offload, unknown.fits) == ("none", None)
    assert unknown.text == "Takes 8.6 GB with a picture in work."
