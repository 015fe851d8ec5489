"""Captions say what is there, compositions show it, and what is held out stays out."""

import random
import re
from dataclasses import replace

import pytest
import torch

from tests.training.conftest import KNOWN
from training import emoji
from training.captions import caption
from training.compose import Composer
from training.scenes import COLOURS, DOWN, PALETTE, PLAIN, RIGHT, Chances, Scene, Thing, drawn

EVERY = Chances(several=0.4, flat=0.2, familiar=0.5)


def said(scene: Scene) -> set[str]:
    """All that is said of it."""
    return {caption(scene, KNOWN, random.Random(seed)) for seed in range(400)}


def alone(x: float = 0.5, y: float = 0.5, side: float = 0.75, **others: object) -> Scene:
    ground = {"style": 0, "colours": (0, 0), "direction": PLAIN} | others
    return Scene((Thing(1, x, y, side),), **ground)


# --- captions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ({"x": 0.2}, "on the left"),
        ({"x": 0.8}, "on the right"),
        ({"y": 0.2}, "at the top"),
        ({"y": 0.8}, "at the bottom"),
        ({"side": 0.35}, "small"),
        ({"side": 0.95}, "large"),
    ],
)
def test_a_place_and_a_size_are_said_where_they_are_so(place: dict[str, float], words: str) -> None:
    others = {"on the left", "on the right", "at the top", "at the bottom", "small", "large"}
    texts = said(alone(**place))
    assert any(words in text for text in texts)
    for other in others - {words}:
        assert not any(other in text for text in texts), other


def test_grounds_are_said_by_their_colours() -> None:
    plain = said(alone(colours=(6, 6)))
    assert {re.search(r"( on a|,) blue background", text)[0] for text in plain if text} == {
        " on a blue background",
        ", blue background",
    }
    mixed = said(alone(colours=(3, 6), direction=DOWN))
    assert {
        re.search(r"(on an? |, )(orange|gradient).*", text)[0]
        for text in mixed
        if text and "3d" not in text
    } == {
        "on an orange and blue gradient background",
        "on a gradient background from orange to blue",
        ", orange and blue gradient background",
    }


def test_grounds_alone_are_said_too() -> None:
    plain = Scene((), 0, (6, 6), PLAIN)
    assert said(plain) == {"", "blue background", "a blue background"}
    mixed = Scene((), 0, (3, 6), RIGHT)
    only = "orange and blue gradient background"
    assert said(mixed) == {"", only, f"an {only}"}


def test_two_things_are_said_in_their_order() -> None:
    things = (Thing(0, 0.26, 0.5, 0.45), Thing(1, 0.74, 0.5, 0.45))
    for text in said(Scene(things, 0, (0, 0), PLAIN)) - {""}:
        first = re.search("red square|block", text).start()
        second = text.index("green disc")
        assert (second < first) == ("to the right of" in text), text
    stacked = said(Scene(things, 0, (0, 0), PLAIN, stacked=True)) - {""}
    for text in stacked:
        first = re.search("red square|block", text).start()
        assert ("above" in text) != ("below" in text)
        assert (first < text.index("green disc")) == ("above" in text), text


def test_some_captions_are_empty() -> None:
    rng = random.Random(0)
    empty = sum(not caption(alone(), KNOWN, rng) for _ in range(2000))
    assert 140 < empty < 260


def test_the_second_style_is_always_said() -> None:
    assert all("flat" in text for text in said(alone(style=1)) if text)


# --- scenes ------------------------------------------------------------------------------------


def test_things_lie_within_the_picture_and_none_comes_twice() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        scene = drawn(KNOWN, EVERY, rng)
        assert len({thing.which for thing in scene.things}) == len(scene.things)
        for thing in scene.things:
            assert thing.x - thing.side / 2 >= -0.01
            assert thing.x + thing.side / 2 <= 1.01
            assert not thing.mirrored


def test_on_a_grid_corners_and_sides_are_multiples_of_it() -> None:
    rng = random.Random(0)
    chances = replace(EVERY, grid=1 / 16)
    sides = set()
    for _ in range(2000):
        for thing in drawn(KNOWN, chances, rng).things:
            half = thing.side / 2
            for number in (thing.side, thing.x - half, thing.y - half):
                assert (number * 16) % 1 == 0
            assert 0 <= thing.x - half < thing.x + half <= 1
            assert 0 <= thing.y - half < thing.y + half <= 1
            sides.add(thing.side)
    assert 5 / 16 in sides and 15 / 16 in sides


def test_some_grounds_stand_alone() -> None:
    rng = random.Random(0)
    share = sum(not drawn(KNOWN, EVERY, rng).things for _ in range(4000)) / 4000
    assert 0.03 < share < 0.05


