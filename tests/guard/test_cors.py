"""Pages of other origins that were let in by name, and those that were not."""

from dataclasses import replace

import pytest

from tests.guard.calls import App, ask, basic
from webui.guard import Guard, Login
from webui.passwords import accounts

pytestmark = pytest.mark.usefixtures("cheap_passwords")
FRIEND = "https://tool.example"
ASKED = {
    "access-control-request-method": "PUT",
    "access-control-request-headers": "x-a, content-type",
}


@pytest.fixture
def guard(rules, cheap_passwords):
    login = Login(accounts("ann:sesame"))
    return Guard(App(), replace(rules, origins=(FRIEND,), login=login))


def shared(answer):
    return {
        name.decode(): value.decode()
        for name, value in answer[1]
        if name.startswith((b"access-control", b"vary"))
    }


FOR_FRIEND = {
    "vary": "Origin",
    "access-control-allow-origin": FRIEND,
    "access-control-allow-credentials": "true",
}


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_friend_may_read_and_write_with_a_name_and_password(guard, method, site):
    headers = {"origin": FRIEND} | basic("ann", "sesame")
    headers |= {"sec-fetch-site": site} if site else {}
    answer = ask(guard, method, headers=headers)
    assert (answer[0], shared(answer)) == (200, FOR_FRIEND)
    refused = ask(guard, method, headers={"origin": FRIEND})
    assert (refused[0], shared(refused)) == (401, FOR_FRIEND)


def test_a_friends_browser_may_ask_before_it_sends_a_name(guard):
    answer = ask(guard, "OPTIONS", headers={"origin": FRIEND} | ASKED)
    assert answer[0] == 204 and answer[2] == b""
    assert shared(answer) == FOR_FRIEND | {
        "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "access-control-allow-headers": "x-a, content-type",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize(
    "origin",
    ["http://tool.example", "https://tool.example:444", "https://tool.example.evil.com",
     "null", "*",
     "https://evil.com", "https://sub.tool.example", ["https://tool.example"] * 2, ""],
)  # fmt: skip
def test_nobody_else_is_a_friend(guard, origin):
    headers = {"origin": origin}
    assert ask(guard, "OPTIONS", headers=headers | ASKED)[0] == 401
    answer = ask(guard, "POST", headers=headers | basic("ann", "sesame"))
    assert (answer[0], shared(answer)) == (403, {"vary": "Origin"})
    read = ask(guard, "GET", headers=headers | basic("ann", "sesame"))
    assert (read[0], shared(read)) == (200, {"vary": "Origin"})


def test_a_friend_under_a_foreign_host_name_is_none(guard):
    headers = {"origin": FRIEND, "host": "evil.com"}
    assert ask(guard, "OPTIONS", headers=headers | ASKED)[0] == 421
    assert ask(guard, "POST", headers=headers | basic("ann", "sesame"))[0] == 421


def test_a_friend_opens_websockets_too(guard):
    headers = {"origin": FRIEND, "sec-fetch-site": "cross-site"} | basic("ann", "sesame")
    assert ask(guard, "GET", headers=headers, kind="websocket") == []
    [closed] = ask(guard, "GET", headers=headers | {"origin": "https://evil.com"}, kind="websocket")
    assert closed["type"] == "websocket.close"


def test_without_friends_nothing_is_said_of_origins(rules):
    answer = ask(Guard(App(), rules), "GET", headers={"origin": FRIEND})
    assert shared(answer) == {}
