"""What a text or a record says -> values for the form, and what is lost by name."""

from dataclasses import replace

import pytest

from tests import headers
from tests.test_library import make_model
from tests.test_loras import FILES
from tests.test_metadata_reader import tables
from webui.library import Library
from webui.loras import Loras
from webui.metadata import parameters_text, record_text
from webui.recipes import Lost, read
from webui.request import GenerationRequest, SamplingOptions, from_dict, to_dict


@pytest.fixture
def library(tmp_path):
    make_model(tmp_path, "toy")
    make_model(tmp_path, "other", sample_size=32)
    make_model(tmp_path, "broken", index={})
    return Library(tmp_path)


def of(library, last, before="a cat"):
    return read(tables(library), f"{before}\nSteps: 20, Seed: 1, {last}")


def values(library, last):
    """Those that say something, without what every text of these tests says."""
    said = of(library, last).values
    same = {"prompt": "a cat", "negative_prompt": "", "steps": 20, "seed": 1}
    same |= {"schedule": "Automatic", "rng": "nv"}
    return {name: value for name, value in said.items() if value not in (None, same.get(name))}


def lost(library, last):
    return [(each.name, each.value, each.why) for each in of(library, last).lost]


# --- samplers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("Sampler: Euler a", ("Euler a", "Automatic")),
        ("Sampler: DPM++ 2M Karras", ("DPM++ 2M", "Karras")),
        ("Sampler: DPM++ 2M SDE Heun Exponential", ("DPM++ 2M SDE Heun", "Exponential")),
        ("Sampler: k_euler_a", ("Euler a", "Automatic")),
        ("Sampler: dpmpp_2m, Schedule type: karras", ("DPM++ 2M", "Karras")),
        ("Sampler: Euler, Schedule type: SGM Uniform", ("Euler", "SGM Uniform")),
        ("Sampler: Euler, Sampler sigma: karras, App: SD.Next", ("Euler", "Karras")),
        ("Sampler: DPM++ 2M Karras, Schedule type: Karras", ("DPM++ 2M", "Karras")),
        ("Sampler: Undefined, Schedule type: Karras", (None, "Karras")),
        ("Sampler: Euler, Schedule type: Turbo", ("Euler", "Automatic")),
        ("Size: 64x64", (None, "Automatic")),
    ],
)
def test_samplers_and_schedules_are_known_by_all_their_names(library, last, expected):
    said = of(library, last).values
    assert (said.get("sampler"), said["schedule"]) == expected


