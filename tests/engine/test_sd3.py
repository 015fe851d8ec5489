"""Stable Diffusion 3 through the whole engine: our pictures are diffusers' pictures."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
)
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from safetensors.torch import load_file, save_file

from tests import checkpoints
from tests.engine.conftest import die, make_engine, play, request
from tests.engine.pictures import box_mask, results, scene, sent
from webui import (
    AttentionProcessor,
    ConditioningTransform,
    DenoiserWrapper,
    SamplerEntry,
    StepListener,
    hookimpl,
)
from webui.engine import builtin
from webui.errors import InvalidRequest, ModelRefused
from webui.events import Look, Preview, Rendered, Step, Warned
from webui.extensions import engine_registry
from webui.library import Library
from webui.request import Hires, InitImage, Mask, Resume, SamplingOptions, ScheduleOptions
from webui.trajectories import digest, kept_steps, read_guidance, read_header, read_step
from webui.wire import RunOptions

SOURCE = np.array(scene(), int)
STEPS = 4
NORMAL = [1 - each * 0.999 / STEPS for each in range(STEPS)]  # SGM Uniform, before the shift


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    place = tmp_path_factory.mktemp("models") / "checkpoints"
    checkpoints.stable_diffusion_3().save_pretrained(place / "sd3")
    checkpoints.stable_diffusion_3(t5=False, shift=2.0).save_pretrained(place / "without-t5")
    return place.parent


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Of pipelines whose first text encoder projects nothing, as in every file: as one file with
    T5's vocabulary beside it, without it, and with CLIP alone."""
    whole, clips = (plain_first(checkpoints.stable_diffusion_3(t5=t5)) for t5 in (True, False))
    place = tmp_path_factory.mktemp("files") / "checkpoints"
    checkpoints.write(place / "sd3" / "whole.safetensors", checkpoints.joint(whole))
    whole.tokenizer_3.save_pretrained(place / "sd3" / "tokenizer_3")
    checkpoints.write(place / "without-words.safetensors", checkpoints.joint(whole))
    checkpoints.write(place / "clips.safetensors", checkpoints.joint(clips))
    return place.parent, whole, clips


def plain_first(pipe):
    """Its first text encoder gives the text as a whole as it is."""
    with torch.no_grad():
        pipe.text_encoder.text_projection.weight.copy_(torch.eye(64))
    return pipe


@pytest.fixture(scope="module")
def pipe():
    return checkpoints.stable_diffusion_3()


def scheduled(pipe, shift=3.0):
    pipe.scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    return pipe


@pytest.fixture(scope="module")
def engine(models):
    return make_engine(models)


@pytest.fixture(scope="module")
def model(engine):
    return engine._models.load("sd3").model


def asked(**values):
    given = {"model": "sd3", "sampler": "Euler", "steps": STEPS, "width": 64, "height": 96}
    return request(**(given | values))


@pytest.fixture
def from_picture(tmp_path):
    """(what img2img is told, a mask's box, more of the request) -> a request, its options."""

    def make(init, box=None, size=(64, 64), **values):
        folder = tmp_path / "inputs"
        given = InitImage(picture=sent(folder, scene(*size)), **init)
        if box is not None:
            given = replace(given, mask=Mask(picture=sent(folder, box_mask(size, box)), blur=0))
        return asked(init=given, width=size[0], height=size[1], **values), RunOptions(
            inputs=str(folder)
        )

    return make


def theirs(pipe, wanted, **more):
    """The picture of diffusers' own pipeline, of the same weights, noise and noise levels."""
    return (made_by(pipe, wanted, output_type="np", **more) * 255).round()


def made_by(pipe, wanted, **more):
    """What it makes; where nothing else is asked for, latents."""
    pipe.set_progress_bar_config(disable=True)
    given = {"num_inference_steps": STEPS, "sigmas": NORMAL, "output_type": "latent"} | more
    made = pipe(
        prompt=wanted.prompt,
        negative_prompt=wanted.negative_prompt,
        guidance_scale=wanted.guidance_scale,
        width=wanted.width,
        height=wanted.height,
        generator=torch.Generator("cpu").manual_seed(wanted.seed),
        **given,
    ).images
    return made if given["output_type"] == "latent" else made[0]


