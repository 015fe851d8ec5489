"""A server that speaks the hub's protocol, with a second one for large files, and with faults.

Repositories are dictionaries of files. What is asked for is written down: so tests count bytes, and
see who was sent a token.
"""

import hashlib
import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

LARGE = 1000  # bytes, from which on a file lies with the second server
COMMIT = "c0ffee" * 6 + "c0ff"


@dataclass
class Repository:
    files: dict
    licence: str = "openrail++"
    gated: bool = False
    card: dict = field(default_factory=dict)
    sizes: dict = field(default_factory=dict)  # that are told, where they are not the real ones
    hashes: dict = field(default_factory=dict)


@dataclass
class Asked:
    host: str  # hub or cdn
    path: str
    headers: dict
    sent: int = 0  # bytes of a body


@dataclass
class Faults:
    """Of files: by what their name ends with."""

    cut: dict = field(default_factory=dict)  # [bytes after which the connection breaks, once each]
    etag: dict = field(default_factory=dict)  # another than the hash; "" for none
    no_ranges: set = field(default_factory=set)
    length: dict = field(default_factory=dict)  # that is claimed
    redirect: dict = field(default_factory=dict)  # somewhere else
    status: dict = field(default_factory=dict)  # [statuses before it works]
    body: dict = field(default_factory=dict)  # other bytes than the hub says
    stall_until: threading.Event | None = None  # before anything is sent of a file
    stall: dict = field(default_factory=dict)  # bytes, after which nothing comes until `stop`


class Hub:
    def __init__(self):
        self.repositories, self.faults, self.asked = {}, Faults(), []
        self.token = ""  # that opens what is gated
        self.extra = {}  # path -> (status, headers, body), of the second server
        self._ended = threading.Event()
        self._servers = [self._serve("hub"), self._serve("cdn")]
        self.address, self.cdn = (
            f"http://127.0.0.1:{each.server_address[1]}" for each in self._servers
        )

    def _serve(self, role):
        handler = type("Handler", (_Handler,), {"hub": self, "role": role})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    def close(self):
        self._ended.set()
        for each in self._servers:
            each.shutdown()
            each.server_close()

    def wait_end(self):
        self._ended.wait(30)

    def file_bytes(self, name=""):
        """Sent of files whose address ends so."""
        return sum(each.sent for each in self.asked if _file_of(each.path).endswith(name))

    def add(self, id, files, **more):
        self.repositories[id] = Repository(files, **more)
        return self


def _file_of(path):
    return unquote(urlsplit(path).path) if "/api/models/" not in path else ""


