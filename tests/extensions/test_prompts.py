"""Wildcards and dynamic prompts, prompt matrix, prompts from lines: what becomes of a request."""

from collections import Counter
from dataclasses import replace

import pytest

from webui import with_seed, without
from webui.errors import InvalidRequest
from webui.extensions import find
from webui.extensions.discovery import SHIPPED
from webui.extensions.loading import tables_of
from webui.interfaces.server_hooks import FilterContext
from webui.request import GenerationRequest, Variation

FOUND = {each.id: each for each in find(SHIPPED / "nowhere")}


@pytest.fixture
def filtered(tmp_path):
    """(extension, request, values that are no defaults) -> what its filter makes of it."""

    def made(id, request, **values):
        tables = tables_of(FOUND[id].folder, FOUND[id].manifest, "server")
        ((_, group),) = tables["controls"]
        whole = {each.name: each.default for each in (*group.fields, *group.written)} | values
        asked = replace(request, extras={id: whole})
        ((_, own),) = tables["request_filters"]
        context = FilterContext(values=whole, folder=tmp_path / "wildcards")
        return asked, list(own.apply(asked, context))

    return made


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "wildcards"
    (place / "colours").mkdir(parents=True)
    (place / "animal.txt").write_text("cat\n# a comment\n\n  dog  \ncat\n")
    (place / "colours" / "warm.txt").write_text("red\norange\n")
    return place


def request(prompt, **values):
    return GenerationRequest(model="m", prompt=prompt, seed=7, **values)


def prompts(made):
    return [each.prompt for each in made]


# --- wildcards -----------------------------------------------------------------------------------


def test_each_picture_draws_with_its_own_seed_and_again_the_same(filtered, folder):
    asked = request("a {small|big} __animal__", images=40, negative_prompt="{dull|plain}")
    _, made = filtered("wildcards", asked, on=True)
    assert [(each.seed, each.images) for each in made] == [(7 + i, 1) for i in range(40)]
    drawn = Counter(prompts(made))
    assert set(drawn) == {f"a {size} {animal}" for size in ("small", "big") for animal in
                          ("cat", "dog")}  # fmt: skip
    assert {each.negative_prompt for each in made} == {"dull", "plain"}
    _, again = filtered("wildcards", asked, on=True)
    assert again == made
    _, alone = filtered("wildcards", replace(asked, seed=7 + 12, images=1), on=True)
    assert alone[0].prompt == made[12].prompt


def test_what_was_drawn_is_the_prompt_and_the_template_is_kept(filtered, folder):
    _, (made,) = filtered("wildcards", request("a {red|red} car"), on=True)
    assert made.prompt == "a red car"
    assert made.extras["wildcards"]["template"] == "a {red|red} car"
    tables = tables_of(FOUND["wildcards"].folder, FOUND["wildcards"].manifest, "server")
    said = {key: each.of(made) for key, each in tables["metadata_fields"]}
    assert said == {"Template": "a {red|red} car", "Negative Template": None}


def test_all_combinations_in_order_with_the_same_seed(filtered, folder):
    asked = request("{a|b} __colours/warm__", negative_prompt="{x|y}")
    _, made = filtered("wildcards", asked, on=True, mode="all combinations")
    pairs = [(each.prompt, each.negative_prompt, each.seed) for each in made]
    assert pairs == [
        (f"{letter} {colour}", negative, 7)
        for letter in "ab" for colour in ("orange", "red") for negative in "xy"
    ]  # fmt: skip
    _, few = filtered("wildcards", asked, on=True, mode="all combinations", most=3)
    assert prompts(few) == prompts(made)[:3]


@pytest.mark.parametrize(
    "prompt",
    ["a (red:1.2) [cat|dog], <lora:x:1>  two  spaces #1", "snake_case [a:b:0.5]", "", "a|b"],
)
@pytest.mark.parametrize("on", [True, False])
def test_a_prompt_without_signs_stays_to_the_letter(filtered, prompt, on):
    asked, made = filtered("wildcards", request(prompt), on=on)
    assert made == [asked]


