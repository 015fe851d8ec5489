"""What git and pip may take, are told, and where they may go."""

import os
import socket
import tarfile

import pytest

from tests.installing.conftest import looked, settled
from tests.installing.repositories import files_of, service, wheel
from webui.installing import packages
from webui.installing.errors import InstallError
from webui.installing.routes import route
from webui.installing.running import Limits, module, run

PUBLIC = "https://93.184.216.34/a"  # an address needs no name server


@pytest.fixture
def told(tmp_path, data):
    """(script, source) -> the error of a look with that script as git, and what it has written."""

    def look(script, source, *, environ=None, **more):
        place = tmp_path / "bin"
        place.mkdir(exist_ok=True)
        (place / "git").write_text("#!/bin/sh\n" + script.replace("TOLD", str(tmp_path / "told")))
        (place / "git").chmod(0o755)
        path = {"PATH": f"{place}:{os.environ['PATH']}"}
        made = service(data, environ=path | (environ or {}), **more)
        error = looked(made, source).error
        made.close()
        there = tmp_path / "told"
        return error, there.read_bytes() if there.exists() else b""

    return look


# --- limits --------------------------------------------------------------------------------------


def test_a_file_stops_growing_at_the_limit_not_at_the_next_look(told, repository):
    """A disk takes gigabytes between two looks."""
    script = 'case "$*" in *" fetch "*) head -c 60000000 /dev/zero > TOLD;; esac\n'
    limits = Limits(seconds=60, most_bytes=3_000_000)
    error, written = told(script, repository.address, limits=limits)
    assert (error, len(written)) == ("it is larger than 2 MiB", 3_000_000)


def test_memory_and_time_of_the_processor_have_an_end(told, repository):
    script = 'case "$*" in *" fetch "*) ulimit -t > TOLD; exec python3 -c "bytearray(2**29)";; esac'
    limits = Limits(seconds=9.5, most_bytes=3_000_000, memory=2**28)
    error, written = told(script, repository.address, limits=limits)
    assert ("MemoryError" in error, written) == (True, b"11\n")


# --- where to ------------------------------------------------------------------------------------

PROXY = {"HTTPS_PROXY": "http://proxy.example:3128"}
SHOWS = """case "$*" in
    *--version*) echo git version 2.39.5;;
    *" fetch "*) (echo "$@"; env) > TOLD;;
esac"""


def test_git_is_told_one_way_alone(told):
    """The checked address without a proxy; a proxy without exceptions."""
    _, direct = told(SHOWS, PUBLIC, environ=PROXY | {"NO_PROXY": "93.184.216.34"})
    assert b"-c http.curloptResolve=93.184.216.34:443:93.184.216.34 fetch" in direct
    assert b"proxy" not in direct.lower()
    _, by_proxy = told(SHOWS, PUBLIC, environ=PROXY | {"NO_PROXY": ".example.org"})
    said = by_proxy.splitlines()
    assert {b"https_proxy=http://proxy.example:3128", b"no_proxy="} <= {*said}
    assert b"curloptResolve" not in by_proxy and b"NO_PROXY" not in by_proxy


@pytest.mark.parametrize(
    ("host", "exceptions"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", ""),
        ("10.1", ""),  # as addresses may be written too
        ("2130706433", "elsewhere"),
        ("localhost", "*"),
        ("localhost", ""),
        ("a.localhost", ""),
    ],
)
def test_with_a_proxy_too_this_computers_network_is_not_fetched_from(host, exceptions, monkeypatch):
    environ = PROXY | {"no_proxy": exceptions}
    with pytest.raises(InstallError, match="an address of this computer or its network"):
        route((host, 443), environ, private=False)
    route((host, 443), environ | {"no_proxy": ""}, private=True)


@pytest.mark.parametrize(
    ("exceptions", "is_direct"),
    [
        ("*", True), ("example.org", True), (".example.org", True), ("*.example.org", True),
        ("a.example.org:443", True), ("other, A.Example.Org", True), ("a.example.org:80", False),
        ("ample.org", False), ("b.example.org", False), (",", False), ("", False),
    ],
)  # fmt: skip
def test_exceptions_of_a_proxy_are_decided_here(monkeypatch, exceptions, is_direct):
    def asked(name, port, *given, flags=0, **more):
        if flags:
            raise socket.gaierror
        return [(0, 0, 0, "", ("93.184.216.34", port))]

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    made = route(("a.example.org", 443), PROXY | {"NO_PROXY": exceptions}, private=False)
    pin = ("-c", "http.curloptResolve=a.example.org:443:93.184.216.34")
    proxied = {"https_proxy": "http://proxy.example:3128", "no_proxy": ""}
    assert (made.options, made.environ) == ((pin, {}) if is_direct else ((), proxied))