def pick(table, path):
    return next((key for key in table if unquote(urlsplit(path).path).endswith(key)), None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub = role = None

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.asked = Asked(self.role, self.path, {k.lower(): v for k, v in self.headers.items()})
        self.hub.asked.append(self.asked)
        with suppress(BrokenPipeError, ConnectionResetError):
            self._answer()

    def _answer(self):
        path = urlsplit(self.path).path
        faults = self.hub.faults
        if (key := pick(faults.status, path)) is not None and faults.status[key]:
            return self.say(faults.status[key].pop(0), b"{}")
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
            return self.info(found[1], unquote(found[2] or "main"))
        if path in self.hub.extra:
            status, headers, body = self.hub.extra[path]
            return (
                self.file(body, path, headers) if status == 200 else self.say(status, body, headers)
            )
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.resolve(found[1], unquote(found[2]), unquote(found[3]))
        return self.say(404, b"nothing here")

    def info(self, id, revision):
        held = self.held(id)
        if held is None:
            return None
        if revision not in ("main", COMMIT):
            return self.error(404, "RevisionNotFound")
        said = {
            "id": id, "modelId": id, "sha": COMMIT, "private": False, "disabled": False,
            "gated": "manual" if held.gated else False, "tags": [f"license:{held.licence}"],
            "cardData": {"license": held.licence, **held.card}, "downloads": 1, "likes": 1,
            "siblings": [self.sibling(held, name, body) for name, body in held.files.items()],
        }  # fmt: skip
        return self.say(200, json.dumps(said).encode(), {"Content-Type": "application/json"})

    def sibling(self, held, name, body):
        size = held.sizes.get(name, len(body))
        said = {"rfilename": name, "size": size, "blobId": git_hash(body)}
        if len(body) >= LARGE or name.endswith(".safetensors"):
            sha256 = held.hashes.get(name, hashlib.sha256(body).hexdigest())
            said["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 134}
        return said

    def held(self, id):
        """None, and answered, if it may not be seen."""
        held = self.hub.repositories.get(id)
        allowed = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if held is None:
            self.error(401, "RepoNotFound")
        elif held.gated and not (self.hub.token and allowed):
            # the hub tells of gated ones what they hold, and keeps the files
            if "/resolve/" not in self.path:
                return held
            self.error(403 if self.headers.get("Authorization") else 401, "GatedRepo")
        else:
            return held
        return None

    def resolve(self, id, revision, name):
        held = self.held(id)
        if held is None:
            return None
        body = held.files.get(name)
        if body is None:
            return self.error(404, "EntryNotFound")
        headers = {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        large = len(body) >= LARGE or name.endswith(".safetensors")
        if not large:
            return self.file(body, name, headers | {"ETag": f'"{git_hash(body)}"'})
        sha256 = hashlib.sha256(body).hexdigest()
        headers |= {"X-Linked-Size": str(len(body)), "X-Linked-ETag": f'"{sha256}"'}
        place = f"/repos/{id}/{sha256}/{quote(name)}"
        body = self.hub.faults.body.get(pick(self.hub.faults.body, name), body)
        self.hub.extra[f"/repos/{id}/{sha256}/{quote(name)}"] = (200, {}, body)
        target = f"{self.hub.cdn}{place}?Expires=1&Signature=secret-in-the-address"
        target = self.hub.faults.redirect.get(pick(self.hub.faults.redirect, name), target)
        return self.say(302, b"Found", headers | {"Location": target, "ETag": f'"{sha256}"'})

    def file(self, body, path, headers):
        faults = self.hub.faults
        if faults.stall_until is not None and not self.looks():
            faults.stall_until.wait(30)
        etag = faults.etag.get(pick(faults.etag, path), f'"{hashlib.md5(body).hexdigest()}"')
        headers = {"ETag": etag, **headers} if etag else headers
        start, end, status = 0, len(body), 200
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        fresh = self.headers.get("If-Range", etag) == etag
        if wanted and fresh and pick(faults.no_ranges, path) is None:
            start = int(wanted[1])
            end = min(end, int(wanted[2]) + 1) if wanted[2] else end
            if start >= len(body):
                return self.say(416, b"", {"Content-Range": f"bytes */{len(body)}"})
            status = 206
            headers = headers | {"Content-Range": f"bytes {start}-{end - 1}/{len(body)}"}
        claimed = faults.length.get(pick(faults.length, path), end - start)
        return self.send(status, headers, body[start:end], claimed, path, start)

    def send(self, status, headers, body, claimed, path, start):
        faults = self.hub.faults
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(claimed))
        self.end_headers()
        cuts = faults.cut.get(pick(faults.cut, path), [])
        cut = cuts.pop(0) if cuts and not self.looks() else None
        stall = faults.stall.get(pick(faults.stall, path)) if not self.looks() else None
        body = body[:cut] if cut is not None else body
        step = 16384
        for at in range(0, len(body), step):
            if stall is not None and at + start >= stall:
                self.wfile.flush()
                self.hub.wait_end()
                break
            piece = body[at : at + step]
            self.asked.sent += len(piece)  # before: whoever has it may ask at once
            try:
                self.wfile.write(piece)
            except OSError:
                self.asked.sent -= len(piece)
                raise
        self.close_connection = True
        return None

    def looks(self):
        """At the beginning of a file, which is always answered."""
        return self.headers.get("Range", "").startswith("bytes=0-")

    def error(self, status, code):
        self.say(status, json.dumps({"error": code}).encode(), {"X-Error-Code": code})

    def say(self, status, body, headers=()):
        self.send_response(status)
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def git_hash(body):
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
