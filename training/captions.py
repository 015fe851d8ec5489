"""What is said of a scene: a sentence or some words, another each time.

a small cat face on the left, on a blue background
red apple and rocket, on a white background
a penguin above a hamburger on a pink and cyan gradient background, flat
"""

import random
from collections.abc import Sequence

from training.emoji import Emoji
from training.scenes import ASIDE, COLOURS, LARGE, PLAIN, SMALL, Scene, Thing

UNSAID = 0.1  # of captions are empty, so that there is a picture without a prompt to be guided from
_SIDES = (("on the left", "left"), ("on the right", "right"), ("at the top", "top"),
          ("at the bottom", "bottom"))  # fmt: skip


def caption(scene: Scene, known: Sequence[Emoji], rng: random.Random) -> str:
    """True of the scene, but not all that is true of it; empty in some of the cases."""
    if rng.random() < UNSAID:
        return ""
    if not scene.things:
        return _article(f"{_ground(scene)} background", rng)
    if len(scene.things) == 1:
        said = _alone(scene.things[0], known, rng)
    else:
        said = _together(scene, known, rng)
    said = rng.choice(["", "", "", "", "a picture of ", "an emoji of "]) + said
    style = ("flat", "flat style") if scene.style else ("3d",)
    styled = f", {rng.choice(style)}" if scene.style or rng.random() < 0.1 else ""
    return said + _on(scene, rng) + styled


def _alone(thing: Thing, known: Sequence[Emoji], rng: random.Random) -> str:
    each = known[thing.which]
    if each.tags and rng.random() < 0.08:
        return ", ".join(rng.sample(each.tags, min(len(each.tags), 3)))
    name = _name(each, rng)
    size = _size(thing, rng)
    said = _article(f"{size}{name}", rng)
    if each.tags and rng.random() < 0.1:
        said += ", " + ", ".join(rng.sample(each.tags, min(len(each.tags), 2)))
    side = _side(thing)
    return f"{said} {rng.choice(side)}" if side and rng.random() < 0.85 else said


def _together(scene: Scene, known: Sequence[Emoji], rng: random.Random) -> str:
    names = [_article(_name(known[thing.which], rng), rng) for thing in scene.things]
    if len(names) == 3:
        return f"{names[0]}, {names[1]} and {names[2]}"
    first, second = names
    if scene.stacked:
        return rng.choice([f"{first} above {second}", f"{second} below {first}"])
    return rng.choice(
        [
            f"{first} and {second}",
            f"{first} and {second}",
            f"{first} next to {second}",
            f"{first} to the left of {second}",
            f"{second} to the right of {first}",
        ]
    )


def _name(each: Emoji, rng: random.Random) -> str:
    if each.kin and rng.random() < 0.2:
        return rng.choice(each.kin)
    if each.names and rng.random() < 0.25:
        return rng.choice(each.names)
    return each.label


def _article(name: str, rng: random.Random) -> str:
    if rng.random() < 0.6:
        return name
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _size(thing: Thing, rng: random.Random) -> str:
    if rng.random() < 0.15:
        return ""
    if thing.side < SMALL:
        return rng.choice(["small ", "small ", "tiny ", "little "])
    return rng.choice(["large ", "large ", "big ", "huge "]) if thing.side > LARGE else ""


def _side(thing: Thing) -> tuple[str, ...]:
    for words, off in zip(
        _SIDES, (0.5 - thing.x, thing.x - 0.5, 0.5 - thing.y, thing.y - 0.5), strict=True
    ):
        if off > ASIDE:
            return words[:1] * 3 + words[1:]
    return ()


def _on(scene: Scene, rng: random.Random) -> str:
    first, second = (COLOURS[colour] for colour in scene.colours)
    joined = rng.choice([" on", " on", ", on"])
    a = "an" if first == "orange" else "a"
    if scene.direction == PLAIN and first == "white" and rng.random() < 0.7:
        return ""
    if rng.random() < 0.15:
        return f", {_ground(scene)} background"
    if scene.direction == PLAIN or rng.random() < 0.5:
        return f"{joined} {a} {_ground(scene)} background"
    return f"{joined} a gradient background from {first} to {second}"


def _ground(scene: Scene) -> str:
    first, second = (COLOURS[colour] for colour in scene.colours)
    return first if scene.direction == PLAIN else f"{first} and {second} gradient"
