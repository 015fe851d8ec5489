"""What stays in memory: several models while there is room, other VAEs, and nothing for ever."""

import gc
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests import checkpoints
from tests.engine.conftest import play, request
from webui.embeddings import Embeddings
from webui.engine import builtin
from webui.engine.device import Device, choose
from webui.engine.engine import Engine
from webui.engine.models import Models
from webui.engine.vae import Vae
from webui.errors import ModelNotFound, ModelRefused, OutOfMemory
from webui.events import Rendered, Warned
from webui.extensions import engine_registry
from webui.interfaces.server_hooks import Owned
from webui.library import Library
from webui.loras import Loras
from webui.upscalers import Upscalers


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """`a`, `b` and `c`, three files with the same weights; two VAEs, and one beside `b`."""
    place = tmp_path_factory.mktemp("models")
    pipe = checkpoints.pipeline("sd1")
    tensors = checkpoints.original(pipe)
    for name in "abc":
        checkpoints.write(place / "checkpoints" / f"{name}.safetensors", tensors)
    vae = checkpoints.vae_keys(pipe.vae)
    louder = {key: each * 1.5 if "decoder" in key else each for key, each in vae.items()}
    checkpoints.write(place / "VAE" / "loud.safetensors", louder)
    checkpoints.write(place / "checkpoints" / "b.vae.safetensors", louder)
    own = {
        key: each * 2 if "decoder" in key else each for key, each in pipe.vae.state_dict().items()
    }
    checkpoints.write(place / "VAE" / "diffusers.safetensors", own)
    prefixed = {f"first_stage_model.{key}": each for key, each in louder.items()}
    checkpoints.write(place / "VAE" / "prefixed.safetensors", prefixed)
    checkpoints.write(
        place / "VAE" / "lora.safetensors", {"lora_unet_a.lora_up.weight": torch.ones(1)}
    )
    return place


def made(files, families=None, device=None):
    registry = engine_registry({"builtin": builtin})
    device = device or choose("cpu")
    places = Library(files), Embeddings(files), Loras(files)
    models = Models(*places, families or registry.families, device)
    return models, Engine(registry, models, device, Upscalers(files))


def asked(model, **values):
    return request(**({"model": model, "steps": 1, "width": 64, "height": 64} | values))


def picture(engine, *given, **values):
    (event,) = play(engine, asked(*given, **values)).of(Rendered)
    return event.picture.rgb


def test_models_stay_until_there_is_no_room_and_the_least_used_goes_first(files, monkeypatch):
    models, _ = made(files)
    room = [True]
    monkeypatch.setattr("webui.engine.models.free_memory", lambda device: 2**60 if room[0] else 0)
    first = models.load("a")
    models.load("c")
    assert models.kept == ["a", "c"]
    assert models.load("a") is first
    assert models.kept == ["c", "a"]
    assert models.loaded == "a"

    left = iter([0, 2**60])  # one that goes is enough
    monkeypatch.setattr("webui.engine.models.free_memory", lambda device: next(left))
    models.load("b")
    assert models.kept == ["a", "b"]
    room[0] = False
    monkeypatch.setattr("webui.engine.models.free_memory", lambda device: 0)
    models.load("c")
    assert models.kept == ["c"]


def test_a_model_that_does_not_fit_is_tried_again_with_nothing_else_in_memory(files):
    models, _ = made(files)
    models.load("a")
    calls = []
    family = models._families["sd1"].value

    class Full:
        def load(self, entry, device, dtype):
            calls.append(models.kept)
            if len(calls) == 1:
                raise torch.OutOfMemoryError("planted")
            return family.load(entry, device, dtype)

    models._families = {"sd1": Owned("builtin", Full())}
    models.load("c")
    assert calls == [["a"], []]
    assert models.kept == ["c"]


def test_memory_that_a_picture_needs_is_taken_from_models_that_are_not_used(files, monkeypatch):
    models, engine = made(files)
    models.load("a")
    expected = picture(engine, "c")
    assert models.kept == ["a", "c"]
    network = models.load("c").model.unet
    handle = network.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(OutOfMemory):
        picture(engine, "c")
    handle.remove()
    assert models.kept == ["c"]
    assert picture(engine, "c") == expected


def test_unloading_lets_one_model_go_or_all(files):
    models, _ = made(files)
    for name in "abc":
        models.load(name)
    assert models.unload("b") == ["b"]
    assert models.unload("b") == []
    assert models.unload() == ["a", "c"]
    assert models.loaded is None


def anonymous():
    """Bytes of memory of the process that repeat no file; 0 where the system does not tell."""
    status = Path("/proc/self/status")
    text = status.read_text() if status.exists() else "RssAnon: 0"
    return int(text.partition("RssAnon:")[2].split()[0]) * 1024