def test_turned_off_it_reads_nothing(filtered):
    asked, made = filtered("wildcards", request("a {b|c}"), on=False, most=3)
    assert made == [asked]


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a __nosuch__", "names the wildcard __nosuch__"),
        ("a __../../etc/passwd__", "names the wildcard __../../etc/passwd__"),
        ("a __/etc/passwd__", "names the wildcard __/etc/passwd__"),
        ("a __..\\..\\x__", "names the wildcard"),
        ("a {b", "is no template that can be read"),
        ("{" * 300, "a template"),
        ("{a|" * 2000, "a template"),
        ("x" * 10_001 + "{a|b}", "is longer than a template may be"),
        ("__round__", "circle"),
    ],
    ids=lambda text: text[:20],
)
def test_what_cannot_be_drawn_is_refused_with_the_field(filtered, folder, prompt, said):
    (folder / "round.txt").write_text("__round__\n")
    with pytest.raises(InvalidRequest) as caught:
        filtered("wildcards", request(prompt), on=True)
    assert caught.value.field == "prompt"
    assert said.split()[0] in str(caught.value)


def test_files_are_read_inside_the_folder_alone(filtered, folder, tmp_path):
    (tmp_path / "secret.txt").write_text("secret\n")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    for name in ("link", "linked/secret", "../secret"):
        with pytest.raises(InvalidRequest):
            filtered("wildcards", request(f"a __{name}__"), on=True)


def test_a_name_may_have_wild_signs(filtered, folder):
    _, made = filtered("wildcards", request("__colours/*__", images=20), on=True)
    assert set(prompts(made)) == {"red", "orange"}


# --- prompt matrix -------------------------------------------------------------------------------


def test_a_matrix_has_every_choice_of_the_parts_in_a1111s_order(filtered):
    _, made = filtered("prompt_matrix", request("castle | night | rain"), on=True)
    assert prompts(made) == ["castle", "castle, night", "castle, rain", "castle, night, rain"]
    assert {each.seed for each in made} == {7}
    assert [each.extras for each in made] == [{}] * 4


def test_a_matrix_of_the_negative_prompt_with_seeds_and_parts_first(filtered):
    asked = request("castle | night", negative_prompt="dull|grey")
    _, made = filtered(
        "prompt_matrix", asked, on=True, side="negative prompt", joint="space", first=True,
        seeds=True,
    )  # fmt: skip
    assert [(each.prompt, each.negative_prompt, each.seed) for each in made] == [
        ("castle | night", "dull", 7),
        ("castle | night", "grey dull", 8),
    ]


def test_a_matrix_with_too_many_parts_is_refused(filtered):
    with pytest.raises(InvalidRequest, match=r"prompt: has 9 parts .* at most 8"):
        filtered("prompt_matrix", request("|".join("abcdefghij")), on=True)


# --- lines ---------------------------------------------------------------------------------------


def test_each_line_is_a_job(filtered):
    lines = 'a cat\n\n--prompt "a dog" --steps 9 --seed 3 --cfg_scale 5.5 --n_iter 2\n  a fish  '
    _, made = filtered("prompts_from_file", request("x", steps=4), on=True, lines=lines, seeds=True)
    said = [(e.prompt, e.steps, e.seed, e.guidance_scale, e.images) for e in made]
    assert said == [
        ("a cat", 4, 7, 7.0, 1),
        ("a dog", 9, 3, 5.5, 2),
        ("a fish", 4, 9, 7.0, 1),
    ]
    assert {"prompts_from_file" in each.extras for each in made} == {False}


