"""LoRAs in pictures: as merged weights, at their steps, and without a trace when they are over."""

import hashlib
import json
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from tests import checkpoints, lora_files
from tests.engine.conftest import make_engine, play, request
from webui import DenoiserWrapper, hookimpl
from webui.engine import builtin
from webui.engine.engine import Control
from webui.engine.lora.places import places
from webui.errors import InvalidRequest, NotFinite
from webui.events import Rendered, Warned
from webui.events import Step as StepEvent
from webui.extensions import engine_registry

PROMPT = "a red apple"


@pytest.fixture(scope="module")
def pipes():
    return {family: checkpoints.pipeline(family) for family in ("sd1", "sd2", "sdxl", "refiner")}


@pytest.fixture(scope="module")
def models(tmp_path_factory, pipes):
    folder = tmp_path_factory.mktemp("models")
    for family in ("sd1", "sdxl"):
        pipes[family].save_pretrained(folder / "checkpoints" / family)
    for name, seed in (("ink", 1), ("wood", 2)):
        made = lora_files.made(pipes["sd1"], "lora", seed)
        lora_files.save(
            folder / "Lora" / "styles" / f"{name}.safetensors", lora_files.kohya(pipes["sd1"], made)
        )
    return folder


@pytest.fixture(scope="module")
def engine(models):
    return make_engine(models)


def asked(prompt=PROMPT, **values):
    return request(**({"model": "sd1", "prompt": prompt, "steps": 3} | values))


def pixels(run):
    (made,) = run.of(Rendered)
    return np.frombuffer(made.picture.rgb, np.uint8).astype(int)


def merged(models, changes, **values):
    """The picture of a model whose weights are changed for good: (Made, text, unet) each."""
    engine = make_engine(models)
    asked_for = asked(**values)
    networks = engine._models.load(asked_for.model).model.networks
    with torch.no_grad():
        for made, text, unet in changes:
            for (network, name), change in made.weights.items():
                module = networks[network].get_submodule(name)
                module.weight += change * (unet if network == "unet" else text)
            for (network, name), change in made.biases.items():
                module = networks[network].get_submodule(name)
                module.bias += change * (unet if network == "unet" else text)
    return pixels(play(engine, asked_for))


def of(made, wanted):
    """Those changes alone whose network and module are wanted."""
    tensors = {key: each for key, each in made.tensors.items() if wanted(*key)}
    return lora_files.Made(tensors, {key: made.weights[key] for key in tensors})


LAYOUTS = {
    "kohya": ("lora", "", lambda *of: (lora_files.kohya(*of), None)),
    "kohya, tucker": ("tucker", "", lambda *of: (lora_files.kohya(*of), None)),
    "loha": ("loha", "", lambda *of: (lora_files.kohya(*of, "hada"), None)),
    "loha, tucker": ("loha tucker", "", lambda *of: (lora_files.kohya(*of, "hada"), None)),
    "lokr": ("lokr", "", lambda *of: (lora_files.kohya(*of), None)),
    "lokr, low rank": ("lokr low rank", "", lambda *of: (lora_files.kohya(*of), None)),
    "lokr, tucker": ("lokr tucker", "", lambda *of: (lora_files.kohya(*of), None)),
    "full": ("full", "", lambda *of: (lora_files.kohya(*of), None)),
    "peft": ("lora", "", lora_files.peft),
    "newer diffusers": ("lora", "", lambda *of: (lora_files.newer_diffusers(*of), None)),
    "old diffusers": ("lora", "att", lambda *of: (lora_files.old_diffusers(*of), None)),
}


