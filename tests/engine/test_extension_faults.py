"""What a hook of the engine can do wrong in a job: the job ends with the picture that it would have
without the extension, the culprit and its hook are named, and the next job is as if nothing was."""

import io
import sys
from types import SimpleNamespace

import pytest
import torch

from tests.engine.conftest import play, request
from tests.engine.test_extensions import asked, attention, engine_with, operation, wrapper
from webui import StepListener, hookimpl
from webui.events import Rendered, Warned
from webui.extensions import Conduct, MishapError


class Stop(BaseException):
    """No Exception: most `except` clauses let it through."""


def stops(*_):
    raise Stop("everything")


def deep(*_):
    return deep()


def eats(*_):
    return torch.empty(2**58)


def exits(*_):
    sys.exit(3)


def spoils(x, *_):
    x.zero_()
    raise ValueError("after it has emptied what it was given")


def calling(fault):
    """The fault in a call, with what it is given."""
    return lambda inner, *_: lambda *given: fault(*given)


def changing(change):
    """The call's own answer, changed."""
    return lambda inner, *_: lambda *given: change(inner(*given))


# fault -> (around the call, what is said)
WRONG = {
    "raises a BaseException": (calling(stops), "Stop: everything"),
    "raises it at once": (stops, "Stop: everything"),
    "recursion": (calling(deep), "RecursionError: maximum recursion depth exceeded"),
    "sys.exit": (calling(exits), "SystemExit: 3"),
    "too much memory": (calling(eats), "RuntimeError: "),
    "spoils what it is given": (calling(spoils), "ValueError: after it has emptied"),
    "NaN": (changing(lambda made: made * float("nan")), "ValueError: returned NaN or infinity"),
    "infinity": (changing(lambda made: made / 0), "ValueError: returned NaN or infinity"),
    "a shape": (changing(lambda made: made[..., :1]), "ValueError: must return ("),
    "a batch": (changing(lambda made: made[:0]), "ValueError: must return ("),
    "None": (changing(lambda made: None), "TypeError: must return a tensor, returned NoneType"),
    "an array": (changing(lambda made: made.numpy()), "must return a tensor, returned ndarray"),
    "another device": (changing(lambda made: made.to("meta")), "NotImplementedError: Cannot copy"),
    "no function": (lambda inner, *_: 7, "TypeError: 'int' object is not callable"),
}


@pytest.fixture(scope="module")
def plain(warm):
    return play(warm, request()).pictures


@pytest.mark.parametrize("make", [wrapper, attention], ids=["wrapper", "attention"])
@pytest.mark.parametrize("fault", WRONG)
def test_a_fault_of_a_call_is_named_and_the_picture_is_the_one_without(
    models_dir, plain, fault, make
):
    wrap, said = WRONG[fault]
    engine = engine_with(models_dir, culprit=make(wrap), good=make(lambda inner, *_: inner))
    run = play(engine, asked("one"))
    hook = "denoiser wrapper" if make is wrapper else "attention processor"
    ((note,),) = [each.notes for each in run.of(Rendered)]
    assert note.startswith(f"Did not run: culprit ({hook}: ")
    assert said in note
    assert [each.text for each in run.of(Warned)] == [note]
    assert run.pictures == plain
    assert engine._conduct.report().get("good", {}).get("mishap") is None
    assert play(engine, request()).pictures == plain


def test_what_a_wrapper_does_to_what_it_is_given_stays_with_it(models_dir, plain):
    def wrap(denoise, view):
        def made(x, sigma):
            clean = denoise(x, sigma)
            x.fill_(7)
            sigma.fill_(7)
            return clean

        return made

    run = play(engine_with(models_dir, e=wrapper(wrap)), asked("one"))
    assert run.of(Warned) == []
    assert run.pictures == plain


def test_other_numbers_are_taken_in_the_kind_that_is_worked_in(models_dir, plain):
    engine = engine_with(models_dir, good=wrapper(changing(lambda made: made.double())))
    run = play(engine, asked("one"))
    assert run.of(Warned) == []
    assert run.pictures == plain


