"""Every way in which an extension can fail to start: it is named, with the hook and the traceback,
and the others are there."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.extensions.made import GOOD, make
from webui.extensions import Trials, Verdict, find, load, of_server
from webui.hookspecs import hookimpl
from webui.interfaces import SamplerInfo

HOOK = (
    "from webui import *\nfrom webui import hookimpl\n\n@hookimpl\ndef register_controls():\n    "
)
GROUP = 'ControlGroup(name="{id}", title="T", fields=(FlagField(name="on", label="L", help="h"),))'
IMPORTS = "from webui import ControlGroup, FlagField, RequestFilter, SamplerInfo, hookimpl\n"

# id -> (code, further arguments of `make`, where, what is said)
FAULTS = {
    "raises_at_import": ("1 / 0", {}, "import", "ZeroDivisionError: division by zero"),
    "raises_in_hook": (HOOK + "1 / 0", {}, "register_controls", "ZeroDivisionError"),
    "syntax_error": ("def (:", {}, "import", "SyntaxError"),
    "missing_module": ("import nosuchmodule", {}, "import", "ModuleNotFoundError: No module named"),
    "circular": ("from .other import x", {"other": "from .server import y"}, "import", "ImportE"),
    "exits": ("import sys; sys.exit(0)", {}, "import", "SystemExit: 0"),
    "exits_at_once": ("import os; os._exit(0)", {}, "import", "ended the process (exit code 0)"),
    "exits_in_hook": (HOOK + "import os; os._exit(7)", {}, "register_controls", "exit code 7"),
    "kills_itself": (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        {},
        "import",
        "ended the process (signal 9)",
    ),
    "hangs_at_import": ("import time; time.sleep(600)", {}, "import", "took longer than"),
    "hangs_in_hook": (HOOK + "import time; time.sleep(600)", {}, "register_controls", "took long"),
    "hangs_deaf": (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        {},
        "import",
        "took longer than",
    ),
    "takes_all_memory": ("x = bytearray(2 * 2**30)", {}, "import", "MemoryError"),
    "prints_much": ("for _ in range(10): print('x' * 2**20)\n1 / 0", {}, "import", "ZeroDivision"),
    "wrong_table": (HOOK + "return 7", {}, "register_controls", "must return a sequence"),
    "wrong_entry": (
        HOOK + "return [7]",
        {},
        "register_controls",
        "must be a ControlGroup, got int",
    ),
    "text_for_table": (HOOK + "return 'abc'", {}, "register_controls", "returned str"),
    "huge_table": (
        HOOK + "return [" + GROUP + "] * 100_000",
        {},
        "register_controls",
        "returned more than 200 entries",
    ),
    "endless_table": (
        HOOK + "import itertools; return itertools.repeat(" + GROUP + ")",
        {},
        "register_controls",
        "must return a sequence, returned repeat",
    ),
    "others_name": (
        HOOK + "return [" + GROUP.replace("{id}", "wildcards") + "]",
        {},
        "register_controls",
        "a group's name must be 'others_name' or begin so",
    ),
    "unknown_hook": (
        "from webui import hookimpl\n@hookimpl\ndef register_nothing(): return ()",
        {},
        "import",
        "unknown hook 'register_nothing'",
    ),
    "undeclared_hook": (
        HOOK + "return [" + GROUP + "]",
        {"touches": ("files",)},
        "register_controls",
        "extension.toml does not say so; add 'controls' to touches",
    ),
    "patches_os": (
        "import os\ndef mine(*_): pass\nos.replace = mine",
        {},
        "import",
        "replaces os.replace; use a hook instead",
    ),
    "patches_ours": (
        "import webui.request\ndef mine(*_): pass\nwebui.request.from_dict = mine",
        {},
        "import",
        "replaces webui.request.from_dict",
    ),
    "takes_away": (
        "import webui.errors\ndel webui.errors.LineFull",
        {},
        "import",
        "takes webui.errors.LineFull away",
    ),
    "keeps_a_thread": (
        "import threading as t, time\nt.Thread(target=time.sleep, args=(600,), name='it').start()",
        {},
        "import",
        "starts a thread that is no daemon: it",
    ),
    "turns_away": (
        "import os; os.chdir('/')",
        {},
        "import",
        "changes the working folder, which is",
    ),
    "adds_a_path": (
        "import sys; sys.path.insert(0, '/nowhere')",
        {},
        "import",
        "changes sys.path, which is the whole program's",
    ),
    "empties_variables": (
        "import os; os.environ.pop('PATH'); os.environ['HOME'] = '/'; os.environ['NEW_1'] = 'x'",
        {},
        "import",
        "changes the environment: HOME, PATH",
    ),
    "closes_stdout": ("import sys; sys.stdout.close()", {}, "import", "changes the standard files"),
    "closes_fd": ("import os; os.close(1)", {}, "import", "changes the standard files"),
    "takes_signals": (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
        {},
        "import",
        "changes what signals do",
    ),
    "silences_logs": (
        HOOK + "import logging; logging.disable(logging.CRITICAL); return ()",
        {},
        "import",
        "changes what is logged",
    ),
    "shortens_sockets": (
        "import socket; socket.setdefaulttimeout(1)",
        {},
        "import",
        "changes the time limit of sockets",
    ),
    "deepens": (
        "import sys; sys.setrecursionlimit(10**6)",
        {},
        "import",
        "changes the recursion limit",
    ),
    "raises_a_base": (
        "class Stop(BaseException): pass\nraise Stop('everything')",
        {},
        "import",
        "Stop: everything",
    ),
    "recurses": (HOOK + "return register_controls()", {}, "register_controls", "RecursionError"),
    "segfaults": ("import ctypes; ctypes.string_at(0)", {}, "import", "process (signal 11)"),
    "patches_class": (
        "from webui.request import GenerationRequest\ndef mine(*_): pass\n"
        "GenerationRequest.alone = mine",
        {},
        "import",
        "replaces webui.request.GenerationRequest.alone; use a hook instead",
    ),
    "patches_library": (
        "import pathlib\ndef mine(*_): pass\npathlib.Path.read_bytes = mine",
        {},
        "import",
        "replaces pathlib.Path.read_bytes; use a hook instead",
    ),
    "bad_default": (
        IMPORTS
        + "from webui import IntegerField\n@hookimpl\ndef register_controls():\n    return ["
        "ControlGroup(name='{id}', title='T', fields=(IntegerField(name='n', label='N', help='h',"
        " default=9, minimum=0, maximum=5),))]",
        {},
        "register_controls",
        "the default of n: must be from 0 to 5, got 9",
    ),
    "alien_needs": (
        IMPORTS + "@hookimpl\ndef register_request_filters():\n"
        "    return [RequestFilter(needs='wildcards', apply=lambda r, c: [r])]",
        {"touches": ("request_filters",)},
        "register_request_filters",
        "needs must be a control group of its own, got 'wildcards'",
    ),
    "script_outside": (
        "from webui import PageFile, hookimpl\n@hookimpl\ndef register_scripts():\n"
        "    return [PageFile(file='../../../etc/passwd')]",
        {"touches": ("scripts",)},
        "register_scripts",
        "must name a .js file of the folder",
    ),
    "newer": (
        "",
        {"manifest": 'dependencies = ["nosuchpackage>=99"]'},
        "extension.toml",
        "nosuchpackage>=99 is not installed",
    ),
    "sampler_clash": (
        IMPORTS + "@hookimpl\ndef register_samplers(): return [SamplerInfo(name='EULER')]",
        {"touches": ("samplers",)},
        "register_samplers",
        "builtin and sampler_clash both register 'EULER'",
    ),
}
LIMIT = 12.0  # seconds; on a busy machine Python alone takes two


@pytest.fixture(scope="module")
def builtin():
    def samplers():
        return (SamplerInfo(name="Euler"),)

    return SimpleNamespace(register_samplers=hookimpl(samplers))


@pytest.fixture(scope="module")
def started(tmp_path_factory, builtin):
    place = tmp_path_factory.mktemp("extensions")
    for id, (code, arguments, _, _) in FAULTS.items():
        make(place / "all", id, code, **arguments)
    make(place / "all", "good", GOOD)
    make(place / "all", "zgood", GOOD)
    found = find(place / "all", shipped=place / "none")
    shelves, standings = load(
        "server", builtin, found, Trials("server", place / "kept.json", limit=LIMIT)
    )
    return SimpleNamespace(
        place=place, found=found, shelves=shelves, by_id={each.found.id: each for each in standings}
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("id", FAULTS)
def test_a_fault_is_named_with_its_hook(started, id):
    _, _, hook, text = FAULTS[id]
    standing = started.by_id[id]
    assert standing.state == "refused"
    assert standing.mishap.owner == id
    assert standing.mishap.hook == hook
    assert text in standing.mishap.text


@pytest.mark.parametrize(
    ("id", "line"),
    [
        ("raises_at_import", "    1 / 0"),
        ("raises_in_hook", "ZeroDivisionError: division by zero"),
        ("hangs_at_import", "server.py"),
        ("hangs_in_hook", "in register_controls"),
    ],
)
def test_the_traceback_says_where(started, id, line):
    assert line in started.by_id[id].mishap.trace


def test_the_others_are_there_and_what_ships_is_as_it_was(started):
    registry = of_server(started.shelves)
    assert list(registry.controls) == ["good", "zgood"]
    assert list(registry.samplers) == ["Euler"]
    assert {id for id, each in started.by_id.items() if each.state == "on"} == {"good", "zgood"}


def test_none_of_them_was_loaded_here(started):
    loaded = {name for name in sys.modules if name.startswith("darkroom_extensions.")}
    tried = {f"darkroom_extensions.{id}" for id in FAULTS} - {"darkroom_extensions.sampler_clash"}
    assert not loaded & tried


def test_a_verdict_counts_until_a_file_changes(started, builtin):
    class NoneAreTried(Trials):
        def _try(self, found):
            raise AssertionError(f"{found.id} was tried again")

    kept = started.place / "kept.json"
    _, again = load("server", builtin, started.found, NoneAreTried("server", kept, limit=LIMIT))
    assert {each.found.id: each.mishap and each.mishap.text for each in again} == {
        id: each.mishap and each.mishap.text for id, each in started.by_id.items()
    }
    mended = started.place / "all" / "raises_at_import" / "server.py"
    mended.write_text(GOOD.replace("{id}", "raises_at_import"))
    (only,) = [each for each in started.found if each.id == "raises_at_import"]
    _, (standing,) = load("server", builtin, [only], Trials("server", kept, limit=LIMIT))
    assert standing.state == "on"
    assert standing.hooks == ("controls",)


def test_two_of_one_name_both_are_named_and_the_later_is_left_out(tmp_path, builtin):
    place = tmp_path / "here"
    code = IMPORTS + "@hookimpl\ndef register_samplers(): return [SamplerInfo(name='Mine')]"
    for id in ("first", "second"):
        make(place, id, code, touches=("samplers",))
    shelves, (first, second) = load(
        "server",
        builtin,
        find(place, shipped=tmp_path / "none"),
        Trials("server", tmp_path / "kept"),
    )
    assert (first.state, second.state) == ("on", "refused")
    assert second.mishap.text == "register_samplers: first and second both register 'Mine'"
    assert list(of_server(shelves).samplers) == ["Euler", "Mine"]


def test_a_trial_leaves_no_files_behind_however_it_ends(tmp_path):
    """As the server's folder that it builds tabs and routes in, where it hangs there."""
    temp, told = tmp_path / "temp", tmp_path / "told"
    temp.mkdir()
    code = "import tempfile, time\nfrom pathlib import Path\nmade = tempfile.mkdtemp()\n"
    code += f"Path({str(told)!r}).write_text(made)\ntime.sleep(600)"
    make(tmp_path / "here", "hangs", code)
    environ = {**os.environ, "TMPDIR": str(temp)}
    trials = Trials("server", environ=environ, limit=1.0)
    verdicts = trials.of(find(tmp_path / "here", shipped=tmp_path / "none"))
    assert verdicts["hangs"].text == "took longer than 1 s"
    assert not Path(told.read_text()).exists() and list(temp.iterdir()) == []


