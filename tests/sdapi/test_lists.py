"""What there is, as A1111's clients ask for it; options; what is read back."""

import json

import pytest

from tests import headers
from tests.sdapi.conftest import SMALL
from webui.api.sdapi.settings import SETTINGS
from webui.sampler_table import SAMPLER_INFOS, SCHEDULE_INFOS

VAE = {
    key: shape
    for key, shape in headers.published()["sd1"].items()
    if key.startswith("first_stage_model.")
}


def test_samplers_and_schedulers(api):
    samplers = api.get("samplers").json()
    assert [each["name"] for each in samplers] == [each.name for each in SAMPLER_INFOS]
    assert samplers[0] == {
        "name": "DPM++ 2M",
        "aliases": ["dpmpp_2m", "k_dpmpp_2m"],
        "options": {"scheduler": "karras"},
    }
    schedulers = {each["name"]: each for each in api.get("schedulers").json()}
    assert len(schedulers) == len(SCHEDULE_INFOS)
    assert schedulers["karras"] | {"aliases": None} == {
        "name": "karras", "label": "Karras", "aliases": None, "default_rho": 7.0,
        "need_inner_model": False,
    }  # fmt: skip
    assert schedulers["sgm_uniform"]["label"] == "SGM Uniform"
    assert schedulers["sgm_uniform"]["need_inner_model"] is True


def test_each_name_that_is_listed_can_be_sent_back(api):
    for sampler in api.get("samplers").json():
        for name in (sampler["name"], *sampler["aliases"]):
            request = api.request(api.txt2img(sampler_name=name, sampler_index="Euler"))
            assert request.sampler == sampler["name"]
    for schedule in api.get("schedulers").json():
        for name in (schedule["name"], schedule["label"], *(schedule["aliases"] or ())):
            request = api.request(api.txt2img(sampler_name="Euler", scheduler=name))
            assert request.schedule == schedule["label"]


def test_upscalers(api):
    none = {"model_name": None, "model_path": None, "model_url": None, "scale": None}
    assert api.get("upscalers").json() == [
        {"name": name, **none} for name in ("None", "Lanczos", "Nearest")
    ]
    modes = [{"name": "Latent"}, {"name": "Latent (nearest)"}]
    assert api.get("latent-upscale-modes").json() == modes
    assert api.get("realesrgan-models").json() == []


def test_models(api):
    digest = api.services.library.hash("toy")
    weights = str(api.services.library.find("toy").weights)
    assert api.get("sd-models").json() == [
        {
            "title": f"toy [{digest[:10]}]", "model_name": "toy", "hash": digest[:10],
            "sha256": digest, "filename": weights, "config": None,
        }
    ]  # fmt: skip


def test_a_model_without_a_known_hash_says_so(slow):
    [model] = slow.get("sd-models").json()
    assert (model["title"], model["hash"], model["sha256"]) == ("toy", None, None)


def test_a_model_is_found_by_what_clients_call_it(api):
    digest = api.services.library.hash("toy")
    for name in (
        "toy", "TOY", f"toy [{digest[:10]}]", "toy.safetensors", digest[:10], digest,
        f"renamed [{digest[:10]}]", "folder/toy.ckpt",
    ):  # fmt: skip
        assert api.request(
            api.txt2img(override_settings={"sd_model_checkpoint": name})
        ).model == "toy"  # fmt: skip
    answer = api.txt2img(override_settings={"sd_model_checkpoint": "nobody [0123456789]"})
    assert "sd_model_checkpoint: must be one of: toy" in api.refusal(answer)
    assert "broken" in api.refusal(api.post("options", {"sd_model_checkpoint": "broken"}))


@pytest.mark.parametrize(
    "path",
    ["hypernetworks", "face-restorers", "prompt-styles"],
)
def test_lists_of_what_there_is_nothing_of(api, path):
    answer = api.get(path)
    assert (answer.status_code, answer.json()) == (200, [])


def test_scripts(api):
    listed = api.get("scripts").json()
    told = api.get("script-info").json()
    assert listed["txt2img"] == []
    assert listed["img2img"] == [each["name"] for each in told]
    assert set(listed["img2img"]) == {
        "soft inpainting", "sd upscale", "loopback", "poor man's outpainting", "outpainting mk2",
    }  # fmt: skip
    [soft] = [each for each in told if each["is_alwayson"]]
    assert soft["name"] == "soft inpainting"
    [tiles] = [each for each in told if each["name"] == "sd upscale"]
    assert tiles["args"][1] == {
        "label": "Tile overlap", "value": 64, "minimum": 0, "maximum": 256, "step": 8,
        "choices": None,
    }  # fmt: skip
    [loopback] = [each for each in told if each["name"] == "loopback"]
    assert loopback["args"][2]["choices"] == ["aggressive", "linear", "lazy"]


