"""Which LoRA here is the one that a recipe's prompt calls: by name, then by the hash beside it."""

import re

from webui.loras import LoraEntry, Loras
from webui.prompt.loras import KINDS
from webui.recipes.settled import Draft

KEY = "Lora hashes"
_LEAST = 8  # digits of a hash that name a file
_MOST = 200  # LoRAs of a recipe
_MOST_HASHED = 2**30  # bytes of files that are read to find one that has another name here


def look_up(loras: Loras, draft: Draft, said: str) -> None:
    """`said` is "name: digits, name: digits", as A1111 writes it. A file that has another name here
    is called by it in the prompt; says which are not there, and which are others."""
    for each in said.split(",")[:_MOST]:
        name, digits = (part.strip() for part in each.partition(":")[::2])
        if not name or not _tag(name).search(draft.values["prompt"]):
            continue
        found, digest = loras.find(name), digits.casefold()
        if found is not None:
            _check(loras, draft, name, digest, found)
        elif (same := _same(loras, digest)) is not None:
            draft.values["prompt"] = _renamed(draft.values["prompt"], name, same)
        else:
            draft.lose(KEY, each.strip(), "there is no such LoRA here")


def _tag(name: str) -> re.Pattern[str]:
    """What stands before the weights; A1111 leaves colons and commas out of a name."""
    return re.compile(rf"(<(?:{'|'.join(KINDS)}):){re.escape(name)}(?=[:>])", re.IGNORECASE)


def _renamed(prompt: str, name: str, new: str) -> str:
    return _tag(name).sub(lambda tag: tag[1] + new, prompt)


def _check(loras: Loras, draft: Draft, name: str, digest: str, found: LoraEntry) -> None:
    if len(digest) < _LEAST or found.problem is not None or found.hash.startswith(digest):
        return
    known = _hash(loras, found)
    if known and not known.startswith(digest):
        here = known[: len(digest)]
        draft.lose(KEY, f"{name}: {digest}", f"the {found.name} here is another one: {here}")


def _same(loras: Loras, digest: str) -> str | None:
    """The name here of the file with that hash: as files say it themselves, else as far as reading
    them takes seconds, the smallest first."""
    if len(digest) < _LEAST:
        return None
    usable = [each for each in loras.entries() if each.problem is None]
    for each in usable:
        if each.hash.startswith(digest):
            return each.name
    left = _MOST_HASHED
    for each in sorted(usable, key=lambda each: each.size_bytes):
        left -= each.size_bytes
        if left < 0:
            return None
        if _hash(loras, each).startswith(digest):
            return each.name
    return None


def _hash(loras: Loras, entry: LoraEntry) -> str:
    try:
        return loras.hash(entry)
    except OSError:
        return ""