def test_an_unknown_sampler_is_lost_with_what_was_set_for_it(library):
    assert lost(library, "Sampler: Undefined, Eta: 0.5, Schedule type: Turbo") == [
        ("Sampler", "Undefined", "there is no such sampler here"),
        ("Schedule type", "Turbo", "there is no such schedule here"),
        ("Eta", "0.5", "it belongs to a sampler that is not there"),
    ]


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("Sampler: DDIM, Eta DDIM: 0.5, Size: 64x64", {"sampling.eta": 0.5}),
        ("Sampler: UniPC, UniPC order: 2, UniPC variant: bh2",
         {"sampling.order": 2, "sampling.solver_type": "bh2"}),
        ("Sampler: Euler a, Eta: 0.67", {"sampling.eta": 0.67}),
        ("Sampler: Heun, Sigma churn: 3, Sigma tmin: 0.5, Sigma noise: 1.05",
         {"sampling.s_churn": 3.0, "sampling.s_tmin": 0.5, "sampling.s_noise": 1.05}),
        ("Sampler: Euler, Schedule type: Karras, Schedule rho: 5, Schedule max sigma: 12",
         {"schedule_options.rho": 5.0, "schedule_options.sigma_max": 12.0}),
        ("Sampler: Euler, Variation seed: 9, Variation strength: 0.3, App: SD.Next",
         {"variation.seed": 9, "variation.strength": 0.3}),
        ("Sampler: Euler, Seed resize from: 512x640",
         {"seed_resize.width": 512, "seed_resize.height": 640}),
    ],
)  # fmt: skip
def test_options_are_read_under_the_names_that_programs_write(library, last, expected):
    found = values(library, last)
    assert {name: found[name] for name in found if "." in name} == expected
    assert not of(library, last).lost


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("Sampler: DPM++ 2M, Eta DDIM: 0.5", [("Eta DDIM", "0.5", "it is for DDIM")]),
        ("Sampler: UniPC, UniPC order: 4",
         [("UniPC order", "4", "must be one of 1, 2, 3 for UniPC, got 4")]),
        ("Sampler: PLMS, Sigma churn: 3",
         [("Sigma churn", "3.0", "is nothing that PLMS has; what can be set for it: nothing")]),
        ("Sampler: Euler, Variation seed: 9",
         [("Variation seed", "9", "it says nothing without Variation seed strength")]),
        ("Sampler: Euler, Seed resize from: 0x640", [
            ("Seed resize from", "0", "must be from 64 to 2048 and a multiple of 8; "
             "64 is set instead")]),
        ("Sampler: Euler, Size: 513x4000", [
            ("Size", "513", "must be from 64 to 2048 and a multiple of 8; 512 is set instead"),
            ("Size", "4000", "must be from 64 to 2048 and a multiple of 8; 2048 is set instead")]),
        ("Sampler: Euler, Size: big", [("Size", "big", "it is no size such as 512x768")]),
        ("Sampler: Euler, CFG scale: 0.5",
         [("CFG scale", "0.5", "must be from 1 to 30; 1 is set instead")]),
        ("Sampler: Euler, CFG scale: nan", [("CFG scale", "nan", "it cannot be understood")]),
        ("Sampler: Euler, RNG: TPU", [("RNG", "TPU", "it cannot be understood")]),
        ("Sampler: Euler, Sigmas: 3 2 1", [
            ("Sigmas", "[3.0, 2.0, 1.0]", "3 levels are not those of 20 steps")]),
        ("Sampler: Euler, Refiner: xl", [("Refiner", "xl", "there is no such setting here")]),
    ],
)  # fmt: skip
def test_what_cannot_be_restored_is_named_with_the_reason(library, last, expected):
    assert lost(library, last) == expected


def test_a_seed_that_is_none_is_lost_and_not_brought_into_range(library):
    found = read(tables(library), f"a\nSteps: 20, Seed: {2**32}, Sampler: Euler")
    assert "seed" not in found.values
    assert [each.name for each in found.lost] == ["Seed"]
    huge = read(tables(library), f"a\nSteps: {'9' * 5000}, Seed: 1, Sampler: Euler")
    assert "steps" not in huge.values
    (named,) = huge.lost
    assert (named.name, len(named.value)) == ("Steps", 200)


@pytest.mark.parametrize(
    ("said", "rng"),
    [("", "nv"), ("RNG: CPU", "cpu"), ("RNG: NV", "nv"), ("RNG: GPU", "nv"), ("RNG: TPU", "nv")],
)
def test_a_text_that_says_nothing_of_the_noise_means_a1111s(library, said, rng):
    assert of(library, f"Sampler: Euler, {said}").values["rng"] == rng


def test_what_only_informs_is_not_lost(library):
    forge = (
        "Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Size: 512x512, "
        "Module 1: Built in, "
        'Diffusion in Low Bits: Automatic, Lora hashes: "a: b", TI: x, Version: f2.0.1v1.10.1'
    )
    civitai = 'Sampler: Euler a, Clip skip: 1, Created Date: 2024-08-11T05:23, Hashes: {"a": "b"}'
    next_ = "Sampler: Euler a, App: SD.Next, Version: ab12, Pipeline: X, Operations: txt2img"
    for last in (forge, civitai, next_):
        assert lost(library, last) == []


def test_thousands_of_unknown_keys_are_named_up_to_a_number(library):
    found = of(library, ", ".join(f"key {number}: x" for number in range(1000)))
    assert len(found.pairs) == 500 and len(found.lost) == 201
    assert found.lost[-1] == Lost("and more", "", "only the first 200 are listed")


# --- models -------------------------------------------------------------------------------------


