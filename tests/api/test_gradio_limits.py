"""What Gradio keeps for its visitors: bounded in memory and on disk, on the page as it is."""

import asyncio
import os
from inspect import getclosurevars, isfunction

import pytest
from starlette.testclient import TestClient

from tests.api.whole import built, inner, status
from webui.guard import MAX_UPLOAD

QUOTA = 256 * 2**20
BIG = 60 * 2**20


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    with built(tmp_path_factory.mktemp("limits"), "--temp-quota", str(QUOTA)) as application:
        yield application


def blocks(application):
    mounts = [getattr(route, "app", None) for route in inner(application).routes]
    around = [getclosurevars(app).nonlocals.get("app") for app in mounts if isfunction(app)]
    return next(app for app in (*mounts, *around) if hasattr(app, "get_blocks")).get_blocks()


def test_however_many_visit_only_so_many_are_remembered(whole):
    page = blocks(whole)
    number = next(
        each["id"] for each in page.config["dependencies"] if each["targets"][0][1] == "pictures"
    )

    async def visits():
        for visit in range(240):
            body = b'{"data": [], "fn_index": %d, "session_hash": "s%d"}' % (number, visit)
            headers = {"content-type": "application/json"}
            code, *_ = await status(whole, "POST", "/gradio_api/run/predict", headers, body)
            assert code == 200

    asyncio.run(visits())
    assert len(page.state_holder.session_data) == 200
    assert list(page.state_holder.session_data)[-1] == "s239"


def test_uploads_never_take_more_than_their_share_of_the_disk(whole):
    temp = whole.services.settings.temp_dir
    with TestClient(whole.guarded, "http://localhost:7860") as client:
        for number in range(30):
            files = {"files": (f"{number}.bin", b"%d" % number)}
            [path] = client.post("/gradio_api/upload", files=files).json()
            os.truncate(path, BIG)  # as if it had been so large; a hole takes no room
            os.utime(path, (number + 2e9, number + 2e9))
            assert sum(each.stat().st_size for each in temp.rglob("*") if each.is_file()) <= QUOTA
            assert os.path.exists(path)
        left = {each.name for each in temp.rglob("*") if each.is_file()}
        assert left == {f"{number}.bin" for number in range(26, 30)}
        folders = [each.name for each in temp.iterdir() if each.name != "vibe_edit_history"]
        assert len(folders) == 4  # no empty ones either, but for one that Gradio makes


def test_gradio_knows_the_limit_too_and_an_upload_cut_off_leaves_nothing(whole):
    assert blocks(whole).max_file_size == MAX_UPLOAD
    temp = whole.services.settings.temp_dir
    before = sorted(temp.rglob("*"))
    pieces = [b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n']
    pieces += [bytes(2**20)] * 65
    headers = {"content-type": "multipart/form-data; boundary=x"}
    with TestClient(whole.guarded, "http://localhost:7860") as client:
        answer = client.post("/gradio_api/upload", content=iter(pieces), headers=headers)
    assert answer.status_code == 413
    assert {each for each in temp.rglob("*") if each.is_file()} <= set(before)
