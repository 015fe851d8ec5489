"""The whole set-up for real, without a network: pip takes small packages made here."""

import ensurepip
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TORCH = "cuda: Optional[str] = None\nhip: Optional[str] = None\n"
SERVER = """
import os, sys
from pathlib import Path
starts = Path("starts.txt")
said = [*sys.argv[1:], os.environ.get("DARKROOM_AUTH", "")]
with starts.open("a") as file: file.write(" ".join(said) + "\\n")
import paper
sys.exit(75 if len(starts.read_text().splitlines()) == 1 else 0)
"""


class Shop:
    """A folder of wheels, and a project that gets its packages from it alone."""

    def __init__(self, folder: Path) -> None:
        self.wheels = folder / "wheels"
        self.project = folder / "project"
        self.wheels.mkdir()
        (self.project / "webui").mkdir(parents=True)
        shutil.copy(ROOT / "launch.py", self.project)
        shutil.copytree(ROOT / "scripts", self.project / "scripts")
        for name in (
            "__init__.py",
            "errors.py",
            "extension_ids.py",
            "passwords.py",
            "restarting.py",
            "setting_table.py",
            "setting_values.py",
            "settings.py",
        ):
            shutil.copy(ROOT / "webui" / name, self.project / "webui")
        for name in ("commands", "fields"):
            shutil.copytree(ROOT / "webui" / name, self.project / "webui" / name)
        (self.project / "webui" / "__main__.py").write_text(SERVER)
        bundled = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
        self.pip = Path(shutil.copy(bundled, self.wheels))
        self.wheel("torch", "2.13.0", {"torch/__init__.py": "", "torch/version.py": TORCH})

    def wheel(self, name: str, version: str, files: dict[str, str]) -> Path:
        info = f"{name}-{version}.dist-info"
        files = files | {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        path = self.wheels / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in (files | {f"{info}/RECORD": record}).items():
                archive.writestr(file, text)
        return path

    def lock(self, *wheels: Path) -> None:
        """The lock of the project: pip, and these."""
        text = "# a lock\n"
        for wheel in (self.pip, *wheels):
            name, version = wheel.name.split("-")[:2]
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            text += f"{name}=={version} \\\n    --hash=sha256:{digest}\n"
        (self.project / "scripts" / "locks" / "run.txt").write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-S", "-I", str(self.project / "launch.py"), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.project),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self.wheels),
                "PYTHONPATH": "/nowhere",
            },
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with self.start(*arguments) as process:
            out, err = process.communicate(timeout=100)
            return process.returncode, out, err

    def installed(self) -> dict[str, str]:
        code = "import importlib.metadata as m, json;"
        code += "print(json.dumps({d.name: d.version for d in m.distributions()}))"
        python = self.project / ".venv" / "bin" / "python"
        found: dict[str, str] = json.loads(subprocess.check_output([python, "-I", "-c", code]))
        return {name: version for name, version in found.items() if name != "setuptools"}

    @property
    def stamp(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(
            (self.project / ".venv" / "darkroom.json").read_text()
        )
        return found


@pytest.mark.skipif(sys.platform == "win32", reason="kills process groups")
@pytest.mark.timeout(300)
def test_a_set_up_from_nothing_killed_on_the_way_then_locks_that_change(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    first = shop.wheel("paper", "1.0", {"paper.py": "version = 1"})
    shop.lock(first)

    # killed with pip at work
    with shop.start("setup") as killed:
        assert killed.stdout is not None
        while not killed.stdout.readline().startswith("Installing torch"):
            assert killed.poll() is None
        os.killpg(killed.pid, signal.SIGKILL)
    assert shop.stamp["complete"] is False

    # goes on from there, to the end
    code, out, err = shop.run("setup")
    assert (code, err) == (0, "")
    assert "The set-up is complete" in out
    pip = shop.pip.name.split("-")[1]
    assert shop.installed() == {"pip": pip, "torch": "2.13.0", "paper": "1.0"}
    assert shop.stamp["complete"] is True

    # nothing left to do
    began = time.monotonic()
    assert shop.run("setup") == (0, "The set-up is complete already\n", "")
    assert time.monotonic() - began < 5

    # torch from elsewhere: the same version, and yet another build; remembered
    packages = next((shop.project / ".venv" / "lib").glob("python*")) / "site-packages"
    (packages / "torch" / "version.py").write_text("cuda = '13.0'")
    assert shop.run("setup", "--torch-index", "https://example.org/cpu")[0] == 0
    assert (packages / "torch" / "version.py").read_text() == TORCH
    assert shop.run("setup") == (0, "The set-up is complete already\n", "")
    assert shop.stamp["torch_index"] == "https://example.org/cpu"

    # a pip that was killed in a package, which it would take for installed
    (packages / "paper.py").unlink()
    (packages / "paper-1.0.dist-info" / "INSTALLER").unlink()
    shop.project.joinpath(".venv", "darkroom.json").write_text(
        json.dumps({**shop.stamp, "complete": False})
    )
    assert shop.run("setup")[0] == 0
    assert (packages / "paper.py").exists()

    # a package that is not the one in the lock
    second = shop.wheel("paper", "2.0", {"paper.py": "version = 2"})
    shop.lock(second)
    good = second.read_bytes()
    shop.wheel("paper", "2.0", {"paper.py": "raise SystemExit('never run')"})
    code, _, err = shop.run("setup")
    assert code == 1
    assert err.startswith("darkroom: a downloaded package is not the one that was locked")
    assert err.count("\n") == 1
    assert shop.stamp["complete"] is False

    # the right one; served, and served again when the server asks
    second.write_bytes(good)
    code, out, err = shop.run("--port", "0", "--auth", "ann:sesame")
    assert (code, err) == (0, "")
    assert shop.installed()["paper"] == "2.0"
    starts = (shop.project / "starts.txt").read_text()
    # the password is not in the arguments, which everybody can see
    assert starts == "--port 0 ann:sesame\n--port 0 --no-open-browser ann:sesame\n"
