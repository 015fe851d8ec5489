"""Models that wait in main memory: what comes to the device when, and the same pictures to the bit.

There is no second device here. What waits is filled with NaN instead, so that a part that was not
brought shows in the picture; and torch's "meta" device refuses tensors that are not on it.
"""

import gc

import pytest
import torch

from tests import checkpoints, lora_files
from tests.engine.conftest import play, request
from webui.embeddings import Embeddings
from webui.engine import builtin
from webui.engine.device import Device, choose
from webui.engine.engine import Engine
from webui.engine.models import Models
from webui.engine.offload import Room, runs_on
from webui.errors import OutOfMemory
from webui.events import Preview, Rendered, Warned
from webui.extensions import engine_registry
from webui.library import Library, fits
from webui.loras import Loras
from webui.upscalers import Upscalers
from webui.wire import RunOptions

CPU = torch.device("cpu")
PARTS = {"sd1": 1, "sdxl": 2}  # text encoders


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    for family in PARTS:
        pipe = checkpoints.pipeline(family)
        checkpoints.write(
            place / "checkpoints" / f"{family}.safetensors", checkpoints.original(pipe)
        )
    pipe = checkpoints.pipeline("sd1")
    made = lora_files.made(pipe, "lora", 1)
    lora_files.save(place / "Lora" / "ink.safetensors", lora_files.kohya(pipe, made))
    vae = checkpoints.vae_keys(pipe.vae)
    checkpoints.write(place / "VAE" / "loud.safetensors", {key: vae[key] * 1.5 for key in vae})
    return place


class Poisoned(Room):
    """What waits is NaN; `there` is how many bytes are on the device now, `most` at any time."""

    def __init__(self):
        super().__init__(CPU, self._take)
        self.real = {}
        self.came = []  # which networks came whole, in their order
        self.live = []

    def _take(self, tensor):
        made = self.real[tensor.data_ptr()].clone()
        self.live.append((made.untyped_storage()._weak_ref(), made.nbytes))
        return made

    @property
    def there(self):
        alive = torch.UntypedStorage._expired
        return sum(size for storage, size in self.live if not alive(storage))

    def offload(self, networks, way):
        networks = list(networks)
        new = [each for each in networks if way != "none" and not hasattr(each, "_hf_hook")]
        super().offload(networks, way)
        for network in new:
            for tensor in [*network.parameters(), *network.buffers()]:
                self.real[tensor.data_ptr()] = tensor.data.clone()
                tensor.data.fill_(float("nan") if tensor.is_floating_point() else 0)

    def enter(self, network, most=0):
        if all(each is not network for each in self.inside):
            self.came.append(type(network).__name__)
        super().enter(network, most)


def made(files, offload, room=None):
    registry = engine_registry({"builtin": builtin})
    device = Device(CPU, torch.float32, offload)
    models = Models(Library(files), Embeddings(files), Loras(files), registry.families, device)
    models._room = room or Poisoned()
    return models, Engine(registry, models, device, Upscalers(files))


def asked(model, **values):
    return request(**({"model": model, "steps": 2, "width": 64, "height": 64} | values))


def pictures(engine, given, options=RunOptions()):
    run = play(engine, given, options)
    return [each.picture for each in run.events if isinstance(each, Rendered | Preview)]


@pytest.mark.parametrize("way", ["model", "sequential"])
@pytest.mark.parametrize(
    ("model", "values"),
    [
        ("sd1", {}),
        ("sd1", {"prompt": "a red <lora:ink:1> apple", "images": 2}),
        ("sd1", {"clip_skip": 2, "vae": "loud"}),
        ("sdxl", {"negative_prompt": ""}),
    ],
)
def test_pictures_are_the_same_to_the_bit(files, model, values, way):
    given, options = asked(model, **values), RunOptions(predicted="vae", noisy="fast")
    expected = pictures(made(files, "none")[1], given, options)
    models, engine = made(files, way)
    assert pictures(engine, given, options) == expected
    assert pictures(engine, given, options) == expected
    assert models.load(model).plan.offload == way


