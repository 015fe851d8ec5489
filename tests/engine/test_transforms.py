"""What extensions do to the prompts' encodings, and what fails in it."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from tests.engine.conftest import MODELS, make_engine, play, request
from tests.engine.test_extensions import Plugin, asked, engine_with
from webui import Conditioning, ConditioningPlace, ConditioningTransform, DenoiserWrapper
from webui.engine import builtin
from webui.events import Rendered, Warned
from webui.extensions import Shelves, find, of_engine
from webui.extensions.discovery import SHIPPED
from webui.extensions.loading import asked as ask
from webui.extensions.loading import tables_of
from webui.wire import RunOptions


def transform(apply, needs="one", **options):
    given = ConditioningTransform(needs=needs, apply=apply, **options)
    return Plugin(conditioning_transforms=(given,))


def scaled(made, place, view):
    return replace(made, context=made.context * 0.5)


def test_a_transform_changes_the_job_that_asks_for_it_and_no_other(models_dir, warm):
    plain = play(warm, request()).pictures
    passing = engine_with(models_dir, e=transform(lambda made, place, view: made))
    halving = engine_with(models_dir, e=transform(scaled))
    assert play(passing, asked("one")).pictures == plain
    assert play(halving, asked("one")).pictures != plain
    assert play(halving, request()).pictures == plain


def test_it_is_told_whose_encoding_it_gets_in_its_order(models_dir):
    seen = []

    def note(name):
        def apply(made, place, view):
            seen.append(
                (name, place.negative, place.part, made.negative, tuple(made.context.shape))
            )
            return made

        return apply

    engine = engine_with(
        models_dir, late=transform(note("late"), order=5), early=transform(note("early"), order=1)
    )
    play(engine, asked("one", prompt="a AND b :0.5 AND c :0", negative_prompt="x", steps=2))
    places = [(True, 0, True), (False, 0, False), (False, 1, False)]
    assert seen == [
        (name, *place, (1, 77, 32)) for place in places for name in ("early", "late")
    ]  # once for the two steps; a part of weight 0 is not there


def test_anew_at_each_step_is_once_a_step_however_often_the_model_is_called(models_dir):
    steps = []

    def apply(made, place, view):
        if not place.negative:
            steps.append(view.step())
        return made

    engine = engine_with(models_dir, e=transform(apply, each_step=True))
    play(engine, asked("one", sampler="Heun", steps=3))
    assert steps == [1, 2, 3]


def test_one_that_follows_is_given_what_the_one_before_has_made(models_dir):
    engine = engine_with(
        models_dir,
        half=transform(scaled, order=1),
        double=transform(lambda made, p, v: replace(made, context=made.context * 2), order=2),
    )
    assert play(engine, asked("one")).pictures == play(engine, request()).pictures


def test_each_picture_of_a_batch_can_have_its_own(models_dir):
    def by_seed(made, place, view):
        factors = torch.tensor([1 + seed / 10 for seed in view.request.batch_seeds(view.batch)])
        return replace(made, context=made.context * factors[:, None, None])

    engine = engine_with(models_dir, e=transform(by_seed))
    both = play(engine, asked("one", seed=3, images=2, batch_size=2)).pictures
    alone = [play(engine, asked("one", seed=seed)).pictures[0] for seed in (3, 4)]
    for one, other in zip(both, alone, strict=True):
        parted = zip(one, other, strict=True)
        assert max(abs(left - right) for left, right in parted) <= 2


def test_what_it_does_to_the_tensors_that_it_is_given_stays_in_its_job(models_dir, warm):
    def spoil(made, place, view):
        made.context.zero_()
        raise ValueError("after it has emptied them")

    engine = engine_with(models_dir, e=transform(spoil))
    plain = play(warm, request()).pictures
    assert play(engine, asked("one")).pictures == plain
    assert play(engine, request()).pictures == plain


@pytest.mark.parametrize(
    ("apply", "said"),
    [
        (lambda made, p, v: None, "TypeError: must return a Conditioning, returned NoneType"),
        (
            lambda made, p, v: replace(made, context=made.context[:, :5]),
            "ValueError: context must be (1, 77, 32), is (1, 5, 32)",
        ),
        (
            lambda made, p, v: replace(made, context=made.context.expand(3, -1, -1)),
            "ValueError: context must be (1, 77, 32), is (3, 77, 32)",
        ),
        (
            lambda made, p, v: replace(made, context=1),
            "TypeError: context must be a tensor, is int",
        ),
        (
            lambda made, p, v: replace(made, context=made.context / 0),
            "ValueError: returned NaN or Inf",
        ),
        (
            lambda made, p, v: replace(made, pooled=torch.zeros(1, 32)),
            "ValueError: returned pooled, which this model does not have",
        ),
        (lambda made, p, v: sys.exit(3), "SystemExit: 3"),
    ],
    ids=["none", "short", "rows", "number", "inf", "pooled", "exit"],
)
def test_one_that_fails_is_named_and_the_picture_is_the_one_without_it(
    models_dir, warm, apply, said
):
    engine = engine_with(models_dir, culprit=transform(apply), good=transform(lambda m, p, v: m))
    run = play(engine, asked("one"))
    note = f"Did not run: culprit (conditioning transform: {said})"
    assert run.outcome == "done"
    assert [each.text for each in run.of(Warned)] == [note]
    assert [each.notes for each in run.of(Rendered)] == [(note,)]
    assert run.pictures == play(warm, request()).pictures


def test_one_that_fails_at_a_step_is_asked_no_more_in_that_job(models_dir):
    calls = []

    def apply(made, place, view):
        calls.append(view.step())
        raise ValueError("no")

    engine = engine_with(models_dir, culprit=transform(apply, each_step=True))
    assert len(play(engine, asked("one", steps=4)).of(Warned)) == 1
    assert calls == [1]
    assert "off" not in engine._conduct.report()["culprit"]


def test_a_wrapper_can_put_the_parts_of_a_prompt_together_itself(models_dir):
    """Regions, as a mask for each: with masks of 1 guidance itself, to the bit."""
    left = torch.zeros(1, 1, 8, 8)
    left[..., :4] = 1

    def regional(*masks):
        def wrap(denoise, view):
            def made(x, sigma):
                away, *towards = view.parts(x, sigma)
                result = away
                for mask, clean in zip(masks, towards, strict=True):
                    result = result + mask * view.request.guidance_scale * (clean - away)
                return result

            return made

        return engine_with(
            models_dir, e=Plugin(denoiser_wrappers=(DenoiserWrapper(needs="one", wrap=wrap),))
        )

    job = asked("one", prompt="red AND blue", sampler="Euler", steps=1)
    plain = play(engine_with(models_dir), replace(job, extras={})).pictures
    assert play(regional(1, 1), job).pictures == plain
    halves = play(regional(left, 1 - left), job).pictures
    assert halves not in (plain, play(regional(1 - left, left), job).pictures)


def test_the_parts_come_in_the_order_of_the_prompt(models_dir):
    seen = {}

    def wrap(denoise, view):
        def looked(x, sigma):
            seen.setdefault(view.request.prompt, view.parts(x, sigma))
            return denoise(x, sigma)

        return looked

    engine = engine_with(
        models_dir, e=Plugin(denoiser_wrappers=(DenoiserWrapper(needs="one", wrap=wrap),))
    )
    for prompt in ("red AND blue", "red", "blue"):
        play(engine, asked("one", prompt=prompt, sampler="Euler", steps=1))
    away, red, blue = seen["red AND blue"]
    for prompt, clean in (("red", red), ("blue", blue)):
        alone = seen[prompt]
        assert torch.allclose(alone[0], away, atol=1e-4)
        assert torch.allclose(alone[1], clean, atol=1e-4)
    assert not torch.allclose(red, blue, atol=1e-2)


def test_a_tag_that_an_extension_takes_is_no_tag_without_effect(warm):
    job = request(prompt="a cat <soft:0.5> <hard:1>")
    told = [each.text for each in play(warm, job, RunOptions(blocks=("soft",))).of(Warned)]
    assert told == ["<hard:1> has no effect: there is nothing of the kind 'hard'."]
    plain = play(warm, request(prompt="a cat  ")).pictures
    assert play(warm, job, RunOptions(blocks=("soft",))).pictures == plain


# --- variety -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def variety():
    (found,) = [each for each in find(SHIPPED / "nowhere") if each.id == "variety"]
    tables_of(found.folder, found.manifest, "engine")
    return sys.modules["darkroom_extensions.variety.engine"]


def shipping(folder):
    shelves = Shelves()
    shelves.add("builtin", ask(builtin, "builtin", "engine"))
    (found,) = [each for each in find(SHIPPED / "nowhere") if each.id == "variety"]
    shelves.add(found.id, tables_of(found.folder, found.manifest, "engine"))
    return make_engine(folder, of_engine(shelves))


def varied(strength, by_tag=0.0, noisy=0.1, until=0.4, **values):
    extras = {"strength": strength, "by_tag": by_tag, "noisy": noisy, "until": until}
    return request(**values, extras={"variety": extras})


def test_the_share_of_the_prompt_rises_from_nothing_to_all(variety):
    shares = [variety.share(step, 10, 0.1, 0.4) for step in range(1, 11)]
    assert shares == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1])
    assert [variety.share(step, 4, 0.5, 0.5) for step in (1, 2, 3, 4)] == [0, 0, 1, 1]
    assert variety.share(1, 4, 0, 0) == 1


def test_noise_of_a_seed_is_the_same_in_any_batch_and_another_at_any_step(variety):
    like = torch.zeros(1, 5, 7)
    both = variety.noise(like, [3, 4], (1, 0, 0))
    assert torch.equal(both[1:], variety.noise(like, [4], (1, 0, 0)))
    assert not torch.equal(both[0], both[1])
    drawn = [
        variety.noise(like, [3], salts) for salts in ((1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1))
    ]
    assert len({tuple(each.flatten().tolist()) for each in drawn}) == 4


def test_what_is_mixed_has_the_mean_and_the_deviation_of_the_prompt(variety):
    like, mixed = torch.randn(1, 77, 32) * 3 + 1, torch.randn(2, 77, 32) - 5
    made = variety.scaled(mixed, like)
    assert made.mean((1, 2)).tolist() == pytest.approx([float(like.mean())] * 2, abs=1e-4)
    assert made.std((1, 2)).tolist() == pytest.approx([float(like.std())] * 2, abs=1e-4)


def test_only_the_prompt_is_noise_and_all_that_stands_for_it(variety):
    made = Conditioning(torch.randn(1, 77, 32), torch.randn(1, 32), torch.randn(1, 9, 32))
    values = {"strength": 0.25, "by_tag": 0.0, "noisy": 0.1, "until": 0.4}
    view = SimpleNamespace(
        values=values, step=lambda: 1, steps=10, batch=0, request=request(images=2, batch_size=2)
    )
    place = ConditioningPlace(negative=True, part=0)
    assert variety.annealed(made, place, view) is made
    changed = variety.annealed(made, replace(place, negative=False), view)
    for before, after in zip(
        (made.context, made.pooled, made.beside),
        (changed.context, changed.pooled, changed.beside),
        strict=True,
    ):
        assert after.shape == (2, *before.shape[1:])
        assert not torch.allclose(after[0], after[1], atol=0.1)
        assert not torch.allclose(after[:1], before, atol=0.1)
    later = SimpleNamespace(**{**vars(view), "step": lambda: 5})
    assert variety.annealed(made, replace(place, negative=False), later) is made


def test_variety_on_the_model_that_ships():
    engine = shipping(MODELS)
    given = {"model": "fluent-emoji", "prompt": "a red apple", "steps": 6}

    def made(*strength, **values):
        run = play(engine, varied(*strength, **given, **values))
        assert run.of(Warned) == []
        return run.pictures

    plain = play(engine, request(**given)).pictures
    assert made(0.0) == plain
    assert made(0.25, until=0.0) == plain
    once = made(0.25)
    assert once != plain
    assert made(0.25) == once
    assert made(0.0, 0.25) == once  # by a tag
    both = made(0.25, images=2, batch_size=2, seed=request().seed)
    assert max(abs(one - other) for one, other in zip(both[0], once[0], strict=True)) <= 2