@pytest.mark.parametrize(
    ("layout", "family"),
    [*((layout, "sd1") for layout in LAYOUTS), *((each, "sdxl") for each in ("kohya", "peft"))],
)
def test_a_file_of_each_layout_changes_the_picture_as_merged_weights_do(
    models, pipes, engine, layout, family
):
    kind, only, write = LAYOUTS[layout]
    made = lora_files.made(pipes[family], kind, only=only)
    if layout == "old diffusers":  # attention alone, in the text encoder too
        of_attention = ("to_q", "to_k", "to_v", "to_out.0", "_proj")
        made = of(made, lambda network, name: name.endswith(of_attention))
    keys, metadata = write(pipes[family], made)
    lora_files.save(models / "loras" / f"{layout} {family}.safetensors", keys, metadata)
    run = play(engine, asked(f"{PROMPT}<lora:{layout} {family}:0.5>", model=family))
    plain = pixels(play(engine, asked(model=family)))
    theirs = merged(models, [(made, 0.5, 0.5)], model=family)
    assert np.abs(pixels(run) - theirs).max() <= 1
    assert np.abs(theirs - plain).mean() > 4
    assert run.of(Warned) == []


def test_a_file_of_peft_alone_takes_its_scale_from_the_config_beside_it(models, pipes, engine):
    made = lora_files.made(pipes["sd1"], "lora", only="attn")
    made = of(made, lambda network, name: network == "unet")
    place = models / "loras" / "folder" / "adapter_model.safetensors"
    lora_files.save(place, lora_files.peft_alone(pipes["sd1"], made))
    config = {"r": lora_files.RANK, "lora_alpha": lora_files.ALPHA, "peft_type": "LORA"}
    place.with_name("adapter_config.json").write_text(json.dumps(config))
    run = play(engine, asked(f"{PROMPT}<lora:adapter_model:1>"))
    assert np.abs(pixels(run) - merged(models, [(made, 1, 1)])).max() <= 1


def test_several_at_once_are_the_sum_of_their_changes_text_and_unet_apart(models, pipes, engine):
    ink, wood = (lora_files.made(pipes["sd1"], "lora", seed) for seed in (1, 2))
    prompt = f"<lora:ink:0.6:0.2>{PROMPT}<lora:wood:te=-0.3:unet=0.4>"
    theirs = merged(models, [(ink, 0.6, 0.2), (wood, -0.3, 0.4)])
    assert np.abs(pixels(play(engine, asked(prompt))) - theirs).max() <= 1
    other = merged(models, [(ink, 0.2, 0.6), (wood, 0.4, -0.3)])
    assert np.abs(other - theirs).mean() > 2
    twice = play(engine, asked(f"{PROMPT}<lora:ink:0.5><lora:ink:-0.25>"))
    once = play(engine, asked(f"{PROMPT}<lora:ink:0.25>"))
    assert twice.pictures == once.pictures


def test_weight_0_is_no_lora_to_the_bit(engine):
    plain = play(engine, asked())
    for tag in ("<lora:ink:0>", "<lora:ink:0:0>", "<lora:ink:1><lora:ink:-1>"):
        run = play(engine, asked(PROMPT + tag))
        assert run.pictures == plain.pictures
    (made,) = play(engine, asked(f"{PROMPT}<lora:ink:0>")).of(Rendered)
    assert made.request.loras == {}


# --- over steps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["DPM++ 2M", "Euler a", "Heun", "DDIM CFG++"])
def test_before_it_begins_a_picture_is_the_one_without_it_to_the_bit(engine, sampler):
    def made(prompt, stop_at):
        values = {"steps": 6, "stop_at": stop_at, "sampler": sampler, "guidance_scale": 6.0}
        return play(engine, asked(prompt, **values)).pictures

    later, until = f"{PROMPT}[<lora:ink:1>:3]", f"{PROMPT}[<lora:ink:1>::0.5]"
    plain, always = PROMPT, f"{PROMPT}<lora:ink:1>"
    half, whole = 0.5, 1.0
    assert made(later, half) == made(plain, half) != made(always, half)
    assert made(until, half) == made(always, half)
    ends = [made(each, whole) for each in (plain, later, until, always)]
    assert len({picture for (picture,) in ends}) == 4


