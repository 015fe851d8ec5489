import re
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from webui.errors import StartError
from webui.settings import Settings, apply_environment, environment, hide, parser, read

DEFAULTS = Settings(
    host="127.0.0.1",
    port=7860,
    data_dir=Path("outputs/.darkroom").absolute(),
    outputs=Path("outputs").absolute(),
    image_format="png",
    image_quality=90,
    models_dir=Path("models").absolute(),
    more_models_dirs=(),
    quicksettings=(),
    device="auto",
    dtype="auto",
    offload="auto",
    threads=0,
    open_browser=False,
    safe_mode=False,
    listen=False,
    host_names=(),
    auth=(),
    auth_file=(),
    api_auth=(),
    cors_allow_origins=(),
    mcp=False,
    trusted_proxies=(),
    max_waiting=10_000,
    stall_timeout=600,
    trajectory_quota=4 * 2**30,
    temp_quota=2 * 2**30,
    input_quota=4 * 2**30,
    max_pixels=2048 * 2048 * 4,
    downloads=True,
    hub="https://huggingface.co",
    hub_token="",
    private_downloads=False,
    installing="local",
    extension_sources=("https", "folder"),
    extension_index="",
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
            "--host 0.0.0.0 would open the server to the network, which needs a login; add "
            "--auth-file FILE (a line name:password for each person), or --auth name:password",
        ),
        (["--port", "70000"], {}, "--port: '70000' must be from 0 to 65535"),
        ([], {"DARKROOM_THREADS": "many"}, "DARKROOM_THREADS: 'many' must be a whole number"),
        (["--dtype", "int8"], {}, "--dtype: 'int8' must be one of auto, fp32, fp16, bf16"),
        (
            ["--quicksettings", "steps,width"],
            {},
            "--quicksettings: 'steps,width' must be some of sampler, schedule, steps, "
            "guidance_scale, batch_count, batch_size, emphasis, rng",
        ),
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


# --- who may use it ------------------------------------------------------------------------------


def names(accounts):
    return [each.name for each in accounts]


def test_listening_needs_a_login_and_then_serves_the_network():
    with pytest.raises(StartError) as caught:
        read(["--listen"], {})
    assert str(caught.value) == (
        "--listen would open the server to the network, which needs a login; add --auth-file FILE "
        "(a line name:password for each person), or --auth name:password"
    )
    assert read(["--listen", "--auth", "ann:sesame"], {}).host == "0.0.0.0"
    assert read(["--listen", "--api-auth", "robot:beep"], {}).host == "0.0.0.0"
    assert read(["--listen", "--host", "10.0.0.1", "--auth", "a:b"], {}).host == "10.0.0.1"
    assert read(["--server-name", "10.0.0.1", "--auth", "a:b"], {}).host == "10.0.0.1"
    assert read(["--auth", "ann:sesame"], {}).host == "127.0.0.1"


def test_accounts_come_from_arguments_environment_settings_and_a_file(tmp_path):
    (tmp_path / "people").write_text("eve:a\nfay:b\n")
    (tmp_path / "webui.toml").write_text(
        f'auth = ["cyd:a,b", "dot:x"]\nauth_file = "{tmp_path}/people"\n'
    )
    given = ["--data-dir", str(tmp_path)]
    assert names(read(given, {}).accounts) == ["cyd", "dot", "eve", "fay"]
    assert names(read(given, {"DARKROOM_AUTH": "bob:x"}).accounts) == ["bob", "eve", "fay"]
    both = read([*given, "--auth", "ann:x,abe:y"], {"DARKROOM_AUTH": "bob:x"})
    assert names(both.accounts) == ["ann", "abe", "eve", "fay"]
    assert names(read([*given, "--api-auth", "robot:x"], {}).api_auth) == ["robot"]
    with pytest.raises(StartError, match="must not have a name in common"):
        read([*given, "--auth", "eve:x"], {})


def test_no_password_is_in_settings_nor_in_what_is_said_of_them(tmp_path):
    settings = read(["--auth", "ann:sesame", "--api-auth", "robot:opensaysme"], {})
    told = repr(settings) + repr(asdict(settings)) + parser().format_help()
    assert "ann" in told and "sesame" not in told and "saysme" not in told
    (tmp_path / "webui.toml").write_text('auth = "sesame"')
    for argv, environ in [
        (["--auth", "sesame"], {}), (["--api-auth", "ann:sesame,"], {}),
        ([], {"DARKROOM_AUTH": "sesame"}), (["--data-dir", str(tmp_path)], {}),
    ]:  # fmt: skip
        with pytest.raises(StartError, match="must have both a name and a password") as caught:
            read(argv, environ)
        assert "sesame" not in str(caught.value)


