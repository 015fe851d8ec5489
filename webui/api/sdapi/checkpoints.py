"""Models as A1111 calls them: "name [first ten digits of the sha256]"."""

from contextlib import suppress
from pathlib import Path

from webui.errors import InvalidRequest, ModelNotFound
from webui.fields import AUTOMATIC_VAE, OWN_VAE
from webui.library import Library, ModelEntry
from webui.metadata import HASH_DIGITS
from webui.names import unknown

_SUFFIXES = (".safetensors", ".ckpt")
_INPAINTING = 9  # channels that the UNet of such a model takes
_LEAST = 8  # digits of a hash that name a model


def title(library: Library, entry: ModelEntry) -> str:
    """Without the hash while that is not known: reading it takes seconds the first time."""
    digest = known_hash(library, entry)
    return f"{entry.name} [{digest[:HASH_DIGITS]}]" if digest else entry.name


def known_hash(library: Library, entry: ModelEntry) -> str:
    """sha256, or "" while it is not known."""
    try:
        return library.hash(entry.name, at_once=True)
    except (OSError, ModelNotFound):
        return ""


def find(library: Library, name: str, given: object) -> str:
    """The model that a title, a name, a file's name or a hash means. Raises InvalidRequest, naming
    the field `name`."""
    usable = [entry for entry in library.entries() if entry.problem is None]
    if isinstance(given, str) and 0 < len(given) <= 500:
        bare, _, digest = given.removesuffix("]").partition(" [")
        names = {given.casefold(), bare.casefold(), Path(bare).name.casefold()}
        names |= {each.removesuffix(suffix) for each in names for suffix in _SUFFIXES}
        for entry in usable:
            if entry.name.casefold() in names:
                return entry.name
        for entry in usable:
            known = known_hash(library, entry)
            wanted = [each.lower() for each in (digest, given) if len(each) >= _LEAST]
            if known and any(known.startswith(each) for each in wanted):
                return entry.name
    raise InvalidRequest(name, unknown(given, [title(library, entry) for entry in usable]))


def current(library: Library, chosen: str | None) -> ModelEntry | None:
    """The chosen model while it is there, else the one that ships, else the first; None: none."""
    for name in (chosen, library.default()):
        if name is not None:
            try:
                return library.find(name)
            except ModelNotFound:
                continue
    return None


def find_vae(library: Library, name: str, given: object) -> str:
    """Automatic, None (the model's own) or a separate VAE, by its name or its file's. Raises
    InvalidRequest, naming the field `name`."""
    words = {"": AUTOMATIC_VAE, "automatic": AUTOMATIC_VAE, "none": OWN_VAE}
    if isinstance(given, str) and len(given) <= 500:
        if given.casefold() in words:
            return words[given.casefold()]
        with suppress(ModelNotFound):
            found = library.find_vae(Path(given).name)
            if found.problem is not None:
                raise InvalidRequest(name, f"{found.name} cannot be used: {found.problem}")
            return found.name
    usable = [each.name for each in library.vae_reports() if each.problem is None]
    there = [AUTOMATIC_VAE, OWN_VAE, *usable]
    raise InvalidRequest(name, unknown(given, there))


def inpaints(entry: ModelEntry) -> bool:
    """Whether its UNet is told what it paints on."""
    return entry.configs.get("unet", {}).get("in_channels") == _INPAINTING