def test_each_step_wears_what_its_schedule_says(models, engine, monkeypatch):
    adapters = engine._models.load("sd1").reader._adapters
    seen = []
    real = adapters.unet

    def watched(strengths, bound):
        seen.append([round(weight, 3) for _, weight in strengths])
        return real(strengths, bound)

    monkeypatch.setattr(adapters, "unet", watched)
    prompt = f"{PROMPT}[<lora:ink:1:0.5>:<lora:ink:0.25><lora:wood:-2>:2][|<lora:wood:3>]"
    play(engine, asked(prompt, steps=5, sampler="Euler"))
    assert seen == [[0.5], [0.5, 3.0], [0.25, -2.0], [0.25, 1.0], [0.25, -2.0]]


def test_a_stop_of_the_text_encoders_part_changes_what_padding_and_negative_are(models, pipes):
    """Long texts are padded with an empty window, which has to be read with the LoRA too."""
    ink = lora_files.made(pipes["sd1"], "lora", 1)
    long = {"negative_prompt": "blue " * 80}
    run = play(make_engine(models), asked(f"{PROMPT}<lora:ink:1:0>", **long))
    theirs = merged(models, [(ink, 1, 0)], prompt=PROMPT, **long)
    assert np.abs(pixels(run) - theirs).max() <= 1


# --- without a trace -----------------------------------------------------------------------------


def weights(engine, name="sd1"):
    """A hash of every parameter and buffer, and how many hooks there are."""
    model = engine._models.load(name).model
    networks = [*model.networks.values(), model.vae._network]
    digest, hooks = hashlib.sha256(), 0
    for network in networks:
        for key, each in network.state_dict().items():
            digest.update(key.encode() + each.contiguous().numpy().tobytes())
        hooks += sum(len(module._forward_hooks) for module in network.modules())
    return digest.hexdigest(), hooks


def test_weights_are_what_they_were_after_jobs_errors_and_stops(models, engine, monkeypatch):
    before, plain = weights(engine), play(engine, asked()).pictures
    assert before[1] == 0
    worn = asked(f"{PROMPT}[<lora:ink:1>:<lora:wood:-0.7>:2]", steps=4)
    play(engine, worn)
    assert weights(engine) == before
    for stop in ("keep", "discard"):
        control = Control()
        for event in engine.run(worn, control=control):
            if isinstance(event, StepEvent):
                control.stop = stop
        assert weights(engine) == before
    run = engine.run(worn)  # left alone in its middle
    while not isinstance(next(run), StepEvent):
        pass
    run.close()
    assert weights(engine) == before
    unet = engine._models.load("sd1").model.unet
    with monkeypatch.context() as patch:
        patch.setattr(unet.conv_out, "forward", lambda x: x[:, :4] * float("nan"))
        with pytest.raises(NotFinite):
            play(engine, worn)
    assert weights(engine) == before

    def failing(*_, **__):
        raise RuntimeError("the network broke")

    with monkeypatch.context() as patch:
        patch.setattr(unet.mid_block, "forward", failing)
        with pytest.raises(RuntimeError, match="broke"):
            play(engine, worn)
    assert weights(engine) == before
    assert play(engine, asked()).pictures == plain


# --- what is said --------------------------------------------------------------------------------


def test_the_request_that_comes_back_names_the_files_by_their_content(models, engine):
    (made,) = play(engine, asked(f"{PROMPT}<lora:INK:0.5>")).of(Rendered)
    path = models / "Lora" / "styles" / "ink.safetensors"
    data = path.read_bytes()
    tensors = data[8 + int.from_bytes(data[:8], "little") :]
    assert made.request.loras == {"ink": hashlib.sha256(tensors).hexdigest()}
    assert play(engine, made.request).of(Warned) == []
    other = asked(f"{PROMPT}<lora:ink:0.5>", loras={"ink": "0" * 64, "gone": "1" * 64})
    told = [event.text for event in play(engine, other).of(Warned)]
    assert told == [
        "The LoRA ink is not the one that the request was made with: its file has the hash "
        f"{made.request.loras['ink'][:12]}, not 000000000000.",
        "The LoRA gone, which the request was made with, is not used now.",
    ]


