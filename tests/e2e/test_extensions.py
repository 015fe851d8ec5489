"""An extension from a git repository, by what a person does on the page: installed, used, updated,
rolled back, turned off, removed; each time the page's own button starts all of it again."""

import re
import sys

import pytest

from tests.e2e.conftest import Server, free_port
from tests.e2e.test_queue import post
from tests.installing.repositories import Repository, files_of
from tests.launching import stand_in

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
    """Started by launch.py, which starts it again when it is asked to."""
    launch = (stand_in(tmp_path / "project") / "launch.py",)
    options = ("--extension-sources", "https,folder,file", "--no-open-browser")
    server = Server(tmp_path, free_port(), options, command=launch)
    server.start()
    yield server
    assert server.foreign() == []
    if server.process.poll() is None:
        server.stop()


def extensions(tab):
    tab.page.evaluate("darkroom.openTab('extensions')")
    tab.page.wait_for_selector("#extensions[data-state=ready]")


BETWEEN = re.compile("AbortError|errored out|ERR_|Failed to fetch|Connection|status of 50[023]")


def again(tab):
    """By the button. What is asked while nobody answers fails, and the page goes on asking."""
    page, server = tab.page, tab.server
    before, said = server.get("api/v1/health")["server"], len(tab.problems)
    page.evaluate("window.before = true")
    page.get_by_role("button", name="Restart engine and page").click()
    page.wait_for_function(
        "!window.before && document.documentElement.dataset.draft === 'ready'", timeout=120_000
    )
    tab.problems[said:] = [each for each in tab.problems[said:] if not BETWEEN.search(each)]
    server.wait(lambda: server.get("api/v1/health")["engine"]["state"] == "ready", 120)
    assert server.get("api/v1/health")["server"] != before
    page.wait_for_selector("#extensions[data-state=ready]")  # the tab that was open


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


@pytest.mark.skipif(sys.platform == "win32", reason="the environment is a shell script")
@pytest.mark.timeout(600)  # the server is started five times
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

    post(workshop, "queue/pause")
    kept = post(workshop, "jobs", request={"prompt": "an owl that waits", "seed": 3, "steps": 2})
    page.locator("#queue").get_by_text("an owl that waits").wait_for()
    again(tab)
    card.get_by_text("On", exact=True).wait_for()
    assert f"from {repository.address}" in card.inner_text()
    page.locator("#queue").get_by_text("an owl that waits").wait_for()
    assert workshop.job(kept["id"])["state"] == "queued"
    page.get_by_role("button", name="Resume", exact=True).click()
    ran = workshop.finished(kept["id"])
    assert (ran["state"], len(ran["pictures"])) == ("done", 1)
    assert ran["request"] == kept["request"]
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
    again(tab)
    assert card.locator(".dk-ext-version").inner_text() == "1.0"
    assert asked(tab) == "A FOX!"

    card.get_by_role("button", name="Turn off").click()
    card.get_by_text("Off after a restart").wait_for()
    again(tab)
    card.get_by_text("Off", exact=True).wait_for()
    assert asked(tab) == ""

    extensions(tab)
    card.get_by_role("button", name="Remove: Shout").click()
    card.get_by_role("button", name="Remove: Shout").click()
    card.get_by_text("Gone after a restart").wait_for()
    assert not list((workshop.folder / "data").glob("extensions/*"))
    cut = "network error"  # what the page says of streams that a restart cuts off
    tab.problems[:] = [each for each in tab.problems if cut not in each]
