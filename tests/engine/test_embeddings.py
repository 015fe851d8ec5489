"""Embedding files in prompts: what they do, what is told of them, and mixes that become files."""

import hashlib
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load

from tests.embedding_files import raw, vectors, write
from tests.engine.conftest import make_engine, play, request
from tests.engine.test_prompts import warnings
from tests.engine.texts import ids_of
from webui.errors import EngineBusy, InvalidRequest
from webui.events import Rendered


@pytest.fixture(scope="module")
def home(models_dir, tmp_path_factory):
    """The tiny models, with an embeddings folder of their own."""
    home = tmp_path_factory.mktemp("home")
    (home / "checkpoints").symlink_to(models_dir / "checkpoints")
    return home


@pytest.fixture(scope="module")
def engine(home):
    return make_engine(home)


@pytest.fixture
def models(home):
    shutil.rmtree(home / "embeddings", ignore_errors=True)
    (home / "embeddings").mkdir()
    return home


def table(engine, text):
    """Its tokens' own vectors (n, 32)."""
    (encoder,) = engine._models.load("tiny").model.text_encoders
    return encoder.vectors(ids_of(text)).numpy()


@pytest.mark.parametrize("key", ["emb_params", "<gold>", "clip_l"])
def test_an_embedding_of_tokens_own_vectors_is_those_tokens_bit_for_bit(engine, models, key):
    write(models / "embeddings" / "gold.safetensors", {key: table(engine, "panda face")})
    named, written = (play(engine, request(prompt=f"a {each}")) for each in ("gold", "panda face"))
    assert named.pictures == written.pictures
    loud, written = (
        play(engine, request(prompt=f"a ({each}:1.4) sky")) for each in ("gold", "panda face")
    )
    assert loud.pictures == written.pictures


def test_the_picture_says_which_files_it_was_made_with(engine, models):
    file = write(models / "embeddings" / "gold.safetensors", {"emb_params": vectors(2, 32)})
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    for asked in (request(prompt="gold"), request(negative_prompt="[cat:<mix:gold,cat:0.5>:2]")):
        (made,) = play(engine, asked).of(Rendered)
        assert made.request == replace(asked, embeddings={"gold": digest})
    (made,) = play(engine, request(prompt="marigold")).of(Rendered)
    assert made.request.embeddings == {}


def test_a_file_that_is_another_now_is_said_so_and_makes_another_picture(engine, models):
    file = write(models / "embeddings" / "gold.safetensors", {"emb_params": vectors(2, 32)})
    first = play(engine, request(prompt="gold"))
    (made,) = first.of(Rendered)
    assert play(engine, made.request).pictures == first.pictures
    assert warnings(play(engine, made.request)) == []
    write(file, {"emb_params": vectors(2, 32, seed=1)})
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    again = play(engine, made.request)
    assert again.pictures != first.pictures
    assert warnings(again) == [
        "The embedding gold is not the one that the request was made with: its file has the hash "
        f"{digest[:12]}, not {made.request.embeddings['gold'][:12]}."
    ]
    file.unlink()
    gone = play(engine, made.request)
    assert warnings(gone) == [
        "The embedding gold, which the request was made with, is not used now."
    ]
    assert gone.pictures == play(engine, request(prompt="gold")).pictures


def test_an_embedding_of_another_width_is_words_and_said_so(engine, models):
    before = play(engine, request(prompt="a Gold cat")).pictures
    write(models / "embeddings" / "gold.safetensors", {"emb_params": vectors(2, 48)})
    (models / "embeddings" / "cat.pt").write_bytes(b"")
    run = play(engine, request(prompt="a Gold cat"))
    assert run.pictures == before
    assert warnings(run) == [
        "The embedding cat was read as plain words: .pt files are pickles, which can run code, so "
        "they are not read; docs/embeddings.md shows how to convert it to safetensors.",
        "The embedding gold was read as plain words: its vectors are 48 wide; this model's are 32.",
    ]
    assert warnings(play(engine, request(prompt="marigolds, catfish"))) == []


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_vectors_that_are_no_numbers_are_refused(engine, models, wrong):
    bad = vectors(2, 32)
    bad[1, 3] = wrong
    write(models / "embeddings" / "gold.safetensors", {"emb_params": bad})
    with pytest.raises(InvalidRequest, match="^prompt: the embedding 'gold' .* holds NaN or Inf"):
        play(engine, request(prompt="gold"))


def test_a_file_that_the_reader_of_safetensors_refuses_is_refused_by_name(engine, models):
    header = {
        "emb_params": {"dtype": "F32", "shape": [1, 32], "data_offsets": [0, 128]},
        "__metadata__": {"step": 5},  # no text
    }
    raw(models / "embeddings" / "gold.safetensors", header, bytes(128))
    with pytest.raises(InvalidRequest, match="^prompt: the embedding 'gold' cannot be used"):
        play(engine, request(prompt="gold"))


# --- a mix becomes a file -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mix",
    ["<mix:cat,panda:0.4>", "<mix:cat,panda:0.3:slerp>", "<mix:cat - dog + panda>", "red panda"],
)
def test_a_saved_mix_is_the_mix_bit_for_bit(engine, models, mix):
    (models / "embeddings" / "catpan.safetensors").write_bytes(engine.embedding("tiny", mix))
    named = play(engine, request(prompt="a catpan face"))
    assert named.pictures == play(engine, request(prompt=f"a {mix} face")).pictures
    assert named.of(Rendered)[0].request.embeddings.keys() == {"catpan"}


def test_the_file_holds_the_vectors_as_all_uis_read_them(engine):
    tensors = load(engine.embedding("tiny", "<mix:cat,panda:0.25>"))
    cat, panda = torch.from_numpy(table(engine, "cat panda"))
    assert list(tensors) == ["emb_params"]
    assert torch.equal(tensors["emb_params"], (0.75 * cat + 0.25 * panda)[None])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must have from 1 to 75 tokens"),
        ("cat " * 76, "must have from 1 to 75 tokens"),
        ("cat AND panda", "must be one text: no AND, no [a:b:1], no blend of whole texts"),
        ("[cat|panda]", "must be one text"),
        ("<mix:cat,panda:0.5:text>", "must be one text"),
        ("(cat:1.2)", "must have no weights: a file of vectors keeps none"),
        ("<mix:cat:0.5>", "names one text only"),
    ],
)
def test_a_text_that_is_not_one_mix_is_refused(engine, text, problem):
    with pytest.raises(InvalidRequest) as raised:
        engine.embedding("tiny", text)
    assert raised.value.field == "text"
    assert problem in raised.value.problem


def test_while_a_job_runs_only_its_own_model_is_asked(engine):
    play(engine, request())
    assert engine.embedding("tiny", "cat", running=True)
    with pytest.raises(EngineBusy, match="it takes the model tiny-v; try again when no job runs"):
        engine.embedding("tiny-v", "cat", running=True)
