"""The HTTP API's page of the docs names what there is; tests/e2e/test_api_docs.py runs it."""

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_every_address_stands_in_the_docs(client):
    text = (DOCS / "api.md").read_text("utf-8")
    shown = {
        path.removeprefix("/api/v1")
        for path in client.get("/api/v1/openapi.json").json()["paths"]
        if path.startswith("/api/v1")
    }
    for path in shown:
        first = path.split("/")[1]
        assert f"/{first}" in text, path