def test_switching_fifty_times_leaves_nothing_behind(files, monkeypatch):
    monkeypatch.setattr("webui.engine.models.free_memory", lambda device: 0)
    models, _ = made(files)

    gc.collect()
    gc.freeze()  # what torch and diffusers are made of is not looked through a hundred times

    def alive():
        gc.collect()
        tensors = [each for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
        return len(tensors), sum(each.nbytes for each in tensors), len(gc.get_objects())

    for name in "acac":
        models.load(name)
    count, size, objects = alive()
    before = anonymous()
    for switch in range(50):
        models.load("ca"[switch % 2])
        if switch % 10 == 0:
            models.load("ca"[switch % 2], "loud")
    models.load("a")
    models.load("c")
    now = alive()
    assert now[:2] == (count, size)
    # a model has 30 MB; what torch and the allocator keep for themselves comes and goes
    assert anonymous() < before + 2 * size
    assert now[2] < objects + 2000
    assert models.kept == ["c"]
    gc.unfreeze()


# --- VAEs ----------------------------------------------------------------------------------------


def test_a_vae_is_the_one_of_the_models_name_the_chosen_one_or_the_models_own(files):
    _, engine = made(files)
    own = picture(engine, "a")
    loud = picture(engine, "a", vae="loud")
    assert loud != own
    assert picture(engine, "a", vae="prefixed") == loud
    assert picture(engine, "a", vae="diffusers") not in (own, loud)
    assert picture(engine, "a", vae="None") == own
    assert picture(engine, "b") == loud  # it lies beside it
    assert picture(engine, "b", vae="None") == own


def test_another_vae_loads_no_other_weights(files):
    models, _ = made(files)
    first = models.load("a")
    second = models.load("a", "loud")
    assert second.model.unet is first.model.unet
    assert second.model.vae is not first.model.vae
    assert models.kept == ["a"]
    assert models.is_loaded("a", "loud") and not models.is_loaded("a")


def test_what_is_no_vae_is_refused_and_the_model_stays(files):
    models, engine = made(files)
    before = picture(engine, "a")
    with pytest.raises(ModelRefused, match="^lora.safetensors: this is a LoRA, not a VAE$"):
        picture(engine, "a", vae="lora")
    with pytest.raises(ModelNotFound, match="there are: b.vae, diffusers, lora, loud, prefixed"):
        picture(engine, "a", vae="../VAE/loud")
    assert models.kept == ["a"]
    assert picture(engine, "a") == before


class Narrow(torch.nn.Module):
    """An AutoencoderKL whose decoder goes beyond what half precision holds."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    @property
    def config(self):
        return self.network.config

    @property
    def dtype(self):
        return self.network.dtype

    @property
    def device(self):
        return self.network.device

    def encode(self, pictures):
        return self.network.encode(pictures)

    def decode(self, latents, return_dict):
        (made,) = self.network.decode(latents, return_dict=False)
        return (made * float("nan") if self.dtype != torch.float32 else made,)


def test_a_picture_that_half_precision_makes_nan_of_is_decoded_again_in_fp32(caplog):
    network = checkpoints.pipeline("sd1").vae
    latents = torch.randn((2, 4, 8, 8), generator=torch.Generator().manual_seed(1))
    vae = Vae(Narrow(network.to(torch.bfloat16)))
    rounded = Vae(network.to(torch.float32))  # weights that went through bfloat16
    network.to(torch.bfloat16)
    with torch.no_grad():
        again = vae.decode(latents)
        assert network.dtype == torch.bfloat16  # the next one begins as this one did
        assert torch.equal(vae.decode(latents), again)
        network.to(torch.float32)
        assert torch.equal(rounded.decode(latents), again)
    assert "it is run again in fp32" in caplog.text


def test_what_overflows_in_half_precision_is_decoded_again_and_the_job_says_so(tmp_path):
    pipe = checkpoints.pipeline("sd1")
    decoder = pipe.vae.decoder
    with torch.no_grad():  # 1e5 is beyond float16; the last norm takes it back
        for name, parameter in decoder.up_blocks[-1].resnets[-1].conv2.named_parameters():
            parameter.mul_(1e6 if name == "weight" else 0)
    tensors = checkpoints.original(pipe)
    checkpoints.write(tmp_path / "checkpoints" / "a.safetensors", tensors)
    _, narrow = made(tmp_path, device=Device(torch.device("cpu"), torch.float16))
    run = play(narrow, asked("a", images=2))
    first, second = run.of(Rendered)
    assert np.frombuffer(first.picture.rgb, np.uint8).std() > 1
    assert (first.notes, second.notes) == ((), ())
    assert first.request == asked("a").alone(0)
    (said,) = {each.text for each in run.of(Warned)}
    assert said.startswith("The VAE gives NaN in half precision, so it worked in fp32 once more")
    again = play(narrow, asked("a")).of(Rendered)[0]
    assert again.picture == first.picture
    _, wide = made(tmp_path)
    assert play(wide, asked("a")).of(Warned) == []


def test_a_picture_without_nan_is_decoded_once(caplog):
    network = checkpoints.pipeline("sd1").vae.to(torch.bfloat16)
    with torch.no_grad():
        Vae(network).decode(torch.zeros(1, 4, 8, 8))
    assert "again" not in caplog.text


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_sdxls_vae_is_held_in_fp32_where_fp16_is_too_narrow_for_it(tmp_path, family):
    tensors = checkpoints.original(checkpoints.pipeline(family))
    checkpoints.write(tmp_path / "checkpoints" / "a.safetensors", tensors)
    models, _ = made(tmp_path, device=Device(torch.device("cpu"), torch.float16))
    model = models.load("a").model
    assert model.unet.dtype == torch.float16
    assert model.vae._network.dtype == (torch.float32 if family == "sdxl" else torch.float16)


def test_a_folders_weights_that_change_are_loaded_anew(tmp_path):
    folder = tmp_path / "checkpoints" / "a"
    checkpoints.pipeline("sd1").save_pretrained(folder)
    _, engine = made(tmp_path)
    before = picture(engine, "a")
    file = folder / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({key: each * 1.5 for key, each in load_file(file).items()}, file, {"format": "pt"})
    assert np.frombuffer(picture(engine, "a"), np.uint8).std() >= 0
    assert picture(engine, "a") != before
