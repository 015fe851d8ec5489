"""Python packages of an extension's own: a folder inside its folder, behind all others on the path.

What Darkroom itself has always comes first, so nothing there can stand in front of it.
"""

import importlib.metadata
import sys
from pathlib import Path

PACKAGES = ".packages"


def version_of(name: str, folder: Path) -> str | None:
    """Of an installed package, here or in the extension's own; None if it is in neither. What other
    extensions have of their own goes when they go, so it does not count."""
    here = [each for each in sys.path if Path(each).name != PACKAGES]
    for path in (here, [str(folder / PACKAGES)]):
        for found in importlib.metadata.distributions(name=name, path=path):
            return found.version
    return None


def reach(folder: Path) -> None:
    """From now on what lies there can be imported."""
    place = str(folder / PACKAGES)
    if Path(place).is_dir() and place not in sys.path:
        sys.path.append(place)
