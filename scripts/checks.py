"""Every check of this project, in order; the first that fails is the last that runs.

`python launch.py test` and `scripts/check` run it with the environment's Python.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = ("launch.py", "webui", "scripts", "tests", "benchmarks", "extensions", "training")


# Files of tests side by side, a process for each core up to so many; a file's own tests in turn.
SIDE_BY_SIDE = ("-n", "auto", "--dist", "loadfile", "--maxprocesses")
BROWSER = "tests/e2e"  # each process has a server, an engine and a browser, so fewer of them
# What somebody waits for may take too long beside others: what failed there is tried once more,
# one by one with the machine to itself, and has to pass then.
ALONE = ("--last-failed", "--last-failed-no-failures", "none")
_TESTS_FAILED = 1  # pytest's exit code


def steps(pytest_arguments: Sequence[str]) -> tuple[tuple[str, list[str]], ...]:
    """(name, command) of each; pytest stands last, so that its summary ends the output.

    With arguments pytest runs once, as they say.
    """
    module = [sys.executable, "-m"]
    lint_imports = Path(sys.executable).with_name("lint-imports")
    return (
        ("ruff check", [*module, "ruff", "check", *CODE]),
        ("ruff format", [*module, "ruff", "format", "--check", *CODE]),
        ("mypy", [*module, "mypy"]),
        ("import-linter", [str(lint_imports), "--no-cache", "--no-logo"]),
        *(
            [("pytest", [*module, "pytest", *pytest_arguments])]
            if pytest_arguments
            else [
                ("pytest", [*module, "pytest", *SIDE_BY_SIDE, "8", f"--ignore={BROWSER}"]),
                ("pytest in Chromium", [*module, "pytest", *SIDE_BY_SIDE, "2", BROWSER]),
            ]
        ),
    )


def main(pytest_arguments: Sequence[str]) -> int:
    """Runs them all; says in one line how each ended; returns the exit code of the failed one."""
    todo = steps(pytest_arguments)
    report: list[str] = []
    for name, command in todo:
        print(f"\n{', '.join(report)}; now {name}" if report else f"--- {name}", flush=True)
        started = time.monotonic()
        code = subprocess.run(command, cwd=ROOT).returncode
        if code == _TESTS_FAILED and "-n" in command:
            print("\nWhat failed beside others, once more alone", flush=True)
            alone = [sys.executable, "-m", "pytest", *ALONE, command[-1]]
            code = subprocess.run(alone, cwd=ROOT).returncode
        if code:
            not_run = [f"{other} not run" for other, _ in todo[len(report) + 1 :]]
            print(f"\n{', '.join([*report, f'{name} FAILED', *not_run])}", flush=True)
            return code
        report.append(f"{name} passed ({time.monotonic() - started:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
