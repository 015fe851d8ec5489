"""How long the reader of A1111's text takes for 100 KB and 200 KB of hostile shapes.

Printed are the best of several runs in milliseconds, and the ratio: 2 is linear.

    .venv/bin/python -m benchmarks.metadata [--runs 5]
"""

import argparse
import time

from webui.metadata import read_text

SHAPES = {
    "letters": "a",
    "pairs": "aa:b,",
    "keys without values": "aa:",
    "open quotes": 'aa:"',
    "escapes": 'aa:"\\',
    "blanks": " ",
    "blanks and colons": "a : ",
    "unclosed JSON": "Hashes: [",
    "lines": "\n",
    "negative prompts": "\nNegative prompt:",
}
LAST = "\nSteps: 20, Sampler: Euler a, Seed: 1"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    print(f"{'shape':32}{'100 KB':>8}{'200 KB':>10}{'ratio':>8}")
    for name, unit in SHAPES.items():
        for last in ("", LAST):
            once, twice = (best(unit * (n // len(unit)) + last, runs) for n in (100_000, 200_000))
            where = name + (" as prompt" if last else "")
            print(f"{where:32}{once * 1e3:8.2f}{twice * 1e3:10.2f}{twice / once:8.2f}")


def best(text: str, runs: int) -> float:
    """Seconds."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        read_text(text)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
