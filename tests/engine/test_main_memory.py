"""How much main memory there is: the computer's, or what a container leaves of it."""

from types import SimpleNamespace

import pytest

from webui.engine import main_memory

GB = 2**30


@pytest.fixture(autouse=True)
def _computer(monkeypatch):
    """16 GB, 10 of them to be had."""
    found = SimpleNamespace(total=16 * GB, available=10 * GB)
    monkeypatch.setattr("webui.engine.main_memory.psutil.virtual_memory", lambda: found)


def group(place, **files):
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name.replace("__", ".")).write_text(f"{text}\n")


def both(tmp_path, own):
    (tmp_path / "own").write_text(own)
    groups = tmp_path / "groups"
    return (
        main_memory.total(groups, tmp_path / "own"),
        main_memory.available(groups, tmp_path / "own"),
    )


def test_without_groups_it_is_the_computers(tmp_path):
    assert both(tmp_path, "") == (16 * GB, 10 * GB)
    assert both(tmp_path, "0::/not/there") == (16 * GB, 10 * GB)
    none = tmp_path / "none"
    assert main_memory.total(none, none) == 16 * GB


def test_a_containers_limit_counts_and_files_that_are_only_repeated_do_not(tmp_path):
    stat = f"anon {2 * GB}\ninactive_file {GB}\nactive_file {GB // 2}"
    group(
        tmp_path / "groups", memory__max=4 * GB, memory__current=3 * GB + GB // 2, memory__stat=stat
    )
    assert both(tmp_path, "0::/") == (4 * GB, 2 * GB)


def test_the_narrowest_of_groups_in_groups_counts(tmp_path):
    groups = tmp_path / "groups"
    group(groups / "a", memory__max=6 * GB, memory__current=5 * GB, memory__stat="")
    group(groups / "a" / "b", memory__max=8 * GB, memory__current=GB, memory__stat="")
    group(groups / "a" / "b" / "c", memory__max="max", memory__current=GB, memory__stat="")
    assert both(tmp_path, "0::/a/b/c") == (6 * GB, GB)


def test_the_older_groups_are_understood_too(tmp_path):
    group(
        tmp_path / "groups" / "memory" / "docker" / "x",
        memory__limit_in_bytes=5 * GB,
        memory__usage_in_bytes=4 * GB,
        memory__stat=f"total_inactive_file {GB}\ntotal_active_file 0",
    )
    group(
        tmp_path / "groups" / "memory",
        memory__limit_in_bytes=9223372036854771712,  # none
        memory__usage_in_bytes=9 * GB,
        memory__stat="",
    )
    own = "11:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n1:name=systemd:/docker/x"
    assert both(tmp_path, own) == (5 * GB, 2 * GB)


@pytest.mark.parametrize("limit", ["", "-1", "much", "5.5"])
def test_what_cannot_be_understood_is_no_limit(tmp_path, limit):
    group(tmp_path / "groups", memory__max=limit, memory__current=GB, memory__stat="")
    assert both(tmp_path, "0::/") == (16 * GB, 10 * GB)