def test_an_attention_that_fails_late_in_a_step_leaves_nothing_in_it(models_dir, plain):
    """What it did to the attentions before is undone with it."""
    calls = []

    def wrap(attend, place, view):
        def attending(query, key, value):
            calls.append(place.name)
            if len(calls) == 5:
                raise ValueError("the fifth")
            return attend(query, key, value) * 0.5

        return attending

    run = play(engine_with(models_dir, culprit=attention(wrap)), asked("one"))
    assert len(calls) == 5
    assert run.of(Rendered)[0].notes == (
        "Did not run: culprit (attention processor: ValueError: the fifth)",
    )
    assert run.pictures == plain


def test_what_is_no_number_already_is_not_the_extensions(models_dir):
    engine = engine_with(models_dir, e=wrapper(lambda inner, *_: lambda x, s: inner(x, s)))
    model = engine._models.load("tiny").model
    with torch.no_grad():
        next(model.unet.parameters()).fill_(float("nan"))
    with pytest.raises(Exception, match="NaN"):
        play(engine, asked("one"))
    assert engine._conduct.report()["e"].get("mishap") is None


@pytest.mark.parametrize(
    ("apply", "said"),
    [
        (stops, "Stop: everything"),
        (deep, "RecursionError"),
        (exits, "SystemExit: 3"),
        (lambda picture, view: None, "TypeError: must return a picture, returned NoneType"),
        (lambda picture, view: picture.tobytes(), "must return a picture, returned bytes"),
        (lambda picture, view: picture.close() or picture, "ValueError: Operation on closed"),
        (lambda picture, view: picture.resize((20000, 20000), 0), "a picture of 20000 x 20000"),
        (lambda picture, view: view.render(7, {}), "AttributeError"),
        (lambda picture, view: picture.paste(0, (0, 0, 9, 9)) or 1 / 0, "ZeroDivisionError"),
    ],
    ids=["base", "recursion", "exit", "none", "bytes", "closed", "huge", "render", "in place"],
)
def test_a_fault_of_an_operation_is_named_and_the_picture_is_the_one_without(
    models_dir, plain, apply, said
):
    run = play(engine_with(models_dir, culprit=operation(apply)), asked("one"))
    ((note,),) = [each.notes for each in run.of(Rendered)]
    assert note.startswith("Did not run: culprit (image operation: ")
    assert said in note
    assert run.pictures == plain


def test_a_picture_of_another_kind_is_made_rgb(models_dir):
    run = play(engine_with(models_dir, e=operation(lambda p, view: p.convert("P"))), asked("one"))
    (rendered,) = run.of(Rendered)
    assert (rendered.notes, len(rendered.picture.rgb)) == ((), 64 * 64 * 3)


@pytest.mark.parametrize("fault", [stops, deep, exits])
def test_a_fault_of_a_listener_is_named_once_and_changes_no_bit(models_dir, plain, fault):
    listener = SimpleNamespace(
        register_step_listeners=hookimpl(lambda: [StepListener(needs="one", hear=fault)])
    )
    run = play(engine_with(models_dir, culprit=listener), asked("one"))
    assert len(run.of(Warned)) == 1
    assert run.of(Rendered)[0].notes[0].startswith("Did not run: culprit (step listener: ")
    assert run.pictures == plain


def test_a_hook_that_prints_or_closes_what_it_prints_to_harms_nobody(models_dir, plain):
    def wrap(denoise, view):
        sys.stdout.write("x" * 2**20)
        return denoise

    engine = engine_with(models_dir, loud=wrapper(wrap))
    kept, sys.stdout = sys.stdout, io.StringIO()
    try:
        sys.stdout.close()
        run = play(engine, asked("one"))
    finally:
        sys.stdout = kept
    ((note,),) = [each.notes for each in run.of(Rendered)]
    assert note.startswith("Did not run: loud (denoiser wrapper: ValueError: I/O operation on cl")
    assert run.pictures == plain


def test_ctrl_c_is_nobodys_failure_and_everything_else_is():
    def interrupts():
        raise KeyboardInterrupt

    conduct = Conduct()
    with pytest.raises(KeyboardInterrupt):
        conduct.attempt("one", "hook", interrupts)
    for error in (Stop, GeneratorExit, SystemExit):
        with pytest.raises(MishapError):
            conduct.attempt("one", "hook", lambda error=error: (_ for _ in ()).throw(error))
    assert conduct.off("one").startswith("switched off after 3")
