"""What the tables of one extension say of each other."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from webui.errors import ExtensionError
from webui.extensions.answers import Entry
from webui.interfaces.server_hooks import ControlGroup, PromptBlock, SettingsPage

Tables = Mapping[str, Sequence[Entry]]


def check(tables: Tables) -> None:
    """Those of its server half. Raises ExtensionError, naming the hook."""
    check_needs(tables, tables)
    groups = _groups(tables)
    for _, block in tables.get("prompt_blocks", ()):
        _check_writes(block, groups[block.needs])
    _check_pages([page for _, page in tables.get("settings_pages", ())])


def check_needs(tables: Tables, of_server: Tables) -> None:
    """That there is every group of controls which something of `tables` needs, for it would never
    be asked. Raises ExtensionError, naming the hook and the nearest names."""
    groups = _groups(of_server)
    for hook, made in tables.items():
        for _, value in made:
            needs = getattr(value, "needs", None)
            if needs is not None and needs not in groups:
                raise ExtensionError(f"register_{hook}: {_unknown(needs, groups)}")


def _unknown(needs: str, groups: Iterable[str]) -> str:
    there = sorted(groups)
    if not there:
        return (
            f"needs the control group {needs!r}, but the extension registers none; "
            "register_controls of its server half does"
        )
    near = get_close_matches(needs, there, n=3, cutoff=0.0)
    return f"needs {needs!r}, which none of its control groups is called; nearest: {_said(near)}"


def _said(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))


def _groups(tables: Tables) -> Mapping[str, ControlGroup]:
    return {group.name: group for _, group in tables.get("controls", ())}


def _check_writes(block: PromptBlock, group: ControlGroup) -> None:
    if missing := set(block.writes) - {each.name for each in group.written}:
        raise ExtensionError(
            f"register_prompt_blocks: <{block.kind}:...> writes {min(missing)!r}, which is none of "
            f"the fields that the group {block.needs!r} has as `written`"
        )


def _check_pages(pages: Sequence[SettingsPage]) -> None:
    names = [each.name for page in pages for each in page.fields]
    if len(set(names)) != len(names):
        raise ExtensionError("register_settings_pages: two settings have the same name")
