"""CLIP's tokenizer from its list of merges, and a first meaning for each of its 49,408 tokens.

A text encoder trained on some thousand words knows nothing of the others. Here each token starts,
and stays, where a sentence model puts its text: "kitty" lies beside "cat", and what is learnt of
one holds for the other.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from training.sentences import Sentences

SIZE = 49408
KEPT = 160  # principal components that are kept, the largest first: a model takes as many as fit
START, END = "<|startoftext|>", "<|endoftext|>"


def write_tokenizer(merges: Sequence[str], folder: Path) -> None:
    """vocab.json, merges.txt and tokenizer_config.json, as transformers reads them."""
    letters = list(_bytes_to_letters().values())
    vocabulary = letters + [f"{letter}</w>" for letter in letters]
    vocabulary += ["".join(merge.split()) for merge in merges] + [START, END]
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {token: number for number, token in enumerate(vocabulary)}
    _write(folder / "vocab.json", json.dumps(numbers, ensure_ascii=False))
    _write(folder / "merges.txt", "\n".join(["#version: 0.2", *merges, ""]))
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": START,
        "eos_token": END,
        "pad_token": END,
        "unk_token": END,
    }
    _write(folder / "tokenizer_config.json", json.dumps(settings, indent=2))


def tokenizer(folder: Path) -> CLIPTokenizer:
    """What `write_tokenizer` wrote."""
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
    )


def words(folder: Path) -> list[str]:
    """Tokens that are whole words of three letters or more, in the order of the alphabet."""
    tokens = json.loads((folder / "vocab.json").read_text("utf-8"))
    return sorted(token[:-4] for token in tokens if re.fullmatch(r"[a-z]{3,}</w>", token))


def meanings(folder: Path, sentences: Sentences) -> Tensor:
    """(49408, KEPT) float32: what the sentence model makes of each token's text, its mean taken
    away, turned to principal components, the whole scaled to a standard deviation of 1."""
    letters = {letter: byte for byte, letter in _bytes_to_letters().items()}
    numbers = json.loads((folder / "vocab.json").read_text("utf-8"))
    found = sentences.meanings(
        [_text(token, letters) for token in sorted(numbers, key=numbers.__getitem__)]
    )
    centred = found - found.mean(0)
    covariance = centred.T @ centred / len(centred)
    _, axes = torch.linalg.eigh(covariance)  # the largest last
    turned = centred @ axes.flip(1)[:, :KEPT]
    meaning: Tensor = turned / turned.std()
    return meaning


def _text(token: str, letters: dict[str, int]) -> str:
    bare = token.removesuffix("</w>")
    if token in (START, END):
        return "."
    return bytes(letters[letter] for letter in bare).decode("utf-8", "replace")


def _bytes_to_letters() -> dict[int, str]:
    """A printable letter for each byte: GPT-2's table, which CLIP took over."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {byte: chr(byte) for byte in printable}
    return table | {byte: chr(256 + number) for number, byte in enumerate(others)}


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", newline="\n")
