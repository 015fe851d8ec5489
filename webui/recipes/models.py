"""Which model here is the one that a recipe names: by the weights' hash first, then by name."""

from webui.errors import DarkroomError, ModelNotFound
from webui.fields import AUTOMATIC_VAE, OWN_VAE
from webui.library import Library
from webui.metadata import HASH_DIGITS
from webui.recipes.settled import Draft

_MOST_HASHED = 4 * 2**30  # bytes of models that are hashed to find one that nobody named


def choose(library: Library, draft: Draft, name: str | None, given_hash: str) -> None:
    """Fills `model`, or says why not. Never loads one."""
    wanted = given_hash.strip().lower()[:HASH_DIGITS]
    usable = [entry.name for entry in library.entries() if entry.problem is None]
    named, problem = _named(library, name)
    same = [each for each in usable if wanted and _hash(library, each, True).startswith(wanted)]
    if not same and named is None and len(wanted) == HASH_DIGITS:
        same = _searched(library, wanted)
    if same:
        draft.values["model"] = named if named in same else same[0]
    elif named is not None:
        draft.values["model"] = named
        known = _hash(library, named, True)[:HASH_DIGITS]
        if wanted and known:
            draft.lose("Model hash", wanted, f"the {named} here is another one: {known}")
    elif name or wanted:
        key, value = ("Model", name) if name else ("Model hash", wanted)
        draft.lose(key, value, problem)


def choose_vae(library: Library, draft: Draft, name: str) -> None:
    """Fills `vae`, or says why not."""
    known = {each.casefold(): each for each in (AUTOMATIC_VAE, OWN_VAE)}
    draft.values["vae"] = known.get(name.casefold(), AUTOMATIC_VAE)
    if name.casefold() in known:
        return
    try:
        draft.values["vae"] = library.find_vae(name).name
    except ModelNotFound:
        draft.lose("VAE", name, "there is no such VAE here")


def _named(library: Library, name: str | None) -> tuple[str | None, str]:
    """(its name here, why not)."""
    try:
        entry = library.find(name or "")
    except ModelNotFound:
        return None, "there is no such model here"
    if entry.problem is not None:
        return None, f"that model cannot be used: {entry.problem}"
    return entry.name, ""


def _searched(library: Library, wanted: str) -> list[str]:
    """Hashes what was not hashed yet, smallest first, as far as that takes seconds."""
    left = _MOST_HASHED
    for entry in sorted(library.entries(), key=lambda entry: entry.size_bytes):
        left -= entry.size_bytes
        if left < 0:
            break
        if entry.problem is None and _hash(library, entry.name, False).startswith(wanted):
            return [entry.name]
    return []


def _hash(library: Library, name: str, at_once: bool) -> str:
    try:
        return library.hash(name, at_once)
    except (DarkroomError, OSError):
        return ""  # it went away meanwhile