def test_no_password_reaches_a_child(monkeypatch):
    monkeypatch.setenv("DARKROOM_AUTH", "ann:sesame")
    monkeypatch.setenv("DARKROOM_API_AUTH", "robot:sesame")
    monkeypatch.setenv("DARKROOM_PORT", "1")
    handed = environment()
    assert handed["DARKROOM_PORT"] == "1" and "sesame" not in repr(handed)


@pytest.mark.parametrize(
    ("argv", "left", "hidden"),
    [
        (["--port", "1", "--auth", "a:b", "--listen"], ["--port", "1", "--listen"],
         {"DARKROOM_AUTH": "a:b"}),
        (["--auth=a:b", "--api-auth=c:d=e"], [],
         {"DARKROOM_AUTH": "a:b", "DARKROOM_API_AUTH": "c:d=e"}),
        (["--auth", "a:b", "--auth", "c:d"], [], {"DARKROOM_AUTH": "c:d"}),
        (["--auth-file", "people"], ["--auth-file", "people"], {}),
        (["--hub-token", "hf_x", "--hub", "https://a"], ["--hub", "https://a"],
         {"DARKROOM_HUB_TOKEN": "hf_x"}),
        ([], [], {}),
    ],
)  # fmt: skip
def test_secret_arguments_become_variables(argv, left, hidden):
    assert hide(argv) == (left, hidden)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://localhost:3000", ("http://localhost:3000",)),
        ("HTTPS://Tool.Example,http://a:1", ("https://tool.example", "http://a:1")),
        ("https://a:443,http://b:80,http://[::1]:8", ("https://a", "http://b", "http://[::1]:8")),
    ],
)
def test_origins_are_kept_as_browsers_send_them(given, expected):
    assert read(["--cors-allow-origins", given], {}).cors_allow_origins == expected


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("*", "would let every web page there is make pictures here"),
        ("tool.example", "must be origins like http://localhost:3000"),
        ("https://tool.example/", "must be origins like"),
        ("https://a@tool.example", "must be origins like"),
        ("null", "must be origins like"),
        ("ftp://a", "must be origins like"),
        ("http://a:x", "must be origins like"),
        ("http://b\u00fccher.de", "must be origins like"),
        ("http://a,", "must be text"),
    ],
)
def test_what_is_no_origin_is_refused(given, text):
    with pytest.raises(StartError, match=re.escape(text)):
        read(["--cors-allow-origins", given], {})


def test_proxies_are_addresses_or_networks():
    given = ["--trusted-proxies", "127.0.0.1,172.16.0.0/12,fd00::/8"]
    assert read(given, {}).trusted_proxies == ("127.0.0.1", "172.16.0.0/12", "fd00::/8")
    for wrong in ("*", "proxy", "172.16.0.1/12"):
        with pytest.raises(StartError, match="must be addresses like"):
            read(["--trusted-proxies", wrong], {})


def test_one_host_name_more_is_said_in_the_singular_too():
    assert read(["--host-name", "nas.lan"], {}).host_names == ("nas.lan",)


def test_quicksettings_are_names_each_once(tmp_path):
    (tmp_path / "webui.toml").write_text('quicksettings = ["steps", "rng", "steps"]')
    assert read(["--data-dir", str(tmp_path)], {}).quicksettings == ("steps", "rng")
    assert read(["--quicksettings", "sampler, steps"], {}).quicksettings == ("sampler", "steps")
    assert read([], {}).quicksettings == ()


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["--hub", "huggingface.co"], "--hub: 'huggingface.co' must be an address like https://"),
        (["--hub", "file:///x"], "must be an address like https://huggingface.co"),
        (["--hub", "https://me:pw@a.org"], "must be an address like"),
        (["--hub", "https://a.org/?x=1"], "must be an address like"),
        (["--hub", "http://a.org"], "http needs --private-downloads too"),
        (
            ["--extension-index", "http://a.org/i.json"],
            "--extension-index must begin with https://; http needs --private-downloads too",
        ),
        (["--hub-token", "a b"], "--hub-token: must be one word"),
        (["--hub-token", "a\r\nHost: b"], "--hub-token: must be one word"),
        (["--hub-token", "hf_\u00fc"], "--hub-token: must be one word"),
    ],
)
def test_what_cannot_be_a_hub_or_a_token_is_refused_and_the_token_not_quoted(argv, text):
    with pytest.raises(StartError, match=re.escape(text)) as raised:
        read(argv, {})
    assert "Host: b" not in str(raised.value)


def test_a_hub_of_ones_own():
    given = ["--hub", "http://10.0.0.2:8080/hf/", "--private-downloads", "--hub-token", "hf_x"]
    settings = read(given, {})
    assert (settings.hub, settings.hub_token) == ("http://10.0.0.2:8080/hf", "hf_x")
    assert "hf_x" not in repr(settings)
    assert read(["--no-downloads"], {}).no_downloads == (
        "this server was started with --no-downloads"
    )
