"""Networks by spandrel, and ours against its. Not run where spandrel and torchvision are not
installed: tests/README.md names them."""

import pytest
import torch

from tests.engine.test_upscalers import noise
from tests.upscaler_files import compact, esrgan, first_code, put, second_code
from webui.engine.upscalers import UPSCALER_FAMILIES
from webui.errors import ModelRefused
from webui.upscalers import Upscalers

spandrel = pytest.importorskip("spandrel")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())


def by_spandrel(file):
    return UPSCALER_FAMILIES["spandrel"].load(file, CPU, torch.float32)


@pytest.mark.parametrize("names", [dict, second_code, first_code])
@pytest.mark.parametrize("values", [{"ups": 1}, {"ups": 2}, {"ups": 2, "unshuffle": 2}])
def test_our_esrgan_makes_what_spandrels_makes(tmp_path, names, values):
    # 32 channels are added by each convolution of a dense block there, whatever the file says
    put(tmp_path, "it", names(esrgan(growth=32, features=8, blocks=2, **values)))
    file = Upscalers(tmp_path).find("it")
    ours = UPSCALER_FAMILIES["ESRGAN"].load(file, CPU, torch.float32)
    theirs = by_spandrel(file)
    assert ours.scale == theirs.scale
    x = noise(8, 12)
    torch.testing.assert_close(ours(x).clamp(0, 1), theirs(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_our_compact_makes_what_spandrels_makes(tmp_path, scale):
    put(tmp_path, "it", compact(scale=scale, features=8))
    file = Upscalers(tmp_path).find("it")
    ours = UPSCALER_FAMILIES["Compact"].load(file, CPU, torch.float32)
    theirs = by_spandrel(file)
    assert ours.scale == theirs.scale == scale
    x = noise(6, 5)
    torch.testing.assert_close(ours(x).clamp(0, 1), theirs(x), rtol=1e-4, atol=1e-4)


@pytest.mark.filterwarnings("ignore:torch.meshgrid")  # spandrel's own
def test_a_network_that_we_have_not_makes_a_picture_larger(tmp_path):
    from spandrel.architectures.SwinIR import SwinIR

    torch.manual_seed(0)
    made = SwinIR(
        img_size=16, window_size=8, embed_dim=12, depths=(2,), num_heads=(2,), mlp_ratio=2,
        upscale=2, upsampler="pixelshuffle",
    )  # fmt: skip
    state = {name: each.contiguous().numpy() for name, each in made.state_dict().items()}
    put(tmp_path, "swin", state)
    file = Upscalers(tmp_path).find("swin")
    assert (file.layout, file.problem) == (None, None)
    (family,) = [each for each in UPSCALER_FAMILIES.values() if each.recognises(file)]
    network = family.load(file, CPU, torch.float32)
    x = noise(13, 10)  # no multiple of its window
    with torch.no_grad():
        assert network.scale == 2
        assert network(x).shape == (1, 3, 26, 20)
        expected = made.eval()(noise(16, 16)).clamp(0, 1)
        torch.testing.assert_close(network(noise(16, 16)), expected, rtol=1e-4, atol=1e-4)


def test_what_spandrel_does_not_know_is_refused_in_a_line(tmp_path):
    put(tmp_path, "odd", {"nothing": esrgan()["conv_first.bias"]})
    with pytest.raises(ModelRefused, match="^odd: "):
        by_spandrel(Upscalers(tmp_path).find("odd"))


def test_weights_with_nan_are_refused_there_too(tmp_path):
    weights = compact()
    weights["body.0.bias"][0] = float("nan")
    put(tmp_path, "it", weights)
    with pytest.raises(ModelRefused, match=r"NaN or Inf, in body\.0\.bias"):
        by_spandrel(Upscalers(tmp_path).find("it"))