def test_parts_stay_on_the_device_while_nothing_needs_their_place():
    sizes = {"unet": 60, "text": 20, "other text": 25, "vae": 40}
    networks = {name: torch.nn.Linear(1, width, bias=False) for name, width in sizes.items()}
    room = Room(CPU, torch.clone)
    room.offload(networks.values(), "model")

    def inside(name):
        networks[name](torch.ones(1, 1))
        return [each for network in room.inside for each in networks if networks[each] is network]

    assert inside("text") == ["text"]
    assert inside("other text") == ["text", "other text"]
    assert inside("text") == ["text", "other text"]
    assert inside("unet") == ["unet"]
    assert inside("unet") == ["unet"]
    assert inside("vae") == ["vae"]
    assert inside("text") == ["vae", "text"]  # exactly as much as the largest takes
    assert inside("other text") == ["text", "other text"]  # who came first goes first
    room.leave()
    assert room.inside == []


def test_of_a_picture_each_part_comes_in_its_turn(files):
    models, engine = made(files, "model")
    room = models._room
    pictures(engine, asked("sdxl", steps=3))
    texts = ["CLIPTextModel", "CLIPTextModelWithProjection"]  # the largest parts of tiny models
    assert room.came == [*texts * 3, "UNet2DConditionModel", "AutoencoderKL"]
    model = models.load("sdxl").model
    assert room.inside == [model.vae.network]
    assert room.there == size(model.vae.network)
    room.enter(model.text_encoders[0].network)
    assert room.there == size(model.text_encoders[0].network)
    room.leave()
    assert room.there == 0


def test_layer_by_layer_hardly_anything_is_ever_on_the_device(files):
    models, engine = made(files, "sequential")
    room, most = models._room, []
    take = room.carry

    def watched(tensor):
        most.append(room.there)
        return take(tensor)

    room.carry = watched
    pictures(engine, asked("sd1"))
    model = models.load("sd1").model
    largest = max(
        size(module, own=True)
        for network in [*model.networks.values(), model.vae.network]
        for module in network.modules()
    )
    assert 0 < max(most) <= largest
    assert room.there == 0


def size(network, own=False):
    tensors = [*network.parameters(not own), *network.buffers(not own)]
    return sum(each.nbytes for each in tensors)


def test_the_plan_of_a_small_device_is_followed_and_said_once(files, monkeypatch):
    models, engine = made(files, "auto")
    report = models._library.find("sd1").report
    whole = 2**30 + int(report.weights * 4 * 1.15)

    def run(memory):
        monkeypatch.setattr("webui.engine.models.total_memory", lambda device: memory)
        models.unload()
        first = play(engine, asked("sd1"))
        assert play(engine, asked("sd1")).of(Warned) == []
        return models.load("sd1").plan.offload, [each.text for each in first.of(Warned)]

    assert fits(report, 4, whole)
    assert run(whole) == ("none", [])
    way, (said,) = run(whole - 2**20)
    assert way == "model"
    assert said == (
        "sd1: Fits part by part, at most 1.0 GB with a picture in work, while the rest waits in "
        "main memory (0.0 GB): at once it takes 1.0 GB of 1.0 GB."
    )
    way, (said,) = run(2**30)
    assert way == "sequential"
    assert said.startswith("sd1: May not fit layer by layer, which is slow, ")
    assert said.endswith("its text encoder alone takes 1.0 GB of 1.0 GB.")


def test_what_does_not_fit_on_the_device_leaves_nothing_there(files):
    models, engine = made(files, "model")
    room = models._room
    expected = pictures(engine, asked("sd1"))
    taken, take = [], room.carry

    def full(tensor):
        if len(taken) == 40:
            raise torch.OutOfMemoryError("planted")
        taken.append(tensor)
        return take(tensor)

    room.carry = full
    room.leave()
    with pytest.raises(OutOfMemory):
        pictures(engine, asked("sd1"))
    assert room.inside == []
    taken.clear()
    gc.collect()
    assert room.there == 0
    room.carry = take
    assert pictures(engine, asked("sd1")) == expected