def test_memory(api):
    told = api.get("memory").json()
    ram = told["ram"]
    assert 0 < ram["free"] < ram["total"] and ram["used"] == ram["total"] - ram["free"]
    assert told["cuda"] == {"error": "not known of CPU"}


def test_the_flags_have_no_secret(api):
    flags = api.get("cmd-flags").json()
    assert (flags["port"], flags["models_dir"]) == (7860, str(api.services.settings.models_dir))
    assert not {"auth", "auth_file", "api_auth"} & set(flags)


def test_refreshing_finds_new_models(api):
    from tests.test_library import make_model

    assert len(api.get("sd-models").json()) == 1
    make_model(api.services.settings.models_dir, "other")
    answer = api.post("refresh-checkpoints")
    assert (answer.status_code, answer.json()) == (200, None)
    assert [each["model_name"] for each in api.get("sd-models").json()] == ["other", "toy"]
    for name in ("vae", "loras", "embeddings"):
        assert (api.post(f"refresh-{name}").status_code) == 200


def test_a_model_leaves_and_enters_memory(api):
    assert api.post("unload-checkpoint").json() == {}
    assert api.post("reload-checkpoint").json() == {}
    calls = api.services.backend.calls
    assert calls == [("unload", {"model": None}), ("load", {"model": "toy"})]


# --- options -----------------------------------------------------------------------------------


def test_options_say_what_is_set(api):
    digest = api.services.library.hash("toy")
    assert api.get("options").json() == {
        "sd_model_checkpoint": f"toy [{digest[:10]}]", "sd_checkpoint_hash": digest,
        "samples_format": "png", "grid_format": "png", "CLIP_stop_at_last_layers": 1,
        "sd_vae": "Automatic", "eta_ancestral": 1.0, "eta_ddim": 0.0, "s_churn": 0.0,
        "s_tmin": 0.0, "s_noise": 1.0, "randn_source": "CPU", "emphasis": "Original",
        "initial_noise_multiplier": 1.0, "img2img_fix_steps": False, "return_grid": True,
        "send_seed": True,
    }  # fmt: skip


def test_the_whole_body_can_be_echoed_back(api):
    before = api.get("options").json()
    answer = api.post("options", before | {"something_of_forge": [1], "quicksettings": None})
    assert (answer.status_code, answer.json()) == (200, None)
    assert api.get("options").json() == before


OTHERS = {
    "CLIP_stop_at_last_layers": 2, "sd_vae": "None", "eta_ancestral": 0.5, "eta_ddim": 0.25,
    "s_churn": 2.0, "s_tmin": 0.5, "s_noise": 1.01, "randn_source": "NV", "emphasis": "No norm",
    "initial_noise_multiplier": 1.1, "img2img_fix_steps": True, "return_grid": False,
    "send_seed": False,
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_an_option_is_read_back_and_kept_over_a_restart(api, name):
    from webui.api.sdapi.settings import Chosen

    before = api.get("options").json()
    assert api.post("options", {name: OTHERS[name]}).status_code == 200
    assert api.get("options").json() == before | {name: OTHERS[name]}
    assert Chosen(api.services).all() == before | {name: OTHERS[name]}
    assert api.post("options", {name: before[name]}).status_code == 200
    assert api.get("options").json() == before


def test_options_reach_the_jobs_of_this_api_alone(api):
    api.post("options", {"CLIP_stop_at_last_layers": 2, "randn_source": "GPU", "s_churn": 1})
    request = api.request(api.txt2img())
    assert (request.clip_skip, request.rng, request.sampling.s_churn) == (2, "nv", 1.0)
    body = {"request": SMALL}
    native = api.client.post("/api/v1/jobs", json=body).json()["request"]
    assert (native["clip_skip"], native["rng"]) == (1, "cpu")


def test_choosing_a_model_loads_it_before_the_answer(api):
    from tests.test_library import make_model

    make_model(api.services.settings.models_dir, "other", sample_size=32)
    api.post("refresh-checkpoints")
    assert api.post("options", {"sd_model_checkpoint": "other"}).status_code == 200
    assert api.services.backend.calls == [("load", {"model": "other"})]
    assert api.get("options").json()["sd_model_checkpoint"].startswith("other")
    assert api.request(api.txt2img()).model == "other"
    api.post("options", {"sd_model_checkpoint": "other"})
    assert len(api.services.backend.calls) == 1
    api.post("options", api.get("options").json())
    assert api.request(api.txt2img()).model == "other"


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({"CLIP_stop_at_last_layers": 13}, "CLIP_stop_at_last_layers: must be from 1 to 12"),
        ({"CLIP_stop_at_last_layers": "two"}, "must be a whole number"),
        ({"sd_vae": "kl-f8.safetensors"}, "sd_vae: must be one of: Automatic, None"),
        ({"sd_vae": {"a": 1}}, "sd_vae"),
        ({"samples_format": "webp"}, "samples_format: is png"),
        ({"eta_ancestral": 7}, "eta_ancestral"),
        ({"emphasis": "Loud"}, "must be one of Original"),
        ({"randn_source": 3}, "randn_source"),
        ({"return_grid": "perhaps"}, "return_grid"),
        ({"sd_model_checkpoint": 5}, "sd_model_checkpoint"),
        ({"sd_model_checkpoint": ["toy"]}, "sd_model_checkpoint"),
    ],
)
def test_an_option_that_cannot_be_is_refused_and_nothing_is_set(api, said, text):
    before = api.get("options").json()
    assert text in api.refusal(api.post("options", {"send_seed": False, **said}))
    assert text.split(":")[0] in api.refusal(api.txt2img(override_settings=said))
    assert api.get("options").json() == before


