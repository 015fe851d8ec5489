"""A model is got on the page: looked at, agreed to, watched, paused, taken up after a reload."""

import shutil

import pytest

from tests.e2e.conftest import ROOT, Server, free_port
from tests.test_downloads import folder, weights


@pytest.fixture
def server(tmp_path, hub):
    """With models of its own, into which it fetches."""
    models = tmp_path / "models"
    shutil.copytree(ROOT / "models", models)
    options = ("--hub", hub.address, "--private-downloads")
    server = Server(tmp_path, free_port(), options, models=models)
    server.start()
    yield server
    assert server.foreign() == []
    assert server.stop() == 0


HOSTILE = '<img src=x onerror="window.PWN=1">'


@pytest.mark.timeout(240)
def test_a_model_is_looked_at_fetched_paused_and_taken_up_again(hub, server, open_tab, tmp_path):
    body = weights(tmp_path, padding=3_000_000)
    files = folder(tmp_path) | {"style.safetensors": body, f"{HOSTILE}.ckpt": b"p"}
    hub.add("ann/style", files, licence=HOSTILE)
    tab = open_tab(server)
    page = tab.page
    page.evaluate("darkroom.openTab('models')")
    page.fill("#downloads-source", "ann/style")
    page.press("#downloads-source", "Enter")
    page.wait_for_selector("#downloads-seen:not([hidden])")
    assert page.locator(".dk-get-choice-name").all_inner_texts() == [
        "The whole model, as a folder", "The whole model, as a folder (fp16)", "style.safetensors",
    ]  # fmt: skip
    assert page.locator("#downloads-start").is_disabled()
    page.get_by_label("style.safetensors").check()
    page.wait_for_function("document.querySelector('#downloads-start').textContent.length > 9")
    assert page.locator("#downloads-facts").inner_text().split("\n")[:6] == [
        "What it is", "A LoRA, u8, fp16", "Licence", HOSTILE, "Size", "3 MB",
    ]  # fmt: skip
    page.fill("#downloads-as", "mine")
    page.press("#downloads-as", "Tab")
    page.get_by_text("loras/mine.safetensors").wait_for()
    page.wait_for_function("document.querySelector('#downloads').dataset.state === 'seen'")

    hub.faults.stall["style.safetensors"] = 1_500_000
    page.click("#downloads-start")
    row = page.locator(".dk-get-row")
    page.wait_for_function(
        "Number(document.querySelector('.dk-get-bar')?.getAttribute('aria-valuenow')) >= 49"
    )
    row.get_by_role("button", name="Pause").click()
    page.wait_for_selector(".dk-get-row[data-state=paused]")
    assert "Paused" in row.locator(".dk-get-row-facts").inner_text()
    assert not (tmp_path / "models" / "loras" / "mine.safetensors").exists()

    hub.faults.stall.clear()
    tab.reload()  # the tab that was open is open again
    page.wait_for_selector(".dk-get-row[data-state=paused]")
    before = hub.file_bytes()
    row.get_by_role("button", name="Go on").click()
    page.wait_for_selector(".dk-get-row[data-state=done]")
    assert row.locator(".dk-get-row-facts").inner_text() == "3 MB, in loras/"
    assert (tmp_path / "models" / "loras" / "mine.safetensors").read_bytes() == body
    assert hub.file_bytes() - before <= len(body) // 2 + 16384
    assert page.evaluate("window.PWN") is None
