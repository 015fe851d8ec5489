"""The login in process: cookies, HTTP Basic, failures, and where it leads."""

import asyncio
import re
from dataclasses import replace
from html import unescape
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from tests.guard.calls import App, ask, asked, basic
from webui.guard import Guard, Login, sessions
from webui.guard.failures import Failures
from webui.guard.sessions import Sessions
from webui.passwords import accounts

pytestmark = pytest.mark.usefixtures("cheap_passwords")
FORM = {"content-type": "application/x-www-form-urlencoded"}
GOOD = basic("ann", "sesame")
PAGE = {"accept": "text/html,*/*"}


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def app():
    return App()


@pytest.fixture
def guard(rules, clock, app, cheap_passwords):
    known = accounts(["ann:sesame", "\u00fclrike:gr\u00f6\u00dfe \U0001f431"])
    login = Login(known, accounts("robot:beep"), icon="data:image/svg+xml,x", clock=clock)
    return Guard(app, replace(rules, login=login))


def submit(guard, name="ann", password="sesame", headers=(), wanted="", **where):
    body = urlencode({"name": name, "password": password, "next": wanted}).encode()
    return ask(guard, "POST", "/login", FORM | dict(headers), (body,), **where)


def value(answer, name):
    return next((value.decode() for key, value in answer[1] if key == name.encode()), None)


def log_in(guard, **kwargs):
    """The cookie as a browser sends it back."""
    return {"cookie": value(submit(guard, **kwargs), "set-cookie").partition(";")[0]}


def test_who_has_logged_in_may_do_everything(guard, app):
    cookie = log_in(guard)
    for method, path in [("GET", "/"), ("POST", "/gradio_api/queue/join"), ("GET", "/api/v1/jobs")]:
        assert ask(guard, method, path, cookie)[0] == 200
    assert ask(guard, "GET", "/", cookie, kind="websocket") == []
    assert len(app.bodies) == 4


def test_without_it_a_person_is_led_to_the_login_and_a_program_is_told(guard, app):
    led = ask(guard, "GET", "/", PAGE)
    assert (led[0], value(led, "location")) == (303, "login")
    told = ask(guard, "GET", "/api/v1/jobs")
    assert told[0] == 401 and b"log in at /login, or send" in told[2]
    assert ask(guard, "POST", "/api/v1/jobs", PAGE)[0] == 401
    [closed] = ask(guard, "GET", "/", kind="websocket")
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    assert app.bodies == []


@pytest.mark.parametrize(
    ("headers", "challenged"),
    [({}, True), ({"user-agent": "curl/8"}, True), ({"user-agent": "Mozilla/5.0 X"}, False),
     ({"sec-fetch-mode": "cors"}, False)],
)  # fmt: skip
def test_only_programs_are_challenged_since_a_browser_would_open_a_dialog(
    guard, headers, challenged
):
    for given in (headers, headers | basic("ann", "wrong")):
        answer = ask(guard, "GET", "/api/v1/jobs", given)
        assert answer[0] == 401
        expected = 'Basic realm="Darkroom", charset="UTF-8"' if challenged else None
        assert value(answer, "www-authenticate") == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (GOOD, 200),
        (basic("\u00fclrike", "gr\u00f6\u00dfe \U0001f431"), 200),
        ({"authorization": GOOD["authorization"].replace("Basic", "bAsIc")}, 200),
        ({"authorization": [GOOD["authorization"]] * 2}, 401),
        ({"authorization": "Basic"}, 401),
        ({"authorization": "Basic %%%"}, 401),
        ({"authorization": "Basic YW5u"}, 401),  # "ann", no colon
        ({"authorization": GOOD["authorization"] + "=="}, 401),
        ({"authorization": GOOD["authorization"].replace("Basic", "Bearer")}, 401),
        ({"authorization": "Basic \u00e9"}, 401),
        (basic("ann", ""), 401),
        (basic("", "sesame"), 401),
        (basic("", ""), 401),
        (basic("ANN", "sesame"), 401),
        (basic("ann", "sesame "), 401),
        (basic("nobody", "sesame"), 401),
        ({"cookie": "darkroom-7860=" + "A" * 43}, 401),
        ({"cookie": "darkroom-7860="}, 401),
        ({"cookie": ";;=;\u00e9"}, 401),
    ],
)
def test_a_program_comes_in_with_basic_and_nothing_else(guard, app, headers, expected):
    assert ask(guard, "POST", "/api/v1/jobs", headers)[0] == expected
    assert len(app.bodies) == (expected == 200)