def test_a_model_is_known_by_its_hash_first_then_by_its_name(library):
    toy, other = library.hash("toy")[:10], library.hash("other")[:10]
    assert toy != other
    assert values(library, f"Model: renamed, Model hash: {toy}")["model"] == "toy"
    assert values(library, f"Model: toy, Model hash: {other.upper()}")["model"] == "other"
    assert values(library, "Model: TOY")["model"] == "toy"
    assert lost(library, f"Model: toy, Model hash: {toy}") == []
    assert values(library, "Model: toy, Model hash: 6ce0161689")["model"] == "toy"
    assert lost(library, "Model: toy, Model hash: 6ce0161689") == [
        ("Model hash", "6ce0161689", f"the toy here is another one: {toy}")
    ]


def test_a_model_whose_hash_nobody_asked_for_yet_is_found_by_it(library, tmp_path):
    wanted = Library(tmp_path).hash("other")[:10]
    assert values(library, f"Model: renamed, Model hash: {wanted}")["model"] == "other"


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ("Model: ../toy", [("Model", "../toy", "there is no such model here")]),
        ("Model hash: 6ce0161689", [("Model hash", "6ce0161689", "there is no such model here")]),
        ("Model: gone, Model hash: 6ce01",
         [("Model", "gone", "there is no such model here")]),
    ],
)  # fmt: skip
def test_a_model_that_is_not_here_is_named(library, last, expected):
    assert lost(library, last) == expected
    assert "model" not in values(library, last)


def test_a_model_that_cannot_be_used_is_named_with_its_problem(library):
    ((name, value, why),) = lost(library, "Model: broken")
    assert (name, value) == ("Model", "broken") and why.startswith("that model cannot be used: ")


# --- our record ---------------------------------------------------------------------------------

CAT = GenerationRequest(model="toy", prompt="a cat", seed=5, sampler="Euler a")


def test_a_record_names_what_is_not_here(library):
    request = from_dict(
        to_dict(CAT)
        | {"model": "gone", "sampler": "Mine", "schedule": "My own", "extras": {"x": 1}}
    )
    found = read(tables(library), "text", record_text(request, "", "9"))
    assert found.source == "darkroom" and found.request == to_dict(request)
    assert found.lost == (
        Lost("Sampler", "Mine", "there is no such sampler here"),
        Lost("Schedule type", "My own", "there is no such schedule here"),
        Lost("Model", "gone", "there is no such model here"),
        Lost("x", "1", "there is no such extension here"),
    )
    assert not {"sampler", "model"} & found.values.keys()
    assert found.values["schedule"] == "Automatic"


def test_an_option_that_a_sampler_lost_meanwhile_is_named(library):
    request = from_dict(to_dict(CAT) | {"sampler": "PLMS", "sampling": {"eta": 0.5}})
    found = read(tables(library), None, record_text(request, "", "9"))
    assert [each.name for each in found.lost] == ["Eta"] and found.values["sampling.eta"] is None


def test_the_record_wins_over_the_text(library):
    text = "other words\nSteps: 5, Seed: 6, Sampler: DDIM, RNG: NV"
    found = read(tables(library), text, record_text(CAT, "", "9"))
    assert found.source == "darkroom"
    assert (found.values["prompt"], found.values["steps"]) == ("a cat", 20)
    assert found.pairs == (("Steps", "5"), ("Seed", "6"), ("Sampler", "DDIM"), ("RNG", "NV"))


@pytest.mark.parametrize(
    ("images", "size", "batches"),
    [(1, 1, (1, 1)), (8, 4, (2, 4)), (5, 2, (5, 1)), (9, 4, (3, 3)), (202, 2, (67, 3)),
     (800, 8, (100, 8)), (200, 1, (100, 2)), (204, 1, (68, 3))],
)  # fmt: skip
def test_batches_make_as_many_pictures(library, images, size, batches):
    request = from_dict(to_dict(CAT) | {"images": images, "batch_size": size})
    found = read(tables(library), None, record_text(request, "", "9"))
    assert (found.values["batch_count"], found.values["batch_size"]) == batches
    made = batches[0] * batches[1]
    named = Lost("Pictures", str(images), f"no batches make so many; {made} are set instead")
    assert found.lost == (() if made == images else (named,))


