"""What the prompt language costs: 100,000 characters of anything, and a look at 300 while typing.

A line for each hostile shape: the slowest of A1111's two parsers, `understand` and `windows`, the
median of a few runs, and how much longer twice the text takes. What is refused is refused in time.

    .venv/bin/python -m benchmarks.prompt [--length 100000] [--runs 3]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from webui.errors import InvalidRequest
from webui.prompt import ClipVocabulary, parse_attention, schedule, understand, windows
from webui.prompt.look import look
from webui.word_lists import WordLists

MODELS = Path(__file__).parents[1] / "models"
STEPS = 20
# Each is repeated to the length, with what stands before and after it.
SHAPES: dict[str, tuple[str, str, str]] = {
    "plain words": ("", "a cat, ", ""),
    "one word": ("", "a", ""),
    "white space": ("", " ", ""),
    "unclosed (": ("", "(", ""),
    "unclosed [": ("", "[", ""),
    "unclosed (a": ("", "(a", ""),
    "unclosed ([a": ("", "([a", ""),
    "closers": ("", ")]", ""),
    "colons": ("", ":", ""),
    "colon, white space": (":", " ", ""),
    "colon, digits": ("(a:", "1", ""),
    "backslashes": ("", "\\", ""),
    "bars": ("", "|", ""),
    "[a:": ("", "[a:", ""),
    "[a|": ("", "[a|", ""),
    "(a:1.1)": ("", "(a:1.1)", ""),
    "(a)[b": ("", "(a)[b", ""),
    "[a:b:.5]": ("", "[a:b:.5]", ""),
    "[a|b|c]": ("", "[a|b|c]", ""),
    "[a||||": ("[a", "|", "]"),
    "nested schedules": ("[a:" * 8000, "x", ":3]" * 8000),
    "BREAK": ("", "BREAK ", ""),
    "BREAK, white space": ("BREAK", " ", "BREAK"),
    "AND": ("", "a AND ", ""),
    "AND in brackets": ("", "(AND ", ")"),
    "comments": ("", "#\n", ""),
    "<a:": ("", "<a:", ""),
    "<": ("", "<", ""),
    "<lora:x:1>": ("", "<lora:x:1>", ""),
    "<mix:a,b:.5>": ("", "<mix:a,b:.5>", ""),
    "<mix:a,b:0>": ("", "<mix:a,b:0>", ""),
    "one long mix": ("<mix:", "a+", ":.5>"),
    "mix, digits": ("<mix:", "1", "+ b>"),
    "mix, ratio of digits": ("<mix:a,b:", "1", "x>"),
    "mix, digits in a sum": ("<mix:a + ", "1", " - b>"),
    "[a:b:digits x]": ("[a:b:", "1", "x]"),
    "[a: white space x]": ("[a:", " ", "x]"),
    "combining marks": ("a", "\u0301\u0316", ""),
    "emoji": ("", "👩‍👩‍👧", ""),
}


def shaped(shape: tuple[str, str, str], length: int) -> str:
    """About `length` characters of a shape."""
    before, repeated, after = shape
    room = max(0, length - len(before) - len(after))
    return before + repeated * (room // len(repeated)) + after


def parsers(vocabulary: ClipVocabulary) -> dict[str, Callable[[str], object]]:
    return {
        "attention": parse_attention,
        "schedule": lambda text: schedule(text, STEPS),
        "understand": lambda text: understand(text, STEPS),
        "windows": lambda text: windows(text, vocabulary),
    }


def timed(work: Callable[[str], object], text: str, runs: int) -> float:
    """Seconds of this thread, the median: busy neighbours do not count."""
    taken = []
    for _ in range(runs):
        began = time.thread_time()
        with suppress(InvalidRequest):
            work(text)
        taken.append(time.thread_time() - began)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--length", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    vocabulary = ClipVocabulary.read(MODELS / "checkpoints" / "fluent-emoji" / "tokenizer")
    work = parsers(vocabulary)
    print(f"{arguments.length} characters, {STEPS} steps: milliseconds (times for twice the text)")
    print(f"{'':20}" + "".join(f"{name:>18}" for name in work))
    worst = 0.0
    for name, shape in SHAPES.items():
        cells = []
        for each in work.values():
            once = timed(each, shaped(shape, arguments.length), arguments.runs)
            twice = timed(each, shaped(shape, 2 * arguments.length), arguments.runs)
            worst = max(worst, once)
            cells.append(f"{once * 1000:9.1f} (x{twice / max(once, 1e-6):4.1f})")
        print(f"{name:20}" + "".join(f"{cell:>18}" for cell in cells))
    print(f"the slowest: {worst * 1000:.0f} ms")
    text = "portrait of a [cat:dog:.5], (sharp focus:1.2), <mix:fox,owl:.3>, [red|blue] scarf, "
    text = (text * 4)[:300]
    taken = timed(lambda each: look(each, vocabulary, STEPS), text, 20)
    print(f"look at 300 characters: {taken * 1000:.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        print(f"names that begin so, of 200,000 tags: {time_names(Path(folder)) * 1000:.1f} ms")


def time_names(models: Path) -> float:
    """Seconds for a completion, the lists read already."""
    (models / "tags").mkdir()
    lines = [f'tag_{n},0,{n},"other {n}"' for n in range(200_000)]
    (models / "tags" / "tags.csv").write_text("\n".join(lines), "utf-8")
    lists = WordLists()
    lists.beginning(models, "tag", 20)
    return timed(lambda prefix: lists.beginning(models, prefix, 20), "tag", 10)


if __name__ == "__main__":
    main()
