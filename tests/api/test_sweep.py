"""Every address there is, with every kind of credential and from every kind of page."""

import asyncio
import itertools
import json

import pytest
from fastapi import APIRouter

from tests.api.whole import EXTRA, READS, Passed, built, filled, inner, mounted, pairs, status
from tests.guard.calls import basic

AUTH = ("--auth", "ann:sesame,\u00fclrike:gr\u00f6\u00dfe", "--api-auth", "robot:beep")
GOOD, ROBOT = basic("ann", "sesame"), basic("robot", "beep")
JSON = {"content-type": "application/json"}
PAGE = {"accept": "text/html"}
STRANGERS = {
    "nobody": {},
    "wrong user": basic("bob", "sesame"),
    "wrong password": basic("ann", "sesamE"),
    "wrong length": basic("ann", "sesame" * 20),
    "non-ASCII": basic("\u00fclrike", "gr\u00f6sse"),
    "empty": basic("", ""),
    "garbage": {"authorization": "Basic \xff%%%"},
    "expired cookie": {},  # filled in: one that was good
}
OPEN = {("GET", "/login"), ("HEAD", "/login")}  # and POST /login, which takes a name and password
VIBES = ("vibe-edit", "undo-vibe-edit", "vibe-code", "vibe-starter-queries")
CLOSED = {  # to everybody: Gradio's doors that no page of ours uses
    *("/login/", "/monitoring", "/monitoring/summary", "/monitoring/x"),
    *(f"/gradio_api/call/v2/{name}" for name in ("x", "x/", "x/x")),
    *("/gradio_api/deep_link", "/gradio_api/dev/reload", "/gradio_api/proxy=x"),
    *("/gradio_api/custom_component/x/x/x/x", "/gradio_api/process_recording"),
    *("/gradio_api/runs", "/gradio_api/runs/"),
    *(f"/gradio_api/{name}{slash}" for name in VIBES for slash in ("", "/")),
}
# open in Gradio even with its own login
FORMER = ("cancel", "reset", "startup-events", "stream/x", "user", "token", "app_id", "heartbeat/x")
REAL = (
    *("/", "/config", "/theme.css", "/api/v1/health", "/api/v1/jobs", "/api/v1/openapi.json"),
    *("/gradio_api/info", "/gradio_api/user", "/gradio_api/app_id", "/gradio_api/startup-events"),
    "/gradio_api/heartbeat/x",
)
OWN = [("GET", "/login"), ("HEAD", "/login"), ("POST", "/login"), ("POST", "/logout")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with built(tmp_path_factory.mktemp("sweep"), *AUTH) as application:
        yield application


def everything(application):
    found = {(method, filled(path)) for method, path in mounted(application)} | set(OWN)
    return sorted(found - {("GET", "/logout")})


async def answers(guard, asked, headers, clients):
    """pair -> (status, location); each from an address of its own, so that none is slowed."""
    found = {}
    for method, path in asked:
        given = headers | ({} if method in READS else JSON)
        code, sent, _ = await status(guard, method, path, given, b"", client=next(clients))
        found[method, path] = code, sent.get(b"location", b"").decode()
    return found


def addresses():
    return (f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}" for i in itertools.count(1))


async def logged_in(application):
    body, form = b"name=ann&password=sesame", {"content-type": "application/x-www-form-urlencoded"}
    _, sent, _ = await status(application, "POST", "/login", form, body)
    return {"cookie": sent[b"set-cookie"].decode().partition(";")[0]}


def sweep(application):
    """What strangers found open: {(pair): who}; and how many pairs were tried."""
    asked, found, clients = everything(application), {}, addresses()

    async def strangers():
        expired = await logged_in(application)
        assert (await status(application, "GET", "/config", expired))[0] == 200
        assert (await status(application, "POST", "/logout", expired))[0] == 303
        for name, headers in (STRANGERS | {"expired cookie": expired}).items():
            for accept in ({}, PAGE):
                for pair, (code, place) in (
                    await answers(application, asked, headers | accept, clients)
                ).items():
                    to_login = code == 303 and place.partition("?")[0].endswith("login")
                    if code not in (401, 403) and not to_login:
                        found.setdefault(pair, set()).add((name, code))

    asyncio.run(strangers())
    return found, len(asked)


def test_to_a_stranger_nothing_is_open_but_the_login(whole):
    found, tried = sweep(whole)
    forms = {("POST", "/login"): {415}}  # JSON is no form
    for pair, codes in forms.items():
        assert {code for _, code in found.pop(pair)} == codes
    assert found.keys() == OPEN
    assert {code for who in found.values() for _, code in who} == {200}
    assert len(OPEN | forms.keys()) <= 12
    assert tried >= 80
    under_gradio = [path for _, path in everything(whole) if path.startswith("/gradio_api")]
    assert len(under_gradio) >= 50
    for name in FORMER:
        assert any(path.startswith(f"/gradio_api/{name}") for path in under_gradio), name


@pytest.mark.parametrize("how", ["basic", "cookie"])
def test_to_whom_it_is_for_everything_else_is(whole, how):
    headers = GOOD if how == "basic" else asyncio.run(logged_in(whole))
    passed = Passed(whole)
    asked = [pair for pair in everything(whole) if pair not in OWN]
    found = asyncio.run(answers(passed.guard, asked, headers, addresses()))
    refused = {path: code for (_, path), (code, _) in found.items() if code != 200}
    # no file is called "x", and an upload is no JSON
    other = {path: 403 for path in refused if path.startswith("/gradio_api/file")}
    assert refused == dict.fromkeys(CLOSED, 404) | other | {"/gradio_api/upload": 415}
    assert len(passed.asked) >= 60


def test_an_account_of_the_api_passes_to_the_api_alone(whole):
    passed = Passed(whole)
    asked = [pair for pair in everything(whole) if pair not in OWN]
    found = asyncio.run(answers(passed.guard, asked, ROBOT, addresses()))
    api = {pair for pair in asked if pair[1].startswith(("/api/", "/sdapi/", "/internal/"))}
    assert {pair for pair, (code, _) in found.items() if code == 200} == api == set(passed.asked)
    assert {code for pair, (code, _) in found.items() if pair not in api} == {403}
    assert len(api) >= 20


def test_the_real_pages_and_addresses_answer_to_whom_they_are_for(whole):
    asked = [("GET", path) for path in REAL]
    found = asyncio.run(answers(whole, asked, GOOD, addresses()))
    assert {pair: code for pair, (code, _) in found.items()} == dict.fromkeys(asked, 200)


def test_what_an_extension_adds_falls_under_it_too(tmp_path):
    router = APIRouter()

    def touched(name: str) -> str:
        return name

    deep, deeper = APIRouter(prefix="/deep"), APIRouter(prefix="/deeper")
    router.add_api_route(EXTRA, touched, methods=["GET", "POST", "DELETE"])
    deeper.add_api_route("/{name}", touched, methods=["PUT"])
    deep.include_router(deeper)
    router.include_router(deep)
    with built(tmp_path, *AUTH) as application:
        before = len(everything(application))
        inner(application).include_router(router)
        found, tried = sweep(application)
        assert tried == before + 4
        assert ("PUT", "/deep/deeper/x") in everything(application)
        assert found.keys() == OPEN | {("POST", "/login")}
        asked = [("DELETE", "/an/extension/x"), ("PUT", "/deep/deeper/x")]
        let = asyncio.run(answers(Passed(application).guard, asked, GOOD, addresses()))
        assert [code for code, _ in let.values()] == [200, 200]


def test_a_kind_of_route_that_is_not_known_stops_the_sweep():
    with pytest.raises(ValueError, match="what is"):
        list(pairs([object()]))


# --- from which page, under which name -----------------------------------------------------------

HOSTS = {"localhost:7860": True, "127.0.0.1:7860": True, "[::1]:7860": True, "LOCALHOST:7860": True,
         "evil.com": False, "192.168.1.5:7860": False, "localhost.": False,
         "127.0.0.1.nip.io": False}  # fmt: skip
ORIGINS = ("own", None, "null", "http://evil.com", "http://{name}:7861", "https://{host}")
SITES = {None: True, "none": True, "same-origin": True, "same-site": False, "cross-site": False}


def test_every_address_that_writes_is_safe_from_other_sites(whole):
    """HOSTS x ORIGINS x SITES, with good credentials: those are what a foreign page borrows."""
    writing = [pair for pair in everything(whole) if pair[0] not in READS and pair not in OWN]
    writing = [pair for pair in writing if pair[1] not in CLOSED | {"/gradio_api/upload"}]
    combinations = list(itertools.product(HOSTS, ORIGINS, SITES))
    assert len(combinations) >= 60 and len(writing) >= 20
    passed, wrong = Passed(whole), []

    async def matrix():
        for method, path in writing:
            for host, origin, site in combinations:
                name = host.rpartition(":")[0].lower()
                from_own = f"http://{host}" if origin == "own" else origin
                given = {
                    "host": host,
                    "origin": from_own and from_own.format(host=host, name=name),
                    "sec-fetch-site": site,
                }
                headers = {key: each for key, each in given.items() if each is not None}
                code, _, _ = await status(passed.guard, method, path, headers | JSON | GOOD)
                allowed = HOSTS[host] and origin in ("own", None) and SITES[site]
                expected = 200 if allowed else 403 if HOSTS[host] else 421
                if code != expected:
                    wrong.append((method, path, host, origin, site, code))

    asyncio.run(matrix())
    assert wrong == []
    assert len(passed.asked) == len(writing) * 4 * 2 * 3


@pytest.mark.parametrize(("method", "path"), [("POST", "/login"), ("POST", "/logout")])
def test_so_are_logging_in_and_out(whole, method, path):
    form = {"content-type": "application/x-www-form-urlencoded"}
    body = b"name=ann&password=sesame"
    evil = [{"origin": "http://evil.com"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}]
    for headers in evil:
        code, sent, _ = asyncio.run(status(whole, method, path, form | headers, body))
        assert code == 403 and b"set-cookie" not in sent
    assert asyncio.run(status(whole, method, path, form, body))[0] == 303


# --- reading changes nothing ---------------------------------------------------------------------


def test_no_get_changes_anything(tmp_path):
    def state():
        files = {
            str(path.relative_to(tmp_path)): path.read_bytes()
            for path in tmp_path.rglob("*")
            if path.is_file() and path.name != "darkroom.log" and "jobs.sqlite-" not in path.name
        }
        return files, [job.id for job in line.jobs(100)], line.previews(), line.waiting()

    with built(tmp_path) as application:
        line = application.services.line
        asked = [pair for pair in everything(application) if pair[0] in READS and pair not in OWN]
        asyncio.run(status(application, "GET", "/"))
        before = state()
        found = asyncio.run(answers(application, asked, {}, addresses()))
        assert state() == before
    assert max(code for code, _ in found.values()) < 500
    assert len(asked) >= 50
    assert json.dumps(sorted(before[0])).count("jobs.sqlite") == 1