@pytest.mark.parametrize("guidance", [5.0, 1.0])
def test_a_picture_equals_the_one_of_diffusers_pipeline(engine, pipe, guidance):
    wanted = asked(guidance_scale=guidance)  # Automatic is SGM Uniform
    image = theirs(scheduled(pipe), wanted)
    mine = results(play(engine, wanted))[0]
    assert np.abs(mine - image).max() <= 1
    assert image.std() > 5  # not flat


def test_without_t5_a_picture_equals_the_one_of_diffusers_pipeline(engine):
    wanted = asked(model="without-t5")
    image = theirs(checkpoints.stable_diffusion_3(t5=False, shift=2.0), wanted)
    mine = results(play(engine, wanted))[0]
    assert np.abs(mine - image).max() <= 1
    assert image.std() > 5  # not flat


def test_one_file_gives_the_picture_of_diffusers_pipeline_from_the_same_weights(files):
    place, whole, clips = files
    mine = make_engine(place)
    by_name = {"whole": whole, "clips": clips}
    pictures = {}
    for name, pipe in by_name.items():
        wanted = asked(model=name)
        pictures[name] = results(play(mine, wanted))[0]
        assert np.abs(pictures[name] - theirs(scheduled(pipe), wanted)).max() <= 1
    assert np.abs(pictures["whole"] - pictures["clips"]).max() > 5
    bare = results(play(mine, asked(model="without-words")))[0]
    assert np.array_equal(bare, pictures["clips"])


def test_t5_is_read_from_the_next_picture_on_where_its_vocabulary_comes_or_goes(files, tmp_path):
    place, whole, _ = files
    path = tmp_path / "checkpoints" / "a.safetensors"
    checkpoints.write(path, checkpoints.joint(whole))
    mine, words = make_engine(tmp_path), path.with_name("tokenizer_3")

    def made():
        return play(mine, asked(model="a")).pictures

    bare = made()
    shutil.copytree(place / "checkpoints" / "sd3" / "tokenizer_3", words)
    read = made()
    shutil.rmtree(words)
    assert made() == bare != read


def test_a_file_says_what_it_holds_and_what_is_not_read(files, tmp_path):
    place, whole, _ = files
    found = {each.name: each for each in Library(place).entries()}
    entry, bare, clips = (found[each] for each in ("sd3/whole", "without-words", "clips"))
    assert (entry.problem, entry.family, entry.report.prediction) == (None, "sd3", "flow")
    assert entry.report.parts == (
        "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3",
    )  # fmt: skip
    assert (entry.native_width, entry.scale_factor, entry.report.precision) == (1024, 8, "fp32")
    assert entry.report.notes == ()
    assert bare.report.notes == (
        "its T5 is not read, for its vocabulary is in no single file: put the folder tokenizer_3 "
        "of the model's diffusers layout beside it; now texts are read by CLIP alone",
    )
    assert bare.report.sizes == clips.report.sizes
    assert clips.report.notes == ("it holds no T5: texts are read by CLIP alone",)
    tensors = checkpoints.joint(whole)
    t5 = "text_encoders.t5xxl.transformer."
    network = "model.diffusion_model.joint_blocks.0.x_block.attn.qkv."
    scale = torch.ones(())
    odd = {
        "bare": checkpoints.joint(whole, texts=False),
        "scaled-t5": tensors | {f"{t5}scaled_fp8": scale},
        "scaled": tensors | {f"{network}scale_weight": scale},
        "gap": {key: each for key, each in tensors.items() if ".joint_blocks.0." not in key},
        "cut": {key: each for key, each in tensors.items() if key != f"{network}weight"},
    }
    for name, each in odd.items():
        checkpoints.write(tmp_path / "checkpoints" / f"{name}.safetensors", each)
    found = Library(tmp_path)
    assert found.find("bare").problem == (
        "this is Stable Diffusion 3 without its text encoders; a file that holds them (it is "
        "called ..._incl_clips...) can be used, and a folder in diffusers' layout"
    )
    gap = "its transformer's blocks are not numbered one after the other"
    assert found.find("gap").problem == gap
    assert found.find("scaled-t5").report.notes == (
        "its T5 is scaled fp8, which is not read: texts are read by CLIP alone",
    )
    assert "are scaled or quantized (" + network in str(found.find("scaled").problem)
    with pytest.raises(
        ModelRefused,
        match="3 of its weights are missing, transformer_blocks.0.attn.to_k.weight for one",
    ):
        make_engine(tmp_path)._models.load("cut")


