"""What an extension may be called. Imports the standard library alone: `launch.py` asks it too."""

import re

_ID = re.compile(r"[a-z][a-z0-9_]{1,39}", re.ASCII)
# what no folder can be called on Windows; and ours, as addresses below /api/v1/extensions/ too
_DEVICES = tuple(f"{name}{number}" for name in ("com", "lpt") for number in range(1, 10))
_OURS = ("builtin", "did_not_run", "index", "installed", "installs")
_RESERVED = (*_OURS, "aux", "con", "nul", "prn", *_DEVICES)


def problem(id: str) -> str:
    """What is wrong with it; "" if nothing is."""
    if _ID.fullmatch(id) and id not in _RESERVED:
        return ""
    return (
        "must be 2 to 40 small letters, digits or '_', first a letter, and none of "
        f"{', '.join(_RESERVED[:9])}, com1 to lpt9; got {id[:80]!r}"
    )


def near(text: str) -> str:
    """An id that looks like the text; "" if there is none."""
    made = re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_0123456789")[:40].strip("_")
    return made if not problem(made) else ""
