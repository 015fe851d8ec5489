import pytest

from tests.guard.calls import OK, App, ask
from webui.guard import Guard

OURS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"SAMEORIGIN",
    b"cross-origin-resource-policy": b"same-origin",
}


@pytest.mark.parametrize("host", ["localhost", "evil.com"])
def test_every_answer_carries_our_headers_and_lets_no_other_origin_in(rules, host):
    app = App(
        [*OK, (b"X-Frame-Options", b"ALLOWALL"), (b"Access-Control-Allow-Credentials", b"true")]
    )
    _, headers, _ = ask(Guard(app, rules), "GET", "/", {"host": host})
    names = [name.lower() for name, _ in headers]
    assert {name: value for name, value in headers if name in OURS} == OURS
    assert names.count(b"x-frame-options") == 1
    assert not any(name.startswith(b"access-control") for name in names)


@pytest.mark.parametrize(
    ("kind", "path", "saved"),
    [
        (b"text/html; charset=utf-8", "/gradio_api/file=TEMP/x.html", True),
        (b"image/svg+xml", "/gradio_api/file=TEMP/x.svg", True),
        (b"application/xml", "/gradio_api/file=TEMP/x.xml", True),
        (b"application/xhtml+xml", "/gradio_api/file/TEMP/x.xht", True),
        (b"text/html", "/api/v1/pictures/x.png", True),
        (b"image/png", "/gradio_api/file=TEMP/x.png", False),
        (b"text/html", "/", False),
        (b"image/svg+xml", "/static/img/logo.svg", False),
    ],
)
def test_a_file_that_could_run_is_only_ever_saved(rules, tmp_path, kind, path, saved):
    app = App([(b"content-type", kind), (b"Content-Disposition", b"inline")])
    path = path.replace("TEMP", str(tmp_path / "temp"))
    _, headers, _ = ask(Guard(app, rules), "GET", path)
    disposition = [value for name, value in headers if name.lower() == b"content-disposition"]
    assert disposition == [b"attachment" if saved else b"inline"]


def test_other_scopes_pass(rules):
    app = App()
    assert ask(Guard(app, rules), kind="lifespan") == []
    assert app.bodies == [b""]


def policy(answer):
    found = [value.decode() for name, value in answer[1] if name == b"content-security-policy"]
    assert len(found) <= 1
    return dict(part.strip().partition(" ")[::2] for part in found[0].split(";")) if found else {}


def test_the_page_loads_from_and_sends_to_nobody_else(rules):
    app = App([(b"content-type", b"text/html; charset=utf-8")])
    said = policy(ask(Guard(app, rules), "GET", "/"))
    assert said["object-src"] == "'none'" and said["frame-ancestors"] == "'self'"
    assert said["base-uri"] == said["form-action"] == "'self'"
    for name in ("default-src", "script-src", "connect-src", "img-src", "worker-src", "style-src"):
        assert set(said[name].split()) <= {
            "'self'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:",
        }  # fmt: skip


def test_a_served_file_may_do_nothing_and_data_needs_no_policy(rules, tmp_path):
    app = App([(b"content-type", b"text/html")])
    path = f"/gradio_api/file={tmp_path}/temp/x.html"
    assert policy(ask(Guard(app, rules), "GET", path)) == {
        "default-src": "'none'", "style-src": "'unsafe-inline'", "sandbox": "",
    }  # fmt: skip
    app = App([(b"content-type", b"application/json")])
    assert policy(ask(Guard(app, rules), "GET", "/api/v1/jobs")) == {}
