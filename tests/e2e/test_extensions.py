"""An extension from a git repository, by what a person does on the page: installed, used, updated,
rolled back, turned off, removed."""

import pytest

from tests.e2e.conftest import Server, free_port
from tests.installing.repositories import Repository, files_of

CODE = """
from dataclasses import replace
from webui import ControlGroup, FlagField, RequestFilter, hookimpl

def shouted(request, context):
    return [replace(request, prompt=request.prompt.upper() + "MARK")]

@hookimpl
def register_controls():
    field = FlagField(name="on", label="Shout", help="In capitals.")
    return [ControlGroup(name="shout", title="Shout", fields=[field])]

@hookimpl
def register_request_filters():
    return [RequestFilter(needs="shout", apply=shouted)]
"""


def version(number, mark):
    files = files_of("shout", number, code=CODE.replace("MARK", mark))
    return {
        **files,
        "extension.toml": files["extension.toml"].replace(
            '["controls"]', '["controls", "request_filters"]'
        ),
    }


@pytest.fixture
def workshop(tmp_path):
    sources = ("--extension-sources", "https,folder,file")
    server = Server(tmp_path, free_port(), options=sources)
    server.start()
    yield server
    assert server.foreign() == []
    if server.process.poll() is None:
        server.stop()


def extensions(tab):
    tab.page.evaluate("darkroom.openTab('extensions')")
    tab.page.wait_for_selector("#extensions[data-state=ready]")


def again(tab):
    tab.page.goto("about:blank")
    tab.server.process.terminate()
    assert tab.server.process.wait(60) == 0
    tab.server.start()
    tab.open()
    extensions(tab)


def asked(tab):
    """The prompt of a job that the extension has a say in; "" where it has no control."""
    tab.page.evaluate("darkroom.openTab('txt2img')")
    fold = tab.page.get_by_role("button", name="Shout").first
    if not fold.count():
        return ""
    tab.fill("txt2img_prompt", "a fox")
    tab.fill("txt2img_steps", 1)
    box = tab.page.get_by_role("checkbox", name="Shout").first
    if not box.is_visible():
        fold.click()
    box.check()
    job = tab.generate()
    prompt = tab.server.finished(job)["request"]["prompt"]
    tab.page.get_by_role("checkbox", name="Shout").first.uncheck()
    extensions(tab)
    return prompt


@pytest.mark.timeout(600)  # the server is started four times
def test_an_extension_from_a_repository_comes_changes_and_goes(workshop, open_tab, tmp_path):
    repository = Repository(tmp_path / "origin")
    repository.add(version("1.0", "!"), "The first one")
    tab = open_tab(workshop)
    page = tab.page
    extensions(tab)
    page.get_by_role("radio", name="Get more").click()
    assert page.locator("#extensions-known li").first.inner_text().startswith("Finishing touches")
    page.fill("#extensions-search", "libraries of nothing")
    page.get_by_text("None has all these words.").wait_for()

    page.fill("#extensions-source", "ext::sh -c touch")
    page.get_by_role("button", name="Look", exact=True).click()
    page.get_by_text("is no address to install from; such as https://").wait_for()
    tab.problems.clear()  # Chromium's own word on the 422

    page.fill("#extensions-source", repository.address)
    page.get_by_role("button", name="Look", exact=True).click()
    found = page.get_by_role("group", name="What was found")
    found.wait_for()
    assert "The first one (Ann" in found.inner_text()
    assert not (workshop.folder / "data" / "extensions" / "shout").exists()
    found.get_by_role("button", name="Install Shout 1.0").click()
    card = page.locator("#extensions-list [data-id=shout]")
    card.get_by_text("On after a restart").wait_for()

    again(tab)
    card.get_by_text("On", exact=True).wait_for()
    assert f"from {repository.address}" in card.inner_text()
    assert asked(tab) == "A FOX!"

    repository.add(version("1.1", "?"), "It asks now")
    card.get_by_role("button", name="Look for an update").click()
    card.locator(".dk-ext-log").get_by_text("It asks now").wait_for()
    card.get_by_role("button", name="Update to 1.1").click()
    card.get_by_text("1.1 after a restart").wait_for()
    again(tab)
    assert asked(tab) == "A FOX?"

    card.get_by_role("button", name="Back to 1.0").click()
    card.get_by_text("1.0 after a restart").wait_for()
    card.get_by_role("button", name="Turn off").click()
    card.get_by_text("Off after a restart").wait_for()
    again(tab)
    card.get_by_text("Off", exact=True).wait_for()
    assert card.locator(".dk-ext-version").inner_text() == "1.0"
    assert asked(tab) == ""

    extensions(tab)
    card.get_by_role("button", name="Remove: Shout").click()
    card.get_by_role("button", name="Remove: Shout").click()
    card.get_by_text("Gone after a restart").wait_for()
    assert not list((workshop.folder / "data").glob("extensions/*"))
