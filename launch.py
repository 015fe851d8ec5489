"""Sets Darkroom up and serves it: `python launch.py`; `--help` says what else it does.

Needs Python and its standard library, nothing more. This file can be read by any Python, old ones
too, so that it can say which one is needed; the rest is in `scripts/start.py`.
"""

import os
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)  # the newest that the locked torch is built for


def unfit(version, executable):
    # type: (tuple[int, int], str) -> str | None
    """What is wrong with this Python, if anything is."""
    if OLDEST <= version <= NEWEST:
        return None
    name = "{0[0]}.{0[1]}".format
    return (
        "Darkroom needs Python {} to {}, and {} is Python {}; "
        "install one of those and start with it, for example: python3.13 launch.py"
    ).format(name(OLDEST), name(NEWEST), executable, name(version))


if __name__ == "__main__":
    problem = unfit(sys.version_info[:2], sys.executable)
    if problem:
        sys.exit(problem)
    root = os.path.dirname(os.path.abspath(__file__))
    if root not in sys.path:  # as under `python -I`
        sys.path.insert(0, root)
    from scripts.start import main

    sys.exit(main(sys.argv[1:], os.environ, root))