def test_without_play_a_thing_is_in_few_places() -> None:
    rng = random.Random(0)
    chances = replace(EVERY, several=0.0, bare=0.0, play=0.0, grid=1 / 8)
    seen = [drawn(KNOWN, chances, rng).things[0] for _ in range(2000)]
    places = {(one.x * 8, one.y * 8, one.side * 8) for one in seen}
    middle = {(4, 4, 6), (3.5, 3.5, 3), (4, 4, 8)}
    aside = {
        (1.5, 3.5, 3),
        (6.5, 3.5, 3),
        (3.5, 1.5, 3),
        (3.5, 6.5, 3),
        (2, 4, 4),
        (6, 4, 4),
        (4, 2, 4),
        (4, 6, 4),
    }
    assert places == middle | aside


def test_what_has_a_left_and_a_right_is_never_mirrored() -> None:
    rng = random.Random(0)
    chances = Chances(several=0, flat=0, familiar=0, mirrored=1)
    turned = {thing.which for _ in range(200) for thing in drawn(KNOWN, chances, rng).things
              if thing.mirrored}  # fmt: skip
    assert turned == {0, 1, 2, 4, 5}


# --- pictures ----------------------------------------------------------------------------------


@pytest.fixture
def composer() -> Composer:
    """A red square, without a hole or an edge of another colour."""
    picture = torch.zeros(1, 2, 4, 64, 64, dtype=torch.uint8)
    picture[0, :, 0], picture[0, :, 3] = 255, 255
    return Composer(picture, torch.device("cpu"))


@pytest.mark.parametrize("side", [0.2, 0.5, 1.0])
def test_a_thing_covers_its_square_and_nothing_else(composer: Composer, side: float) -> None:
    scene = Scene((Thing(0, 0.5, 0.5, side),), 0, (6, 6), PLAIN)
    (made,) = composer([scene], 80)
    wanted = torch.tensor(PALETTE["blue"]).view(3, 1, 1).expand(3, 80, 80) / 127.5 - 1
    wanted = wanted.clone()
    first, last = round(40 - 40 * side), round(40 + 40 * side)
    wanted[:, first:last, first:last] = torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1)
    inside = slice(first + 2, last - 2)
    assert (made[:, inside, inside] - wanted[:, inside, inside]).abs().max() < 0.01
    assert (made - wanted).abs().mean() < 0.06


def test_places_grow_to_the_right_and_downwards(composer: Composer) -> None:
    scenes = [Scene((Thing(0, x, y, 0.3),), 0, (0, 0), PLAIN) for x, y in ((0.2, 0.5), (0.5, 0.8))]
    dark = composer(scenes, 60)[:, 1] < 0
    assert dark[0].nonzero().float().mean(0).tolist() == pytest.approx([29.5, 11.5], abs=0.6)
    assert dark[1].nonzero().float().mean(0).tolist() == pytest.approx([47.5, 29.5], abs=0.6)


def test_a_gradient_goes_from_the_first_colour_to_the_second(composer: Composer) -> None:
    down, right = composer.grounds([Scene((), 0, (0, 1), DOWN), Scene((), 0, (0, 1), RIGHT)], 32)
    black = PALETTE["black"][0] / 127.5 - 1
    assert down[0, :, 5].tolist() == pytest.approx(torch.linspace(1, black, 32).tolist(), abs=1e-5)
    assert torch.equal(down.transpose(1, 2), right)


# --- words -------------------------------------------------------------------------------------


def test_the_data_is_read_into_classes_without_the_words_held_out() -> None:
    data = [
        {"hexcode": "1F436", "label": "dog face", "group": 3, "subgroup": 34, "order": 2,
         "tags": ["dog", "puppy", "pet", "dog house"]},
        {"hexcode": "1F697", "label": "automobile", "group": 5, "subgroup": 54, "order": 3},
        {"hexcode": "1F468-200D-1F680", "label": "man astronaut", "group": 1, "subgroup": 25},
        {"hexcode": "1F1E8", "label": "flag", "group": 9, "subgroup": 98},
        {"hexcode": "1F431", "label": "cat face", "group": 3, "subgroup": 34, "order": 1},
    ]  # fmt: skip
    codes = {"1F697": ["red_car", "sedan"]}
    drawings = {each["hexcode"].lower() for each in data} - {"1f431"}
    dog, car = emoji.classes(data, codes, drawings)
    assert (dog.label, dog.tags, dog.familiar) == ("dog face", ("pet", "dog house"), True)
    assert (car.label, car.names, car.familiar) == ("automobile", ("red car",), True)


def test_a_hundred_words_are_held_out_each_once() -> None:
    words = [word for word, labels in emoji.held_out() if labels]
    assert len(words) == len(set(words)) == 100


def test_the_palette_is_the_one_that_prompts_name() -> None:
    assert {"white", "black", "red", "blue"} < set(COLOURS)
    assert len(COLOURS) == 12