def test_a_file_that_changes_is_read_again(models, pipes):
    engine = make_engine(models)
    path = models / "loras" / "changing.safetensors"
    pictures = []
    for seed in (5, 6, 5):
        made = lora_files.made(pipes["sd1"], "lora", seed)
        lora_files.save(path, lora_files.kohya(pipes["sd1"], made))
        pictures.append(play(engine, asked(f"{PROMPT}<lora:changing:1>")).pictures)
    assert pictures[0] == pictures[2] != pictures[1]


MIDDLE = "mid_block.attentions.0.transformer_blocks.0"
QUERY = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q"
DOWN, UP = torch.ones(4, 128), torch.ones(128, 4)


def plain(**more):
    return {f"{QUERY}.lora_down.weight": DOWN, f"{QUERY}.lora_up.weight": UP, **more}


WRONG = {
    "nan": (plain() | {f"{QUERY}.lora_up.weight": UP * float("nan")}, "holds NaN or Inf"),
    "another shape": (
        plain() | {f"{QUERY}.lora_down.weight": torch.ones(4, 64)},
        "of the shape [4, 64] and [4, 128, 1, 1] is needed",
    ),
    "two ranks": (
        plain() | {f"{QUERY}.lora_down.weight": torch.ones(8, 128)}, "[4, 128, 1, 1] is needed",
    ),
    "no such place": (
        plain() | {"lora_unet_tail.lora_up.weight": UP, "lora_unet_tail.lora_down.weight": DOWN},
        "1 of the 2 weights that it changes are none of the model sd1: 'lora_unet_tail.lora",
    ),
    "a second text encoder": (
        {f"lora_te2_text_model_encoder_layers_0_mlp_fc1.lora_{way}.weight": DOWN
         for way in ("down", "up")},
        "1 of the 1 weights",
    ),
    "half": ({f"{QUERY}.lora_up.weight": UP}, "what belongs to"),
    "dora": (plain() | {f"{QUERY}.dora_scale": torch.ones(128)}, "it is DoRA, which cannot be"),
    "oft": ({f"{QUERY}.oft_blocks": torch.ones(4, 4, 4)}, "it is OFT, which cannot be used"),
    "flux": (
        {"lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight": UP,
         "lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight": DOWN},
        "it is a LoRA for Flux",
    ),
    "strange keys": (plain() | {"what.is.this": UP}, "that nothing here knows: 'what.is.this'"),
    "whole numbers": (
        plain() | {f"{QUERY}.lora_up.weight": UP.to(torch.int8)}, "of the type I8",
    ),
    "an alpha of many": (plain() | {f"{QUERY}.alpha": torch.ones(3)}, "is no number"),
    "twice": (
        plain() | {f"unet.{MIDDLE}.attn1.to_q.lora_A.weight": DOWN},
        "are for the same weight",
    ),
    "a huge product": (
        {f"{QUERY}.hada_w{way}_{side}": torch.ones(shape) for way in "12"
         for side, shape in (("a", (10**6, 1)), ("b", (1, 10**6)))},
        "is needed",
    ),
    "a huge kronecker": (
        {f"{QUERY}.lokr_w1": torch.ones(1000, 1000), f"{QUERY}.lokr_w2": torch.ones(1000, 1000)},
        "is needed",
    ),
    "nothing": ({"net.alpha": torch.ones(1)}, "it has keys that nothing here knows: 'net.alpha'"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_is_refused_and_the_next_picture_is_the_same(models, engine, name):
    keys, reason = WRONG[name]
    path = lora_files.save(models / "loras" / "wrong" / f"{name}.safetensors", keys)
    before = play(engine, asked(f"{PROMPT}<lora:ink:1>", steps=1)).pictures
    try:
        with pytest.raises(InvalidRequest) as refused:
            play(engine, asked(f"{PROMPT}<lora:{name}:1>"))
        assert refused.value.field == "prompt"
        assert reason in refused.value.problem
        assert play(engine, asked(f"{PROMPT}<lora:ink:1>", steps=1)).pictures == before
    finally:
        path.unlink()


def test_a_lora_of_another_family_is_refused_with_that_sentence(models, engine):
    wide = {f"{QUERY.replace('attn1_to_q', 'attn2_to_k')}.lora_{way}.weight": torch.ones(shape)
            for way, shape in (("down", (4, 2048)), ("up", (128, 4)))}  # fmt: skip
    lora_files.save(models / "loras" / "wide.safetensors", wide)
    with pytest.raises(InvalidRequest) as refused:
        play(engine, asked(f"{PROMPT}<lora:wide:1>"))
    told = "prompt: the LoRA 'wide' cannot be used: An SDXL LoRA on an SD 1.5 model"
    assert str(refused.value) == told
    with pytest.raises(InvalidRequest, match="there is no LoRA 'inks'; there is ink"):
        play(engine, asked(f"{PROMPT}<lora:inks:1>"))


def test_an_sdxl_unets_places_are_known_by_its_authors_names_too(engine):
    """As Kohya's scripts name them; the whole files are compared above."""
    from webui.engine.lora.places import places

    unet = engine._models.load("sdxl").model.unet
    known = places(unet)
    assert known["input_blocks_3_1_transformer_blocks_0_attn1_to_k"] is (
        unet.down_blocks[1].attentions[0].transformer_blocks[0].attn1.to_k
    )
    assert known["middle_block_1_proj_in"] is unet.mid_block.attentions[0].proj_in
    assert known["middle_block_2_in_layers_2"] is unet.mid_block.resnets[1].conv1
    assert len(set(known.values())) == sum(
        isinstance(each, torch.nn.Linear | torch.nn.Conv2d) for each in unet.modules()
    )


def test_the_published_sdxl_has_the_places_that_kohyas_scripts_train():
    """They say "create LoRA for U-Net: 722 modules" of it, and 192 of Stable Diffusion 1."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            block_out_channels=(320, 640, 1280), attention_head_dim=[5, 10, 20],
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=[1, 2, 10], cross_attention_dim=2048,
            use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
        )  # fmt: skip
        first = UNet2DConditionModel(cross_attention_dim=768)
    for network, count in ((unet, 722), (first, 192)):
        attended = {each for name, each in places(network).items()
                    if "transformer_blocks_" in name or "_proj_" in name}  # fmt: skip
        assert len(attended - {network.time_embedding.linear_1}) == count
    numbered = {re.match(r"(in|middle|out)\w*?(_\d+)+?(?=_transformer)", name)
                for name in places(unet)}  # fmt: skip
    assert {match[0] for match in numbered if match} == {
        *(f"input_blocks_{number}_1" for number in (4, 5, 7, 8)), "middle_block_1",
        *(f"output_blocks_{number}_1" for number in range(6)),
    }  # fmt: skip


def test_what_an_extension_asks_the_network_wears_them_too(models):
    plugin = SimpleNamespace(
        register_denoiser_wrappers=hookimpl(
            lambda: (DenoiserWrapper(needs="mine", wrap=lambda denoise, view: view.predict),)
        )
    )
    engine = make_engine(models, engine_registry({"builtin": builtin, "mine": plugin}))
    job = asked("cat <lora:ink:1>", guidance_scale=1.0)
    plain = play(engine, job).pictures
    assert play(engine, replace(job, extras={"mine": {"on": True}})).pictures == plain
    assert plain != play(engine, replace(job, prompt="cat ")).pictures
