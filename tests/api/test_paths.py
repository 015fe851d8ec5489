"""Forty ways to spell a file that is outside, at every address that takes a name or a path.

A canary lies beside the folders of the server; its text must not come out of any of them.
"""

import asyncio
import json
import os
from urllib.parse import quote

import pytest
from PIL import Image, PngImagePlugin

from tests.api.whole import READS, built, filled, mounted, status

CANARY = "a-canary-that-nobody-may-hear"
JSON = {"content-type": "application/json"}
LONG = "x" * 5000


def spellings(secret, outputs, temp):
    """As they stand in a body; in an address they are quoted besides, or are so already."""
    up = "../secret/canary"
    return [
        # upwards
        f"{up}.png", f"{up}.txt", f"./{up}.png", f"day/../{up}.png", f"..{up}.png",
        f"....//{up}.png", f"../{up}.png", f"../../../../../../..{secret}/canary.txt",
        f"day/../../{up}.png",
        # quoted, once more and too often
        "%2e%2e/secret/canary.png", "..%2fsecret%2fcanary.png", "%252e%252e%252fsecret/canary.png",
        "%2e%2e%5csecret%5ccanary.png", "..%c0%afsecret/canary.png", "..%00/secret/canary.png",
        # other systems' ways
        "..\\secret\\canary.png", f"C:{secret}\\canary.png", "C:\\canary.png", f"\\\\host{secret}",
        f"//host{secret}/canary.png", f"file://{secret}/canary.png", f"file:{secret}/canary.txt",
        # straight there
        f"{secret}/canary.png", f"{secret}/canary.txt", f"/{secret}/canary.txt",
        "/proc/self/environ",
        f"/proc/self/root{secret}/canary.txt", f"/proc/self/cwd{secret}/canary.txt", "/etc/passwd",
        # at home, in disguise, at length
        "~/canary.png", "~root/canary.png", f"{up}.png.", f"{up}.png ", f" {up}.png", f"{up}.PNG",
        f"{up}.png\0.png", f"{up}.png\n", LONG, f"{LONG}/../../{up}.png", "CON", "NUL.png",
        "\uff0e\uff0e/secret/canary.png", "..\uff0fsecret\uff0fcanary.png",
        "\u2025/secret/canary.png",
        # through what lies inside
        "link.png", "parent/canary.png", f"{outputs}/link.png", f"{outputs}/parent/canary.png",
        f"{temp}/link.txt", f"{temp}/parent/canary.txt", f"{outputs}/../secret/canary.png",
        f"{temp}/../../secret/canary.txt", "fifo.png", f"{outputs}/fifo.png", "/dev/zero",
        "folder.png",
        f"{outputs}/.darkroom/canary.png", ".darkroom/canary.png", f"{temp}/.hidden", "loop.png",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(application, spellings), with traps inside the server's folders and the canary outside."""
    folder = tmp_path_factory.mktemp("paths")
    secret, outputs, temp = folder / "secret", folder / "out", folder / "data" / "temp"
    for each in (secret, outputs / ".darkroom", outputs / "folder.png", temp):
        each.mkdir(parents=True)
    said = PngImagePlugin.PngInfo()
    said.add_text("parameters", CANARY)
    picture = Image.new("RGB", (3, 2))
    for path in (secret / "canary.png", outputs / ".darkroom" / "canary.png"):
        picture.save(path, pnginfo=said)
    for path in (secret / "canary.txt", temp / ".hidden"):
        path.write_text(CANARY)
    (outputs / "link.png").symlink_to(secret / "canary.png")
    (temp / "link.txt").symlink_to(secret / "canary.txt")
    (outputs / "loop.png").symlink_to("loop.png")
    for each in (outputs, temp):
        (each / "parent").symlink_to(secret)
    os.mkfifo(outputs / "fifo.png")
    with built(folder) as application:
        yield application, spellings(secret, outputs, temp)


def secret_in(body):
    return CANARY.encode() in body or b"root:x:0" in body or b"PATH=" in body


async def heard(application, asked):
    """What of `asked`, an iterable of (method, address, body), let the canary out or broke."""
    wrong, count = [], 0
    for method, address, body in asked:
        count += 1
        code, _, found = await status(application, method, address, JSON, body)
        if code >= 500 or secret_in(found):
            wrong.append((method, address[:200], body[:200], code))
    return wrong, count


def test_no_address_with_a_name_or_a_path_in_it_reads_a_file_outside(place):
    application, spelled = place
    assert len(set(spelled)) >= 40
    taking = [(method, path) for method, path in mounted(application) if "{" in path]
    assert len(taking) >= 20

    def asked():
        for method, path in taking:
            body = b"" if method in READS else b"{}"
            for spelling in spelled:
                quoted = quote(spelling, safe="/")
                for way in {quoted, quote(spelling, safe=""), quote(spelling, safe="/%")}:
                    yield method, filled(path, way), body

    wrong, count = asyncio.run(heard(application, asked()))
    assert wrong == [] and count >= 12 * 40


def test_a_canary_is_heard_where_one_may_hear_it(place):
    """Else its silence would prove nothing."""
    application, _ = place
    outputs = application.services.settings.outputs
    said = PngImagePlugin.PngInfo()
    said.add_text("parameters", CANARY)
    Image.new("RGB", (3, 2)).save(outputs / "own.png", pnginfo=said)
    asked = [("GET", "/api/v1/pictures/own.png", b""),
             ("GET", f"/gradio_api/file={outputs}/own.png", b"")]  # fmt: skip
    wrong, _ = asyncio.run(heard(application, asked))
    assert len(wrong) == 2


def test_no_name_in_a_query_or_a_body_reads_a_file_outside(place):
    application, spelled = place

    def asked():
        for spelling in spelled:
            said = quote(spelling, safe="")
            yield "GET", f"/api/v1/live?owner={said}&job={said}", b""
            yield "GET", f"/?prompt={said}&deep_link={said}&__theme={said}", b""
            for name in (
                "model",
                "sampler",
                "schedule",
                "prompt",
                "negative_prompt",
                "resume",
                "init",
            ):
                request = {"prompt": "x", "width": 64, "height": 64} | {name: spelling}
                yield "POST", "/api/v1/jobs", json.dumps({"request": request}).encode()
            yield "POST", "/api/v1/jobs", json.dumps({"request": {}, "id": spelling}).encode()
            yield "PUT", "/api/v1/previews", json.dumps({"predicted": spelling}).encode()
            value = {"path": spelling, "url": spelling, "orig_name": spelling}
            for each in (value, value | {"meta": {"_type": "gradio.FileData"}}):
                body = json.dumps({"data": [each], "fn_index": 0, "session_hash": spelling})
                yield "POST", "/gradio_api/queue/join", body.encode()
                yield "POST", "/gradio_api/run/predict", body.encode()

    wrong, count = asyncio.run(heard(application, asked()))
    assert wrong == [] and count >= 40 * 12
