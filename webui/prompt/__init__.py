"""A prompt's text understood: A1111's grammar, and mixing. Knows no torch.

`understand` is the straight line from a prompt to its parts and stages; `windows` goes on from a
stage's text to tokens. `parse_attention` and `schedule` are A1111's two parsers.
"""

from webui.prompt.attention import Emphasis, parse_attention
from webui.prompt.loras import LoraUse, lora_uses
from webui.prompt.parts import (
    Mixing,
    Note,
    Part,
    Prompt,
    Stage,
    Tag,
    Term,
    Token,
    Variant,
    Vector,
    Vocabulary,
    Window,
)
from webui.prompt.schedules import schedule
from webui.prompt.understanding import understand
from webui.prompt.vocabulary import ClipVocabulary, special_ids
from webui.prompt.windowing import windows, written

__all__ = [
    "ClipVocabulary",
    "Emphasis",
    "LoraUse",
    "Mixing",
    "Note",
    "Part",
    "Prompt",
    "Stage",
    "Tag",
    "Term",
    "Token",
    "Variant",
    "Vector",
    "Vocabulary",
    "Window",
    "lora_uses",
    "parse_attention",
    "schedule",
    "special_ids",
    "understand",
    "windows",
    "written",
]
