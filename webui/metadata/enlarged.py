"""The texts of a picture that was made larger: its source's recipe, then what was done to it.

As A1111 writes them: the source's "parameters" with keys that begin "Postprocess" behind its own.
"""

from webui.errors import InvalidRequest
from webui.metadata.reader import MAX_PAIRS, Text, read_text
from webui.metadata.record import Record, read_record
from webui.metadata.writer import text_of

DONE_TO_IT = "Postprocess "  # how the keys begin that say what was done to a finished picture


def with_source(text: str, source: str | None) -> str:
    """`text` is what is written of the enlarging alone, `source` what the source's file says,
    which anybody may have written: read, cleaned and written anew. Of two enlargings the last one
    stands in it."""
    theirs = read_text(_clean(source or ""))
    if not generated(theirs):
        return text
    mine = [pair for pair in read_text(text).pairs if pair[0] != "Version"]
    kept = [pair for pair in theirs.pairs if not pair[0].startswith(DONE_TO_IT)]
    version = [kept.pop()] if theirs.ours else []  # ours is the last one, or it is not ours
    room = MAX_PAIRS - len(mine) - len(version)  # what is behind them nobody reads
    return text_of(theirs.prompt, theirs.negative_prompt, [*kept[:room], *mine, *version])


def source_of(record: str | None) -> Record | None:
    """The record of the generated picture that a source's record leads to; None if there is none,
    or it cannot be read."""
    try:
        found = read_record(record) if record else None
    except InvalidRequest:
        return None
    if found is None or found.request.upscale is None:
        return found
    return found.source


def generated(text: Text) -> bool:
    """Whether it says how a picture was generated, and not only what was done to it."""
    return any(not key.startswith(DONE_TO_IT) for key, _ in text.pairs if key != "Version")


def _clean(text: str) -> str:
    """Without characters that no prompt has and not every file can hold."""
    kept = "".join(each for each in text if each >= " " or each in "\n\t")
    return kept.encode("utf-8", "replace").decode()
