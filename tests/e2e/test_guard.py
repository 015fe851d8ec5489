"""The guard in a real browser: pages of other sites, the login, texts that would like to run."""

import json
import shutil
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import expect

from tests.e2e.conftest import ROOT, Server, free_port

NAME, PASSWORD = "\u00fclrike", "gr\u00f6\u00dfe \U0001f431"
RUN = "window.PWN=1"
PAYLOADS = [
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}>",
    f"<svg><script>{RUN}</script></svg>",
    f'"><img src=x onerror="{RUN}">',
    f"'><svg onload='{RUN}'>",
    f"</textarea><img src=x onerror={RUN}>",
    f"</script><script>{RUN}</script>",
    f"</style><script>{RUN}</script>",
    f"</title><svg onload={RUN}>",
    f"<details open ontoggle={RUN}>",
    f"<input autofocus onfocus={RUN}>",
    f"<iframe srcdoc='<script>parent.{RUN}</script>'>",
    f"<iframe src='javascript:parent.{RUN}'>",
    f"[click](javascript:{RUN}) ![x](x'onerror='{RUN})",
    f"javascript:{RUN}",
    f"${{{RUN}}} {{{{{RUN}}}}} #{{{RUN}}} <%={RUN}%>",
    f"`+({RUN})+`",
    f'";{RUN};//',
    f"&lt;img src=x onerror={RUN}&gt;",
    f"<math><mtext><table><mglyph><style><img src=x onerror={RUN}>",
    f"<a href='data:text/html,<script>{RUN}</script>' style='position:fixed;inset:0'>x</a>",
]


def file_name(payload: str) -> str:
    """The payload as a file can be called: no slash."""
    return payload.replace("/", "\u2215")[:120]


# --- pages of other sites ------------------------------------------------------------------------


@contextmanager
def elsewhere(pages: dict[str, str]) -> Iterator[str]:
    """Another site: its address. It counts what is asked of it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as site:
        serving = threading.Thread(target=site.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{site.server_address[1]}"
        site.shutdown()
        serving.join()


def attacks(server: Server) -> dict[str, str]:
    job = json.dumps({"request": {"prompt": "stolen", "steps": 1}})
    jobs, address = f"{server.address}/api/v1/jobs", server.address
    send = """
        const outcomes = [];
        for (const [address, options] of ATTACKS) {
            try { outcomes.push((await fetch(address, options)).type); }
            catch (error) { outcomes.push("refused"); }
        }
        document.title = outcomes.join();
    """
    ways = [
        [jobs, {"method": "POST", "mode": "no-cors", "body": job}],
        [jobs, {"method": "POST", "mode": "no-cors", "credentials": "include", "body": job,
                "headers": {"Content-Type": "text/plain"}}],
        [jobs, {"method": "POST", "body": job, "headers": {"Content-Type": "application/json"}}],
        [f"{address}/gradio_api/queue/join", {"method": "POST", "mode": "no-cors", "body": "{}"}],
        [f"{address}/gradio_api/upload", {"method": "POST", "mode": "no-cors", "body": job}],
        [jobs, {"method": "GET"}],
    ]  # fmt: skip
    form = f"""<form id=f method=post enctype=text/plain action="{jobs}">
        <input name='{job[:-1]}, "x": "' value='"}}'></form><script>f.submit()</script>"""
    framed = f"""<iframe src="{address}/" onload="document.title = 'framed'"></iframe>"""
    return {
        "/fetch": f"<script type=module>{send.replace('ATTACKS', json.dumps(ways))}</script>",
        "/form": form,
        "/frame": framed,
    }


def test_a_page_of_another_site_cannot_start_a_job_nor_read_nor_frame(server, browser):
    before = server.jobs()
    with elsewhere(attacks(server)) as site:
        context = browser.new_context()
        page = context.new_page()
        sent_to = []
        page.on("request", lambda request: sent_to.append(request.url))
        page.goto(f"{site}/fetch")
        page.wait_for_function("document.title")
        assert page.title() == ",".join(["refused"] * 6)
        assert sum(url.startswith(server.address) for url in sent_to) >= 6
        with page.expect_response(lambda answer: answer.url.endswith("/jobs")) as sent:
            page.goto(f"{site}/form")
        assert sent.value.status == 403
        page.goto(f"{site}/frame")
        page.wait_for_function("document.title === 'framed'")
        assert [frame.url for frame in page.frames[1:]] == ["chrome-error://chromewebdata/"]
        context.close()
    assert server.jobs() == before


# --- the login, and texts that would like to run --------------------------------------------------


@pytest.fixture(scope="module")
def trapped(tmp_path_factory) -> Iterator[Server]:
    """A server with a login, whose models, pictures and jobs are called what would like to run."""
    folder = tmp_path_factory.mktemp("trapped")
    models = folder / "models" / "checkpoints"
    shutil.copytree(ROOT / "models" / "checkpoints" / "fluent-emoji", models / "fluent-emoji")
    for payload in PAYLOADS:
        (models / file_name(payload)).mkdir()
        (models / file_name(payload) / "model_index.json").write_text(json.dumps([payload]))
    (folder / "people").write_text(f"{NAME}:{PASSWORD}\n", "utf-8")
    options = ("--auth-file", folder / "people", "--models-dir", folder / "models")
    server = Server(folder, free_port(), options, f"{NAME}:{PASSWORD}")
    server.start()
    day = server.outputs / "2020-01-01"
    day.mkdir(parents=True)
    for number, payload in enumerate(PAYLOADS):
        said = PngImagePlugin.PngInfo()
        for key in (
            "parameters",
            "prompt",
            "workflow",
            file_name(payload)[:40].encode("ascii", "ignore").decode(),
        ):
            said.add_itxt(key, f"{payload}\nNegative prompt: {payload}\nSteps: 1, Model: {payload}")
        Image.new("RGB", (8, 8)).save(day / f"{number}-{file_name(payload)}.png", pnginfo=said)
    yield server
    assert server.foreign() == []
    assert server.stop() == 0


def submit(server: Server, request: dict) -> dict:
    asked = urllib.request.Request(
        f"{server.address}/api/v1/jobs",
        json.dumps({"request": request}).encode(),
        {"Content-Type": "application/json", **server.headers},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return json.load(answer)


def log_in(page, name: str, password: str) -> None:
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("button")


@pytest.mark.parametrize("script", [True, False])
def test_the_login_says_what_is_wrong_and_leads_back_and_out(trapped, browser, script):
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    wanted = f"{trapped.address}/api/v1/models?x=1"
    page.goto(wanted)
    assert urllib.parse.urlsplit(page.url).path == "/login"
    assert not page.locator("[role=alert]").is_visible()
    log_in(page, NAME, "wrong")
    assert "do not belong together" in page.locator("[role=alert]").inner_text()
    assert page.input_value("#name") == NAME and page.input_value("#password") == ""
    log_in(page, NAME, PASSWORD)
    expect(page.locator("body")).to_contain_text("fluent-emoji")
    assert page.url == wanted
    [cookie] = context.cookies()
    assert cookie["httpOnly"] and cookie["sameSite"] == "Lax" and len(cookie["value"]) == 43
    page.goto(f"{trapped.address}/login")
    assert page.url == f"{trapped.address}/"  # it is not asked again
    context.close()


def test_the_page_works_behind_the_login_and_the_button_ends_it(trapped, open_tab):
    """Also under its policy: a thing that it forbids would be in the tab's problems."""
    tab = open_tab(trapped, login=(NAME, PASSWORD))
    tab.fill("txt2img_prompt", "red apple")
    tab.fill("txt2img_steps", 2)
    tab.wait_for(tab.generate(), "done")
    tab.page.wait_for_selector("#txt2img_gallery img")
    other = tab.page.context.new_page()
    other.goto(trapped.address)
    other.click("#dk-logout")
    other.wait_for_selector("#password")
    # the first page notices by itself, and leads to the login
    tab.page.wait_for_selector("#password", timeout=20_000)
    tab.problems.clear()  # that it was refused may be said in the console
    log_in(tab.page, NAME, PASSWORD)
    tab.page.wait_for_selector("#live[data-state]:not([data-state=''])")
    assert tab.value("txt2img_prompt") == "red apple"


