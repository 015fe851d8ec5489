"""Installing over HTTP: who may, what is answered, what the list of extensions says of it."""

import json
import time
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.installing.repositories import Repository, files_of, service
from webui import settings
from webui.api import server
from webui.downloads import Access
from webui.extensions import Catalogue, find
from webui.extensions.discovery import SHIPPED
from webui.extensions.standing import Standing
from webui.guard import Guard, Rules
from webui.installing import Index
from webui.installing.index import read as read_index

BASE = "/api/v1/extensions"


@pytest.fixture
def origin(tmp_path):
    made = Repository(tmp_path / "origin")
    made.add(files_of("shout"), "First")
    return made


@pytest.fixture
def open_client(services, tmp_path):
    """Opens a client of a server that has just started."""
    data, opened = tmp_path / "data", []
    (data / "extensions").mkdir(parents=True)

    def client(**more):
        installs = service(data, **more)
        found = find(data / "extensions", tmp_path / "none")
        catalogue = Catalogue(tuple(Standing(each, "on") for each in found), data_dir=data)
        made = replace(services, extensions=catalogue, installs=installs)
        rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
        guarded = Guard(server.create(made), rules)
        opened.append(installs)
        return TestClient(guarded, "http://localhost:7860", raise_server_exceptions=False)

    yield client
    for each in opened:
        each.close()


def followed(client, made, state):
    until = time.monotonic() + 60
    while made["state"] == state and time.monotonic() < until:
        time.sleep(0.02)
        made = client.get(f"{BASE}/installs/{made['id']}").json()
    return made


def installed(client, **body):
    seen = followed(client, client.post(f"{BASE}/installs", json=body).json(), "looking")
    assert seen["state"] == "seen", seen
    made = client.post(f"{BASE}/installs/{seen['id']}/confirm", json={}).json()
    made = followed(client, made, "installing")
    assert made["state"] == "done", made
    return made


def rows(client):
    said = client.get(BASE).json()["extensions"]
    return {each["id"]: (each["change"], each["pending"], each["version"]) for each in said}


def test_a_look_is_said_whole(open_client, origin):
    commit = origin.git("rev-parse", "main")
    with open_client() as client:
        begun = client.post(f"{BASE}/installs", json={"source": origin.address})
        assert (begun.status_code, begun.json()["state"]) == (202, "looking")
        said = followed(client, begun.json(), "looking")
        listed = client.get(f"{BASE}/installs").json()
    look = said.pop("look")
    assert said == {
        "id": said["id"], "source": origin.address, "revision": "", "extension": "",
        "state": "seen", "stage": "", "bytes": said["bytes"], "error": None,
    }  # fmt: skip
    shown = look["commit"].pop("time")
    assert abs(shown - time.time()) < 3600
    assert look == {
        "id": "shout", "name": "Shout", "version": "1.0", "description": "A test.",
        "api": ">=1.0,<2", "touches": ["controls"], "processes": ["server"], "dependencies": [],
        "packages": [], "commit": {"id": commit, "author": "Ann", "subject": "First"},
        "files": 2, "size_bytes": look["size_bytes"], "left_out": 0, "imports": [],
        "problem": "", "replaces": None, "changes": None,
    }  # fmt: skip
    assert (listed["allowed"], listed["reason"], listed["git"]) == (True, None, True)
    assert listed["sources"] == ["https", "folder", "file"]
    assert [each["id"] for each in listed["installs"]] == [said["id"]]


def test_the_list_says_what_the_next_start_changes(open_client, origin):
    with open_client() as client:
        installed(client, source=origin.address)
        assert rows(client) == {"shout": ("installed", True, "1.0")}
        off = client.patch(f"{BASE}/shout", json={"enabled": False}).json()["extensions"][0]
        assert (off["enabled"], off["state"]) == (False, "off")
        client.patch(f"{BASE}/shout", json={"enabled": True})
    with open_client() as client:
        assert rows(client) == {"shout": ("", False, "1.0")}
        origin.add(files_of("shout", "1.1"), "Second")
        installed(client, extension="shout")
        assert rows(client) == {"shout": ("updated", True, "1.0")}
        (one,) = client.get(BASE).json()["extensions"]
        assert (one["installed"]["version"], one["before"]["version"]) == ("1.1", "1.0")
        back = client.post(f"{BASE}/installed/shout/rollback")
        assert (back.status_code, back.json()) == (200, {"rolled_back": "shout"})
        assert rows(client) == {"shout": ("", False, "1.0")}
        assert client.delete(f"{BASE}/installed/shout").json() == {"removed": "shout"}
        assert rows(client) == {"shout": ("removed", True, "1.0")}
    with open_client() as client:
        assert rows(client) == {}