def test_a_line_has_the_options_of_a1111(filtered):
    lines = "\ufeff" + "\n".join(
        [
            "--prompt a grey cat --negative_prompt dull --subseed 11 --subseed_strength 0.25",
            "--seed_resize_from_w 256 --seed_resize_from_h 128 --width 192 --height 320",
            "--sampler_name Euler --scheduler Karras --sd_model other --batch_size 3",
            "--batch_size 2 --n_iter 4 --restore_faces false --tiling False "
            "--do_not_save_samples false --do_not_save_grid true",
            "--subseed_strength 0 --seed_resize_from_w 0 --seed_resize_from_h -1",
        ]
    )
    asked = request("x", images=2, variation=Variation(seed=5, strength=0.5), seed_resize=(64, 64))
    _, made = filtered("prompts_from_file", asked, on=True, lines=lines)
    base = replace(asked, extras={})
    assert made == [
        replace(base, prompt="a grey cat", negative_prompt="dull",
                variation=Variation(seed=11, strength=0.25)),
        replace(base, seed_resize=(256, 128), width=192, height=320),
        replace(base, sampler="Euler", schedule="Karras", model="other", batch_size=3, images=6),
        replace(base, batch_size=2, images=8),
        replace(base, variation=None, seed_resize=None),
    ]  # fmt: skip


def test_a_seed_of_minus_one_is_a_new_one_on_each_line(filtered):
    lines = "\n".join(["--seed -1 --subseed_strength 0.5"] * 4)
    _, made = filtered("prompts_from_file", request("x"), on=True, lines=lines)
    seeds = [each.seed for each in made] + [each.variation.seed for each in made]
    assert len(set(seeds)) == 8 and all(0 <= each < 2**32 for each in seeds)
    assert {each.variation.strength for each in made} == {0.5}


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "is empty"),
        ("a\n\n--steps many", "line 3: --steps needs a whole number, got 'many'"),
        ("--steps", "line 1: --steps needs a whole number, and has none"),
        ("--steps --seed 3", "line 1: --steps needs a whole number, and has none"),
        ("--cfg_scale x", "line 1: --cfg_scale needs a number, got 'x'"),
        ("--rm -rf", "line 1: --rm is unknown; known are --prompt, --negative_prompt"),
        ("--steps 3 cat", "line 1: 'cat' belongs to no option"),
        ('--prompt "a', "line 1: No closing quotation"),
        ("--steps 0", "line 1: --steps must be"),
        ("--n_iter 0", "line 1: --n_iter must be"),
        ("--subseed_strength 2", "line 1: --subseed_strength must be"),
        ("--seed_resize_from_w 64", "line 1: --seed_resize_from_w and --seed_resize_from_h go"),
        ("a\n--tiling true", "line 2: --tiling cannot be had: Darkroom makes no pictures that"),
        ("--restore_faces 1", "line 1: --restore_faces needs true or false, got '1'"),
        ("--do_not_save_samples true", "line 1: --do_not_save_samples cannot be had: every"),
        ("--prompt_for_display b", "line 1: --prompt_for_display cannot be had: a picture's text"),
        ("--styles x", "line 1: --styles cannot be had: Darkroom has no styles"),
        ("--outpath_samples /tmp", "line 1: --outpath_samples cannot be had: where pictures go"),
        ("--sampler_index 3", "line 1: --sampler_index cannot be had: the number is A1111's own"),
        ("\n".join("x" * 501), "has 501 lines; at most 500"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(filtered, lines, said):
    with pytest.raises(InvalidRequest) as caught:
        filtered("prompts_from_file", request("x"), on=True, lines=lines)
    assert said in str(caught.value)
    assert caught.value.field == "extras.prompts_from_file.lines"


# --- several requests of one ---------------------------------------------------------------------


def test_what_makes_several_takes_itself_out_and_leaves_the_others(filtered):
    asked = replace(request("a | b"), seed=2**32 - 1, extras={"ink": {"on": True}})
    assert without(replace(asked, extras={**asked.extras, "wash": {}}), "wash") == asked
    assert without(asked, "wash") == asked
    assert [with_seed(asked, asked.seed + n).seed for n in (0, 1, 2)] == [2**32 - 1, 0, 1]


@pytest.mark.parametrize(
    ("id", "values"), [("prompt_matrix", {}), ("prompts_from_file", {"lines": "a\nb\nc"})]
)
def test_seeds_are_counted_the_same_way_by_all(filtered, id, values):
    asked = replace(request("a | b"), seed=2**32 - 1)
    _, made = filtered(id, asked, on=True, seeds=True, **values)
    assert [each.seed for each in made][:2] == [2**32 - 1, 0]
    assert [each.extras for each in made] == [{}] * len(made)
