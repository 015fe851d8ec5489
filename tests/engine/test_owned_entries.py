"""What extensions register by name: what fails of it fails the job, or is left out, and is named
with its extension, hook and traceback; the next picture is bit-identical."""

from collections import namedtuple
from itertools import pairwise

import pytest
import torch
from PIL import Image

from tests.engine.conftest import make_engine, play, request
from tests.engine.test_extensions import Plugin
from webui import PictureResize, SamplerEntry
from webui.engine import builtin
from webui.engine.device import is_broken
from webui.errors import ExtensionError, InvalidRequest, ModelRefused, OutOfMemory
from webui.events import Look, Preview, Rendered, Warned
from webui.extensions import engine_registry
from webui.interfaces import LatentResize, Pace
from webui.request import Hires
from webui.wire import RunOptions

Step = namedtuple("Step", "x denoised memory pace", defaults=(None, None))
SHORT = {"steps": 3, "sampler": "Euler"}


def euler(denoise, x, sigmas, noise, past=()):
    for sigma, after in list(pairwise(sigmas))[len(past) :]:
        clean = denoise(x, sigma)
        x = x + (x - clean) / sigma * (after - sigma)
        yield Step(x, clean)


def spoilt(spoil):
    """Euler, whose second step is what `spoil` makes of it."""

    def sample(denoise, x, sigmas, noise, past=()):
        for number, step in enumerate(euler(denoise, x, sigmas, noise, past), 1):
            yield spoil(step) if number == 2 else step

    return SamplerEntry(sample)


def raises(step):
    raise KeyError("planted")


def exits(step):
    raise SystemExit(3)


def interrupts(step):
    raise GeneratorExit


def at_once(denoise, x, sigmas, noise, past=()):
    raise KeyError("planted")


def empties(step):
    step.x.zero_()
    torch.set_grad_enabled(True)
    raise KeyError("after it has emptied its own")


def ends_early(denoise, x, sigmas, noise, past=()):
    yield from list(euler(denoise, x, sigmas, noise, past))[:2]


def goes_on(denoise, x, sigmas, noise, past=()):
    steps = list(euler(denoise, x, sigmas, noise, past))
    yield from [*steps, steps[-1]]


SAMPLERS = {
    "raises": (spoilt(raises), "KeyError: 'planted'"),
    "exits": (spoilt(exits), "SystemExit: 3"),
    "interrupts": (spoilt(interrupts), "GeneratorExit"),
    "at_once": (SamplerEntry(at_once), "KeyError: 'planted'"),
    "empties": (spoilt(empties), "KeyError: 'after it has emptied its own'"),
    "no_generator": (SamplerEntry(lambda *_, **__: None), "TypeError: 'NoneType' object is not"),
    "no_step": (spoilt(lambda step: 7), "must yield steps with x and denoised, yielded int"),
    "no_tensor": (spoilt(lambda step: step._replace(x="x")), "must return a tensor, returned str"),
    "misshapen": (
        spoilt(lambda step: step._replace(denoised=step.x[..., 1:])),
        "must return (1, 4, 8, 8), returned (1, 4, 8, 7)",
    ),
    "not_a_number": (
        spoilt(lambda step: step._replace(x=step.x * float("nan"))),
        "ValueError: gave NaN or infinity in step 2",
    ),
    "a_memory": (spoilt(lambda step: step._replace(memory=step.x)), "must have no memory"),
    "no_memory": (SamplerEntry(euler, memory=True), "must have a memory"),
    "a_pace": (spoilt(lambda step: step._replace(pace=Pace(-1.0, 3))), "its pace cannot be"),
    "ends_early": (SamplerEntry(ends_early), "ended after step 2, at noise level 0.0"),
    "no_step_at_all": (SamplerEntry(lambda *_, **__: iter(())), "ended after step 0, at noise"),
    "goes_on": (SamplerEntry(goes_on), "made more steps than the 3 that were asked for"),
}  # fmt: skip
SCHEDULES = {
    "schedule_raises": (lambda n, levels: 1 / 0, "ZeroDivisionError: division by zero"),
    "a_list": (lambda n, levels: [3.0, 2.0, 1.0, 0.0], "must return a tensor, returned list"),
    "too_long": (lambda n, levels: torch.linspace(9, 0, n + 2), "must return (4,), returned (5,)"),
    "rises": (lambda n, levels: torch.tensor([5.0, 6.0, 1.0, 0.0]), "levels of noise that fall"),
    "not_to_0": (lambda n, levels: torch.linspace(9, 1, n + 1), "levels of noise that fall to 0"),
    "no_number": (lambda n, levels: torch.full((n + 1,), float("nan")), "that fall to 0"),
}


def table(kind, entries):
    return {name: Plugin(**{kind: {f"Of {name}": entry}}) for name, (entry, _) in entries.items()}