def test_bodies_that_cannot_be_are_named(open_client):
    with open_client() as client:
        for body, field in (
            ({}, "source"),
            ({"source": "https://a.org/b", "extension": "shout"}, "source"),
            ({"source": 5}, "source"),
            ({"sauce": "x"}, "sauce"),
            ({"source": "--upload-pack=touch x"}, "source"),
            ({"source": "https://a.org/b", "revision": "-u"}, "revision"),
            ({"extension": "nosuch"}, "extension"),
        ):
            answer = client.post(f"{BASE}/installs", json=body)
            assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
        assert client.get(f"{BASE}/installs/{'0' * 16}").status_code == 404
        assert client.delete(f"{BASE}/installs/{'0' * 16}").status_code == 404
        answer = client.post(f"{BASE}/installs/{'0' * 16}/confirm", json={"packages": 1})
        assert (answer.status_code, answer.json()["error"]["field"]) == (422, "packages")
        long = client.get(f"{BASE}/index", params={"search": "a" * 201})
        assert (long.status_code, long.json()["error"]["field"]) == (422, "search")


def test_only_what_was_seen_is_confirmed(open_client, origin):
    with open_client() as client:
        made = installed(client, source=origin.address)
        again = client.post(f"{BASE}/installs/{made['id']}/confirm", json={})
        assert (again.status_code, "only what was seen" in again.text) == (409, True)
        none = client.post(f"{BASE}/installed/shout/rollback")
        assert (none.status_code, "nothing to go back to" in none.text) == (409, True)


def test_another_sites_page_installs_nothing(open_client, origin):
    with open_client() as client:
        foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        for method, path in (
            ("POST", "/installs"),
            ("POST", f"/installs/{'0' * 16}/confirm"),
            ("DELETE", "/installed/shout"),
            ("POST", "/installed/shout/rollback"),
            ("POST", "/index"),
        ):
            body = json.dumps({"source": origin.address})
            answer = client.request(method, BASE + path, content=body, headers=foreign)
            assert answer.status_code == 403


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ""),
        (["--host", "::1"], ""),
        (["--listen", "--auth", "ann:secret"], "can be reached from other computers"),
        (["--host", "192.168.1.5", "--auth", "a:secret"], "can be reached from other computers"),
        (["--trusted-proxies", "127.0.0.1"], "can be reached from other computers"),
        (["--host-name", "pictures.example"], "can be reached from other computers"),
        (["--cors-allow-origins", "https://a.example"], "can be reached from other computers"),
        (["--listen", "--auth", "ann:secret", "--installing", "always"], ""),
        (["--installing", "never"], "was started with --installing never"),
    ],
)
def test_who_may_install_goes_by_who_can_reach_the_server(arguments, words):
    reason = settings.read(arguments, {}).no_installing
    assert words in reason if words else reason == ""


def test_where_it_is_forbidden_the_page_is_told_why(services, tmp_path):
    made = service(tmp_path / "data")
    made.forbidden = "not on this server"
    guarded = Guard(
        server.create(replace(services, installs=made)),
        Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs),
    )
    with TestClient(guarded, "http://localhost:7860") as client:
        said = client.get(f"{BASE}/installs").json()
        assert (said["allowed"], said["reason"]) == (False, "not on this server")
        for method, path in (
            ("POST", "/installs"),
            ("POST", f"/installs/{'0' * 16}/confirm"),
            ("POST", "/installed/shout/rollback"),
            ("DELETE", "/installed/shout"),
        ):
            body = {"source": "https://a.org/b"} if path == "/installs" else {}
            answer = client.request(method, BASE + path, json=body)
            assert (answer.status_code, "not on this server" in answer.text) == (403, True)
    made.close()


