"""LoRAs by the API: the list, what is completed, and jobs that name them."""

import pytest

from tests import headers
from tests.api.conftest import CAT
from tests.test_loras import FILES


@pytest.fixture
def models(services):
    folder = services.settings.models_dir
    for name in ("sd1", "sdxl"):
        tensors, _, _ = FILES[name]
        headers.write(folder / "Lora" / "a" / f"{name} ink.safetensors", tensors)
    (folder / "Lora" / "broken.safetensors").write_bytes(b"{}")
    return folder


def test_the_list_says_what_each_is_and_why_a_model_cannot_use_it(client, models):
    answer = client.get("/api/v1/loras", params={"model": "toy"}).json()
    assert answer["model"] == "toy"
    assert [(each["name"], each["problem"] is None) for each in answer["loras"]] == [
        ("broken", False), ("sd1 ink", True), ("sdxl ink", False),
    ]  # fmt: skip
    one, other = answer["loras"][1:]
    assert (one["family"], one["rank"], one["kinds"]) == ("sd1", 8, ["LoRA"])
    assert one["networks"] == ["unet", "text_encoder"]
    assert other["problem"] == "An SDXL LoRA on an SD 1.5 model"
    assert str(models) not in client.get("/api/v1/loras").text
    assert client.get("/api/v1/loras", params={"model": "nix"}).status_code == 404


def test_names_are_completed_from_all_folders(client, models):
    found = client.get("/api/v1/prompts/names", params={"prefix": "SD"}).json()["names"]
    assert [(each["text"], each["kind"]) for each in found] == [
        ("sd1 ink", "lora"), ("sdxl ink", "lora"),
    ]  # fmt: skip


def test_a_job_with_a_lora_that_cannot_be_used_is_refused_at_once(client, models):
    def post(prompt):
        body = {"request": CAT | {"model": "toy", "prompt": prompt}}
        return client.post("/api/v1/jobs", json=body)

    assert post("a cat <lora:sd1 ink:1>").status_code == 201
    for name, told in (
        ("sdxl ink", "the LoRA 'sdxl ink' cannot be used: An SDXL LoRA on an SD 1.5 model"),
        ("nix", "there is no LoRA 'nix'; there are broken, sd1 ink, sdxl ink"),
    ):
        answer = post(f"a cat [<lora:{name}:1>::2]")
        assert answer.status_code == 422
        assert answer.json()["error"]["field"] == "prompt"
        assert told in answer.json()["error"]["text"]
