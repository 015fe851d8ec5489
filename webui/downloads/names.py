"""Names of files from outside: which may become a file here at all, and what they say of it.

Nothing is repaired silently: a name either is one that every system takes, or is refused with the
reason. What passes never leads out of the folder that it is joined to.
"""

import re
import unicodedata
from collections.abc import Iterable

from webui.files import invisible
from webui.weight_files import PICKLES, SUFFIX

CONFIGS = (".json", ".txt")  # of a folder in diffusers layout, besides weights
_OTHERS = (".onnx", ".msgpack", ".h5", ".gguf", ".tflite", ".pb", ".zip", ".7z", ".rar", ".tar")
_MOST_PARTS = 6  # folders in folders
_MOST_BYTES = 180  # of one part; 255 is what disks take, and a suffix may be put behind it
_FORBIDDEN = re.compile(r'[<>:"|?*\\]')
_RESERVED = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])"
    r"( *\..*)?",
    re.IGNORECASE,
)


def problem_of(name: str) -> str | None:
    """Why no file may be called so, in folders or not; None if it may."""
    if not name:
        return "it has no name"
    if invisible(name):
        return "there are invisible characters in its name"
    if name.startswith("/") or _FORBIDDEN.search(name):
        return "its name is a path of this computer, or has characters that not every disk takes"
    parts = name.split("/")
    if len(parts) > _MOST_PARTS:
        return f"it lies more than {_MOST_PARTS} folders deep"
    return next((problem for part in parts if (problem := _problem_of_part(part))), None)


def _problem_of_part(part: str) -> str | None:
    if part in ("", ".", ".."):
        return "its name leads out of its folder"
    if part.startswith("."):
        return "its name makes it a hidden file"
    if part.endswith((".", " ")) or part.startswith(" "):
        return "its name begins or ends with a blank or a point"
    if _RESERVED.fullmatch(part):
        return f"{part!r} is a device on Windows, not a file"
    if len(part.encode()) > _MOST_BYTES:
        return "its name is too long"
    return None


def kind_problem_of(name: str) -> str | None:
    """Why what its suffix says it is is not fetched; None for safetensors."""
    if name.casefold().endswith(SUFFIX):
        return None
    known = suffix_problem_of(name)
    return known or "it is no .safetensors file, and only those are fetched"


def suffix_problem_of(name: str) -> str | None:
    """Why what is called so cannot be a safetensors file; None if it may."""
    low = name.casefold()
    if low.endswith((*PICKLES, ".pickle", ".joblib", ".npy", ".npz")):
        return (
            "it is a pickle, which can run any code when it is opened; take a .safetensors file of "
            "the same model, or convert it yourself as docs/models.md shows"
        )
    if low.endswith(_OTHERS):
        return "it is of a format that is not read here; take a .safetensors file"
    return None


def told_apart(names: Iterable[str]) -> set[str]:
    """Those that some disk takes for the same as another: by capitals, or by how they are coded."""
    seen: dict[str, str] = {}
    doubled: set[str] = set()
    for name in names:
        key = unicodedata.normalize("NFC", name).casefold()
        if key in seen:
            doubled |= {name, seen[key]}
        seen[key] = name
    return doubled
