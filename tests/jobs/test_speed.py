"""How long it will take, from how long it took."""

from dataclasses import replace

import pytest

from tests.jobs.fakes import request
from webui.events import Picture, Rendered, Stage, Step
from webui.jobs import speed
from webui.jobs.job import Progress
from webui.jobs.meter import Meter
from webui.jobs.speed import Speed
from webui.request import Hires, InitImage, Loopback, Tiles, Upscale
from webui.request.turns import planned


def test_a_speed_is_known_by_what_makes_it_and_by_nothing_else():
    key = speed.key(request())
    same = [request(9), request(steps=50), request(prompt="q"), request(images=9)]
    other = [
        request(model="n"), request(sampler="Euler"), request(width=128), request(height=96),
        request(guidance_scale=1), request(images=2, batch_size=2),
    ]  # fmt: skip
    assert {speed.key(each) for each in same} == {key}
    assert len({speed.key(each) for each in other} | {key}) == 7


def test_a_size_that_was_never_run_is_judged_by_the_nearest_of_its_model():
    keys = {name: speed.key(request(**values)) for name, values in {
        "small": {}, "large": {"width": 512, "height": 512}, "other": {"model": "n"},
        "batch": {"images": 2, "batch_size": 2}, "heun": {"sampler": "Heun"},
        "wanted": {"width": 128, "height": 128},
    }.items()}  # fmt: skip
    known = {keys["small"]: Speed(1.0, 0.5), keys["large"]: Speed(50.0, 20.0)}
    assert speed.judged(keys["small"], known) == Speed(1.0, 0.5)
    assert speed.judged(keys["wanted"], known) == Speed(4.0, 2.0)
    assert speed.judged(keys["batch"], known) == Speed(2.0, 0.5)
    assert speed.judged(keys["heun"], known) == Speed(1.0, 0.5)
    assert speed.judged(keys["other"], known) is None
    assert speed.together([(keys["small"], 10, 2), (keys["wanted"], 5, 1)], known) == 33.0
    assert speed.together([(keys["small"], 10, 2), (keys["other"], 5, 1)], known) is None


def test_what_is_known_moves_half_way_to_what_was_measured():
    assert speed.blended(None, Speed(4.0, 1.0)) == Speed(4.0, 1.0)
    assert speed.blended(Speed(2.0, 3.0), Speed(4.0, 1.0)) == Speed(3.0, 2.0)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def rendered(image, asked):
    return Rendered(image, Picture(1, 1, b"abc"), asked.alone(image), 1.0, 0)


def test_a_run_is_measured_and_says_how_much_is_left():
    asked, clock = request(images=4, batch_size=2, steps=4), Clock()
    meter = Meter(asked, None, clock)
    assert meter.progress() == Progress(0, 0, 4, 0.0, None)
    assert meter.measured() is None
    meter.saw(Stage("sampling"))
    for step, took in enumerate([9.0, 1.0, 2.0, 3.0], 1):  # the first one warms up
        meter.saw(Step(0, step, 4, 1.0, took))
    assert meter.progress() == Progress(0, 4, 4, 0.5, pytest.approx(4 * 15 / 4))
    clock.now += 0.5
    meter.saw(rendered(0, asked))
    clock.now += 0.5
    meter.saw(rendered(1, asked))
    assert meter.measured() == Speed(2.0, 0.5)
    assert meter.progress().left == pytest.approx(4 * 15 / 4 + 2 * 0.5)
    meter.saw(Step(1, 1, 4, 1.0, 2.0))
    assert meter.progress().share == 0.625
    meter.saw(Step(1, 2, 3, 1.0, 2.0))  # a sampler with its own step control
    assert meter.progress().steps == 3


def test_before_the_first_step_earlier_runs_say_how_long_it_takes():
    meter = Meter(request(images=2, steps=10), Speed(0.5, 1.0), Clock())
    assert meter.progress().left == 12.0
    meter.goes_on(1, 6)
    assert meter.progress() == Progress(1, 6, 10, 0.8, 3.0)


def test_each_sampling_of_a_batch_is_planned_with_its_steps_and_size():
    asked, picture = request(steps=10, width=512, height=512), "0" * 64

    def turns(**values):
        return [(turn.steps, turn.weight) for turn in planned(replace(asked, **values))]

    def init(**values):
        return {"init": InitImage(picture=picture, strength=0.5, **values)}

    assert turns() == [(10, 1.0)]
    assert turns(hires=Hires()) == [(10, 1.0), (10, 4.0)]
    assert turns(hires=Hires(scale=1.5, steps=4)) == [(10, 1.0), (4, 2.25)]
    assert turns(hires=Hires(width=1024, height=512)) == [(10, 1.0), (10, 4.0)]
    assert turns(hires=Hires(picture=picture)) == [(10, 4.0)]
    assert turns(hires=Hires(strength=0.0)) == [(10, 1.0)]
    assert turns(**init()) == [(6, 1.0)]
    assert turns(**init(loopback=Loopback(loops=3, final_strength=0.1))) == [
        (6, 1.0), (4, 1.0), (2, 1.0),
    ]  # fmt: skip
    assert turns(**init(tiles=Tiles(scale=2.0, overlap=64))) == [(6, 1.0)] * 9
    assert turns(upscale=Upscale(picture=picture)) == []
    assert replace(asked, hires=Hires(steps=4)).turns == (10, 4)
    assert speed.total_steps(replace(asked, hires=Hires(steps=4), images=2)) == 2 * (10 + 16)


def test_a_second_pass_takes_as_much_longer_as_it_is_larger():
    clock = Clock()
    meter = Meter(request(steps=4, hires=Hires(steps=2)), Speed(1.0, 0.0), clock)
    assert meter.progress() == Progress(0, 0, 6, 0.0, 4 + 2 * 4)
    for step in range(1, 5):
        meter.saw(Step(0, step, 4, 1.0, 2.0, 0, 2))
    assert meter.progress() == Progress(0, 4, 6, pytest.approx(4 / 12), 2 * 4 * 2.0)
    meter.saw(Step(0, 1, 2, 1.0, 8.0, 1, 2))
    assert meter.progress() == Progress(0, 5, 6, pytest.approx(8 / 12), 8.0)
    assert meter.measured() == Speed(2.0, 0.0)  # a step at the request's size


def test_more_tiles_than_the_request_says_are_counted_as_they_come():
    init = InitImage(picture="0" * 64, strength=1.0, tiles=Tiles(scale=2.0, overlap=0))
    meter = Meter(request(steps=4, init=init), Speed(1.0, 0.0), Clock())
    assert meter.progress() == Progress(0, 0, 16, 0.0, 16.0)
    meter.saw(Step(0, 4, 4, 0.0, 1.0, 5, 10))
    assert meter.progress() == Progress(0, 24, 40, 0.6, 16.0)


def test_of_a_picture_that_is_only_made_larger_tiles_are_counted():
    clock = Clock()
    meter = Meter(request(upscale=Upscale(picture="0" * 64)), Speed(1.0, 0.5), clock)
    assert meter.progress() == Progress(0, 0, 0, 0.0, None)
    meter.saw(Stage("upscaling"))
    for done in range(3):
        meter.saw(Stage("upscaling", done, 8))
        clock.now += 2.0
    assert meter.progress() == Progress(0, 2, 8, 0.25, 6 * 6.0 / 2)
    assert meter.measured() is None
