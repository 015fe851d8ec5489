import itertools
from dataclasses import replace

import pytest

from tests.guard.calls import App, ask, status
from webui.guard import Guard

HOSTS = {
    "localhost": 200, "LOCALHOST:1": 200, "127.0.0.1": 200, "127.0.0.1:7860": 200,
    "[::1]": 200, "[::1]:7860": 200, "nas.lan": 200, "NAS.lan:80": 200,
    "evil.com": 421, "192.168.1.5": 421, "192.168.1.5:7860": 421, "127.0.0.1.nip.io": 421,
    "localhost.": 421, "localhost.:7860": 421, "localhost.evil.com": 421, "::1": 421, "": 400,
    ":7860": 421, "localhost:": 421, "localhost:x": 421, "user@localhost": 421, "0.0.0.0": 421,
    "127.1": 421, "2130706433": 421, "localhost, evil.com": 421, "evil.com@localhost": 421,
    "[::ffff:127.0.0.1]": 421, "localhost/": 421, "nas": 421,
}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "kind"), [("GET", "http"), ("POST", "http"), ("GET", "websocket")]
)
@pytest.mark.parametrize("host", HOSTS)
def test_only_known_host_names_are_answered(rules, host, method, kind):
    app = App()
    answer = ask(Guard(app, rules), method, headers={"host": host}, kind=kind)
    assert len(app.bodies) == (HOSTS[host] == 200)
    if kind == "http":
        assert answer[0] == HOSTS[host]
    elif HOSTS[host] != 200:
        assert answer[0]["type"] == "websocket.close" and answer[0]["code"] == 1008


def test_two_hosts_and_none_are_refused(rules):
    guard = Guard(App(), rules)
    assert status(guard, headers={"host": ["localhost", "localhost"]}) == 400
    assert status(guard, headers={"host": []}) == 400


ORIGINS = {
    None: True, "http://localhost:7860": True, "HTTP://LOCALHOST:7860": True,
    "http://localhost:7861": False, "http://localhost": False, "https://localhost:7860": False,
    "http://127.0.0.1:7860": False, "null": False, "http://evil.com": False, "": False,
    "http://localhost:7860.evil.com": False, "http://evil.com@localhost:7860": False,
    "http://localhost:7860/": False, "file://": False, "http://[": False,
    "http://localhost:7860 http://evil.com": False,
}  # fmt: skip
SITES = {None: True, "same-origin": True, "none": True, "same-site": False, "cross-site": False,
         "": False, "Same-Origin": False}  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "websocket"])
@pytest.mark.parametrize(("origin", "site"), [*itertools.product(ORIGINS, SITES)])
def test_only_our_own_pages_and_programs_may_write(rules, method, origin, site):
    headers = {"origin": origin, "sec-fetch-site": site}
    headers = {name: value for name, value in headers.items() if value is not None}
    app = App()
    kind = "websocket" if method == "websocket" else "http"
    answer = ask(Guard(app, rules), method, headers=headers, kind=kind)
    allowed = ORIGINS[origin] and SITES[site]
    assert len(app.bodies) == allowed
    assert kind == "websocket" or answer[0] == (200 if allowed else 403)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_is_open_to_links_from_other_sites(rules, method):
    headers = {"origin": "http://evil.com", "sec-fetch-site": "cross-site"}
    assert status(Guard(App(), rules), method, "/", headers) == 200


def test_the_default_port_may_be_left_out(rules):
    headers = {"host": "localhost", "origin": "http://localhost:80"}
    assert status(Guard(App(), rules), headers=headers) == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/\u732b", 200), ("/static/" + "x" * 255, 200), ("/" + "x/" * 1000, 200),
        ("/static/" + "x" * 256, 414), ("/" + "\u732b" * 86, 414), ("/" + "xxx/" * 700, 414),
        ("/\0", 400), ("/a\nb", 400), ("/\x1b[31m", 400), ("/\x7f", 400), ("/\x85", 400),
        ("/monitoring", 404), ("/monitoring/summary", 404), ("/gradio_api/dev/reload", 404),
        ("/gradio_api/proxy=http://x/", 404), ("/gradio_api/vibe-edit", 404),
        ("/gradio_api/undo-vibe-edit", 404), ("/gradio_api/custom_component/a/b/c/d", 404),
        ("/gradio_api/info", 200), ("/config", 200),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_addresses_that_no_page_uses_are_not_passed_on(rules, method, path, expected):
    app = App()
    assert status(Guard(app, rules), method, path) == expected
    assert len(app.bodies) == (expected == 200)


@pytest.mark.parametrize(
    ("host", "server", "expected"),
    [
        ("192.168.1.5:7860", "192.168.1.5", 200), ("192.168.1.5", "192.168.1.5", 200),
        ("[fd00::5]:7860", "fd00::5", 200), ("[FD00:0::5]", "fd00::5", 200),
        ("[fe80::5]", "fe80::5%eth0", 200), ("192.168.1.5", "::ffff:192.168.1.5", 200),
        ("192.168.1.6", "192.168.1.5", 421), ("fd00::5", "fd00::5", 421),
        ("evil.com", "192.168.1.5", 421), ("0.0.0.0", "192.168.1.5", 421),
        ("192.168.1.5.nip.io", "192.168.1.5", 421), ("3232235781", "192.168.1.5", 421),
        ("evil.com", "/run/socket", 421), ("evil.com", "", 421), ("", "", 400),
    ],
)  # fmt: skip
def test_on_a_network_it_answers_to_the_address_that_the_connection_came_to(
    rules, host, server, expected
):
    on_network = Guard(App(), replace(rules, own_addresses=True))
    assert status(on_network, "GET", headers={"host": host}, server=server) == expected
    assert status(Guard(App(), rules), "GET", headers={"host": host}, server=server) >= 400
