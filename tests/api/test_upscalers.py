"""What upscalers there are, by HTTP, and what a request may call them."""

import pytest

from tests.upscaler_files import compact, esrgan, put
from webui import names
from webui.errors import InvalidRequest
from webui.request import GenerationRequest, Hires, InitImage, Tiles, Upscale
from webui.upscalers import SPANDREL

PICTURE = "0" * 64


@pytest.fixture
def models(services):
    folder = services.settings.models_dir
    put(folder, "4x-Ultra", esrgan())
    put(folder, "2x-small", compact(scale=2), "upscale_models")
    return folder


def test_all_upscalers_are_listed_those_without_a_file_first(client, models):
    put(models, "lanczos", esrgan())
    put(models, "dat", {"layers.0.weight": compact()["body.0.weight"]})
    (models / "ESRGAN" / "old.pth").write_bytes(b"")
    (models / "ESRGAN" / "2x-small.pth").write_bytes(b"")  # a usable one has its name
    found = client.get("/api/v1/upscalers").json()
    shown = [(each["name"], each["kind"], each["scale"]) for each in found]
    assert shown == [
        ("Latent", "latent", None), ("Lanczos", "interpolation", None), ("2x-small", "model", 2),
        ("4x-Ultra", "model", 4), ("dat", "model", None), ("lanczos", "model", 4),
        ("old", "model", None),
    ]  # fmt: skip
    problems = {each["name"]: each["problem"] for each in found if each["problem"]}
    assert problems["dat"] == SPANDREL
    assert problems["lanczos"].startswith("the name is taken by Lanczos, which needs no file")
    assert problems["old"].startswith(".pth files are pickles")
    assert set(problems) == {"dat", "lanczos", "old"}


def test_a_file_that_is_put_there_is_found_at_once(client, models):
    before = client.get("/api/v1/upscalers").json()
    put(models, "new", esrgan(ups=3), "upscalers")
    after = client.get("/api/v1/upscalers").json()
    assert [each for each in after if each not in before] == [
        {"name": "new", "kind": "model", "scale": 8, "help": "ESRGAN", "problem": None}
    ]


def asked(**values):
    return GenerationRequest(model="toy", prompt="", seed=1, **values)


def settled(services, request):
    return names.with_upscalers(services.registry, services.upscalers, request)


@pytest.mark.parametrize(
    ("given", "name"), [("lAnCzOs", "Lanczos"), ("4X-ULTRA", "4x-Ultra"), ("2x-small", "2x-small")]
)
def test_an_upscaler_is_called_as_it_is_listed_whatever_the_capitals(services, models, given, name):
    hires = settled(services, asked(hires=Hires(upscaler=given)))
    assert hires.hires == Hires(upscaler=name)
    init = InitImage(picture=PICTURE, tiles=Tiles(upscaler=given))
    tiles = settled(services, asked(init=init))
    assert tiles.init.tiles == Tiles(upscaler=name)
    upscale = Upscale(picture=PICTURE, upscaler=given, second=given)
    assert settled(services, asked(upscale=upscale)).upscale == Upscale(
        picture=PICTURE, upscaler=name, second=name
    )


def test_latents_are_made_larger_in_a_second_pass_alone(services, models):
    assert settled(services, asked(hires=Hires(upscaler="latent"))).hires.upscaler == "Latent"
    init = InitImage(picture=PICTURE, tiles=Tiles(upscaler="Latent"))
    for field, values in (
        ("init.tiles.upscaler", {"init": init}),
        ("upscale.upscaler", {"upscale": Upscale(picture=PICTURE, upscaler="Latent")}),
        ("upscale.second", {"upscale": Upscale(picture=PICTURE, second="Latent")}),
    ):
        with pytest.raises(InvalidRequest) as refused:
            settled(services, asked(**values))
        assert refused.value.field == field
        assert "one of: Lanczos, 2x-small, 4x-Ultra;" in refused.value.problem


def test_a_file_with_a_problem_is_refused_with_it(client, services, models):
    (models / "ESRGAN" / "old.pth").write_bytes(b"")
    body = {"request": {"prompt": "x", "hires": {"upscaler": "old"}}}
    answer = client.post("/api/v1/jobs", json=body)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["field"] == "hires.upscaler"
    assert error["text"].startswith("old cannot be used: .pth files are pickles")
    body["request"]["hires"]["upscaler"] = "4x-ultra"
    made = client.post("/api/v1/jobs", json=body).json()
    assert made["request"]["hires"]["upscaler"] == "4x-Ultra"
