"""Each hook is in the docs with its signature and an example that works, is used by something
that ships, and has a test of what it does."""

import ast
import re
from pathlib import Path

import pytest

import webui
from webui import builtin
from webui.engine import builtin as engine_builtin
from webui.extensions import find
from webui.extensions.discovery import SHIPPED
from webui.extensions.loading import SPECS, asked, tables_of
from webui.extensions.manifest import TOUCHES, hooks_of, read

ROOT = Path(webui.__file__).parents[1]
DOCS = (ROOT / "docs" / "extensions.md").read_text("utf-8")
HOOKS = [(part, hook) for part, specs in SPECS.items() for hook in hooks_of(specs)]
SHIPPING = find(SHIPPED / "nowhere")


def section(hook: str) -> str:
    match = re.search(rf"^### register_{hook}\n(.*?)(?=^##)", DOCS + "\n##", re.M | re.S)
    assert match is not None, f"docs/extensions.md has no heading ### register_{hook}"
    return match[1]


def signatures() -> dict[tuple[str, str], str]:
    tree = ast.parse((ROOT / "webui" / "hookspecs.py").read_text("utf-8"))
    parts = {"ServerHooks": "server", "EngineHooks": "engine"}
    return {
        (parts[node.name], function.name.removeprefix("register_")): ast.unparse(function.returns)
        for node in tree.body if isinstance(node, ast.ClassDef)
        for function in node.body if isinstance(function, ast.FunctionDef) and function.returns
    }  # fmt: skip


@pytest.mark.parametrize(("part", "hook"), HOOKS)
def test_a_hook_has_a_heading_with_its_signature(part, hook):
    text = " ".join(section(hook).split())
    assert f"register_{hook}() -> {signatures()[part, hook]}" in text


@pytest.mark.parametrize(("part", "hook"), HOOKS)
def test_a_hooks_example_works_as_it_stands(tmp_path, part, hook):
    blocks = re.findall(rf"```python\n# {part}\.py\n(.*?)```", section(hook), re.S)
    assert len(blocks) == 1
    folder = tmp_path / "example"
    folder.mkdir()
    for name in ("example.js", "example.css"):
        (folder / name).touch()
    code = blocks[0]
    beside = {"controls"} if hook == "prompt_blocks" else set()  # what it writes is a group's
    if part == "server" and "needs=" in code and not beside:  # the group that stands further up
        code += re.findall(r"```python\n# server\.py\n(.*?)```", section("controls"), re.S)[0]
        beside = {"controls"}
    (folder / f"{part}.py").write_text(code)
    (folder / "extension.toml").write_text(
        'id = "example"\nname = "Example"\nversion = "1"\ndescription = "."\napi = ">=1.0,<2"\n'
        f'touches = ["{hook}", "controls"]\n{part} = "{part}"\n'
    )
    tables = loaded(folder, part)
    assert {name for name, made in tables.items() if made} == {hook} | beside


def loaded(folder, part):
    """Loaded here, and forgotten again: the next example has the same name."""
    import sys

    try:
        return tables_of(folder, read(folder), part)
    finally:
        for name in [each for each in sys.modules if each.startswith("darkroom_extensions")]:
            if name.split(".")[1:2] in ([], [folder.name]):
                del sys.modules[name]


@pytest.fixture(scope="module")
def shipped():
    tables = {"server": [asked(builtin, "builtin", "server")],
              "engine": [asked(engine_builtin, "builtin", "engine")]}  # fmt: skip
    for each in SHIPPING:
        for part in SPECS:
            if getattr(each.manifest, part):
                tables[part].append(tables_of(each.folder, each.manifest, part))
    return tables


@pytest.mark.parametrize(("part", "hook"), HOOKS)
def test_a_hook_is_used_by_something_that_ships(shipped, part, hook):
    assert any(tables.get(hook) for tables in shipped[part])


@pytest.mark.parametrize("found", SHIPPING, ids=lambda found: found.id)
def test_what_ships_says_what_it_touches_and_nothing_more(found):
    hooks = {
        hook
        for part in SPECS if getattr(found.manifest, part)
        for hook in tables_of(found.folder, found.manifest, part)
    }  # fmt: skip
    assert hooks == set(found.manifest.touches) - {"files", "network"}
    assert set(found.manifest.touches) <= set(TOUCHES)


TESTS = {  # hook -> a test of what it does
    "samplers": "engine/test_samplers.py::test_",
    "schedules": "engine/test_schedules.py::test_",
    "previews": "engine/test_engine.py::test_a_vae_preview",
    "upscalers": "engine/test_upscalers.py::test_",
    "families": "engine/test_families.py::test_",
    "upscaler_families": "engine/test_upscalers.py::test_",
    "tabs": "ui/test_extensions.py::test_a_tab_that_cannot_be_built",
    "routes": "api/test_extensions.py::test_an_address_of_its_own",
    "controls": "api/test_extensions.py::test_values_are_completed",
    "request_filters": "api/test_extensions.py::test_a_filter_makes_several_jobs",
    "prompt_blocks": "api/test_prompt_blocks.py::test_a_tag_sets_what_its_group_says",
    "settings_pages": "api/test_own_settings.py::test_a_setting_is_changed_kept",
    "send_targets": "ui/test_extensions.py::test_the_page_knows_where_pictures_can_be_sent",
    "conditioning_transforms": "engine/test_transforms.py::test_a_transform_changes",
    "event_listeners": "extensions/test_listeners.py::test_a_listener_hears",
    "metadata_fields": "api/test_extensions.py::test_what_a_picture_says",
    "axes": "extensions/test_xyz.py::test_a_registered_axis",
    "scripts": "api/test_extensions.py::test_only_files_that_are_registered",
    "styles": "ui/test_extensions.py::test_scripts_and_styles",
    "denoiser_wrappers": "engine/test_extensions.py::test_wrappers_nest",
    "attention_processors": "engine/test_extensions.py::test_an_attention_changes",
    "step_listeners": "engine/test_extensions.py::test_a_listener_is_shown",
    "image_operations": "engine/test_extensions.py::test_operations_work",
}


@pytest.mark.parametrize("hook", sorted({hook for _, hook in HOOKS}))
def test_a_hook_has_a_test(hook):
    file, _, name = TESTS[hook].partition("::")
    assert f"def {name}" in (ROOT / "tests" / file).read_text("utf-8")
