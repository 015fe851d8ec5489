"""The drawing canvas of the Inpaint tab, by what a person does there."""

import base64
import io
from itertools import pairwise

import numpy as np
from PIL import Image


def png(image):
    data = io.BytesIO()
    image.save(data, "PNG")
    return data.getvalue()


def chequered(width, height):
    """A picture in which every place looks its own."""
    y, x = np.mgrid[0:height, 0:width]
    squares = ((x // 16 + y // 16) % 2) * 90 + 40
    channels = (x * 255 // width, y * 255 // height, squares)
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))


def along(size, points, radius):
    """Where a round brush that goes straight from point to point paints: True."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]] + 0.5
    painted = np.zeros(y.shape, bool)
    for (ax, ay), (bx, by) in pairwise(points):
        length = max((bx - ax) ** 2 + (by - ay) ** 2, 1e-9)
        share = np.clip(((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length, 0, 1)
        far = np.hypot(x - ax - share * (bx - ax), y - ay - share * (by - ay))
        painted |= far <= radius
    return painted


def overlap(one, other):
    """Intersection over union of two areas."""
    return (one & other).sum() / (one | other).sum()


def kept(tab, name, image):
    """A picture that another one had sent: what the form's value says of it."""
    said = tab.page.evaluate(
        "([name, data]) => fetch('data:image/png;base64,' + data).then((answer) => answer.blob())"
        ".then((blob) => darkroom.keepPicture(name, blob))",
        [name, base64.b64encode(png(image)).decode()],
    )
    return {key: said[key] for key in ("sha256", "name", "width", "height")}


class Easel:
    def __init__(self, tab, name="inpaint"):
        self.tab, self.page = tab, tab.page
        self.page.locator("#tabs").get_by_role("tab", name="Inpaint", exact=True).click()
        shown = f"window.darkroom.canvasOpen()?.root.closest('#{name}_image')"
        self.page.wait_for_function(f"Boolean({shown})", timeout=15_000)
        self.root = self.page.locator(f"#{name}_image .dk-canvas")
        self.view = self.root.locator(".dk-canvas-view")

    @classmethod
    def opened(cls, tab, element):
        """The canvas that is open in there already."""
        self = cls.__new__(cls)
        self.tab, self.page = tab, tab.page
        self.root = self.page.locator(f"#{element} .dk-canvas")
        self.view = self.root.locator(".dk-canvas-view")
        return self

    def tell(self, expression, *given):
        """The value of JavaScript in which `canvas` is what the page's scripts have of it."""
        source = f"(given) => {{ const canvas = darkroom.canvasOpen(); return {expression}; }}"
        return self.page.evaluate(source, given)

    def load(self, image, name="picture.png"):
        file = {"name": name, "mimeType": "image/png", "buffer": png(image)}
        self.root.locator(".dk-canvas-file").first.set_input_files(file)
        size = f"{image.width}x{image.height}"
        self.page.wait_for_selector(f"#inpaint_image .dk-canvas[data-size='{size}']")
        self.view.evaluate("view => view.scrollIntoView({ block: 'center' })")  # all of it in reach

    def press(self, what):
        self.root.locator(f"[data-do='{what}']").click()

    def take(self, tool, **settings):
        self.root.locator(f"[data-tool='{tool}']").click()
        self.tell("canvas.set(given[0])", settings)

    def at(self, x, y):
        """Where on the page a place in the picture is."""
        shown = self.tell("canvas.view.toView(given[0], given[1])", x, y)
        box = self.view.bounding_box()
        return box["x"] + shown["x"], box["y"] + shown["y"]

    def stroke(self, points, button="left"):
        """The mouse goes straight from point to point of the picture, with the button held."""
        mouse = self.page.mouse
        mouse.move(*self.at(*points[0]))
        mouse.down(button=button)
        for point in points[1:]:
            mouse.move(*self.at(*point), steps=6)
        mouse.up(button=button)

    def mask(self):
        """As it is exported: (height, width), 0 to 255; None if nothing is drawn."""
        made = self._exported("mask")
        return None if made is None else np.asarray(made.convert("L")).astype(int)

    def picture(self):
        return np.asarray(self._exported("picture").convert("RGB")).astype(int)

    def _exported(self, what):
        coded = self.page.evaluate(
            """async (what) => {
                const blob = await darkroom.canvasOpen()[what]();
                if (!blob) return null;
                const bytes = new Uint8Array(await blob.arrayBuffer());
                let text = "";
                for (const byte of bytes) text += String.fromCharCode(byte);
                return btoa(text);
            }""",
            what,
        )
        return Image.open(io.BytesIO(base64.b64decode(coded))) if coded else None

    def wait_until_kept(self):
        self.page.wait_for_selector("#inpaint_image .dk-canvas[data-kept='yes']")
