"""How long a stroke takes on the drawing canvas, in Chromium without a graphics card.

For a picture of --size pixels, at three zooms: from a movement of the pointer to the frame that
shows it, how long the page's script works on it, and the time between frames. Then what undo and
export cost, and the memory of the strokes. Nothing is generated; the server is there for the page.

    .venv/bin/python -m benchmarks.canvas [--size 2048] [--strokes 20] [--throttle 1]
"""

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.e2e.conftest import CHROMIUM_FLAGS, Server, free_port
from tests.e2e.easel import Easel, chequered

# In the page: each movement over the view is timed from its event to the frame after it.
_WATCH = """() => {
    const view = document.querySelector("#inpaint_image .dk-canvas-view");
    window.timed = { frame: [], script: [], gap: [] };
    let last = 0;
    view.addEventListener("pointermove", (event) => {
        const begun = performance.now();
        requestAnimationFrame(() => {
            const { port1, port2 } = new MessageChannel(); // its message comes after the frame
            port1.onmessage = () => timed.frame.push(performance.now() - event.timeStamp);
            port2.postMessage(0);
        });
        timed.begun = begun;
    }, { capture: true });
    // the page's own listener is on the view: this one, further out, runs after it
    document.addEventListener("pointermove", () => {
        timed.script.push(performance.now() - timed.begun);
    });
    const tick = (now) => {
        if (last) timed.gap.push(now - last);
        last = now;
        requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
}"""


def main() -> None:
    arguments = read_arguments()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder), free_port())
        server.start()
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("DARKROOM_CHROMIUM", "/usr/bin/chromium"),
            args=CHROMIUM_FLAGS,
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        try:
            measure(opened(page, server), arguments)
        finally:
            browser.close()
            server.stop()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=2048, help="pixels, each way")
    parser.add_argument("--strokes", type=int, default=20)
    parser.add_argument("--throttle", type=float, default=1, help="slows the page's processor down")
    return parser.parse_args()


class _Open:
    """What `Easel` needs of a tab."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server


def opened(page: Page, server: Server) -> Easel:
    page.goto(server.address)
    page.wait_for_selector("#txt2img_generate")
    page.wait_for_function("document.documentElement.dataset.draft === 'ready'")
    return Easel(_Open(page, server))


def measure(easel: Easel, arguments: argparse.Namespace) -> None:
    size, page = arguments.size, easel.page
    easel.load(chequered(size, size))
    if arguments.throttle != 1:
        session = page.context.new_cdp_session(page)
        session.send("Emulation.setCPUThrottlingRate", {"rate": arguments.throttle})
    print(f"{size} x {size} pixels, brush {size // 12}, processor 1/{arguments.throttle:g}")
    easel.take("brush", size=size // 12)
    page.evaluate(_WATCH)
    for zoom in (1, 4, 16):
        easel.tell("canvas.view.fit()")
        easel.tell("canvas.view.zoom(given[0])", zoom)
        page.wait_for_timeout(400)
        report(f"zoom x{zoom}", strokes(easel, arguments.strokes))
    easel.tell("canvas.view.fit()")
    mebibytes = easel.tell("canvas.bytes") / 2**20
    print(f"memory of {easel.tell('canvas.undos')} changes: {mebibytes:.1f} MiB")
    for what in ("undo", "redo", "invert", "clear"):
        print(f"{what:8} {median(easel, f'canvas.{what}()'):6.1f} ms")
    easel.tell("canvas.undo()")
    print(f"{'export':8} {median(easel, 'canvas.mask()'):6.1f} ms")


def strokes(easel: Easel, count: int) -> dict[str, list[float]]:
    """Across what one sees, the mouse moved as fast as it can be."""
    box = easel.view.bounding_box()
    assert box is not None
    easel.page.evaluate("Object.assign(timed, { frame: [], script: [], gap: [] })")
    for number in range(count):
        row = box["y"] + box["height"] * (0.1 + 0.8 * number / count)
        easel.page.mouse.move(box["x"] + 20, row)
        easel.page.mouse.down()
        easel.page.mouse.move(box["x"] + box["width"] - 20, row + 12, steps=25)
        easel.page.mouse.up()
    timed: dict[str, list[float]] = json.loads(easel.page.evaluate("JSON.stringify(timed)"))
    return timed


def report(label: str, timed: dict[str, list[float]]) -> None:
    labels = {"frame": "pointer to frame", "script": "script", "gap": "between frames"}
    for name, says in labels.items():
        values = sorted(timed[name])
        high = values[int(0.95 * len(values))]
        print(
            f"{label:10} {says:17} median {statistics.median(values):5.1f} ms, "
            f"95 % within {high:5.1f} ms ({len(values)})"
        )


def median(easel: Easel, expression: str) -> float:
    """Milliseconds of nine calls."""
    times = easel.page.evaluate(
        """async (source) => {
            const canvas = darkroom.canvasOpen();
            const call = new Function("canvas", `return ${source}`);
            const times = [];
            for (let i = 0; i < 9; i += 1) {
                const begun = performance.now();
                await call(canvas);
                times.push(performance.now() - begun);
            }
            return times;
        }""",
        expression,
    )
    return statistics.median(times)


if __name__ == "__main__":
    main()