def test_no_text_from_outside_runs_in_any_tab(trapped, open_tab):
    tab = open_tab(trapped, login=(NAME, PASSWORD))
    page = tab.page
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (e) => (window.PWN = e.blockedURI))"
    )
    jobs = [
        submit(trapped, {"prompt": each, "negative_prompt": each, "steps": 1, "width": 64,
                         "height": 64, "seed": 1})
        for each in PAYLOADS
    ]  # fmt: skip
    for job in jobs:
        assert trapped.finished(job["id"])["state"] == "done"
    tab.open()
    page.wait_for_selector("#txt2img_gallery img")
    tab.fill("txt2img_prompt", " ".join(PAYLOADS))
    tab.fill("txt2img_neg_prompt", " ".join(PAYLOADS))
    names = page.get_by_role("tab").all_inner_texts()
    assert names[0] == "txt2img"
    for name in names:
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(300)
        for chooser in page.locator("input[type=file]:not([webkitdirectory])").all():
            chooser.set_input_files(next((trapped.outputs / "2020-01-01").iterdir()))
            page.wait_for_timeout(500)
    page.get_by_role("tab", name="txt2img", exact=True).click()
    page.locator("#setting_sd_model_checkpoint input, #txt2img_model input").first.click()
    page.get_by_role("option").first.wait_for()
    page.keyboard.press("Escape")
    page.locator("#txt2img_gallery button.thumbnail-item").first.click()
    page.locator("#results").get_by_text("window.PWN").first.wait_for()
    assert tab.problems == []
    tab.open()
    tab.problems.clear()  # Gradio says so when a page goes away in the middle of an event
    assert tab.value("txt2img_prompt") == " ".join(PAYLOADS)
    assert page.evaluate("window.PWN") is None
    # what was planted was there to be found
    listed = trapped.get("api/v1/models")["models"]
    assert {file_name(each) for each in PAYLOADS} <= {each["name"] for each in listed}
