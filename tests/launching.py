"""launch.py as it is, beside an environment that is there already."""

import shutil
import sys
from pathlib import Path

from scripts.environment import Environment, wanted

ROOT = Path(__file__).parent.parent


def stand_in(place: Path) -> Path:
    """A project's folder: launch.py and this project's code; its Python is the one of the tests."""
    place.mkdir()
    shutil.copy(ROOT / "launch.py", place)
    for name in ("scripts", "webui", "extensions"):
        (place / name).symlink_to(ROOT / name)
    environment = Environment(place / ".venv")
    environment.python.parent.mkdir(parents=True)
    environment.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    environment.python.chmod(0o755)
    torch = environment.packages / "torch"
    torch.mkdir(parents=True)
    (torch / "version.py").write_text("cuda = None\n")
    environment.write(wanted(["run"], None))
    return place
