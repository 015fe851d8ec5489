"""A real server, with the stub for an engine, is held against its OpenAPI document."""

import re

import pytest
import schemathesis
from schemathesis.engine import events, from_schema

from tests.hub import Hub
from tests.serving import Server
from tests.test_downloads import weights

DOCUMENT = "/api/v1/openapi.json"
KNOWN = "a3f1c2d4e5f60718"  # the job that the document gives as an example: one that is there
CASES = 4  # for each address, besides those at every bound
# /sdapi/v1 takes "20" for 20 and 1 for true, as A1111's clients send them, and answers 400 to a
# sampler that is not there
LENIENT = r"^/(sdapi|internal)/"
ENDLESS = r"/events$"  # streams that wait for what happens; test_streams.py reads them
# hold a request: a thousand bounds each, which sdapi/test_hostile_bodies.py tries, so examples here
ALIKE = r"^/api/v1/(triage|copies|requests/complete|jobs|jobs/\{id\}(/duplicate)?)$"
# below /inputs every name is a picture's, below /downloads one's, that is not there: a GET is a 404
NAMES = r"^/api/v1/(inputs/(copies|seen)|downloads/looks)$"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder, hub = tmp_path_factory.mktemp("openapi"), Hub()
    hub.add("stabilityai/sdxl-vae", {"sdxl_vae.safetensors": weights(folder)})
    server = Server(
        folder,
        settings=("--hub", hub.address, "--private-downloads", "--extension-sources", "folder"),
    )
    server.post(KNOWN, prompt="a fox", steps=2, images=2, width=64, height=64)
    yield server
    server.end()
    hub.close()


def asked_for(server):
    """The document with all checks on; that the line is full, or that nothing here describes
    pictures, is no fault."""
    schema = schemathesis.openapi.from_url(server.address + DOCUMENT)
    config = schema.config
    config.generation.update(max_examples=CASES, deterministic=True, database="none")
    config.update(request_timeout=30)
    config.phases.coverage.unexpected_methods = {"put", "post", "get"}
    config.checks.not_a_server_error.expected_statuses = ["2xx", "3xx", "4xx", "501", "502", "503"]
    # what a value means together with others, and what there is here, no schema can say
    config.checks.positive_data_acceptance.expected_statuses = [
        "2xx", "401", "403", "404", "409", "422", "429", "501", "502", "503",
    ]  # fmt: skip
    return schema


def findings(schema):
    """(what failed, how often each check was made, addresses that could not be tried)."""
    failures, made, errors = {}, {}, []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            errors.append(event.label)
        if not isinstance(event, events.ScenarioFinished):
            continue
        for label, checks in event.recorder.checks.items():
            case = event.recorder.cases[label].value
            answer = event.recorder.interactions[label].response
            for check in checks:
                made[check.name] = made.get(check.name, 0) + 1
                failed = check.failure_info
                if failed is not None and not foreseen(check.name, case.path, answer):
                    said = f"{check.name}: {case.method} {case.path}"
                    what = f"{case.path_parameters!r}, {case.body!r:.300}"
                    why = f"{what}, {answer.status_code}: {failed.failure}"
                    failures.setdefault(said, why)
    return failures, made, errors


def foreseen(check, path, answer):
    lenient = re.search(LENIENT, path) is not None
    return (
        (check == "negative_data_rejection" and lenient)
        or (check == "positive_data_acceptance" and lenient and answer.status_code == 400)
        or (check == "unsupported_method" and re.search(NAMES, path) is not None)
    )


def told(failures):
    return "\n".join(f"{said} of {why}" for said, why in failures.items())


@pytest.mark.timeout(400)
def test_a_server_answers_as_its_document_says(server):
    pid = server.process.pid
    failures, made, errors = findings(
        asked_for(server)
        .exclude(path_regex=ENDLESS)
        .exclude(path_regex=ALIKE, method_regex="POST|PATCH")
    )
    assert failures == {}, told(failures)
    assert errors == []
    for name in ("not_a_server_error", "status_code_conformance", "content_type_conformance"):
        assert made[name] >= 1500, made
    for name in ("response_schema_conformance", "negative_data_rejection"):
        assert made[name] >= 400, made
    assert made["unsupported_method"] >= 60, made
    assert server.process.poll() is None and server.process.pid == pid
    assert server.ask("health")["version"] == "0.1.0"


def test_so_it_does_where_a_request_is_sent(server):
    schema = asked_for(server).include(path_regex=ALIKE, method_regex="POST|PATCH")
    schema.config.phases.coverage.enabled = False
    schema.config.generation.update(max_examples=4 * CASES, deterministic=True, database="none")
    failures, made, errors = findings(schema)
    assert (failures, errors) == ({}, []), told(failures)
    assert made["status_code_conformance"] >= 20, made
