import subprocess
import sys
from pathlib import Path

import pytest

from webui.errors import StartError
from webui.settings import Settings, apply_environment, parser, read

DEFAULTS = Settings(
    host="127.0.0.1",
    port=7860,
    data_dir=Path("outputs/.darkroom").absolute(),
    outputs=Path("outputs").absolute(),
    image_format="png",
    image_quality=90,
    models_dir=Path("models").absolute(),
    device="auto",
    dtype="auto",
    threads=0,
    open_browser=False,
    safe_mode=False,
    host_names=(),
    max_waiting=10_000,
    trajectory_quota=4 * 2**30,
    max_pixels=2048 * 2048 * 4,
)


def test_without_anything_said_all_is_default():
    assert read([], {}) == DEFAULTS


def test_arguments_go_before_environment_before_file_before_defaults(tmp_path):
    (tmp_path / "webui.toml").write_text('port = 1\nthreads = 2\nmax_waiting = 3\ndtype = "fp16"')
    environ = {"DARKROOM_PORT": "11", "DARKROOM_THREADS": "12", "DARKROOM_DEVICE": ""}
    settings = read(["--port", "21", "--data-dir", str(tmp_path)], environ)
    assert (settings.port, settings.threads, settings.max_waiting) == (21, 12, 3)
    assert (settings.dtype, settings.device) == ("fp16", "auto")
    assert settings.data_dir == tmp_path
    assert settings.temp_dir == tmp_path / "temp"


def test_every_kind_of_value_can_be_given_in_every_place(tmp_path):
    (tmp_path / "webui.toml").write_text('host_names = ["a.lan", "b.lan"]\nopen_browser = true')
    in_file = read(["--data-dir", str(tmp_path)], {})
    assert (in_file.host_names, in_file.open_browser) == (("a.lan", "b.lan"), True)
    environ = {"DARKROOM_HOST_NAMES": "a.lan, b.lan", "DARKROOM_OPEN_BROWSER": "yes"}
    in_environment = read([], environ)
    assert (in_environment.host_names, in_environment.open_browser) == (("a.lan", "b.lan"), True)
    in_arguments = read(["--host-names", "a.lan,b.lan", "--no-open-browser"], environ)
    assert (in_arguments.host_names, in_arguments.open_browser) == (("a.lan", "b.lan"), False)


@pytest.mark.parametrize(
    ("argv", "environ", "text"),
    [
        (
            ["--image-format", "gif"],
            {},
            "--image-format: 'gif' must be one of png, jpeg, webp, avif",
        ),
        (
            [],
            {"DARKROOM_IMAGE_QUALITY": "101"},
            "DARKROOM_IMAGE_QUALITY: '101' must be from 1 to 100",
        ),
        (
            ["--host", "0.0.0.0"],
            {},
            "--host: '0.0.0.0' would open the server to the network, which needs a login, and "
            "there is none yet; use 127.0.0.1",
        ),
        (["--port", "70000"], {}, "--port: '70000' must be from 0 to 65535"),
        ([], {"DARKROOM_THREADS": "many"}, "DARKROOM_THREADS: 'many' must be a whole number"),
        (["--dtype", "int8"], {}, "--dtype: 'int8' must be one of auto, fp32, fp16, bf16"),
        (["--device", "tpu"], {}, "--device: 'tpu' must be auto, cpu, cuda, cuda:0, mps or xpu"),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_what_would_work(argv, environ, text):
    with pytest.raises(StartError) as caught:
        read(argv, environ)
    assert str(caught.value) == text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"])
def test_addresses_of_this_computer_are_accepted(host):
    assert read(["--host", host], {}).host == host.strip("[]")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "10.0.0.1"])
def test_addresses_of_the_network_are_refused(host):
    with pytest.raises(StartError, match="needs a login"):
        read(["--host", host], {})


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"port = ", "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"prot = 1", "'prot' is no setting; known are"),
        (b"data_dir = 'x'", "'data_dir' is no setting; known are"),
        (b"port = true", "port: 'True' must be a whole number"),
        (b"port = 7.5", "port: '7.5' must be a whole number"),
        (b"host_names = [1]", "must be text"),
    ],
)
def test_a_wrong_settings_file_is_named_with_what_is_wrong(tmp_path, content, text):
    (tmp_path / "webui.toml").write_bytes(content)
    with pytest.raises(StartError) as caught:
        read(["--data-dir", str(tmp_path)], {})
    assert str(tmp_path / "webui.toml") in str(caught.value) and text in str(caught.value)


def test_help_names_every_setting():
    text = parser().format_help()
    for name in Settings.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in text


def test_settings_need_nothing_but_the_standard_library():
    program = (
        "import sys; before = set(sys.modules); import webui.settings; webui.settings.parser();"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(sorted(new - sys.stdlib_module_names))"
    )
    ran = subprocess.run(
        [sys.executable, "-S", "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "['webui']\n"


def test_gradio_and_the_hub_are_told_to_stay_at_home(monkeypatch, tmp_path):
    import os

    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_OFFLINE", "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, "else")
    apply_environment(read(["--data-dir", str(tmp_path)], {}))
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert os.environ["HF_HUB_OFFLINE"] == "1"
    assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path / "temp")
