"""The shipped model's vocabulary, and one of words that is easy to count with."""

import re
from pathlib import Path

import pytest

from webui.prompt import ClipVocabulary

SHIPPED = Path(__file__).parents[2] / "models" / "checkpoints" / "fluent-emoji" / "tokenizer"


class Words:
    """Each word and each other sign is a token; its id is its first character's number."""

    def __init__(self, **embeddings):
        self.embeddings = embeddings

    def encode(self, text):
        found = re.finditer(r"\w+|[^\w\s]", text.lower())
        return [(sum(map(ord, each[0])), each.start(), each.end()) for each in found]


@pytest.fixture(scope="session")
def clip():
    return ClipVocabulary.read(SHIPPED)