@pytest.mark.parametrize(
    ("version", "fetches"),
    [
        ("git version 2.34.1", False),
        ("git version 1.99.0", False),
        ("hub", False),
        ("git version 2.37.0.windows.1", True),
        ("git version 3.0.1 (Apple Git-154)", True),
    ],
)
def test_a_git_that_would_ask_for_the_address_again_is_refused(told, version, fetches):
    script = f'case "$*" in *--version*) echo "{version}";; *" fetch "*) echo yes > TOLD;; esac'
    error, fetched = told(script, PUBLIC)
    assert bool(fetched) == fetches
    assert ("only git 2.37 and newer" in error) == (not fetches)
    assert fetches or version in error


# --- pip -----------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path, data):
    place = tmp_path / "wheels"
    wheel(place, "shoutlib", "1.5")
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(place), "PIP_CONFIG_FILE": os.devnull}
    made = service(data, environ=offline | {"HF_TOKEN": "hf_x", "DARKROOM_AUTH": "ann:pw"})
    made.wheels = place
    yield made
    made.close()


def needing(shop, repository, *dependencies):
    listed = ", ".join(f'"{each}"' for each in dependencies)
    repository.add(files_of("shout", manifest=f"dependencies = [{listed}]"))
    return looked(shop, repository.address)


def test_a_source_package_by_address_is_not_built(shop, repository, tmp_path):
    """pip's --only-binary does not speak of addresses, and building runs setup.py."""
    marker, source = tmp_path / "pwned", tmp_path / "built" / "builtlib-1.0"
    source.mkdir(parents=True)
    (source / "setup.py").write_text(
        f"open({str(marker)!r}, 'w')\nfrom setuptools import setup\nsetup(name='builtlib')\n"
    )
    with tarfile.open(tmp_path / "builtlib-1.0.tar.gz", "w:gz") as file:
        file.add(source, "builtlib-1.0")
    wheel(shop.wheels, "loudly", "1.0", [f"builtlib @ file://{tmp_path}/builtlib-1.0.tar.gz"])
    seen = needing(shop, repository, "loudly")
    assert "no other program is started here" in seen.look.problem
    assert not marker.exists()


def test_a_wheel_by_address_is_not_taken(shop, repository, tmp_path):
    """What was agreed to is a name and a version; at an address anything can lie later."""
    wheel(tmp_path, "quiet", "1.0")
    address = f"file://{tmp_path}/quiet-1.0-py3-none-any.whl"
    wheel(shop.wheels, "loudly", "1.0", [f"quiet @ {address}"])
    seen = needing(shop, repository, "loudly")
    assert seen.look.problem == (
        f"'quiet' would come from {address!r}; packages come from an index alone"
    )
    assert seen.look.packages == ()


@pytest.mark.parametrize("name", ["evil.tar.gz", "evil.zip", "Evil._-whl"])
def test_a_name_that_pip_would_take_for_a_file_is_a_name(shop, repository, name, tmp_path):
    seen = needing(shop, repository, name)
    plain = name.lower().replace("._-", "-").replace(".", "-")
    assert f"No matching distribution found for {plain}" in seen.look.problem


def test_pip_is_told_nothing_that_is_ours(shop, repository, monkeypatch):
    """Nor git, as test_hostile has it."""
    environs, real = [], packages.run
    monkeypatch.setattr(packages, "run", lambda *given: environs.append(given[2]) or real(*given))
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    seen = needing(shop, repository, "shoutlib")
    done = settled(shop, shop.confirm(seen.id, True))
    assert (done.state, len(environs)) == ("done", 2)
    for each in environs:
        assert not {"HF_TOKEN", "DARKROOM_AUTH", "PYTHONPATH"} & each.keys()
        assert each["PIP_FIND_LINKS"] == str(shop.wheels)


def test_a_module_that_runs_here_starts_no_program(tmp_path):
    """By whatever way; and an unusual end is its exit code."""
    (tmp_path / "ways").mkdir()
    limits = Limits(seconds=30, most_bytes=10**7)
    for way in (
        "subprocess.run(['touch', 'pwned'])", "os.system('touch pwned')", "os.fork()",
        "os.execv('/bin/sh', ['sh', '-c', 'touch pwned'])",
        "os.posix_spawn('/bin/sh', ['sh', '-c', 'touch pwned'], {})",
    ):  # fmt: skip
        place = tmp_path / "ways"
        command = module("timeit", ["-n1", "-r1", f"import os, subprocess; {way}"], limits)
        ended = run("timeit", command, {}, place, limits, lambda count: None)
        assert ended.code == 1 and "no other program is started here" in ended.out.decode() + (
            ended.said
        )
        assert not (place / "pwned").exists()
