"""Windows made by hand, and texts the way transformers and diffusers encode them."""

from transformers import CLIPTokenizer

from tests.engine.conftest import TOKENIZER
from webui.prompt.parts import Token, Window


def ids_of(text):
    """Without begin and end."""
    return CLIPTokenizer.from_pretrained(str(TOKENIZER))(text).input_ids[1:-1]


def window(*ids, weights=None, vectors=None):
    """`weights` and `vectors` by place; all others are 1 and the table's own."""
    return Window(
        tuple(
            Token(id, (weights or {}).get(place, 1.0), place, place + 1, (vectors or {}).get(place))
            for place, id in enumerate(ids)
        )
    )


def text_windows(text):
    ids = ids_of(text)
    return [window(*ids[at : at + 75]) for at in range(0, max(1, len(ids)), 75)]
