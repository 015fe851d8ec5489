"""Extensions over HTTP: listed, turned on and off, their controls, filters, routes and files."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from fastapi import APIRouter
from starlette.testclient import TestClient

from tests.api.conftest import CAT, REGISTRY
from tests.extensions.made import GOOD, make
from webui import ControlGroup, FlagField, IntegerField, InvalidRequest, RequestFilter
from webui.api import own_routes, server
from webui.controls import DID_NOT_RUN, notes
from webui.errors import ExtensionError
from webui.extensions import Catalogue, Conduct, Mishap, find
from webui.extensions.standing import Standing
from webui.guard import Guard, Rules
from webui.interfaces.server_hooks import MetadataField, Owned, PageFile

GROUP = ControlGroup(
    name="twice",
    title="Twice",
    fields=(
        FlagField(name="on", label="On", help="."),
        IntegerField(
            name="times", label="Times", help=".", default=2, minimum=1, maximum=600,
            metadata="Twice times",
        ),
    ),
)  # fmt: skip


def doubled(request, context):
    if not context.values["on"]:
        return [request]
    return [
        replace(request, prompt=f"{request.prompt} {number}", seed=number)
        for number in range(context.values["times"])
    ]


def once(request, context):
    return [request]


@pytest.fixture
def extended(services, tmp_path):
    """Services with one extension, whose filter is `made.apply`; and a client of them."""
    folder = make(tmp_path / "data" / "extensions", "twice", GOOD)
    (folder / "page.js").write_text("alert(1)")
    (found,) = find(tmp_path / "data" / "extensions", tmp_path / "none")
    made = SimpleNamespace(apply=doubled, route=lambda services: APIRouter(), of=lambda r: None)
    registry = replace(
        REGISTRY,
        controls={"twice": GROUP},
        request_filters=(
            Owned("twice", RequestFilter(needs="twice", apply=lambda r, c: made.apply(r, c))),
        ),
        metadata_fields={
            "Computed": Owned("twice", MetadataField(key="Computed", of=lambda r: made.of(r)))
        },
        scripts=(Owned("twice", PageFile(file="page.js")),),
        own_routes=(Owned("twice", lambda services: made.route(services)),),
    )
    catalogue = Catalogue(
        standings=(Standing(found, "on", None, 0.25, ("controls",)),), data_dir=tmp_path / "data"
    )
    made.services = replace(services, registry=registry, extensions=catalogue)

    def client():
        rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
        guarded = Guard(server.create(made.services), rules)
        return TestClient(guarded, "http://localhost:7860", raise_server_exceptions=False)

    made.client = client
    return made


def post(client, **values):
    return client.post("/api/v1/jobs", json={"request": CAT | values, "id": "job-0001"})


def asked(made):
    jobs = made.services.line.jobs(50)
    return sorted((job.id, job.request.prompt, job.request.seed) for job in jobs)


# --- controls and filters ------------------------------------------------------------------------


def test_a_filter_makes_several_jobs_and_all_are_named(extended):
    with extended.client() as client:
        answer = post(client, extras={"twice": {"on": True}})
        again = post(client, extras={"twice": {"on": True}})
    assert answer.status_code == 201
    assert (answer.json()["id"], answer.json()["others"]) == ("job-0001", ["job-0001-1"])
    assert again.json()["others"] == ["job-0001-1"]
    assert asked(extended) == [("job-0001", "a cat 0", 0), ("job-0001-1", "a cat 1", 1)]


def test_defaults_are_no_extras_and_a_filter_is_asked_only_where_it_is_wanted(extended):
    extended.apply = None  # it would fail
    with extended.client() as client:
        answer = post(client, extras={"twice": {"on": False, "times": 7}})
    assert answer.json()["request"]["extras"] == {}
    assert asked(extended) == [("job-0001", "a cat", 5)]


def test_values_are_completed_and_checked_by_their_declaration(extended):
    extended.apply = once
    with extended.client() as client:
        answer = post(client, extras={"twice": {"on": True}})
        assert answer.json()["request"]["extras"] == {"twice": {"on": True, "times": 2}}
        for extras, field in (
            ({"twice": {"on": 1}}, "extras.twice.on"),
            ({"twice": {"times": 601}}, "extras.twice.times"),
            ({"twice": {"more": 1}}, "extras.twice.more"),
            ({"twice": 5}, "extras.twice"),
            ({"thrice": {}}, "extras"),
        ):
            refused = client.post("/api/v1/jobs", json={"request": CAT | {"extras": extras}})
            assert (refused.status_code, refused.json()["error"]["field"]) == (422, field)


def fails(request, context):
    raise ZeroDivisionError("in the filter")


def nothing(request, context):
    return []


def alien(request, context):
    return [replace(request, extras={"thrice": {}})]


@pytest.mark.parametrize(
    ("apply", "said"),
    [
        (fails, "ZeroDivisionError: in the filter"),
        (nothing, "ValueError: returned no request"),
        (lambda request, context: request, "TypeError: must return a sequence of requests, retur"),
        (lambda request, context: ["a cat"], "TypeError: must return requests, returned str"),
        (lambda request, context: exit(3), "SystemExit: 3"),
        (alien, "ValueError: returned a request that cannot be: extras: names 'thrice'"),
    ],
    ids=["raises", "nothing", "no list", "no request", "exit", "alien"],
)
def test_a_filter_that_fails_is_named_and_the_request_goes_on_as_it_was(extended, apply, said):
    extended.apply = apply
    with extended.client() as client:
        job = post(client, extras={"twice": {"on": True}}).json()
        problem = client.get("/api/v1/extensions").json()["extensions"][0]
    assert (job["request"]["prompt"], "others" in job) == ("a cat", False)
    (note,) = job["request"]["extras"][DID_NOT_RUN]
    assert note.startswith(f"Did not run: twice (request filter: {said}")
    assert problem["mishap"]["text"].startswith(said)
    request = extended.services.line.job("job-0001").request
    assert note in notes(extended.services.registry, Conduct(), request)


def test_a_filter_may_refuse_for_the_users_fault(extended):
    def refuses(request, context):
        raise InvalidRequest("prompt", "has no such word")

    extended.apply = refuses
    with extended.client() as client:
        for _ in range(4):
            answer = post(client, extras={"twice": {"on": True}})
            assert (answer.status_code, answer.json()["error"]["field"]) == (422, "prompt")
        assert client.get("/api/v1/extensions").json()["extensions"][0]["problem"] == ""
    assert asked(extended) == []


def test_what_a_filter_makes_is_checked_as_what_is_asked_for(extended):
    extended.apply = lambda request, context: [request, replace(request, width=100)]
    with extended.client() as client:
        answer = post(client, extras={"twice": {"on": True}})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "width")
    assert asked(extended) == []


def test_more_jobs_than_may_be_are_none(extended):
    with extended.client() as client:
        answer = post(client, extras={"twice": {"on": True, "times": 501}})
    assert answer.status_code == 422
    assert "would make 501 jobs of it; at most 500" in answer.json()["error"]["text"]
    assert asked(extended) == []


def test_a_line_that_is_full_takes_none_of_them(extended):
    with extended.client() as client:
        answer = post(client, extras={"twice": {"on": True, "times": 9}})
    assert answer.status_code == 503
    assert [job.state for job in extended.services.line.jobs(50, ("queued",))] == []


def test_what_a_picture_says_of_extensions(extended):
    registry, conduct = extended.services.registry, Conduct()
    extended.apply = once
    extended.of = lambda request: f"seed {request.seed}"
    with extended.client() as client:
        post(client, extras={"twice": {"on": True, "times": 7}})
    request = extended.services.line.job("job-0001").request
    assert notes(registry, conduct, request) == ("Twice times: 7", "Computed: seed 5")
    extended.of = lambda request: 5
    assert notes(registry, conduct, request) == (
        "Twice times: 7",
        "Did not run: twice (metadata field: TypeError: must give text or None, gave int)",
    )


# --- listing, turning, files ---------------------------------------------------------------------


def test_an_extension_is_listed_with_all_there_is_to_say(extended):
    with extended.client() as client:
        said = client.get("/api/v1/extensions").json()
    (one,) = said["extensions"]
    assert (said["safe_mode"], said["can_restart"]) == (False, False)
    assert one == {
        "id": "twice", "name": "Twice", "version": "1.0", "description": "A test.",
        "touches": ["controls"], "origin": "installed", "folder": one["folder"], "state": "on",
        "enabled": True, "pending": False, "problem": "", "mishap": None, "hooks": ["controls"],
        "start_seconds": 0.25, "seconds": one["seconds"], "uses": one["uses"], "imports": [],
        "change": "", "installed": None, "before": None,
    }  # fmt: skip


def test_it_is_turned_off_for_the_next_start_and_on_again(extended):
    with extended.client() as client:
        (off,) = client.patch("/api/v1/extensions/twice", json={"enabled": False}).json()[
            "extensions"
        ]
        assert (off["state"], off["enabled"], off["pending"]) == ("on", False, True)
        assert extended.services.extensions.choices.disabled() == {"twice"}
        (on,) = client.patch("/api/v1/extensions/twice", json={"enabled": True}).json()[
            "extensions"
        ]
        assert (on["enabled"], on["pending"]) == (True, False)
        for id, body in (("nosuch", {"enabled": True}), ("twice", {"enabled": 1}), ("twice", {})):
            assert client.patch(f"/api/v1/extensions/{id}", json=body).status_code == 422


def test_a_restart_is_asked_of_who_started_the_server(extended):
    ended = []
    with extended.client() as client:
        assert client.post("/api/v1/restart").status_code == 409
        extended.services.restart.offer(lambda: ended.append(True))
        assert client.post("/api/v1/restart").status_code == 202
    assert (ended, extended.services.restart.asked) == ([True], True)


def test_only_files_that_are_registered_are_served(extended):
    with extended.client() as client:
        answer = client.get("/api/v1/extension-files/twice/page.js")
        assert (answer.text, answer.headers["content-type"]) == (
            "alert(1)",
            "text/javascript; charset=utf-8",
        )
        for path in (
            "twice/server.py",
            "twice/..%2Fserver.py",
            "twice/extension.toml",
            "x/page.js",
        ):
            assert client.get(f"/api/v1/extension-files/{path}").status_code == 404


# --- routes --------------------------------------------------------------------------------------


def router_at(*paths):
    router = APIRouter()
    for path in paths:
        router.add_api_route(path, lambda: {"mine": True})
    return router


def test_an_address_of_its_own_answers_and_a_failure_names_it(extended):
    def route(services):
        router = router_at("/api/v1/extensions/twice/hello")
        router.add_api_route("/api/v1/extensions/twice/fails", lambda: 1 / 0)
        return router

    extended.route = route
    with extended.client() as client:
        assert client.get("/api/v1/extensions/twice/hello").json() == {"mine": True}
        failed = client.get("/api/v1/extensions/twice/fails")
        (listed,) = client.get("/api/v1/extensions").json()["extensions"]
    assert failed.status_code == 500
    assert failed.json()["error"]["text"].startswith("the extension twice failed here")
    assert listed["mishap"]["text"] == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    "path",
    [
        "/sdapi/v1/txt2img",
        "/api/v1/jobs",
        "/api/v1/extensions",
        "/api/v1/extensions/other/x",
        "/api/v1/extensions/twice/../../jobs",
        "/{path:path}",
        "/api/v1/extensions/{id}/x",
    ],
)
def test_an_address_that_is_not_its_own_is_refused_and_ours_stands(extended, path):
    extended.route = lambda services: router_at("/api/v1/extensions/twice/good", path)
    with pytest.raises(ExtensionError, match="must begin with /api/v1/extensions/twice/"):
        own_routes.built("twice", extended.route, extended.services)
    with extended.client() as client:
        assert "mine" not in client.get("/api/v1/health").json()
        assert client.get("/api/v1/extensions/twice/good").status_code == 404
        (listed,) = client.get("/api/v1/extensions").json()["extensions"]
    assert "must begin with" in listed["mishap"]["text"]


@pytest.mark.parametrize("route", [lambda services: 7, lambda services: 1 / 0])
def test_a_route_that_is_none_keeps_no_other_from_standing(extended, route):
    extended.route = route
    with extended.client() as client:
        assert client.get("/api/v1/health").status_code == 200
        (listed,) = client.get("/api/v1/extensions").json()["extensions"]
    assert listed["mishap"]["hook"] == "API routes"


def test_the_engines_half_is_listed_with_the_servers(extended, services):
    mishap = Mishap("twice", "import", "ImportError: no torch", "Traceback ...")

    class Backend:
        def state(self):
            return services.backend.state()

        def call(self, name, args, timeout):
            assert name == "extensions"
            standing = {"id": "twice", "state": "refused", "mishap": {"hook": "import",
                        "text": mishap.text}, "seconds": 1.0, "hooks": []}  # fmt: skip
            return {"standings": [standing], "conduct": {}}

    extended.services = replace(extended.services, backend=Backend())
    with extended.client() as client:
        (one,) = client.get("/api/v1/extensions").json()["extensions"]
    assert (one["state"], one["problem"], one["start_seconds"]) == (
        "refused",
        "ImportError: no torch",
        1.25,
    )