@pytest.fixture(scope="module")
def engine(models_dir):
    def full(denoise, x, sigmas, noise, past=()):
        raise torch.OutOfMemoryError("planted")
        yield

    def broken(denoise, x, sigmas, noise, past=()):
        raise RuntimeError("CUDA error: device-side assert triggered")
        yield

    def refuses(denoise, x, sigmas, noise, past=()):
        raise InvalidRequest("steps", "must be many")
        yield

    good = {
        "Good": SamplerEntry(euler), 
        "Full": SamplerEntry(full), "Device": SamplerEntry(broken),
        "Refuses": SamplerEntry(refuses),
    }  # fmt: skip
    own = lambda n, levels: torch.linspace(float(levels.sigmas[-1]), 0, n + 1)  # noqa: E731
    registry = engine_registry(
        {
            "builtin": builtin,
            "good": Plugin(samplers=good, schedules={"Straight": own}),
            **table("samplers", SAMPLERS),
            **table("schedules", SCHEDULES),
        }
    )
    return make_engine(models_dir, registry)


def said_of(engine, owner):
    return engine._conduct.report()[owner]


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_failing_sampler_fails_the_job_and_names_its_extension(engine, warm, kind):
    with pytest.raises(ExtensionError) as caught:
        play(engine, request(steps=3, sampler=f"Of {kind}", schedule="Karras"))
    said = f"the sampler of the extension {kind} did not run: "
    assert str(caught.value).startswith(said)
    assert SAMPLERS[kind][1] in str(caught.value)
    mishap = said_of(engine, kind)["mishap"]
    assert (mishap["owner"], mishap["hook"]) == (kind, "sampler")
    assert "Traceback (most recent call last)" in mishap["trace"]
    assert play(engine, request(**SHORT)).pictures == play(warm, request(**SHORT)).pictures


def test_one_that_does_what_ours_does_makes_the_same_picture(engine, warm):
    made = play(engine, request(steps=3, sampler="Good", schedule="Karras"))
    ours = play(warm, request(steps=3, sampler="Euler", schedule="Karras"))
    assert (made.outcome, made.pictures) == ("done", ours.pictures)
    assert made.of(Warned) == []
    assert said_of(engine, "good")["hooks"]["sampler"]["calls"] > 3


def test_the_third_failure_in_a_row_switches_off_though_the_first_steps_went_well(models_dir):
    calls = []

    def fails(step):
        calls.append(1)
        raise KeyError("planted")

    engine = make_engine(
        models_dir,
        engine_registry({"builtin": builtin, "one": Plugin(samplers={"One": spoilt(fails)})}),
    )
    said = []
    for _ in range(4):
        with pytest.raises(ExtensionError) as caught:
            play(engine, request(steps=3, sampler="One"))
        said.append(str(caught.value))
    assert len(calls) == 3
    assert "did not run: KeyError: 'planted'" in said[2]
    assert "did not run: switched off after 3 failures in a row; sampler: KeyError" in said[3]
    assert said_of(engine, "one")["off"].startswith("switched off after 3 failures in a row")


@pytest.mark.parametrize(
    ("sampler", "error", "said"),
    [
        ("Full", OutOfMemory, "while the sampler of the extension good was at work"),
        ("Device", RuntimeError, "CUDA error"),
        ("Refuses", InvalidRequest, "steps: must be many"),
    ],
)
def test_memory_faults_of_the_device_and_refusals_are_what_they_are_everywhere(
    engine, sampler, error, said
):
    with pytest.raises(error, match=said) as caught:
        play(engine, request(steps=1, sampler=sampler))
    assert is_broken(caught.value) == (sampler == "Device")
    assert not said_of(engine, "good").get("off")


def test_what_the_model_does_wrong_is_not_the_samplers(engine):
    model = engine._models.load("tiny").model
    predict = type(model).predict

    def poisoned(self, x, sigma, conditionings):
        return [part * float("nan") for part in predict(self, x, sigma, conditionings)]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(model), "predict", poisoned)
        with pytest.raises(Exception, match="holds NaN or Inf after step 1"):
            play(engine, request(steps=2, sampler="Good"))


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_failing_schedule_fails_the_job_and_names_its_extension(engine, kind):
    with pytest.raises(ExtensionError) as caught:
        play(engine, request(steps=3, sampler="Euler", schedule=f"Of {kind}"))
    assert str(caught.value).startswith(f"the schedule of the extension {kind} did not run: ")
    assert SCHEDULES[kind][1] in str(caught.value)
    assert said_of(engine, kind)["mishap"]["hook"] == "schedule"


def test_a_schedule_of_an_extension_is_walked(engine):
    run = play(engine, request(steps=2, sampler="Euler", schedule="Straight"))
    assert run.outcome == "done"


# --- previews ------------------------------------------------------------------------------------


def draws(latents, model):
    return latents[:, :3].clamp(-1, 1)


def spoils(latents, model):
    return latents.zero_()[:, :3]


PREVIEWS = {
    "draws_not": (lambda latents, model: 1 / 0, "ZeroDivisionError: division by zero"),
    "no_picture": (lambda latents, model: None, "TypeError: must return a tensor, returned None"),
    "four": (lambda latents, model: latents, "must return (1, 3, H, W), returned (1, 4, 8, 8)"),
    "nans": (lambda latents, model: draws(latents, model) * float("nan"), "returned NaN or infin"),
    "leaves": (lambda latents, model: exits(None), "SystemExit: 3"),
}