def test_a_damaged_file_of_options_costs_only_what_is_damaged(api):
    from webui.api.sdapi.settings import Chosen

    path = api.services.settings.data_dir / "sdapi.json"
    path.write_text('{"CLIP_stop_at_last_layers": 99, "send_seed": false, "x": 1}', "utf-8")
    assert Chosen(api.services).all()["CLIP_stop_at_last_layers"] == 1
    assert Chosen(api.services).all()["send_seed"] is False
    path.write_text("[", "utf-8")
    assert Chosen(api.services).all()["send_seed"] is True


# --- separate VAEs, LoRAs ------------------------------------------------------------------------


@pytest.fixture
def files(api):
    """A VAE and a LoRA in the models' folder; taken away again."""
    folder = api.services.settings.models_dir
    place = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    pair = {f"{place}.lora_down.weight": [8, 320], f"{place}.lora_up.weight": [320, 8]}
    made = (
        headers.write(folder / "VAE" / "sharp.safetensors", VAE),
        headers.write(folder / "Lora" / "ink.safetensors", pair, {"ss_output_name": "ink_v2"}),
        headers.write(folder / "Lora" / "wrong.safetensors", {"weight": [4]}),
    )
    api.post("refresh-vae")
    yield made
    for each in made:
        each.unlink()
    api.post("refresh-vae")


def test_separate_vaes_are_listed_and_chosen_by_name_or_file(api, files):
    listed = [{"model_name": "sharp", "filename": str(files[0])}]
    assert api.get("sd-vae").json() == api.get("sd-modules").json() == listed
    answer = api.txt2img(override_settings={"sd_vae": "sharp.safetensors"})
    assert api.request(answer).vae == "sharp"
    assert json.loads(answer.json()["info"])["sd_vae_name"] == "sharp"
    for said, kept in (("VAE/Sharp.safetensors", "sharp"), ("none", "None"), ("", "Automatic")):
        assert api.post("options", {"sd_vae": said}).status_code == 200
        assert api.get("options").json()["sd_vae"] == kept
        assert api.request(api.txt2img()).vae == kept
    wrong = headers.write(files[0].with_name("misplaced.safetensors"), {"emb_params": [2, 768]})
    why = "misplaced cannot be used: an embedding, not a VAE; it belongs into embeddings/"
    for path, body in (
        ("options", {"sd_vae": "misplaced"}),
        ("txt2img", {"override_settings": {"sd_vae": "misplaced.safetensors"}}),
    ):
        answer = api.post(path, body)
        assert answer.status_code == 422
        assert f"sd_vae: {why}" in answer.text
    wrong.unlink()


def test_loras_are_listed_with_what_their_trainers_wrote(api, files):
    assert api.get("loras").json() == [
        {
            "name": "ink",
            "alias": "ink_v2",
            "path": str(files[1]),
            "metadata": {"ss_output_name": "ink_v2"},
        }
    ]
