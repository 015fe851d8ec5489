"""What is kept while a picture is made, and that the picture does not change."""

import json
from pathlib import Path

from webui.testing import Extension

HERE = Path(__file__).parent
ASKED = {"extras": {"heat_maps": {"on": True}}, "steps": 2, "images": 2, "batch_size": 2}


def test_maps_are_kept_for_each_step_and_picture_and_change_no_bit(tmp_path: Path) -> None:
    extension = Extension(HERE, tmp_path)
    plain = extension.run(**{**ASKED, "extras": {}})
    made = extension.run(**ASKED)
    assert made.mishaps == ()
    assert made.pictures == plain.pictures
    maps = made.kept / "heat_maps"
    assert sorted(each.name for each in maps.iterdir()) == [
        "0.0.1.0",
        "0.0.1.1",
        "0.0.2.0",
        "0.0.2.1",
    ]
    head, _, data = (maps / "0.0.2.0").read_bytes().partition(b"\n")
    said = json.loads(head)
    assert (said["words"], said["height"], said["width"]) == (["a", "red", "fox"], 8, 8)
    assert (len(data), max(data)) == (3 * 8 * 8, 255)
    assert (maps / "0.0.2.0").read_bytes() != (maps / "0.0.2.1").read_bytes()