def test_a_shift_of_ones_own_is_that_of_diffusers_scheduler(engine, pipe):
    wanted = asked(schedule="SGM Uniform", schedule_options=ScheduleOptions(shift=1.2))
    mine = results(play(engine, wanted))[0]
    assert np.abs(mine - theirs(scheduled(pipe, 1.2), wanted)).max() <= 1
    assert np.abs(mine - results(play(engine, asked()))[0]).max() > 5


def test_diffusers_own_levels_can_be_given(engine, pipe):
    scheduled(pipe)
    pipe.scheduler.set_timesteps(6)
    own = tuple(pipe.scheduler.sigmas.tolist())
    wanted = asked(steps=6, schedule_options=ScheduleOptions(sigmas=own))
    run = play(engine, wanted)
    image = theirs(pipe, wanted, num_inference_steps=6, sigmas=None)
    assert np.abs(results(run)[0] - image).max() <= 1
    assert [each.sigma for each in run.of(Step)] == list(own[1:])


def test_heun_equals_diffusers_pipeline_with_its_scheduler(engine, pipe):
    pipe.scheduler = FlowMatchHeunDiscreteScheduler(shift=3.0)
    pipe.scheduler.set_timesteps(3)
    levels = (*pipe.scheduler.sigmas[:-1:2].tolist(), 0.0)
    wanted = asked(sampler="Heun", steps=3, schedule_options=ScheduleOptions(sigmas=levels))
    image = theirs(pipe, wanted, num_inference_steps=3, sigmas=None)
    assert np.abs(results(play(engine, wanted))[0] - image).max() <= 1


@pytest.mark.parametrize(("strength", "made"), [(0.55, 0.75), (0.2, 0.25)])
def test_a_picture_made_anew_equals_the_one_of_diffusers_pipeline(
    engine, pipe, from_picture, monkeypatch, strength, made
):
    # of 4 steps at 0.55 A1111 makes as many as diffusers at 0.75
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator: self.mean)
    wanted, options = from_picture({"strength": strength})
    pipe = StableDiffusion3Img2ImgPipeline(
        **{name: part for name, part in scheduled(pipe).components.items() if "image_" not in name}
    )
    image = theirs(pipe, wanted, image=scene(), strength=made)
    mine = results(play(engine, wanted, options))[0]
    assert np.abs(mine - image).max() <= 1


def test_an_inpainted_picture_equals_the_one_of_diffusers_pipeline(
    engine, pipe, from_picture, monkeypatch
):
    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", lambda self, generator: self.mean)
    wanted, options = from_picture({"strength": 0.55}, box=(32, 0, 64, 64))
    pipe = StableDiffusion3InpaintPipeline(
        **{name: part for name, part in scheduled(pipe).components.items() if "image_" not in name}
    )
    mask = box_mask((64, 64), (32, 0, 64, 64))
    latents = made_by(pipe, wanted, image=scene(), mask_image=mask, strength=0.75)
    config = pipe.vae.config  # diffusers 0.42 decodes here without the shift
    with torch.no_grad():
        decoded = pipe.vae.decode(latents / config.scaling_factor + config.shift_factor).sample
    image = ((decoded[0].permute(1, 2, 0).clamp(-1, 1).numpy() + 1) * 127.5).round()
    mine = results(play(engine, wanted, options))[0]
    assert np.abs(mine - image)[:, 32:].max() <= 1
    assert np.array_equal(mine[:, :32], SOURCE[:, :32])  # where diffusers decodes anew
    assert np.abs(mine - SOURCE)[:, 32:].mean() > 5


