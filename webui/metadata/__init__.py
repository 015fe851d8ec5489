"""A request as text, and back: A1111's "parameters", and our exact JSON beside it.

Knows neither files nor what there is to choose from: `pictures` carries the texts, `recipes` makes
form values of them.
"""

from pathlib import Path

from webui import pictures
from webui.errors import InvalidRequest
from webui.metadata.enlarged import DONE_TO_IT, generated, source_of, with_source
from webui.metadata.reader import Text, read_text
from webui.metadata.record import NAME, Record, read_record, record_text
from webui.metadata.writer import HASH_DIGITS, parameters_text, value_of

__all__ = [
    "DONE_TO_IT",
    "HASH_DIGITS",
    "NAME",
    "Record",
    "Text",
    "generated",
    "parameters_text",
    "read_parameters",
    "read_record",
    "read_text",
    "record_text",
    "source_of",
    "value_of",
    "with_source",
]
_MAX_FILE = 2**28  # bytes


def read_parameters(path: Path) -> str | None:
    """The text in a picture's file; None if there is none, or no such file. Reads no pixels."""
    try:
        if path.stat().st_size > _MAX_FILE:
            return None
        return pictures.look(path.read_bytes()).parameters
    except (OSError, InvalidRequest):
        return None
