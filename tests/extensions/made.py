"""Extensions made by tests: a manifest and a few lines of code in a folder."""

from pathlib import Path

GOOD = """
from webui import FlagField, ControlGroup, hookimpl

@hookimpl
def register_controls():
    field = FlagField(name="on", label="On", help=".")
    return (ControlGroup(name="{id}", title="Good", fields=(field,)),)
"""


def make(
    place: Path,
    id: str,
    code: str,
    *,
    part: str = "server",
    touches: tuple[str, ...] = ("controls",),
    manifest: str = "",
    **files: str,
) -> Path:
    """The folder of an extension; `manifest` has further lines, `files` further modules."""
    folder = place / id
    folder.mkdir(parents=True)
    listed = ", ".join(f'"{each}"' for each in touches)
    lines = [
        f'id = "{id}"', f'name = "{id.capitalize()}"', 'version = "1.0"', 'description = "A test."',
        'api = ">=1.0,<2"', f"touches = [{listed}]", f'{part} = "{part}"', manifest,
    ]  # fmt: skip
    (folder / "extension.toml").write_text("\n".join(lines))
    (folder / f"{part}.py").write_text(code.replace("{id}", id))
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    return folder
