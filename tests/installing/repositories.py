"""Git repositories made by tests, with trees that git would not make; wheels; the service."""

import base64
import hashlib
import os
import subprocess
import zipfile
from pathlib import Path

from tests.extensions.made import GOOD
from webui.downloads import Access
from webui.installing import Git, Index, Installs, Pip, Tools

_WHO = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "Ann",
        "GIT_COMMITTER_EMAIL": "a@b.c", "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1"}  # fmt: skip


def files_of(id, version="1.0", code=GOOD, manifest="", **more):
    """Name -> contents of a good extension."""
    lines = [
        f'id = "{id}"', f'name = "{id.capitalize()}"', f'version = "{version}"',
        'description = "A test."', 'api = ">=1.0,<2"', 'touches = ["controls"]',
        'server = "server"', manifest,
    ]  # fmt: skip
    return {"extension.toml": "\n".join(lines), "server.py": code.replace("{id}", id), **more}


class Repository:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.git("init", "--quiet", "--initial-branch=main", str(folder), at=".")

    @property
    def address(self):
        return f"file://{self.folder}"

    def git(self, *arguments, data=None, at=None):
        command = ["git", *(("-C", str(at or self.folder))), *arguments]
        made = subprocess.run(
            command, input=data, capture_output=True, check=True, env={**os.environ, **_WHO}
        )
        return made.stdout.decode().strip()

    def blob(self, data):
        data = data.encode() if isinstance(data, str) else data
        return self.git("hash-object", "-w", "--stdin", data=data)

    def tree(self, entries):
        """Of (mode, name, object), however strange."""
        raw = b"".join(
            f"{mode} ".encode() + (name if isinstance(name, bytes) else name.encode()) + b"\0"
            + bytes.fromhex(each)
            for mode, name, each in entries
        )  # fmt: skip
        return self.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=raw)

    def commit(self, tree, subject="A change", branch="main"):
        parent = subprocess.run(
            ["git", "-C", self.folder, "rev-parse", "-q", "--verify", f"refs/heads/{branch}"],
            capture_output=True,
        ).stdout.decode()
        parents = ["-p", parent.strip()] if parent else []
        made = self.git("commit-tree", *parents, "-m", subject, tree)
        self.git("update-ref", f"refs/heads/{branch}", made)
        return made

    def add(self, files, subject="A change", extra=(), branch="main"):
        """A commit with just these files: name -> contents; `extra` entries as of `tree`."""
        rows = {}
        for name, contents in files.items():
            head, _, rest = name.partition("/")
            rows.setdefault(head, {})[rest] = contents
        return self.commit(self._made(files, extra), subject, branch)

    def _made(self, files, extra=()):
        here, below = [], {}
        for name, contents in files.items():
            head, slash, rest = name.partition("/")
            if slash:
                below.setdefault(head, {})[rest] = contents
            else:
                here.append(("100644", name, self.blob(contents)))
        here += [("40000", head, self._made(inside)) for head, inside in below.items()]
        rows = sorted([*here, *extra], key=lambda row: _sorted_name(row))
        return self.tree(rows)


def _sorted_name(row):
    name = row[1] if isinstance(row[1], bytes) else row[1].encode()
    return name + (b"/" if row[0] == "40000" else b"")


def service(data, *, allowed=("https", "folder", "file"), shipped=("wildcards",), **more):
    environ = {**os.environ, **more.pop("environ", {})}
    place = data / "extensions"
    git = Git(environ, **more)
    tools = Tools(git, Pip(environ), place, shipped)
    index = Index("", data / "index.json", Access())
    return Installs(data, tools, index, allowed=allowed)


def wheel(folder, name, version, requires=(), code="VALUE = 1\n"):
    """A wheel that pip takes."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {each}" for each in requires]
    contents = {
        f"{name}.py": code,
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = ""
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text)}\n"
    contents[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, text in contents.items():
            file.writestr(path, text)


def tree_of(folder):
    """Every path below with its contents or kind: what must stay as it was."""
    return {
        str(each.relative_to(folder)): each.read_bytes() if each.is_file() else each.is_symlink()
        for each in sorted(folder.rglob("*"))
    }
