import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from webui.metadata import parameters_text, read_parameters, read_text
from webui.request import GenerationRequest, SamplingOptions, ScheduleOptions, Variation

HASH = "6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa"
FOX = GenerationRequest(
    model="v1-5-pruned-emaonly",
    prompt="a red fox in snow, (sharp focus:1.2)",
    negative_prompt="blurry, [text]",
    seed=1234567890,
    sampler="DPM++ 2M",
    schedule="Karras",
    width=512,
    height=768,
)


def read_last_line(text):
    """As A1111's readers do: `key: value` pairs, quoted values are JSON."""
    pairs = re.findall(r'(\w[\w \-/]+): ("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)', text.split("\n")[-1])
    return {key: json.loads(value) if value.startswith('"') else value for key, value in pairs}


def test_the_text_is_laid_out_as_a1111_lays_it_out():
    assert parameters_text(FOX, HASH, "0.1.0") == (
        "a red fox in snow, (sharp focus:1.2)\n"
        "Negative prompt: blurry, [text]\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1234567890, "
        "Size: 512x768, Model hash: 6ce0161689, Model: v1-5-pruned-emaonly, RNG: CPU, "
        "Version: darkroom-0.1.0"
    )


def test_what_is_empty_is_left_out():
    request = GenerationRequest(model="m", prompt="", seed=1, guidance_scale=6.25)
    assert parameters_text(request, "", "1") == (
        "\nSteps: 20, Sampler: DPM++ 2M, Schedule type: Automatic, CFG scale: 6.25, Seed: 1, "
        "Size: 512x512, Model: m, RNG: CPU, Version: darkroom-1"
    )


def last_line(**values):
    text = parameters_text(GenerationRequest(model="m", prompt="p", seed=1, **values), "", "1")
    return read_last_line(text)


