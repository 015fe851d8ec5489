"""A server without an engine and with one extension, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from starlette.testclient import TestClient

from webui import builtin
from webui.api import server
from webui.extensions import BUILTIN, Catalogue, Shelves, of_server
from webui.extensions.loading import asked
from webui.extensions.registry import Tables
from webui.guard import Guard, Rules
from webui.stage import stage


@contextmanager
def client(id: str, tables: Tables, catalogue: Catalogue) -> Iterator[TestClient]:
    shelves = Shelves()
    shelves.add(BUILTIN, asked(builtin, BUILTIN, "server"))
    shelves.add(id, tables)
    with stage() as empty:
        services = replace(empty, registry=of_server(shelves), extensions=catalogue)
        rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
        application = Guard(server.create(services), rules)
        address = "http://localhost:7860"
        with TestClient(application, address, raise_server_exceptions=False) as made:
            yield made