# --- the index -----------------------------------------------------------------------------------


def test_the_index_lists_what_ships_and_nothing_that_is_not_there(open_client):
    """Who adds an extension that ships adds it to extensions/index.json."""
    entries = read_index((SHIPPED / "index.json").read_bytes())
    found = {
        each.id: (each.manifest.name, each.manifest.description)
        for each in find(SHIPPED / "none")
        if each.manifest
    }
    assert {each.id: (each.name, each.description) for each in entries} == found
    with open_client() as client:
        said = client.get(f"{BASE}/index", params={"search": "PROMPT matrix"}).json()
        assert [each["id"] for each in said["extensions"]] == ["prompt_matrix"]
        assert (said["address"], said["problem"], said["fetched"]) == ("", "", None)
        assert len(client.get(f"{BASE}/index").json()["extensions"]) == len(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ("[]", "must be"),
        ('{"extensions": 5}', "must be"),
        ('{"extensions": [5]}', "entry 0"),
        ('{"extensions": [{"id": "a b", "name": "", "description": "", "source": ""}]}', "no id"),
        (
            '{"extensions": [{"id": "ab", "name": "", "description": "", '
            '"source": "ext::sh -c x"}]}',
            "entry 0: source",
        ),
        (
            '{"extensions": [{"id": "ab", "name": "", "description": "", "source": "/etc"}]}',
            "entry 0: source",
        ),
        ("[" * 100_000, "too deep"),
    ],
)
def test_an_index_that_is_none_is_named_and_nothing_else_fails(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        read_index(text.encode())
    kept = tmp_path / "kept.json"
    kept.write_text(text)
    seen = Index("https://a.example/i.json", kept, Access()).search("")
    assert seen.extensions == () and words in seen.problem


LOUD = {"id": "shout", "name": "Shout", "description": "Loud.", "source": "https://a.org/shout"}


def test_an_index_of_another_address_is_fetched_when_somebody_asks(services, tmp_path):
    """And is kept, with its age, also while nobody answers."""
    from tests.hub import Hub

    hub = Hub()
    hub.add("owner/name", {"index.json": json.dumps({"extensions": [LOUD]}).encode()})
    address = f"{hub.address}/owner/name/resolve/main/index.json"
    kept, access = tmp_path / "kept.json", Access(private=True)
    made = service(tmp_path / "data")
    made.index = Index(address, kept, access)
    rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
    guarded = Guard(server.create(replace(services, installs=made)), rules)
    none = {"address": address, "problem": "it has not been fetched yet", "fetched": None,
            "extensions": []}  # fmt: skip
    try:
        with TestClient(guarded, "http://localhost:7860") as client:
            assert client.get(f"{BASE}/index").json() == none
            before = time.time()
            said = client.post(f"{BASE}/index").json()
            assert before <= said.pop("fetched") <= time.time()
            assert said == {"address": address, "problem": "", "extensions": [LOUD]}
            told = client.get(f"{BASE}/index?search=LOUD").json()
            assert told["extensions"] == [LOUD]
            assert client.get(f"{BASE}/index?search=quiet").json()["extensions"] == []
            hub.close()
            gone = client.post(f"{BASE}/index")
            assert gone.status_code == 502
            assert "cannot be reached; is this computer connected" in gone.json()["error"]["text"]
            assert client.get(f"{BASE}/index").json() == told
    finally:
        hub.close()
        made.close()
    other = Index("https://b.example/i.json", kept, access).search()
    assert (other.extensions, other.problem) == ((), "it has not been fetched yet")


@pytest.mark.parametrize("fetched", [None, "x", True, -1, 10**400, float("nan")])
def test_an_age_that_is_none_is_not_told(tmp_path, fetched):
    kept, address = tmp_path / "kept.json", "https://a.example/i.json"
    said = {"address": address, "fetched": fetched, "extensions": [LOUD]}
    kept.write_text(json.dumps(said))
    seen = Index(address, kept, Access()).search()
    assert (seen.fetched, len(seen.extensions), seen.problem) == (None, 1, "")
