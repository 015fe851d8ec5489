"""Which model and which VAE a request names, and why one of them cannot be used.

Told from their headers, before anything is queued.
"""

from webui import names
from webui.errors import InvalidRequest, ModelNotFound
from webui.fields import AUTOMATIC_VAE, OWN_VAE, shown
from webui.library import Library, ModelEntry


def model(library: Library, name: object) -> ModelEntry:
    """The one of that name, or for None the default. Raises InvalidRequest."""
    if name is None:
        name = library.default()
        if name is None:
            raise InvalidRequest("model", f"there is no model to use in {library.folder}")
    if not isinstance(name, str):
        raise InvalidRequest("model", f"must be a name, got {shown(name)}")
    try:
        entry = library.find(name)
    except ModelNotFound:
        entries = [each for each in library.entries() if not each.unread]
        usable = [each.name for each in entries if each.problem is None]
        raise InvalidRequest("model", names.unknown(name, usable)) from None
    if entry.problem is not None:
        raise InvalidRequest("model", f"{entry.name} cannot be used: {entry.problem}")
    return entry


def vae(library: Library, model: ModelEntry, name: object) -> object:
    """As the library calls it, one that goes with that model. Raises InvalidRequest."""
    if not isinstance(name, str) or not name:
        return name  # the request says what is wrong with it
    known = {each.casefold(): each for each in (AUTOMATIC_VAE, OWN_VAE)}
    if (said := known.get(name.casefold())) is not None:
        _check_own_vae(library, model, said)
        return said
    try:
        found = library.find_vae(name)
    except ModelNotFound:
        usable = [each.name for each in library.vae_reports() if each.problem is None]
        there = [AUTOMATIC_VAE, OWN_VAE, *usable]
        raise InvalidRequest("vae", names.unknown(name, there)) from None
    if problem := found.misfit(model):
        raise InvalidRequest("vae", f"{found.name} cannot be used: {problem}")
    return found.name


def _check_own_vae(library: Library, model: ModelEntry, name: str) -> None:
    """Raises InvalidRequest if the model has none to be used where none of another name is."""
    beside = library.vae_beside(model) if name == AUTOMATIC_VAE else None
    if beside is not None and (problem := beside.misfit(model)):
        raise InvalidRequest(
            "vae",
            f"{beside.name}, which goes with {model.name} by its name, cannot be used: {problem}; "
            f"choose {OWN_VAE} for the model's own, or another",
        )
    if beside is None and model.layout == "file" and "vae" not in model.report.parts:
        raise InvalidRequest(
            "vae",
            f"{model.name} holds no VAE: choose one, or put one beside it, called "
            f"{model.path.stem}.vae.safetensors",
        )
