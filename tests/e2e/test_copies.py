"""Copy as on the page, and the command line without a server, with the model that ships."""

import io
import os
import signal
import subprocess
import sys

import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.e2e.conftest import ROOT
from webui.data_folder import Lock, find_note
from webui.errors import StartError


def pixels(data):
    return Image.open(io.BytesIO(data)).convert("RGB").tobytes()


def text(page):
    return page.locator("#copies-text").text_content()


def test_copies_of_the_form_and_of_a_picture_make_that_picture(server, open_tab, tmp_path):
    tab = open_tab(server, permissions=["clipboard-read", "clipboard-write"])
    page = tab.page
    for element, value in (("steps", 3), ("width", 64), ("height", 64), ("seed", 21)):
        tab.fill(f"txt2img_{element}", value)
    tab.fill("txt2img_prompt", "a fox, it's <b>red</b>")
    page.click("#txt2img_copy_as")
    dialog = page.locator("dialog#copies")
    expect(dialog).to_be_visible()
    assert page.locator("dialog b").count() == 0
    page.click("#copies-command")
    assert (
        text(page).split(" \\\n")[0].startswith("python launch.py generate 'a fox, it'\"'\"'s <b>")
    )
    assert "--steps 3" in text(page) and "--seed 21" in text(page)
    page.keyboard.press("ArrowRight")
    expect(page.locator("#copies-diffusers")).to_be_focused()
    assert "self.timesteps" in text(page)
    page.click("#copies-curl")
    page.click("#copies-copy")
    expect(page.locator("#copies-copy")).to_have_text("Copied")
    curl = page.evaluate("navigator.clipboard.readText()")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#txt2img_copy_as")).to_be_focused()
    job = tab.generate()
    tab.wait_for(job, "done")
    made = pixels(server.picture(server.finished(job)))
    # what was copied makes the same picture
    subprocess.run(["bash", "-c", curl], cwd=tmp_path, check=True, timeout=100)
    assert pixels((tmp_path / "picture-0.png").read_bytes()) == made
    # and so does what a finished picture gives, in Python
    page.click("#result-copy-as")
    expect(page.locator("#copies-curl")).to_be_focused()  # the one that was looked at last
    page.click("#copies-python")
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", text(page)]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=100
    )
    assert ran.returncode == 0, ran.stderr
    assert pixels((tmp_path / ran.stdout.strip()).read_bytes()) == made


def test_a_form_that_cannot_be_says_so_and_opens_nothing(server, open_tab):
    tab = open_tab(server)
    tab.page.get_by_role("tab", name="img2img").click()
    tab.page.click("#img2img_copy_as")
    tab.page.locator("#img2img_notice", has_text="Picture is missing").wait_for()
    assert tab.page.locator("#img2img_image.dk-wrong").count() == 1
    assert tab.page.locator("dialog#copies").count() == 0


def command(folder, *more):
    folders = [f"--data-dir={folder}/data", f"--outputs={folder}/out", "--device=cpu"]
    size = ["--width", "64", "--height", "64", "--seed", "21"]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "webui.commands", "generate", "a fox", *size, *folders, *more],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DARKROOM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def is_free(folder):
    try:
        Lock(folder / "data").release()
    except StartError:
        return False
    return True


@pytest.mark.timeout(300)
def test_a_command_without_a_server_starts_one_and_ends_it(tmp_path, server):
    killed = command(tmp_path, "--steps", "150")
    assert killed.stderr.readline() == "starting Darkroom for this\n"
    server.wait(lambda: (tmp_path / "data" / "lock").exists() and not is_free(tmp_path), 100)
    assert find_note(tmp_path / "data") is None  # it is nobody else's
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    server.wait(lambda: is_free(tmp_path), 100)
    whole = command(tmp_path, "--steps", "3", "--out", "fox.png")
    out, err = whole.communicate(timeout=200)
    assert (whole.returncode, out, err) == (0, "fox.png\n", "starting Darkroom for this\n")
    assert len(pixels((tmp_path / "fox.png").read_bytes())) == 64 * 64 * 3
    assert is_free(tmp_path)
