"""Connections that say nothing are given up, and never so many that nobody else gets in."""

import asyncio
import time

import pytest
import uvicorn

from webui import connections


async def _app(scope, receive, send):
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"here"})


def served(work, most=1000):
    """What `work(port)` returns, beside a server."""

    async def run():
        config = uvicorn.Config(
            _app, port=0, http=connections.protocol(most), lifespan="off", log_level="error"
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            return await work(server.servers[0].sockets[0].getsockname()[1])
        finally:
            server.should_exit = True
            await serving

    return asyncio.run(run())


async def opened(port, text=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    await writer.drain()
    return reader, writer


async def asked(port, path="/"):
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    reader, writer = await opened(port, head.encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return b"here" in answer


async def is_closed(reader):
    try:
        return await asyncio.wait_for(reader.read(), 20) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("text", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n"])
def test_who_says_nothing_or_half_is_given_up(text, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)

    async def work(port):
        reader, writer = await opened(port, text)
        closed = await is_closed(reader)
        writer.close()
        return closed

    assert served(work)


def test_who_drips_another_request_is_given_up_also_after_the_first(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)

    async def work(port):
        reader, writer = await opened(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"here"), 20)
        began = time.monotonic()
        while not reader.at_eof() and not writer.is_closing():
            writer.write(b"G")
            await asyncio.sleep(0.05)
            if time.monotonic() - began > 20:
                return False
        return True

    assert served(work)


def test_an_answer_may_take_longer_than_the_question(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)
    assert served(lambda port: asked(port, "/slow"))


def test_idle_connections_make_room_the_oldest_first_and_busy_ones_stay():
    async def work(port):
        working = asyncio.create_task(asked(port, "/slow"))
        await asyncio.sleep(0.1)
        idle = [await opened(port) for _ in range(20)]
        answered = await asked(port)
        oldest = await is_closed(idle[0][0])
        newest = not idle[-1][0].at_eof()
        for _, writer in idle:
            writer.close()
        return answered, oldest, newest, await working

    assert served(work, most=8) == (True, True, True, True)


def test_half_of_the_files_that_may_be_open_are_left_to_others():
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, before[1]), before[1]))
        most = connections.affordable()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert hard == before[1]
    assert soft == (4096 if hard == resource.RLIM_INFINITY else min(4096, hard))
    assert most == min(1000, soft // 2)
