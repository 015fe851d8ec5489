"""The rules of the tree: what a lock may hold, who imports whom, how long a piece may be."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import webui
from scripts import lockfile, packages

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CODE = [
    ROOT / "launch.py",
    *sorted((ROOT / "scripts").rglob("*.py")),
    *sorted((ROOT / "webui").rglob("*.py")),
]
SCRIPTS = sorted((ROOT / "webui" / "ui").rglob("*.js"))
LOCKS = ("run", "test")


def name_of(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match is not None
    return match.group().lower()


# --- the locks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_a_version_and_hashes_for_each_package_and_nothing_else(lock: str) -> None:
    pinned = re.compile(
        r"[a-z0-9-]+==[0-9][0-9a-z.]*( ; [a-z_'\".<>=!0-9() A-Z]+)?"
        r"( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    )
    entries = lockfile.read(lock)
    assert len(entries) > 10
    for entry in entries:
        assert pinned.fullmatch(entry.text), entry.text


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_nothing_of_torch_and_no_place_of_its_making(lock: str) -> None:
    text = (lockfile.FOLDER / f"{lock}.txt").read_text("utf-8")
    for entry in lockfile.entries(text):
        assert not lockfile.OF_TORCH.fullmatch(entry.name), entry.name
    for forbidden in (
        "://",
        "file:",
        " @ ",
        "+",
        "--index",
        "--find-links",
        "-e ",
        "/opt",
        "/home",
    ):
        assert forbidden not in text.removeprefix(lockfile.HEADER), forbidden


@pytest.mark.parametrize(
    "name", ["torch", "torchvision", "triton", "triton-windows", "nvidia-cublas", "cuda-bindings"]
)
def test_what_torch_brings_for_a_card_is_known(name: str) -> None:
    assert lockfile.OF_TORCH.fullmatch(name)


def test_the_locks_hold_all_that_is_declared() -> None:
    run = {entry.name: entry.text for entry in lockfile.read("run")}
    test = {entry.name: entry.text for entry in lockfile.read("test")}
    extras = PROJECT["optional-dependencies"]
    for requirement in [*PROJECT["dependencies"], *extras["setup"]]:
        if requirement != packages.TORCH:
            assert name_of(requirement) in run
            assert "==" not in requirement or run[name_of(requirement)].startswith(requirement)
    for requirement in extras["test"]:
        assert name_of(requirement) in run | test
    assert not run.keys() & test.keys()
    assert {"pip", "setuptools"} <= run.keys()


def test_the_set_up_installs_the_torch_that_is_declared() -> None:
    assert packages.TORCH in PROJECT["dependencies"]
    assert set(packages.SIZES) == set(LOCKS)


def test_the_version_is_one() -> None:
    assert webui.__version__ == PROJECT["version"]


# --- imports -----------------------------------------------------------------------------------


def imports_are_linted(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("fields/__init__.py", "import webui.app", "imports point down"),
        ("events.py", "from webui.jobs import line", "imports point down"),
        ("jobs/line.py", "import torch", "torch and diffusers only in the engine"),
        ("api/server.py", "import gradio", "gradio only in the page"),
        ("engine/engine.py", "import webui.settings", "the engine knows nothing of the server"),
        ("jobs/store.py", "from fastapi import Request", "fastapi only in the API"),
        ("engine/samplers/euler.py", "import webui.engine.previews", "samplers, families and"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(
        ROOT / "webui", tmp_path / "webui", ignore=shutil.ignore_patterns("__pycache__")
    )
    path = tmp_path / "webui" / module
    path.write_text(f"{path.read_text('utf-8')}\n{line}\n", "utf-8")
    found = imports_are_linted(tmp_path)
    assert found.returncode != 0
    assert re.search(f"^{re.escape(contract)}.* BROKEN", found.stdout, flags=re.MULTILINE)


def test_a_module_without_a_layer_is_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "webui", tmp_path / "webui")
    (tmp_path / "webui" / "helpers.py").touch()
    found = imports_are_linted(tmp_path)
    assert found.returncode != 0
    assert "imports point down BROKEN" in found.stdout


# --- shelves and lengths -----------------------------------------------------------------------

SHELVES = (
    "api/routes",
    "engine/courses",
    "engine/families",
    "engine/previews",
    "engine/samplers",
    "engine/upscalers",
    "ui/tabs",
)


@pytest.mark.parametrize("shelf", SHELVES)
def test_each_file_on_a_shelf_is_in_its_table(shelf: str) -> None:
    folder = ROOT / "webui" / shelf
    here = ".".join(["webui", *shelf.split("/")])
    tree = ast.parse((folder / "__init__.py").read_text("utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == here:
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{here}."):
            imported.add((node.module or "").rpartition(".")[2])
    assert imported == {file.stem for file in folder.glob("*.py")} - {"__init__"}


@pytest.mark.parametrize("file", CODE, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_is_short_and_so_are_its_functions(file: Path) -> None:
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= 300
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 40, node.name


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_script_of_the_page_is_short(file: Path) -> None:
    lines = file.read_text("utf-8").splitlines()
    assert len(lines) <= 300
    assert max(map(len, lines)) <= 240


def test_only_what_belongs_there_stands_at_the_top() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if tracked.returncode != 0:
        pytest.skip("not a git checkout")
    allowed = {"benchmarks", "docs", "extensions", "models", "outputs", "scripts", "tests"}
    allowed |= {"webui", "training", ".ci", "launch.py", "pyproject.toml", "README.md"}
    allowed |= {"LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", ".gitignore", ".gitattributes"}
    assert {line.split("/")[0] for line in tracked.stdout.splitlines()} <= allowed