def test_what_is_off_and_safe_mode_run_nothing(tmp_path, builtin):
    make(tmp_path / "here", "bomb", "raise SystemExit")
    found = find(tmp_path / "here", shipped=tmp_path / "none")

    class NoneAreTried(Trials):
        def of(self, extensions):
            raise AssertionError("tried")

    trials = NoneAreTried("server", tmp_path / "kept")
    _, (off,) = load("server", builtin, found, trials, disabled=frozenset({"bomb"}))
    _, (safe,) = load("server", builtin, found, trials, safe_mode=True)
    assert (off.state, safe.state) == ("off", "safe mode")


def test_one_that_ends_the_process_after_its_trial_is_left_out_by_the_next(tmp_path, builtin):
    folder = make(tmp_path / "here", "bomb", GOOD)
    make(tmp_path / "here", "good", GOOD)
    found = find(tmp_path / "here", shipped=tmp_path / "none")
    begun = tmp_path / "begun"
    begun.write_text("bomb\nimport")  # as a process leaves it that ended there

    class NoneAreTried(Trials):
        def _try(self, found):
            return Verdict()

    def start():
        trials = NoneAreTried("server", tmp_path / "kept.json")
        shelves, standings = load("server", builtin, found, trials, begun=begun)
        return list(of_server(shelves).controls), standings[0]

    for _ in range(2):
        there, bomb = start()
        assert (there, begun.exists()) == (["good"], False)
        assert (bomb.state, bomb.mishap.hook) == ("refused", "import")
        assert bomb.mishap.text == "the server ended or hung while it was loaded"
    (folder / "server.py").write_text(GOOD.replace("{id}", "bomb") + "# mended")
    assert start()[0] == ["bomb", "good"]


def test_the_file_says_which_one_is_being_loaded(tmp_path, builtin):
    begun = tmp_path / "begun"
    code = f"from pathlib import Path\nSAID = Path({str(begun)!r}).read_text()\n"
    make(tmp_path / "here", "says", code, touches=())
    found = find(tmp_path / "here", shipped=tmp_path / "none")

    class NoneAreTried(Trials):
        def _try(self, found):
            return Verdict()

    load("server", builtin, found, NoneAreTried("server"), begun=begun)
    assert sys.modules["darkroom_extensions.says.server"].SAID == "says\nimport"
    assert not begun.exists()
