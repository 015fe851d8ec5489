"""Makes the README's screenshots anew: Chromium, and a Darkroom that runs.

    python -m scripts.screenshots http://127.0.0.1:7860

It makes jobs there: give it a server with a data folder of its own. Chromium is the one at
/usr/bin/chromium, or where `--chromium` says.
"""

import argparse
import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).parent.parent / "docs"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
WIDTH, HEIGHT, TALL = 1280, 880, 1100  # pixels
LONG = 300_000  # milliseconds for anything, on a machine that has other work
FORM = {"steps": 40, "cfg_scale": 2, "seed": 101, "batch_count": 4}
FIRST, *NEXT = (
    "tiger face on a green background",
    "penguin on a pink background",
    "fox on a cyan background",
)
STEP = 8  # from which on a run is shown; the picture itself takes some steps more


def main() -> None:
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("address")
    words.add_argument("--out", type=Path, default=DOCS)
    words.add_argument("--chromium", default="/usr/bin/chromium")
    asked = words.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked.chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": TALL})
        page.set_default_timeout(LONG)
        page.goto(asked.address)
        page.wait_for_function("document.documentElement.dataset.draft === 'ready'")
        for name, value in FORM.items():
            _fill(page, name, str(value))
        _done(page, asked.out / "screenshot-done.webp")
        _run(page, asked.out / "screenshot-running.webp")
        browser.close()


def _done(page: Page, path: Path) -> None:
    page.emulate_media(color_scheme="light")
    _generate(page, FIRST)
    page.wait_for_selector("#live[data-state=done]")
    _rest(page)
    _keep(page, path)


def _run(page: Page, path: Path) -> None:
    """In the middle of a run, with two jobs behind it."""
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.locator("[data-kind=predicted] .dk-segments").get_by_text("VAE", exact=True).click()
    for waiting, prompt in enumerate((FIRST, *NEXT)):
        _generate(page, prompt)
        page.wait_for_function(
            "n => document.querySelectorAll('#queue-waiting > li').length >= n", arg=waiting
        )
    if page.get_attribute("#queue-fold", "aria-expanded") == "false":
        page.click("#queue-fold")
    _fill(page, "prompt", FIRST)
    _rest(page)
    page.wait_for_function(f"Number(document.querySelector('#live').dataset.step) >= {STEP}")
    _keep(page, path)


def _generate(page: Page, prompt: str) -> None:
    _fill(page, "prompt", prompt)
    page.click("#txt2img_generate")
    page.wait_for_selector("#live[data-state=running]")


def _fill(page: Page, name: str, value: str) -> None:
    box = page.locator(f"#txt2img_{name}").locator("textarea, input[type=number]").first
    box.fill(value)
    box.press("Tab")


def _rest(page: Page) -> None:
    """Nothing under the pointer, no cursor in a box, the page at its top."""
    page.evaluate("document.activeElement?.blur(); scrollTo(0, 0)")
    page.mouse.move(0, 0)


def _keep(page: Page, path: Path) -> None:
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    shot.save(path, quality=88, method=6)


if __name__ == "__main__":
    main()