@pytest.fixture(scope="module")
def drawing(models_dir):
    others = Plugin(previews={"draws": draws, "spoils": spoils})
    registry = engine_registry({"builtin": builtin, "good": others, **table("previews", PREVIEWS)})
    return make_engine(models_dir, registry)


@pytest.mark.parametrize("kind", PREVIEWS)
def test_a_failing_preview_is_left_out_and_named_once_and_the_picture_says_nothing(
    drawing, warm, tmp_path, kind
):
    options = RunOptions(keep=str(tmp_path), noisy=f"Of {kind}", predicted="fast")
    run = play(drawing, request(**SHORT), options)
    (told,) = run.of(Warned)
    assert told.text.startswith(f"Did not run: {kind} (preview: ")
    assert PREVIEWS[kind][1] in told.text
    assert [(each.step, each.kind) for each in run.of(Preview)] == [
        (step, "predicted") for step in (1, 2, 3)
    ]
    assert run.pictures == play(warm, request(**SHORT)).pictures
    assert [each.notes for each in run.of(Rendered)] == [()]
    assert said_of(drawing, kind)["mishap"]["hook"] == "preview"
    assert "off" not in said_of(drawing, kind)  # it was asked once, not at every step
    with pytest.raises(ExtensionError, match=rf"^Did not run: {kind} \(preview: "):
        drawing.preview(tmp_path, Look(0, 1, "noisy", f"Of {kind}"))


def test_a_preview_that_spoils_what_it_is_shown_spoils_no_picture(drawing, warm):
    job = request(steps=4, sampler="DPM++ 2M", stop_at=0.75)  # it looks back at what was predicted
    run = play(drawing, job, RunOptions(noisy="spoils", predicted="spoils"))
    assert run.pictures == play(warm, job).pictures
    assert (len(run.of(Preview)), run.of(Warned)) == (6, [])


def test_a_preview_that_the_engine_has_not_is_left_out_and_said_once(drawing, warm):
    run = play(drawing, request(**SHORT), RunOptions(noisy="gone"))
    said = "Did not run: gone (preview: the engine has none of that name)"
    assert ([each.text for each in run.of(Warned)], run.of(Preview)) == ([said], [])
    assert run.pictures == play(warm, request(**SHORT)).pictures


# --- upscalers and families ----------------------------------------------------------------------


def smaller(image, size):
    return image.resize((size[0] - 1, size[1]))


UPSCALERS = {
    "breaks": (PictureResize(lambda image, size: 1 / 0), "ZeroDivisionError"),
    "smaller": (PictureResize(smaller), "must return 128 x 128 pixels, returned 127 x 128"),
    "textual": (PictureResize(lambda image, size: "picture"), "must return a picture, returned st"),
    "latent": (LatentResize(lambda x, size: x), "must return (1, 4, 16, 16), returned (1, 4, 8,"),
}


@pytest.fixture(scope="module")
def enlarging(models_dir):
    good = PictureResize(lambda image, size: image.resize(size, Image.Resampling.LANCZOS))
    registry = engine_registry(
        {
            "builtin": builtin, "good": Plugin(upscalers={"Good": good}),
            **table("upscalers", UPSCALERS),
        }
    )  # fmt: skip
    return make_engine(models_dir, registry)


def larger(upscaler):
    hires = Hires(width=128, height=128, upscaler=upscaler, strength=0.5, steps=2)
    return request(**SHORT, hires=hires)


@pytest.mark.parametrize("kind", UPSCALERS)
def test_a_failing_upscaler_fails_the_job_and_names_its_extension(enlarging, kind):
    with pytest.raises(ExtensionError) as caught:
        play(enlarging, larger(f"Of {kind}"))
    assert str(caught.value).startswith(f"the upscaler of the extension {kind} did not run: ")
    assert UPSCALERS[kind][1] in str(caught.value)
    assert said_of(enlarging, kind)["mishap"]["hook"] == "upscaler"


def test_an_upscaler_of_an_extension_does_what_ours_does(enlarging):
    assert play(enlarging, larger("Good")).pictures == play(enlarging, larger("Lanczos")).pictures


class Family:
    def __init__(self, load):
        self.load = load


@pytest.mark.parametrize(
    ("load", "error", "said"),
    [
        (lambda *_: 1 / 0, ExtensionError, "the model family of the extension mine did not run: Z"),
        (lambda *_: object(), ExtensionError, "must give a Model, gave object without levels"),
        (lambda *_: (_ for _ in ()).throw(ModelRefused("tiny: no")), ModelRefused, "^tiny: no$"),
    ],
)
def test_a_failing_family_is_named(models_dir, load, error, said):
    class Ours:
        register_samplers = staticmethod(builtin.register_samplers)
        register_schedules = staticmethod(builtin.register_schedules)

    own = Plugin(families={"sd1": Family(load)})
    engine = make_engine(models_dir, engine_registry({"builtin": Ours(), "mine": own}))
    with pytest.raises(error, match=said):
        play(engine, request(**SHORT))
