import pytest

from webui import passwords
from webui.guard import Rules


@pytest.fixture
def rules(tmp_path):
    for folder in ("temp", "out/day", "out/.darkroom"):
        (tmp_path / folder).mkdir(parents=True)
    return Rules(
        host_names=("nas.lan",),
        uploads=tmp_path / "temp",
        outputs=tmp_path / "out",
        max_body=1000,
        max_upload=2000,
        body_seconds=0.2,
    )


@pytest.fixture
def cheap_passwords(monkeypatch):
    """So that hundreds of them can be tried: the cost is what makes guessing slow, nothing else."""
    monkeypatch.setattr(passwords, "_COST", 2)