def test_where_nothing_is_masked_the_latent_is_the_pictures_with_noise_mixed_in(
    engine, from_picture, model, tmp_path
):
    wanted, options = from_picture({"strength": 1.0}, box=(32, 0, 64, 64), sampler="Euler a")
    play(engine, wanted, replace(options, keep=str(tmp_path)))
    source = torch.from_numpy(SOURCE).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        clean = model.encode(source)[..., :4].numpy()
    kept = [read_step(tmp_path, 0, number) for number in (1, 2, 3, 4)]
    for step in kept:
        assert np.allclose(step.denoised[..., :4], clean, atol=1e-5)
        if step.sigma:
            noise = (step.x[..., :4] - (1 - step.sigma) * clean) / step.sigma
            assert 0.8 < noise.std() < 1.2  # 256 numbers
    assert np.allclose(kept[-1].x[..., :4], clean, atol=1e-5)


def test_each_picture_of_a_batch_is_the_one_made_alone(engine):
    run = play(engine, asked(images=3, batch_size=2, sampler="DPM++ 2M SDE"))
    together = results(run)
    for number, event in enumerate(run.of(Rendered)):
        alone = results(play(engine, event.request))[0]
        assert event.request.seed == 11 + number
        assert np.abs(together[number] - alone).max() <= 2
    assert np.abs(together[0] - together[1]).mean() > 3


def test_at_guidance_1_the_negative_prompt_has_no_influence(engine):
    plain, other = (asked(guidance_scale=1.0, negative_prompt=text) for text in ("blue", "cat"))
    assert play(engine, plain).pictures == play(engine, other).pictures
    strong = [asked(negative_prompt=text) for text in ("blue", "cat")]
    assert play(engine, strong[0]).pictures != play(engine, strong[1]).pictures


@pytest.mark.parametrize(
    "sampler",
    [
        "Euler", "DPM++ 2M", "Heun", "UniPC", "Euler a", "DPM++ 2M SDE", "DPM++ SDE", "LCM",
        "DPM++ 2M CFG++",
    ],
)  # fmt: skip
def test_a_run_goes_on_to_the_same_bits_and_branches_to_them(engine, tmp_path, sampler):
    wanted = asked(sampler=sampler, steps=5, height=64)
    whole = play(engine, wanted, RunOptions(keep=str(tmp_path / "original")))
    assert whole.outcome == "done" and results(whole).std() > 5
    died = RunOptions(keep=str(tmp_path / "died"))
    die(engine, wanted, died, (0, 2))
    rest = play(engine, wanted, died)
    assert rest.pictures == whole.pictures
    assert [each.step for each in rest.of(Step)] == [each.step for each in whole.of(Step)][2:]
    steps = kept_steps(tmp_path / "original", 0, 0, 1)
    sha256 = digest(read_header(tmp_path / "original", 0), steps)
    resume = Resume(job="original", batch=0, position=0, step=1, sha256=sha256)
    options = RunOptions(keep=str(tmp_path / "branch"), resume=str(tmp_path / "original"))
    again = play(engine, replace(wanted, resume=resume), options)
    assert again.pictures == whole.pictures