def test_an_error_in_the_middle_of_a_layer_is_forgotten(files):
    models, engine = made(files, "sequential")
    expected = pictures(engine, asked("sd1"))
    layer = models.load("sd1").model.unet.conv_in
    old = layer._old_forward
    layer._old_forward = lambda *_: (_ for _ in ()).throw(MemoryError())
    with pytest.raises(OutOfMemory):
        pictures(engine, asked("sd1"))
    layer._old_forward = old
    assert pictures(engine, asked("sd1")) == expected


def test_another_vae_waits_too_and_what_is_unloaded_leaves(files):
    models, engine = made(files, "model")
    pictures(engine, asked("sd1"))
    pictures(engine, asked("sd1", vae="loud"))
    assert runs_on(models.load("sd1", "loud").model.vae.network) == CPU
    assert models._room.came[-1] == "AutoencoderKL"
    models.unload()
    gc.collect()
    assert models._room.inside == []
    assert models._room.there == 0


def test_models_that_wait_need_room_in_main_memory(files, monkeypatch):
    models, _ = made(files, "model")
    monkeypatch.setattr("webui.engine.models.free_memory", lambda device: 2**60)
    left = [2**60]
    monkeypatch.setattr("webui.engine.models.free_main_memory", lambda: left[0])
    models.load("sd1")
    models.load("sdxl")
    assert models.kept == ["sd1", "sdxl"]
    models.unload("sdxl")
    left[0] = 0
    models.load("sdxl")
    assert models.kept == ["sdxl"]


@pytest.mark.parametrize("way", ["model", "sequential"])
def test_all_work_is_done_on_the_device(files, way):
    where = torch.device("meta")
    models, _ = made(files, way, Room(where))
    model = models.load("sdxl").model
    assert model.device == where
    assert {each.device.type for each in model.unet.parameters()} == {"cpu"}
    first, second = model.text_encoders
    assert first.encode([320, 1071], {}).context.device == where
    made_of_text = second.encode([320, 1071], {1: torch.zeros(64)}, clip_skip=3)
    assert (made_of_text.context.device, made_of_text.pooled.device) == (where, where)
    context = torch.cat([first.encode([320], {}).context, made_of_text.context], dim=-1)
    told = type(made_of_text)(context, made_of_text.pooled)
    x = torch.zeros((1, 4, 8, 8), device=where)
    (guess,) = model.predict(x, torch.tensor(3.0), [told])
    assert (guess.device, guess.shape) == (where, x.shape)
    assert model.decode(guess).device == where
    assert model.encode(torch.zeros(1, 3, 64, 64)).device == where
    models._room.leave()
    networks = [*model.networks.values(), model.vae.network]
    assert {each.device.type for net in networks for each in net.parameters()} == {"cpu"}


class Seen(torch.nn.Linear):
    """Notes where it found everything."""

    def forward(self, x, *, more):
        self.seen = [each.device.type for each in (x, more["ids"], self.weight, self.table)]
        return x


@pytest.mark.parametrize("way", ["model", "sequential"])
def test_what_a_network_is_given_and_its_buffers_come_too(way):
    network = Seen(1, 1)
    network.register_buffer("table", torch.arange(3))
    Room(torch.device("meta")).offload([network], way)
    given = network(torch.zeros(1), more={"ids": torch.zeros(1)})
    assert network.seen == ["meta"] * 4
    assert given.device.type == "meta"  # and what it makes stays there


def test_only_a_device_with_its_own_memory_offloads_by_itself():
    assert choose("cpu").offload == "none"
    assert choose("cpu", offload="model").offload == "model"
