"""What breaks in the middle of a run: only that job fails, and the next picture is bit-identical.

Faults are planted at the k-th call, for k = 1, 2, 3 ... until none is left to fail, in a model that
otherwise is a real one.
"""

import queue
import weakref
from dataclasses import asdict

import numpy as np
import pytest
import torch

from tests.engine.conftest import make_engine, play, request
from webui.engine import builtin
from webui.engine.device import choose
from webui.engine.families.sd1 import StableDiffusion1
from webui.engine.session import DeviceBroken, Session
from webui.errors import ExtensionError, NotFinite, OutOfMemory
from webui.events import Rendered
from webui.extensions import engine_registry
from webui.hookspecs import hookimpl
from webui.interfaces import SamplerEntry
from webui.request import to_dict
from webui.trajectories import read_step
from webui.wire import Message, RunOptions


class Faulty:
    """A model whose calls go through `fault(name)`, which may raise or name a poison."""

    def __init__(self, model, fault):
        self.model, self.fault = model, fault

    def __getattr__(self, name):
        value = getattr(self.model, name)
        if name == "text_encoders":
            return [Faulty(each, self.fault) for each in value]
        if not callable(value):
            return value
        if name == "painting":  # another model, whose calls count as well
            return lambda *args: Faulty(value(*args), self.fault)

        def call(*args):
            poison = self.fault(name)
            result = value(*args)
            if poison is None:
                return result
            if name == "predict":
                return [part * poison for part in result]
            return result * poison

        return call


class Fault:
    """Fails the k-th call of a name with an error or a poison; counts all calls."""

    def __init__(self):
        self.calls, self.plan = {}, {}
        self.listener = None  # called with the name first

    def __call__(self, name):
        if self.listener is not None:
            self.listener(name)
        self.calls[name] = self.calls.get(name, 0) + 1
        what = self.plan.get((name, self.calls[name]))
        if isinstance(what, Exception):
            raise what
        return what


@pytest.fixture
def fault():
    return Fault()


@pytest.fixture
def faulty(models_dir, fault):
    class Family(StableDiffusion1):
        def load(self, entry, device, dtype):
            return Faulty(super().load(entry, device, dtype), fault)

    class Plugin:
        register_samplers = staticmethod(builtin.register_samplers)
        register_schedules = staticmethod(builtin.register_schedules)
        register_previews = staticmethod(builtin.register_previews)

        @hookimpl
        def register_families(self):
            return {"sd1": Family()}

    return make_engine(models_dir, engine_registry({"builtin": Plugin()}))


def test_running_out_of_memory_anywhere_fails_that_job_alone(faulty, fault):
    before = play(faulty, request()).pictures
    calls = dict(fault.calls)
    stages = {"predict": "sampling step", "decode": None, "encode": "encoding the prompt"}
    tried = 0
    for name, stage in stages.items():
        for k in range(1, calls[name] + 1):
            fault.calls, fault.plan = {}, {(name, k): torch.OutOfMemoryError("planted")}
            fresh = {"prompt": f"never seen {k}"} if name == "encode" else {}
            asked = request(**fresh)
            if stage is None:  # decoding falls back to tiles instead
                assert play(faulty, asked).of(Rendered)[0].notes == ("VAE decoder: tiled",)
            elif name == "encode" and k > 1:
                continue  # the negative prompt is remembered from before
            else:
                with pytest.raises(OutOfMemory, match=f"^out of memory while {stage}"):
                    play(faulty, asked)
            fault.plan = {}
            assert play(faulty, request()).pictures == before
            tried += 1
    assert tried >= 8


def test_what_the_decoder_held_is_let_go_before_tiles_are_tried(faulty, fault):
    held, alive = [], []

    def decode(name):
        if name == "decode":
            activations = torch.zeros(8)
            held.append(weakref.ref(activations))
            raise torch.OutOfMemoryError("planted")
        if name == "decode_tiled":
            alive.append(held[0]() is not None)

    fault.listener = decode
    assert play(faulty, request()).of(Rendered)[0].notes == ("VAE decoder: tiled",)
    assert alive == [False]


def test_out_of_memory_in_the_tiles_too_is_said(faulty, fault):
    fault.plan = {
        ("decode", 1): torch.OutOfMemoryError("planted"),
        ("decode_tiled", 1): RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 bytes"),
    }
    with pytest.raises(OutOfMemory, match="decoding the picture in tiles"):
        play(faulty, request())


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("k", range(1, 7))
def test_nan_or_inf_fails_the_job_and_names_the_step(faulty, fault, poison, k):
    before = play(faulty, request()).pictures
    fault.calls, fault.plan = {}, {("predict", k): poison}
    with pytest.raises(NotFinite, match=f"after step {k};"):
        play(faulty, request())
    assert play(faulty, request()).pictures == before


def test_nan_from_the_decoder_never_becomes_a_black_picture(faulty, fault):
    fault.plan = {("decode", 1): float("nan")}
    with pytest.raises(NotFinite, match="VAE"):
        play(faulty, request())


def test_an_error_that_nobody_foresaw_goes_up_as_it_is(faulty, fault):
    fault.plan = {("predict", 2): ZeroDivisionError("planted")}
    with pytest.raises(ZeroDivisionError):
        play(faulty, request())


def test_a_picture_decoded_in_tiles_is_nearly_the_same(shipped, tmp_path):
    asked = request(
        model="fluent-emoji", prompt="panda on a blue background", width=256, height=256, steps=8,
        guidance_scale=2.0,  # the model's own: a larger one leaves edges that no decoder has seen
    )  # fmt: skip
    plain = play(shipped, asked, RunOptions(keep=str(tmp_path))).of(Rendered)[0].picture
    model = shipped._models.load("fluent-emoji").model
    latents = torch.from_numpy(read_step(tmp_path, 0, 8).x)
    with torch.no_grad():
        whole, tiled = model.decode(latents), model.decode_tiled(latents)
        again = model.decode(latents)
    error = ((whole - tiled) / 2).pow(2).mean().item()
    assert 10 * np.log10(1 / error) >= 35
    assert torch.equal(whole, again)  # tiling is off again
    assert play(shipped, asked).of(Rendered)[0].picture == plain


def test_one_failing_sampler_of_an_extension_does_not_reach_the_next_run(models_dir):
    def broken(denoise, x, sigmas, noise, past=()):
        yield from ()
        raise KeyError("planted")

    class Plugin:
        @hookimpl
        def register_samplers(self):
            return {"Broken": SamplerEntry(broken)}

    engine = make_engine(models_dir, engine_registry({"builtin": builtin, "extension": Plugin()}))
    before = play(engine, request()).pictures
    with pytest.raises(ExtensionError, match="the sampler of the extension extension did not run"):
        play(engine, request(sampler="Broken"))
    assert play(engine, request()).pictures == before


def test_a_fault_of_the_device_ends_the_process_without_an_end_of_the_job(faulty, fault):
    # to the server that is a death: it starts a new process, and the job goes on there
    sent, inbox = [], queue.Queue()
    device = choose("cpu")
    session = Session(faulty, faulty._models, device, sent.append)
    fault.plan = {("predict", 3): RuntimeError("CUDA error: device-side assert triggered")}
    options = asdict(RunOptions())
    inbox.put(Message({"run": "job-1", "request": to_dict(request()), "options": options}))
    with pytest.raises(DeviceBroken):
        session.serve(inbox)
    assert [each.head["event"]["type"] for each in sent][-2:] == ["Step", "Step"]