def test_own_levels_are_the_forms_text(library):
    options = {"sigmas": [14.6, 1 / 3, 0]}
    request = from_dict(to_dict(CAT) | {"steps": 2, "schedule_options": options})
    found = read(tables(library), None, record_text(request, "", "9"))
    assert found.values["schedule_options.sigmas"] == "14.6, 0.3333333333333333, 0.0"
    assert not found.lost


def test_nothing_is_taken_from_sampling_that_is_left_to_defaults(library):
    request = from_dict(to_dict(CAT) | {"sampling": {"eta": 0.25}})
    assert request.sampling == SamplingOptions(eta=0.25)
    said = read(tables(library), None, record_text(request, "", "9")).values
    assert {name for name, value in said.items() if value is not None and "." in name} == {
        "sampling.eta"
    }


# --- LoRAs --------------------------------------------------------------------------------------


@pytest.fixture
def loras(tmp_path):
    headers.write(tmp_path / "Lora" / "ink v2.safetensors", FILES["sd1"][0])
    headers.write(tmp_path / "Lora" / "wood.safetensors", FILES["sd2"][0])
    said = {"sshs_model_hash": "c0ffee" + "0" * 58}
    headers.write(tmp_path / "Lora" / "said.safetensors", FILES["sdxl"][0], said)
    return Loras(tmp_path)


@pytest.mark.parametrize(
    ("prompt", "said", "made", "why"),
    [
        ("a <lora:wood:0.5>", "wood: {wood}", None, None),
        ("a <lora:wood:0.5>", "wood:", None, None),
        ("a <lora:wood:0.5>", "wood: 112233445566", None, "the wood here is another one: {wood}"),
        ("a <lora:ink:0.5:1>, [<lyco:ink:1>::3]", "ink: {ink}",
         "a <lora:ink v2:0.5:1>, [<lyco:ink v2:1>::3]", None),
        ("<lora:old:1> <lora:wood:1>", "old: C0FFEE000000, wood: {wood}",
         "<lora:said:1> <lora:wood:1>", None),
        ("a <lora:said:1>", "said: c0ffee000000", None, None),
        ("a <lora:nix:1>", "nix: 112233445566", None, "there is no such LoRA here"),
        ("a <lora:nix:1>", "nix: 1", None, "there is no such LoRA here"),
        ("a <lora:nixes:1>", "nix: 112233445566", None, None),  # nobody calls it
        ("a <lora:a.b:1>", "a.b: {ink}", "a <lora:ink v2:1>", None),
        ("a <lora:axb:1>", "a.b: {ink}", None, None),
    ],
)  # fmt: skip
def test_a_lora_is_known_by_its_name_and_by_the_hash_of_a1111(
    library, loras, prompt, said, made, why
):
    digits = {name: loras.hash(loras.find(file))[:12] for name, file in
              (("ink", "ink v2"), ("wood", "wood"))}  # fmt: skip
    text = f'{prompt}\nSteps: 20, Seed: 1, Lora hashes: "{said.format(**digits)}", Version: v1'
    found = read(replace(tables(library), loras=loras), text)
    assert found.values["prompt"] == (made or prompt)
    assert [each.why for each in found.lost] == ([why.format(**digits)] if why else [])


def test_a_picture_of_ours_names_its_loras_so_that_they_are_found_again(library, loras):
    """What is written is read: under another name by then, too."""
    digest = loras.hash(loras.find("ink v2"))
    request = GenerationRequest(model="toy", prompt="a <lora:ink:1>", seed=1, loras={"ink": digest})
    text = parameters_text(request, "", "0.1.0")
    assert (
        f'Lora hashes: "ink: {digest[:12]}"' in text or f"Lora hashes: ink: {digest[:12]}" in text
    )
    found = read(replace(tables(library), loras=loras), text)
    assert found.values["prompt"] == "a <lora:ink v2:1>"
