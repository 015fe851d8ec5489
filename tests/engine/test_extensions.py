"""Extensions in the engine: what wraps, listens and works on pictures; and what fails in a job."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from tests.engine.conftest import make_engine, play, request
from tests.engine.sent import sent_in
from webui import (
    AttentionProcessor,
    DenoiserWrapper,
    ImageOperation,
    InitImage,
    StepListener,
    hookimpl,
)
from webui.engine import builtin
from webui.engine.control import Control
from webui.engine.engine import Engine
from webui.errors import OutOfMemory
from webui.events import Rendered, Step, Warned
from webui.extensions import Found, Mishap, Standing, engine_registry
from webui.wire import RunOptions


class Plugin:
    """Registers what it is given."""

    def __init__(self, **tables):
        for name, table in tables.items():
            setattr(self, f"register_{name}", hookimpl(lambda table=table: table))


def engine_with(models_dir, **plugins) -> Engine:
    return make_engine(models_dir, engine_registry({"builtin": builtin, **plugins}))


def asked(*names, **values):
    return request(extras={name: {"on": True} for name in names}, **values)


def wrapper(wrap, needs="one", **options):
    return Plugin(denoiser_wrappers=(DenoiserWrapper(needs=needs, wrap=wrap, **options),))


def test_wrappers_nest_in_their_order_and_see_the_turn(models_dir):
    seen = []

    def wrap_with(name):
        def wrap(denoise, view):
            seen.append((name, view.values, view.batch, view.turn, view.steps, view.images))

            def made(x, sigma):
                seen.append((name, view.step()))
                return denoise(x, sigma)

            return made

        return wrap

    engine = engine_with(
        models_dir,
        outer=wrapper(wrap_with("outer"), order=5),
        inner=wrapper(wrap_with("inner"), order=1),
    )
    play(engine, asked("one", steps=2, sampler="Euler"))
    assert seen[:2] == [
        ("inner", {"on": True}, 0, 0, 2, 1),
        ("outer", {"on": True}, 0, 0, 2, 1),
    ]
    assert seen[2:] == [("outer", 1), ("inner", 1), ("outer", 2), ("inner", 2)]


def test_a_wrapper_that_passes_on_changes_no_bit_and_one_that_scales_does(models_dir, warm):
    plain = play(warm, request()).pictures
    passing = engine_with(models_dir, e=wrapper(lambda denoise, view: denoise))
    scaling = engine_with(
        models_dir, e=wrapper(lambda denoise, view: lambda x, sigma: 0.9 * denoise(x, sigma))
    )
    assert play(passing, asked("one")).pictures == plain
    assert play(scaling, asked("one")).pictures != plain
    assert play(scaling, request()).pictures == plain  # a job that does not ask for it


def raising(*_):
    raise ZeroDivisionError("broken here")


def misshapen(denoise, view):
    return lambda x, sigma: denoise(x, sigma)[..., :-1]


def textual(denoise, view):
    return lambda x, sigma: "nothing"


def exiting(denoise, view):
    return lambda x, sigma: (_ for _ in ()).throw(SystemExit(3))


def spoiling(denoise, view):
    def made(x, sigma):
        x.zero_()
        raise ValueError("after it has emptied what it was given")

    return made


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (raising, "ZeroDivisionError: broken here"),
        (lambda denoise, view: raising, "ZeroDivisionError: broken here"),
        (misshapen, "ValueError: must return (1, 4, 8, 8), returned (1, 4, 8, 7)"),
        (textual, "TypeError: must return a tensor, returned str"),
        (exiting, "SystemExit: 3"),
        (spoiling, "ValueError: after it has emptied what it was given"),
        (lambda denoise, view: None, "TypeError: 'NoneType' object is not callable"),
    ],
    ids=["wrap", "call", "shape", "type", "exit", "spoils", "none"],
)
def test_a_failing_wrapper_is_named_and_the_picture_is_the_one_without_it(
    models_dir, warm, wrap, said
):
    engine = engine_with(models_dir, culprit=wrapper(wrap), good=wrapper(lambda d, v: d))
    run = play(engine, asked("one"))
    note = f"Did not run: culprit (denoiser wrapper: {said})"
    assert run.outcome == "done"
    assert [each.text for each in run.of(Warned)] == [note]
    assert [each.notes for each in run.of(Rendered)] == [(note,)]
    assert run.pictures == play(warm, request()).pictures
    assert play(engine, request(seed=3)).pictures == play(warm, request(seed=3)).pictures


def test_after_three_jobs_in_a_row_it_is_not_asked_any_more(models_dir):
    calls = []

    def wrap(denoise, view):
        calls.append(view.request.seed)
        raise ValueError("no")

    engine = engine_with(models_dir, culprit=wrapper(wrap))
    notes = [play(engine, asked("one", seed=seed)).of(Rendered)[0].notes for seed in range(5)]
    assert calls == [0, 1, 2]
    assert notes[2] == ("Did not run: culprit (denoiser wrapper: ValueError: no)",)
    assert notes[4] == (
        "Did not run: culprit (denoiser wrapper: switched off after 3 failures in a row; "
        "denoiser wrapper: ValueError: no)",
    )
    report = engine._conduct.report()["culprit"]
    assert report["off"].startswith("switched off after 3 failures")
    assert "raise ValueError" in report["mishap"]["trace"]


def test_a_success_between_failures_keeps_it_on(models_dir):
    fails = iter([True, True, False, True, True, False])

    def wrap(denoise, view):
        if next(fails):
            raise ValueError("no")
        return denoise

    engine = engine_with(models_dir, culprit=wrapper(wrap))
    runs = [play(engine, asked("one", steps=1)) for _ in range(6)]
    assert [bool(run.of(Warned)) for run in runs] == [True, True, False, True, True, False]
    assert "off" not in engine._conduct.report()["culprit"]


def test_what_the_engine_itself_raises_inside_a_wrapper_is_not_the_extensions(models_dir):
    def wrap(denoise, view):
        return lambda x, sigma: denoise(x * float("nan"), sigma)

    def full(denoise, view):
        raise torch.OutOfMemoryError("of the extension's own")

    engine = engine_with(models_dir, one=wrapper(lambda d, v: d), own=wrapper(full, "own"))
    assert play(engine, asked("own")).outcome == "done"
    inner = engine_with(
        models_dir,
        outer=wrapper(lambda d, v: lambda x, s: d(x, s), order=2),
        model=wrapper(lambda d, v: d, order=1),
    )
    model = inner._models.load("tiny").model
    original = type(model).predict

    def predict(self, *arguments):
        raise torch.OutOfMemoryError("of the network")

    try:
        type(model).predict = predict
        with pytest.raises(OutOfMemory):
            play(inner, asked("one"))
    finally:
        type(model).predict = original
    assert inner._conduct.report().get("outer", {}).get("mishap") is None


# --- attention -----------------------------------------------------------------------------------


def attention(wrap, needs="one", **options):
    return Plugin(attention_processors=(AttentionProcessor(needs=needs, wrap=wrap, **options),))


def processors(engine):
    return dict(engine._models.load("tiny").model.unet.attn_processors)


def test_an_attention_that_passes_on_changes_no_bit_and_is_taken_away_again(models_dir, warm):
    places = []

    def wrap(attend, place, view):
        places.append((place.name, place.cross))
        return lambda query, key, value: attend(query, key, value)

    engine = engine_with(models_dir, e=attention(wrap))
    before = processors(engine)
    run = play(engine, asked("one"))
    assert run.pictures == play(warm, request()).pictures
    assert processors(engine) == before
    assert {cross for _, cross in places} == {True, False}
    assert len(places) == len(before)


def test_an_attention_changes_the_picture_and_only_where_it_is_asked_for(models_dir, warm):
    def wrap(attend, place, view):
        return lambda query, key, value: attend(query, key, value) * 0.5

    engine = engine_with(models_dir, e=attention(wrap, cross_only=True))
    assert play(engine, asked("one")).pictures != play(warm, request()).pictures
    assert play(engine, request()).pictures == play(warm, request()).pictures


@pytest.mark.parametrize("stop", [False, True])
def test_attentions_are_as_they_were_after_a_failure_and_after_a_run_that_was_left(
    models_dir, warm, stop
):
    def wrap(attend, place, view):
        def attending(query, key, value):
            if not stop and view.step() == 2:
                raise ValueError("in the second step")
            return attend(query, key, value)

        return attending

    engine = engine_with(models_dir, culprit=attention(wrap))
    before = processors(engine)
    if stop:
        events = engine.run(asked("one"))
        while not isinstance(next(events), Step):
            pass
        assert processors(engine) != before
        events.close()
    else:
        run = play(engine, asked("one"))
        assert [each.notes for each in run.of(Rendered)] == [
            ("Did not run: culprit (attention processor: ValueError: in the second step)",)
        ]
        assert run.pictures == play(warm, request()).pictures
    assert processors(engine) == before


# --- steps and pictures --------------------------------------------------------------------------


def test_a_listener_is_shown_each_step_and_can_spoil_none(models_dir, warm, tmp_path):
    seen = []

    def hear(step, view):
        if step is None:
            seen.append("end")
            return
        seen.append((step.step, round(step.sigma, 3), view.keep, [w.text for w in view.words()]))
        step.x.zero_()
        step.denoised.zero_()

    engine = engine_with(
        models_dir, listens=Plugin(step_listeners=(StepListener(needs="one", hear=hear),))
    )
    run = play(engine, asked("one", steps=3), RunOptions(keep=str(tmp_path)))
    assert run.pictures == play(warm, request(steps=3)).pictures
    sigmas = [round(each.sigma, 3) for each in run.of(Step)]
    words = ["a", "red", "apple"]
    keep = tmp_path / "listens"
    assert seen == [*((i + 1, sigmas[i], keep, words) for i in range(3)), "end"]


def operation(apply, needs="one"):
    return Plugin(image_operations=(ImageOperation(needs=needs, apply=apply),))


def test_operations_work_on_the_decoded_picture_one_after_the_other(models_dir, warm):
    def turned(picture, view):
        return picture.transpose(Image.Transpose.ROTATE_180)

    engine = engine_with(models_dir, a=operation(turned), b=operation(raising))
    (rendered,) = play(engine, asked("one")).of(Rendered)
    (plain,) = play(warm, request()).pictures
    expected = Image.frombytes("RGB", (64, 64), plain).transpose(Image.Transpose.ROTATE_180)
    assert rendered.picture.rgb == expected.tobytes()
    assert rendered.notes == ("Did not run: b (image operation: ZeroDivisionError: broken here)",)


KEY = "c" * 64


def test_a_nested_run_is_the_same_as_a_job_of_its_own(models_dir, warm, tmp_path):
    def again(picture, view):
        changed = replace(
            view.request, init=InitImage(picture=KEY, strength=0.5), extras={}, seed=4
        )
        (made,) = view.render(changed, {KEY: picture})
        return made

    engine = engine_with(models_dir, again=operation(again))
    (first,) = play(warm, request()).pictures
    (nested,) = play(engine, asked("one"), RunOptions(keep=str(tmp_path))).pictures

    name = sent_in(tmp_path / "inputs", Image.frombytes("RGB", (64, 64), first))
    own = request(init=InitImage(picture=name, strength=0.5), seed=4)
    (alone,) = play(warm, own, RunOptions(inputs=str(tmp_path / "inputs"))).pictures
    assert nested == alone


def test_a_nested_run_ends_with_its_job(models_dir):
    control = []

    def again(picture, view):
        control[0].stop = "keep"
        assert view.stopped()
        assert view.render(replace(view.request, extras={}), {}) == []
        return picture

    engine = engine_with(models_dir, again=operation(again))

    control.append(Control())
    run = play(engine, asked("one"), control=control[0])
    assert len(run.pictures) == 1
    assert run.outcome == "stopped"


def standing(id, state, mishap=None):
    return Standing(Found(id, Path(id), "installed", None), state, mishap)


def test_controls_whose_half_is_not_in_the_engine_are_named_in_the_picture_and_to_the_user(
    models_dir, warm
):
    refused = Mishap("two", "register_image_operations", "ZeroDivisionError: no", "the trace")
    engine = make_engine(
        models_dir,
        standings=(standing("one", "on"), standing("two", "refused", refused)),
    )
    halves = {
        "one": ("one", ""), "two": ("two", ""), "two_more": ("two", ""),
        "three": ("three", "the extension is turned off"), "four": ("four", ""), "other": ("x", ""),
    }  # fmt: skip
    run = play(engine, asked("one", "two", "two_more", "three", "four"), RunOptions(halves=halves))
    notes = (
        "Did not run: two (engine half: was refused at the engine's start; "
        "register_image_operations: ZeroDivisionError: no)",
        "Did not run: three (engine half: the extension is turned off)",
        "Did not run: four (engine half: is not loaded)",
    )
    assert [each.notes for each in run.of(Rendered)] == [notes]
    assert tuple(each.text for each in run.of(Warned)) == notes
    assert run.pictures == play(warm, request()).pictures
    assert play(engine, request(), RunOptions(halves=halves)).of(Rendered)[0].notes == ()


def test_a_wrapper_that_fails_late_in_each_job_is_switched_off_after_the_third(models_dir):
    def wrap(denoise, view):
        def made(x, sigma):
            if view.step() > 1:
                raise ValueError("after the first step")
            return denoise(x, sigma)

        return made

    engine = engine_with(models_dir, culprit=wrapper(wrap))
    for _ in range(3):
        assert engine._conduct.off("culprit") == ""  # a job counts once
        play(engine, asked("one", steps=5))
    assert engine._conduct.off("culprit").startswith("switched off after 3 failures in a row")