def test_previews_are_of_the_latent_as_it_is(engine, model, tmp_path):
    keep = str(tmp_path)
    options = RunOptions(keep=keep, noisy="fast", predicted="vae", guidance=True)
    run = play(engine, asked(), options)
    shown = {(each.step, each.kind): each.picture for each in run.of(Preview)}
    assert shown[STEPS, "predicted"].rgb == run.pictures[0]
    step = read_step(tmp_path, 0, 1)
    colours = model.latent_to_rgb(torch.from_numpy(step.x))[0].permute(1, 2, 0)
    expected = ((colours + 1) * 127.5).round()
    first = shown[1, "noisy"]
    mine = np.frombuffer(first.rgb, np.uint8).reshape(first.height, first.width, 3)
    assert np.abs(mine - expected.numpy()).max() <= 1
    assert mine.std() > 10 and (mine % 255 == 0).mean() < 0.5  # seen, and not saturated
    kinds = ("unprompted", "prompted")
    both = [read_guidance(tmp_path, 0, 1, kind, step.x.shape) for kind in kinds]
    assert np.allclose(both[0] + 5 * (both[1] - both[0]), step.denoised, atol=1e-4)
    again = engine.preview(tmp_path, Look(batch=0, step=1, kind="noisy", method="fast"))
    assert again.rgb == first.rgb


def test_sides_that_are_no_whole_patches_are_made(engine):
    for size in ((72, 64), (64, 72), (72, 88)):
        (made,) = results(play(engine, asked(width=size[0], height=size[1])))
        assert made.shape == (size[1], size[0], 3) and made.std() > 5
    with pytest.raises(InvalidRequest, match="width: is at most 384 for this model, got 392"):
        play(engine, asked(width=392))


def test_a_second_pass_begins_with_the_noise_mixed_in(engine, tmp_path):
    hires = Hires(scale=1.5, upscaler="Latent", strength=0.6, steps=3)
    run = play(engine, asked(height=64, hires=hires), RunOptions(keep=str(tmp_path)))
    (made,) = results(run)
    assert made.shape == (96, 96, 3) and made.std() > 5
    step = read_step(tmp_path, 0, 1, 1)
    assert 0 < step.sigma < 1 and step.x.std() < 2


# --- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"sampler": "Restart"}, r"sampler: Restart adds noise .* can be used: DPM\+\+ 2M, "),
        ({"schedule": "Karras"}, "schedule: Karras spreads levels .* try SGM Uniform, Simple"),
        (
            {"sampling": SamplingOptions(s_churn=3.0)},
            r"sampling\.s_churn: must be 0 with a flow model, got 3; .* Euler a",
        ),
        (
            {"schedule_options": ScheduleOptions(sigmas=(14.6, 7.0, 1.0, 0.5, 0.0))},
            r"schedule_options\.sigmas: is at most 1 with a flow model",
        ),
        (
            {"schedule_options": ScheduleOptions(rho=5.0)},
            r"schedule_options\.rho: is nothing that SGM Uniform has",
        ),
    ],
)
def test_what_no_flow_knows_is_refused(engine, values, says):
    with pytest.raises(InvalidRequest, match=says):
        play(engine, asked(**values))


def test_a_folder_says_what_it_is_and_what_is_wrong_with_it(models, tmp_path):
    found = {each.name: each for each in Library(models).entries()}
    entry, without = found["sd3"], found["without-t5"]
    assert entry.problem is None and (entry.family, entry.report.prediction) == ("sd3", "flow")
    assert entry.report.parts == (
        "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3",
    )  # fmt: skip
    assert (entry.native_width, entry.scale_factor) == (128, 8)
    assert entry.weights == entry.path / "transformer" / "diffusion_pytorch_model.safetensors"
    assert entry.token_widths == {"clip_l": 64, "clip_g": 64}
    assert "text_encoder_3" not in without.report.parts
    assert without.report.notes == ("it holds no T5: texts are read by CLIP alone",)
    wrong = tmp_path / "checkpoints" / "wrong"

    def problem(file, **changes):
        shutil.rmtree(wrong, ignore_errors=True)
        shutil.copytree(models / "checkpoints" / "sd3", wrong)
        path = wrong / file
        values = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: each for key, each in values.items() if each != "gone"}))
        return Library(tmp_path).find("wrong").problem

    scheduler, network = "scheduler/scheduler_config.json", "transformer/config.json"
    assert "use_dynamic_shifting" in problem(scheduler, use_dynamic_shifting=True)
    assert "needs a FlowMatch" in problem(scheduler, _class_name="DDIMScheduler")
    assert "none of Stable Diffusion 3's" in problem(network, joint_attention_dim="gone")
    assert "'pos_embed_max_size' is 100000" in problem(network, pos_embed_max_size=100_000)
    assert "transformer/config.json: sample_size is 0" in problem(network, sample_size=0)
    assert problem(scheduler, shift=2.5) is None
    (wrong / "text_encoder_3" / "model.safetensors").unlink()
    assert Library(tmp_path).find("wrong").problem == "text_encoder_3/model.safetensors is missing"
    shutil.rmtree(wrong / "transformer")
    assert Library(tmp_path).find("wrong").problem == "transformer/ is missing"