def test_a_password_may_come_in_latin_1_as_some_programs_send_it(rules, app):
    login = Login(accounts("ann:caf\u00e9"))
    guard = Guard(app, replace(rules, login=login))
    assert ask(guard, "GET", "/", basic("ann", "caf\u00e9", "latin-1"))[0] == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/api/v1/jobs", 200), ("/sdapi/v1/txt2img", 200), ("/", 403), ("/config", 403),
     ("/gradio_api/queue/join", 403), ("/apiary", 403), ("/gradio_api/api/x", 403)],
)  # fmt: skip
def test_an_account_of_the_api_opens_the_api_alone(guard, path, expected):
    for _ in range(2):  # once checked, once remembered
        assert ask(guard, "GET", path, basic("robot", "beep"))[0] == expected
    assert submit(guard, "robot", "beep")[0] == 401


def test_the_same_name_may_have_a_password_for_the_api_besides(rules, app):
    login = Login(accounts("ann:page"), accounts("ann:api"))
    guard = Guard(app, replace(rules, login=login))
    found = {
        password: [
            ask(guard, "GET", path, basic("ann", password))[0] for path in ("/", "/api/v1/x")
        ]
        for password in ("page", "api", "x")
    }
    assert found == {"page": [200, 200], "api": [403, 200], "x": [401, 401]}


def test_a_right_header_is_checked_once_and_only_so_many_are_remembered(guard, monkeypatch):
    checked = []

    def verified(known, name, password):
        checked.append(name)
        return password == "right"

    monkeypatch.setattr("webui.guard.login.verified", verified)
    for _ in range(50):
        assert ask(guard, "GET", "/", basic("ann", "right"))[0] == 200
    assert len(checked) == 2  # in either list
    for i in range(1000):
        assert ask(guard, "GET", "/", basic(f"u{i}", "right"))[0] == 200
    login = guard._rules.login
    assert len(login._known) == 256
    assert ask(guard, "GET", "/", basic("ann", "wrong"))[0] == 401


def test_the_cookie_cannot_be_read_by_scripts_and_leaves_no_other_site(guard):
    plain = value(submit(guard), "set-cookie")
    shape = r"darkroom-7860=[\w-]{43}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax"
    assert re.fullmatch(shape, plain)
    secure = value(submit(guard, scheme="https"), "set-cookie")
    assert re.fullmatch(f"__Host-{shape}; Secure", secure)
    assert value(submit(guard), "set-cookie") != plain
    other_port = value(submit(guard, headers={"host": "localhost:1"}), "set-cookie")
    assert other_port.startswith("darkroom-1=")


def test_a_session_ends_in_time_and_at_the_logout(guard, clock):
    first, second = log_in(guard), log_in(guard)
    clock.now += sessions.SECONDS - 1
    out = ask(guard, "POST", "/logout", first)
    assert (out[0], value(out, "location")) == (303, "login")
    assert value(out, "set-cookie").startswith("darkroom-7860=; Path=/; Max-Age=0;")
    assert ask(guard, "GET", "/", first)[0] == 401
    assert ask(guard, "GET", "/", second)[0] == 200
    clock.now += 1
    assert ask(guard, "GET", "/", second)[0] == 401


def test_a_link_cannot_log_anybody_out_nor_a_page_elsewhere_in_or_out(guard, app):
    cookie = log_in(guard)
    assert ask(guard, "GET", "/logout", cookie)[0] == 405
    evil = cookie | {"origin": "http://evil.com", "sec-fetch-site": "cross-site"}
    assert ask(guard, "POST", "/logout", evil)[0] == 403
    assert ask(guard, "GET", "/", cookie)[0] == 200
    refused = submit(guard, headers={"origin": "http://evil.com"})
    assert refused[0] == 403 and value(refused, "set-cookie") is None
    assert submit(guard, headers={"host": "evil.com"})[0] == 421


def test_logging_in_again_ends_the_session_before(guard):
    first = log_in(guard)
    second = log_in(guard, headers=first)
    assert ask(guard, "GET", "/", first)[0] == 401
    assert ask(guard, "GET", "/", second)[0] == 200


