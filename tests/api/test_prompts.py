"""A prompt under the microscope, and what can be completed in it, through the API."""

import shutil

import pytest

from tests.embedding_files import vectors, write
from tests.prompt.conftest import SHIPPED


@pytest.fixture
def models(services):
    """The folder of models, with a real tokenizer in it."""
    folder = services.settings.models_dir / "checkpoints" / "toy" / "tokenizer"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(SHIPPED / name, folder)
    return services.settings.models_dir


def test_both_prompts_are_looked_at(client, models):
    body = {"prompt": "a [cat:dog:0.5] AND fox:2", "negative_prompt": "(blur:1.3)", "steps": 10}
    answer = client.post("/api/v1/prompts/look", json=body)
    assert answer.status_code == 200
    seen, negative = answer.json()["prompt"], answer.json()["negative_prompt"]
    assert seen["error"] is None
    assert seen["counter"] == {"tokens": 2, "of": 75}
    assert [part["weight"] for part in seen["parts"]] == [1, 2]
    assert seen["parts"][0]["stages"] == [
        {"first_step": 1, "last_step": 5, "mixing": "linear", "variants": [[1.0, 0]]},
        {"first_step": 6, "last_step": 10, "mixing": "linear", "variants": [[1.0, 1]]},
    ]
    assert negative["texts"][0]["windows"] == [
        [
            {
                "text": "blur",
                "id": 27976,
                "weight": 1.3,
                "start": 1,
                "end": 5,
                "embedding": "",
                "mix": "",
            }
        ]
    ]
    assert negative["notes"] == seen["notes"] == seen["tags"] == []


def test_what_is_half_typed_is_an_error_of_that_prompt_alone(client, models):
    answer = client.post(
        "/api/v1/prompts/look", json={"prompt": "<mix:cat>", "emphasis": "No norm"}
    )
    assert answer.status_code == 200
    assert "names one text only" in answer.json()["prompt"]["error"]
    assert answer.json()["negative_prompt"]["counter"] == {"tokens": 0, "of": 75}


@pytest.mark.parametrize(
    ("body", "field", "problem"),
    [
        ({"prompt": 3}, "prompt", "must be text, got 3"),
        ({"prompt": "a" * 100_001}, "prompt", "at most 100000 characters"),
        ({"model": "nix"}, "model", "there is no model 'nix'"),
        ({"model": "broken"}, "model", "broken cannot be used: model_index.json says None"),
        ({"steps": 0}, "steps", "1"),
        ({"emphasis": "loud"}, "emphasis", "must be one of original, no norm, ignore, none"),
        ({"promt": "a"}, "promt", "is not a field"),
    ],
)
def test_a_bad_question_is_refused_by_field(client, models, body, field, problem):
    answer = client.post("/api/v1/prompts/look", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert problem in answer.json()["error"]["text"]


def test_embeddings_that_come_are_seen(client, models):
    (models / "checkpoints" / "toy" / "text_encoder" / "config.json").write_text(
        '{"hidden_size": 16}'
    )
    write(models / "embeddings" / "inky.safetensors", {"emb_params": vectors(2, 16)})
    write(models / "embeddings" / "cat.safetensors", {"emb_params": vectors(2, 32)})  # too wide
    answer = client.post("/api/v1/prompts/look", json={"prompt": "inky cat"})
    (window,) = answer.json()["prompt"]["texts"][0]["windows"]
    assert [token["embedding"] for token in window] == ["inky", "inky", ""]
    (note,) = answer.json()["prompt"]["notes"]  # before anything is made
    assert note == {
        "text": "The embedding cat is read as plain words: its vectors are 32 wide; this model's "
        "are 16.",
        "start": 5,
        "end": 8,
    }
    write(models / "embeddings" / "by me" / "inset.safetensors", {"emb_params": vectors(2, 16)})
    (models / "embeddings" / "ink.safetensors").write_bytes(b"no embedding")
    names = client.get("/api/v1/prompts/names", params={"prefix": "in"})
    assert names.json() == {
        "names": [
            {"text": name, "kind": "embedding", "count": 0, "called": ""}
            for name in ("inky", "inset")
        ]
    }


def test_names_have_a_limit(client, models):
    (models / "tags").mkdir()
    (models / "tags" / "a.txt").write_text("".join(f"cat {n}\n" for n in range(300)))
    asked = client.get("/api/v1/prompts/names", params={"prefix": "cat", "limit": 3})
    assert [each["text"] for each in asked.json()["names"]] == ["cat 0", "cat 1", "cat 10"]
    assert client.get("/api/v1/prompts/names", params={"limit": 201}).status_code == 422


def test_half_a_surrogate_pair_is_answered(client, models):
    body = b'{"prompt": "cat \\ud800 <lora:\\ud800:1>"}'
    headers = {"Content-Type": "application/json"}
    answer = client.post("/api/v1/prompts/look", content=body, headers=headers)
    assert answer.status_code == 400
    assert "surrogate" in answer.json()["error"]["text"]