def test_a_transformer_that_does_not_fit_is_refused(models, tmp_path):
    shutil.copytree(models / "checkpoints" / "without-t5", tmp_path / "checkpoints" / "wrong")
    weights = tmp_path / "checkpoints/wrong/transformer/diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    tensors["pos_embed.pos_embed"] = tensors["pos_embed.pos_embed"][:, :9]
    save_file(tensors, weights)
    with pytest.raises(ModelRefused, match=r"wrong/transformer: pos_embed\.pos_embed is of"):
        play(make_engine(tmp_path), asked(model="wrong"))


def test_weights_in_pieces_are_the_same_weights(models, engine, pipe, tmp_path):
    folder = tmp_path / "checkpoints" / "pieces"
    pipe.save_pretrained(folder, max_shard_size="400KB")
    for part in ("transformer", "text_encoder_3"):
        assert len(list((folder / part).glob("*-of-*.safetensors"))) > 1
    assert Library(tmp_path).find("pieces").report.weights == (
        Library(models).find("sd3").report.weights
    )
    whole, pieces = play(engine, asked()), play(make_engine(tmp_path), asked(model="pieces"))
    assert whole.pictures == pieces.pictures


# --- texts ----------------------------------------------------------------------------------------


def beside(engine, prompt, **values):
    """What T5 makes of it: (256, width)."""
    reader = engine._models.load("sd3").reader
    with torch.no_grad():
        timeline = reader.read(asked(prompt=prompt, **values), STEPS).timeline
    (_, made), *_ = timeline.at(1).positive
    return made.beside[0]


def test_a_weight_moves_t5s_tokens_away_from_an_empty_text(engine):
    plain, empty = beside(engine, "a red apple"), beside(engine, "")
    loud = beside(engine, "a (red:1.5) apple")
    expected = plain.clone()
    expected[1] = empty[1] + (plain[1] - empty[1]) * 1.5
    assert torch.allclose(loud, expected, atol=1e-6)
    assert not torch.allclose(loud, plain, atol=1e-3)
    for emphasis in ("ignore", "none"):
        other = beside(engine, "a (red:1.5) apple", emphasis=emphasis)
        assert torch.equal(other, plain) == (emphasis == "ignore")
    assert not torch.equal(beside(engine, "a Red apple"), plain)  # which CLIP cannot tell


def test_texts_are_mixed_for_t5_as_for_clip(engine):
    cat, dog = beside(engine, "a cat"), beside(engine, "a dog")
    mixed = beside(engine, "<mix:a cat,a dog:0.25:text>")
    assert torch.allclose(mixed, 0.75 * cat + 0.25 * dog, atol=1e-6)
    assert torch.equal(beside(engine, "a <mix:cat,dog:0.25>"), cat)


def told(engine, prompt, **values):
    run = play(engine, asked(prompt=prompt, steps=1, **values))
    return [each.text for each in run.of(Warned)]


def test_what_t5_cannot_read_is_said(engine):
    long = "red " * 300
    assert told(engine, long) == [
        "The last 45 tokens of a text are too many for T5: only CLIP reads them."
    ]
    assert torch.equal(beside(engine, long), beside(engine, "red " * 255))
    assert told(engine, "a <mix:cat,dog:0.25>") == [
        "T5 knows no mixes: it reads the word with the largest share, CLIP the mix."
    ]
    assert told(engine, "a cat") == []
    assert told(engine, long, model="without-t5") == []