def test_sessions_are_bounded_and_the_oldest_goes(clock):
    kept = Sessions(clock, most=3)
    given = [kept.start() for _ in range(5)]
    assert [kept.known([each]) for each in given] == [False, False, True, True, True]
    assert len(kept) == 3
    assert not any(each.encode() in repr(vars(kept)).encode() for each in given)


def test_the_page_says_what_was_wrong_and_keeps_what_was_typed(guard):
    page = ask(guard, "GET", "/login", PAGE, query="next=a%22%3E%3Cb")
    assert page[0] == 200 and b'value="a&quot;&gt;&lt;b"' in page[2]
    assert value(page, "cache-control") == "no-store"
    assert "default-src 'none'" in value(page, "content-security-policy")
    assert b"<script" not in page[2] and b'role="alert" hidden' in page[2]
    wrong = submit(guard, '"><script>', "sesame", wanted="x?y=1")
    assert wrong[0] == 401 and value(wrong, "www-authenticate") is None
    assert b'role="alert" >That name and password do not belong together.' in wrong[2]
    assert b'value="&quot;&gt;&lt;script&gt;"' in wrong[2] and b"<script" not in wrong[2]
    assert b'value="x?y=1"' in wrong[2] and b"sesame" not in wrong[2]


def test_a_server_for_programs_alone_says_so(rules, app):
    guard = Guard(app, replace(rules, login=Login((), accounts("robot:beep"))))
    assert b"started for programs alone (--api-auth)" in ask(guard, "GET", "/login")[2]
    assert submit(guard, "robot", "beep")[0] == 401
    assert ask(guard, "GET", "/api/v1/jobs", basic("robot", "beep"))[0] == 200


@pytest.mark.parametrize(
    ("chunks", "kind", "expected"),
    [
        ((b"x" * 20_000,), FORM["content-type"], 413),
        ((b"{}",), "application/json", 415),
        ((b"name=ann&password=%ff",), FORM["content-type"], 401),
        ((b"&".join(b"a=b" for _ in range(1000)),), FORM["content-type"], 401),
        ((b"",), FORM["content-type"], 401),
        ((b"\xff",), FORM["content-type"], 401),
    ],
)
def test_a_malformed_form_logs_nobody_in(guard, chunks, kind, expected):
    answer = ask(guard, "POST", "/login", {"content-type": kind}, chunks)
    assert answer[0] == expected and value(answer, "set-cookie") is None


def test_a_form_that_drips_is_given_up(guard, monkeypatch):
    monkeypatch.setattr("webui.guard.login._FORM_SECONDS", 0.05)
    assert ask(guard, "POST", "/login", FORM, ())[0] == 408


# --- where it leads ------------------------------------------------------------------------------

WANTED = {  # path and query as the server has them -> as they are asked for afterwards
    "/": "/", "/?prompt=cat&steps=7": "/?prompt=cat&steps=7", "/static/": "/static/",
    "/api/v1/jobs?limit=3": "/api/v1/jobs?limit=3", "/a b/\u732b": "/a%20b/%E7%8C%AB",
    "/gradio_api/file=/x/y.png": "/gradio_api/file=/x/y.png", "/x%y?z=%26": "/x%25y?z=%26",
    "/a:b": "/a%3Ab",
}  # fmt: skip


@pytest.mark.parametrize("wanted", WANTED)
@pytest.mark.parametrize("base", ["http://localhost:7860", "http://localhost:7860/room"])
def test_after_the_login_one_is_where_one_wanted_to_be(guard, wanted, base):
    """`base`: also below a path, when a proxy takes it away."""
    path, _, query = wanted.partition("?")
    led = ask(guard, "GET", path, PAGE, query=query)
    login = urljoin(base + WANTED[wanted], value(led, "location"))
    assert login.partition("?")[0] == f"{base}/login"
    page = ask(guard, "GET", "/login", PAGE, query=urlsplit(login).query)[2].decode()
    kept = unescape(re.search(r'name="next" value="([^"]*)"', page)[1])
    assert urljoin(login, value(submit(guard, wanted=kept), "location")) == base + WANTED[wanted]


HOSTILE = [
    "//evil.com", "///evil.com", "/\\evil.com", "\\\\evil.com", "http://evil.com", "https:evil.com",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "/evil", "../../x",  
    "x\r\nset-cookie: a=b", "x\n", "\tjavascript:alert(1)", " //evil.com", "\0", "x" * 5000,
    "\u2028", "%0d%0aset-cookie:a=b", "@evil.com", ".evil.com", "?next=//evil.com", "#x",
    "a/../../x", ";//evil.com",
    "%2f%2fevil.com", "%5cevil.com", "a//evil.com", "./\\evil.com", "\U0001f600", "//[",
]  # fmt: skip