KEYS = ["Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "RNG", "Version"]


def test_what_is_set_stands_under_a1111s_keys_and_defaults_do_not():
    assert list(last_line()) == KEYS
    sampling = SamplingOptions(s_churn=3, s_tmin=0.5, s_tmax=20.0, s_noise=1.005)
    options = ScheduleOptions(sigma_min=0.1, sigma_max=10.0, rho=5.5)
    line = last_line(
        sampler="Heun",
        sampling=sampling,
        schedule="Karras",
        schedule_options=options,
        rng="nv",
        variation=Variation(seed=9, strength=0.15),
        seed_resize=(512, 640),
    )
    expected = {
        "Variation seed": "9", "Variation seed strength": "0.15", "Seed resize from": "512x640",
        "Sigma churn": "3", "Sigma tmin": "0.5", "Sigma tmax": "20", "Sigma noise": "1.005",
        "Schedule min sigma": "0.1", "Schedule max sigma": "10", "Schedule rho": "5.5",
    }  # fmt: skip
    assert {key: value for key, value in line.items() if key not in KEYS} == expected
    assert "RNG" not in line  # A1111's default is this noise


@pytest.mark.parametrize(
    ("sampler", "sampling", "pairs"),
    [
        ("Euler a", {"eta": 0.5}, {"Eta": "0.5"}),
        ("DDIM", {"eta": 0.0}, {"Eta DDIM": "0"}),
        ("DDIM CFG++", {"eta": 1}, {"Eta DDIM": "1"}),
        ("UniPC", {"order": 2, "solver_type": "bh2"}, {"UniPC order": "2", "UniPC variant": "bh2"}),
        ("ER-SDE", {"order": 2, "solver_type": "ode"}, {"Solver order": "2", "Solver type": "ode"}),
    ],
)
def test_some_samplers_have_keys_of_their_own(sampler, sampling, pairs):
    line = last_line(sampler=sampler, sampling=SamplingOptions(**sampling))
    assert {key: value for key, value in line.items() if key not in KEYS} == pairs


def test_own_levels_are_written_whole():
    line = last_line(schedule_options=ScheduleOptions(sigmas=(14.6146, 1 / 3, 0)), steps=2)
    assert [float(sigma) for sigma in line["Sigmas"].split()] == [14.6146, 1 / 3, 0]


def test_a_variation_of_strength_0_is_none():
    assert list(last_line(variation=Variation(seed=9, strength=0))) == KEYS


def test_prompts_keep_their_lines():
    request = GenerationRequest(model="m", prompt="a\nb", negative_prompt="c\nd", seed=1)
    assert parameters_text(request, "", "1").startswith("a\nb\nNegative prompt: c\nd\nSteps: 20, ")


def test_notes_stand_before_the_version():
    notes = ("VAE decoder: tiled", "prompt cut, 3 tokens", "slow")
    text = parameters_text(FOX, HASH, "1", notes)
    assert text.endswith(
        'RNG: CPU, VAE decoder: tiled, Notes: "prompt cut, 3 tokens; slow", Version: darkroom-1'
    )


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@given(NAMES)
def test_any_model_name_comes_back_as_it_was(name):
    request = GenerationRequest(model=name, prompt="p", seed=1)
    text = parameters_text(request, HASH, "1")
    assert read_last_line(text)["Model"].strip() == name.strip()
    assert read_last_line(text)["Version"] == "darkroom-1"


def test_a_value_cannot_add_a_line_or_a_pair():
    request = GenerationRequest(model='x"\nSteps: 1, Seed: 9', prompt="p", seed=1)
    text = parameters_text(request, HASH, "1")
    assert text.count("\n") == 1
    assert read_last_line(text)["Seed"] == "1"
    assert read_last_line(text)["Model"] == 'x"\nSteps: 1, Seed: 9'


def test_a_line_end_of_any_kind_is_quoted():
    for end in ("\r", "\n", "\r\n"):
        text = parameters_text(GenerationRequest(model=f"a{end}b", prompt="p", seed=1), "", "1")
        assert len(text.splitlines()) == 2
        assert read_last_line(text)["Model"] == f"a{end}b"


@pytest.mark.parametrize("text", ["plain", "caf\xe9", "\u732b \U0001f431"])
def test_the_text_is_read_back_from_a_png(tmp_path, text):
    info = PngInfo()
    info.add_text("parameters", text)
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png", pnginfo=info)
    assert read_parameters(tmp_path / "x.png") == text


@pytest.mark.parametrize("content", [None, b"", b"\x89PNG\r\n\x1a\n", b"<html>", b"\0" * 5000])
def test_a_file_that_is_no_picture_has_no_text(tmp_path, content):
    if content is not None:
        (tmp_path / "x.png").write_bytes(content)
    assert read_parameters(tmp_path / "x.png") is None


def test_how_the_prompt_was_read_stands_under_a1111s_keys():
    assert list(last_line(emphasis="original", clip_skip=1, embeddings={})) == KEYS
    line = last_line(
        emphasis="no norm",
        clip_skip=2,
        embeddings={"goldleaf": "aabbccddeeff" + "0" * 52, "easy:neg,": "112233445566" + "1" * 52},
    )
    assert line["Clip skip"] == "2"
    assert line["Emphasis"] == "No norm"
    assert line["TI hashes"] == "goldleaf: aabbccddeeff, easyneg: 112233445566"
    line = last_line(loras={"ink": "aabbccddeeff" + "0" * 52, "wood": "1" * 64})
    assert line["Lora hashes"] == "ink: aabbccddeeff, wood: 111111111111"
    assert [last_line(emphasis=each)["Emphasis"] for each in ("ignore", "none")] == [
        "Ignore",
        "None",
    ]


def test_what_several_notes_say_under_one_key_is_all_read_back():
    notes = [f"Did not run: {id} (filter: no, never)" for id in ("ink", "wash")]
    text = parameters_text(FOX, HASH, "0.1.0", [*notes, "plain", "VAE decoder: tiled"])
    line = read_last_line(text)
    assert line["Did not run"] == "ink (filter: no, never); wash (filter: no, never)"
    assert (line["VAE decoder"], line["Notes"]) == ("tiled", "plain")
    assert dict(read_text(text).pairs)["Did not run"] == line["Did not run"]
