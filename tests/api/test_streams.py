"""Server-sent events over a real socket: numbers, gaps, slow readers, disconnects."""

import asyncio
import http.client
import json
import socket
import threading
from collections import Counter
from contextlib import contextmanager

import pytest
import uvicorn

from tests.api.test_jobs import CAT
from tests.jobs.fakes import eventually
from webui.api import server
from webui.api.streams import Streams
from webui.events import Finished, Picture, Preview, Stage, Step, Warned
from webui.guard import Guard, Rules
from webui.services import submit


@pytest.fixture
def port(services):
    """Of the whole application, served."""
    rules = Rules(uploads=services.settings.temp_dir, outputs=services.settings.outputs)
    app = Guard(server.create(services), rules)
    config = uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=5)
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=serving.run)
    thread.start()
    eventually(lambda: serving.started)
    yield serving.servers[0].sockets[0].getsockname()[1]
    services.line.hang_up()
    serving.should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@contextmanager
def reading(port, path, last=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Last-Event-ID": last} if last else {}
    try:
        connection.request("GET", f"/api/v1/{path}", headers=headers)
        yield connection.getresponse()
    finally:
        connection.close()


def messages(answer, count=None):
    """(id, type, data) of so many, or of all until the end; comments and `retry` are left out."""
    found = []
    fields = {}
    while count is None or len(found) < count:
        line = answer.readline().decode()
        if not line:
            return found
        if line == "\n":
            if "data" in fields:
                found.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
            fields = {}
        else:
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
    return found


def begun(services, **values):
    job = submit(services, CAT | values)
    read = services.line.read_logged
    eventually(lambda: [type(event) for _, event in read(job.id, 0, 9)[0]][2:] == [Stage])
    return job.id


def test_a_reader_gets_all_from_the_first_event_to_the_end(port, services, puppet):
    job = begun(services)
    with reading(port, f"jobs/{job}/events") as answer:
        assert (answer.status, answer.headers["content-type"]) == (
            200,
            "text/event-stream; charset=utf-8",
        )
        assert [each[1] for each in messages(answer, 3)] == ["Queued", "Started", "Stage"]
        puppet.order("step")
        [step, preview] = messages(answer, 2)
        assert step == (
            "start-1.4", "Step",
            {
                "seq": 4, "batch": 0, "turn": 0, "turns": 1, "step": 1, "steps": 2, "sigma": 1.0,
                "seconds": 0.1, "job": job,
            },
        )  # fmt: skip
        assert preview[2]["url"] == f"api/v1/jobs/{job}/frames/0/1/noisy?method=fast"
        puppet.order("finish")
        assert [each[1] for each in messages(answer)] == ["Step", "Preview", "Saved", "Finished"]


def test_a_reader_goes_on_where_it_was_and_starts_anew_with_another_server(port, services, puppet):
    job = begun(services)
    puppet.order("finish")
    eventually(lambda: services.line.job(job).finished)
    whole = [f"start-1.{n}" for n in range(1, 10)]

    def read(last, query=""):
        with reading(port, f"jobs/{job}/events{query}", last) as answer:
            return [each[0] for each in messages(answer)]

    assert read(None) == whole
    assert read("start-1.7") == read("7") == read(None, "?after=7") == whole[7:]
    assert read("earlier.7") == whole
    assert read("start-1.8") == whole[8:]
    for last, status in [("start-1.9", 204), ("start-1.99", 204), ("x", 422), ("start-1.x", 422)]:
        with reading(port, f"jobs/{job}/events", last) as answer:
            assert answer.status == status
    with reading(port, "jobs/no-such-job/events") as answer:
        assert answer.status == 404


def test_the_outlines_of_a_job_of_an_earlier_server_can_be_read(port, services, puppet):
    job = begun(services)
    puppet.order("finish")
    eventually(lambda: services.line.job(job).finished)
    services.line._log._forget(job)
    with reading(port, f"jobs/{job}/events", "earlier.50") as answer:
        assert [(id, name) for id, name, _ in messages(answer)] == [
            ("start-1.1", "Started"), ("start-1.2", "Saved"), ("start-1.3", "Finished"),
        ]  # fmt: skip
    with reading(port, f"jobs/{job}/events", "start-1.3") as answer:
        assert answer.status == 204


def test_the_outlines_are_told_also_to_who_has_read_the_events_that_are_forgotten(
    port, services, puppet
):
    job = begun(services)
    puppet.order("finish")
    eventually(lambda: services.line.job(job).finished)
    with reading(port, f"jobs/{job}/events") as answer:
        assert len(messages(answer)) == 9
    services.line._log._forget(job)
    outlines = ["Started", "Saved", "Finished"]
    for last in (None, "start-1.8"):  # who stopped at 8 has not heard of the end
        with reading(port, f"jobs/{job}/events", last) as answer:
            assert [name for _, name, _ in messages(answer)] == outlines


@pytest.mark.parametrize("path", ["jobs/{}/events", "events?after=0"])
def test_who_comes_late_gets_everything_piece_by_piece(services, puppet, path):
    job = begun(services)
    log, streams = services.line._log, Streams(services)
    for step in range(1, 1001):
        log.append(job, Preview(0, step, "noisy", "fast", Picture(1, 1, b"abc")))
    log.append(job, Finished("done"))

    async def play():
        of_one = path.startswith("jobs")
        answer = await streams.job(job, 0, "") if of_one else streams.all(0, "")
        pieces = []
        async for piece in answer.body_iterator:
            pieces.append(piece.decode())
            if "event: Finished" in piece.decode():
                break
        return pieces[1:]

    pieces = asyncio.run(play())
    assert [piece.count("event: ") for piece in pieces] == [512, 492]
    whole = "".join(pieces)
    numbers = [int(line.rpartition(".")[2]) for line in whole.splitlines() if line[:3] == "id:"]
    assert numbers == list(range(1, 1005))


def test_one_stream_tells_of_all_jobs(port, services, puppet):
    earlier = begun(services)
    with reading(port, "events") as answer:
        eventually(lambda: len(services.line._log._watchers) == 1)
        other = submit(services, CAT).id
        puppet.order("finish")
        eventually(lambda: services.line.job(earlier).finished)
        seen = messages(answer, 8)
    assert (seen[0][1], seen[0][2]) == ("Queued", {"seq": 1, "ahead": 1, "job": other})
    of_earlier = [name for _, name, data in seen if data["job"] == earlier]
    assert of_earlier[:3] == ["Step", "Preview", "Step"]
    numbers = [int(id.removeprefix("start-1.")) for id, _, _ in seen]
    assert numbers == list(range(4, 12))
    with reading(port, "events", f"start-1.{numbers[1]}") as answer:
        assert messages(answer, 6) == seen[2:]


def test_what_is_forgotten_of_all_jobs_is_said_to_be(port, services):
    for number in range(20_005):
        services.line._log.append("job-0001", Warned(str(number)))
    with reading(port, "events?after=2") as answer:
        [gap, first] = messages(answer, 2)
    assert gap == (None, "Gap", {"from": 3, "to": 5})
    assert first == ("start-1.6", "Warned", {"seq": 6, "text": "5", "job": "job-0001"})


def test_readers_that_went_away_are_noticed_and_too_many_are_refused(services, puppet):
    """In one event loop, without a socket: what a server does when a client is gone."""
    job = begun(services)
    streams = Streams(services, beat=0.02, most=4)

    async def play():
        opened = []
        for reader in ("one", "one", "other", "third"):
            opened.append((await streams.job(job, 0, reader)).body_iterator)
            assert await anext(opened[-1]) == b"retry: 2000\n\n"
            if len(opened) in (2, 3):  # as many as are free for all others, or more
                with pytest.raises(Exception, match=f"{len(opened)} event streams are open alre"):
                    streams.all(None, "one")
        for reader in ("one", "fourth"):
            with pytest.raises(Exception, match="4 event streams are open already"):
                streams.all(None, reader)
        for stream in opened[2:]:
            await stream.aclose()
        assert streams._held == {"one": 2}
        while (piece := await anext(opened[0])) != b": beat\n\n":
            assert piece.startswith(b"id: ")  # what there is
        await opened[0].aclose()
        assert streams.open == 1
        await opened[1].aclose()
        assert (streams.open, services.line._log._watchers) == (0, ())

    asyncio.run(play())


def test_of_many_that_ask_at_once_one_address_gets_half(port, services, puppet):
    begun(services)
    connections = []
    for _ in range(140):
        connection = socket.create_connection(("127.0.0.1", port), timeout=20)
        connection.sendall(b"GET /api/v1/events?after=0 HTTP/1.1\r\nHost: localhost:7860\r\n\r\n")
        connections.append(connection)
    status = [connection.recv(12) for connection in connections]
    for connection in connections:
        connection.close()
    assert Counter(status) == {b"HTTP/1.1 200": 128, b"HTTP/1.1 503": 12}
    eventually(lambda: services.line._log._watchers == ())  # and all of them are given up


def test_a_closed_connection_ends_its_stream(port, services, puppet):
    job = begun(services)
    watchers = services.line._log
    with reading(port, f"jobs/{job}/events") as answer:
        messages(answer, 3)
        assert len(watchers._watchers) == 1
    eventually(lambda: watchers._watchers == ())


def test_a_slow_reader_loses_previews_that_were_overtaken_and_nothing_else(services, puppet):
    job = begun(services)
    log = services.line._log
    streams = Streams(services)

    def preview(step):
        return Preview(0, step, "noisy", "fast", Picture(1, 1, b"abc"))

    async def play():
        stream = (await streams.job(job, 0, "")).body_iterator
        await anext(stream)
        await anext(stream)  # it has all that there is, and now it sleeps
        for step in range(1, 101):
            log.append(job, Step(0, step, 100, 1.0, 0.1))
            log.append(job, preview(step))
        log.append(job, Finished("done"))
        text = (await anext(stream)).decode()
        assert [each async for each in stream] == []
        return text

    text = asyncio.run(play())
    assert text.count("event: Step") == 100
    assert text.count("event: Preview") == 1 and '"step": 100, "kind": "noisy"' in text
    assert text.endswith("\n\n") and text.count("event: Finished") == 1

    async def late():
        answer = await streams.job(job, 0, "")
        return b"".join([each async for each in answer.body_iterator]).decode()

    assert asyncio.run(late()).count("event: Preview") == 100  # who comes late gets everything