@pytest.mark.parametrize("wanted", HOSTILE)
def test_the_login_leads_nowhere_else(guard, wanted):
    cookie = log_in(guard)
    query = urlencode({"next": wanted})
    for answer in (submit(guard, wanted=wanted), ask(guard, "GET", "/login", cookie, query=query)):
        place = value(answer, "location")
        assert place.startswith("./") and place.isascii() and place.isprintable()
        whole = urlsplit(urljoin("http://localhost:7860/login", place))
        assert (whole.scheme, whole.netloc) == ("http", "localhost:7860")
        assert "\\" not in place and not place.startswith(".//")
        assert sum(name == b"set-cookie" for name, _ in answer[1]) <= 1


# --- wrong ones, and many of them ----------------------------------------------------------------


def test_200_wrong_logins_are_slowed_and_a_right_one_from_elsewhere_is_not(guard, clock):
    def attack(i):
        if i % 2:
            return submit(guard, "ann", f"guess{i}", client="10.0.0.9")[0]
        return ask(guard, "GET", "/", basic("ann", f"guess{i}"), client="10.0.0.9")[0]

    assert [attack(i) for i in range(200)] == [401] * 10 + [429] * 190
    assert submit(guard, client="10.0.0.8")[0] == 303
    clock.now += 30.5
    blocked = submit(guard, client="10.0.0.9")  # also the right one: else one could tell
    assert (blocked[0], value(blocked, "retry-after")) == (429, "30")
    assert b"Too many failed logins from your address. Try again in 30 seconds." in blocked[2]
    clock.now += 30
    assert submit(guard, client="10.0.0.9")[0] == 303


def test_who_is_in_already_stays_in_while_others_of_the_address_fail(guard):
    cookie = log_in(guard)
    assert ask(guard, "GET", "/", GOOD)[0] == 200
    for i in range(20):
        submit(guard, "ann", f"guess{i}")
    assert ask(guard, "GET", "/", cookie)[0] == 200
    assert ask(guard, "GET", "/", GOOD)[0] == 200


def test_many_at_once_are_no_way_around(guard):
    async def at_once():
        calls = [asked(guard, "GET", "/", basic("ann", f"guess{i}")) for i in range(60)]
        return [answer[0] for answer in await asyncio.gather(*calls)]

    assert sorted(asyncio.run(at_once())) == [401] * 10 + [429] * 50


def test_right_logins_do_not_count(guard):
    assert [submit(guard)[0] for _ in range(30)] == [303] * 30


def test_what_is_no_login_at_all_is_no_failure(guard):
    for _ in range(30):
        assert ask(guard, "GET", "/api/v1/jobs", {"authorization": "Basic %%%"})[0] == 401
    assert submit(guard)[0] == 303


def test_failures_are_remembered_of_so_many_addresses_only(clock):
    failures = Failures(clock, addresses=100)
    for i in range(10_000):
        failures.begin(f"10.0.{i // 256}.{i % 256}")
    assert len(failures) == 100
    assert sum(len(each) for each in failures._tried.values()) == 100
    for _ in range(1000):
        failures.begin("1.2.3.4")
    assert len(failures._tried["1.2.3.4"]) == 10


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("2001:db8::1", "2001:db8::ffff:1", True), ("2001:db8::1", "2001:db8:0:1::1", False),
     ("::ffff:10.0.0.1", "10.0.0.1", True), ("10.0.0.1", "10.0.0.2", False),
     ("fe80::1%eth0", "fe80::2", True)],
)  # fmt: skip
def test_addresses_that_one_person_has_many_of_are_one(guard, one, other, same):
    for i in range(10):
        submit(guard, "ann", f"guess{i}", client=one)
    assert submit(guard, client=other)[0] == (429 if same else 303)


def test_nothing_is_logged_of_what_was_sent(guard, caplog, capfd):
    caplog.set_level(0)
    submit(guard, "ann", "a-wrong-word")
    submit(guard)
    ask(guard, "GET", "/", basic("ann", "another-wrong-word"))
    said = caplog.text + "".join(capfd.readouterr())
    assert not any(word in said for word in ("wrong-word", "sesame"))