def test_a_long_text_has_more_windows_and_one_t5(engine):
    made = results(play(engine, asked(prompt="red " * 90)))[0]
    assert made.std() > 5
    timeline = engine._models.load("sd3").reader.read(asked(prompt="red " * 90), 1).timeline
    guides = timeline.at(1)
    assert guides.negative.context.shape == guides.positive[0][1].context.shape == (1, 154, 128)
    assert guides.negative.beside.shape == (1, 256, 192)
    assert guides.negative.pooled.shape == (1, 128)


# --- extensions -----------------------------------------------------------------------------------


def extended(models, **tables):
    plugin = type("Plugin", (), {})()
    for name, made in tables.items():
        setattr(plugin, f"register_{name}", hookimpl(lambda made=made: made))
    return make_engine(models, engine_registry({"builtin": builtin, "mine": plugin}))


def wanted(**values):
    return asked(extras={"mine": {"on": True}}, **values)


def test_an_attention_processor_is_refused_by_name_and_what_to_do(models):
    processor = AttentionProcessor(needs="mine", wrap=lambda attend, place, view: attend)
    engine = extended(models, attention_processors=(processor,))
    with pytest.raises(InvalidRequest) as caught:
        play(engine, wanted())
    assert caught.value.field == "extras.mine"
    assert caught.value.problem == (
        "changes a network's attention as a UNet has it, and this model is a transformer; "
        "switch it off, or choose another model"
    )
    assert len(play(engine, asked()).pictures) == 1


def test_wrappers_and_listeners_work_around_a_transformer(models, engine):
    seen = []
    wrapper = DenoiserWrapper(
        needs="mine", wrap=lambda denoise, view: lambda x, sigma: 0.9 * denoise(x, sigma)
    )
    listener = StepListener(needs="mine", hear=lambda step, view: seen.append(step and step.step))
    made = extended(models, denoiser_wrappers=(wrapper,), step_listeners=(listener,))
    run = play(made, wanted())
    assert run.of(Warned) == []
    assert seen == [1, 2, 3, 4, None]
    assert run.pictures != play(engine, asked()).pictures
    assert play(made, asked()).pictures == play(engine, asked()).pictures


def test_transforms_see_what_each_encoder_made_and_give_each_picture_its_own(models, engine):
    shapes = []

    def by_seed(made, place, view):
        beside = made.beside.shape[1] if made.beside is not None else 0
        shapes.append((made.context.shape[1], made.pooled.dim(), beside))
        factors = torch.tensor([1 + seed / 10 for seed in view.request.batch_seeds(view.batch)])
        return replace(made, context=made.context * factors[:, None, None])

    transform = ConditioningTransform(needs="mine", apply=by_seed)
    made = extended(models, conditioning_transforms=(transform,))
    both = play(made, wanted(seed=3, images=2, batch_size=2))
    assert both.of(Warned) == []
    assert set(shapes) == {(77, 2, 256)}
    alone = play(made, wanted(seed=4)).pictures[0]
    assert max(abs(one - other) for one, other in zip(both.pictures[1], alone, strict=True)) <= 2
    assert alone != play(engine, asked(seed=4)).pictures[0]
    without = play(made, wanted(model="without-t5", images=2, batch_size=2))
    assert without.of(Warned) == []


def test_a_sampler_of_an_extension_walks_a_flow_if_it_says_so(models, engine):
    entry = builtin.register_samplers()["Euler"]
    tables = {
        "Mine": SamplerEntry(entry.sample, flow=entry.flow),
        "Not": SamplerEntry(entry.sample),
    }
    made = extended(models, samplers=tables)
    assert play(made, asked(sampler="Mine")).pictures == play(engine, asked()).pictures
    with pytest.raises(InvalidRequest, match="Not adds noise in a way .*, Mine$") as caught:
        play(made, asked(sampler="Not"))
    assert caught.value.field == "sampler"
