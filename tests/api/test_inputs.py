"""Pictures that requests begin with, over HTTP: sent, copied, served, looked at, named by jobs."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tests.api.conftest import CAT
from tests.jobs.fakes import eventually
from tests.test_inputs import file_of, huge_png, noisy
from webui import inputs, masking
from webui.request import InitImage, Mask
from webui.services import duplicate, edit

ADDRESS = "/api/v1/inputs"


def send(client, image, kind="PNG", media="image/png"):
    data = image if isinstance(image, bytes) else file_of(image, kind)
    return client.post(ADDRESS, content=data, headers={"content-type": media})


def sent(client, image):
    answer = send(client, image)
    assert answer.status_code == 201
    return answer.json()["sha256"]


def white(width, height, box):
    mask = Image.new("L", (width, height))
    mask.paste(255, box)
    return mask


def submit(client, **request):
    return client.post("/api/v1/jobs", json={"request": CAT | request})


def refusal(answer, status=422):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    return error["field"], error["text"]


# --- sending and serving -----------------------------------------------------------------------


def test_a_picture_is_kept_and_served_under_its_hash(client) -> None:
    picture = noisy(40, 30)
    answer = send(client, picture)
    assert answer.status_code == 201
    sha256 = answer.json()["sha256"]
    assert answer.json() == {
        "sha256": sha256, "width": 40, "height": 30, "mode": "RGB", "notes": [],
    }  # fmt: skip
    got = client.get(f"{ADDRESS}/{sha256}")
    assert (got.status_code, got.headers["content-type"]) == (200, "image/png")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in got.headers["cache-control"]
    assert (np.asarray(Image.open(io.BytesIO(got.content))) == np.asarray(picture)).all()


def test_what_was_done_to_it_is_said(client) -> None:
    answer = send(client, Image.new("CMYK", (8, 8)), "JPEG", "image/jpeg")
    assert answer.json()["notes"] == ["its colours are for print (CMYK) and were converted"]


@pytest.mark.parametrize(
    ("body", "media", "status", "words"),
    [
        (b"no picture", "image/png", 422, "is not a picture that can be read"),
        (b"", "image/png", 422, "is not a picture"),
        (huge_png(10**5, 10**5), "image/png", 422, "at most 67108864 in all are read"),
        (file_of(noisy(9, 9)), "application/octet-stream", 415, "application/json"),
        (file_of(noisy(9, 9)), "text/html", 415, "application/json"),
        (b'{"url": "http://127.0.0.1/x.png"}', "application/json", 415, "must be a picture"),
    ],
)
def test_what_is_refused(client, services, body, media, status, words) -> None:
    answer = send(client, body, media=media)
    assert answer.status_code == status
    assert words in answer.text
    assert not list(services.inputs.folder.glob("*"))


def test_other_sites_pages_may_send_none(client) -> None:
    data = file_of(noisy(9, 9))
    headers = {"content-type": "image/png", "origin": "https://elsewhere.example"}
    assert client.post(ADDRESS, content=data, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "name", ["0" * 64, "x", "..%2f..%2fjobs.sqlite", "0" * 63 + "%00", "%2e%2e", "0" * 5000]
)
def test_no_other_name_leads_anywhere(client, name) -> None:
    assert client.get(f"{ADDRESS}/{name}").status_code in (400, 404, 414)


def test_many_at_once_are_kept_or_told_to_come_again(client, services) -> None:
    files = [file_of(noisy(60, 60, seed)) for seed in range(16)]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda data: send(client, data), files))
    assert {answer.status_code for answer in answers} <= {201, 503}
    for answer in answers:
        if answer.status_code == 201:
            assert services.inputs.path(answer.json()["sha256"])
        else:
            assert answer.headers["retry-after"] == "1"
    assert not list((services.inputs.folder / ".part").iterdir())


def test_a_flood_takes_no_more_than_the_quota_and_nothing_that_a_job_waits_for(
    client, services, puppet
) -> None:
    needed = sent(client, noisy(64, 64, 99))
    assert submit(client, init={"picture": needed}).status_code == 201
    for seed in range(40):  # 40 x 75 kB into 1 MB
        assert send(client, noisy(160, 160, seed)).status_code == 201
    kept = sum(path.stat().st_size for path in services.inputs.folder.glob("*.png"))
    assert kept <= 2**20
    assert services.inputs.path(needed)
    puppet.order("finish")


# --- copies ------------------------------------------------------------------------------------


def test_a_saved_picture_is_copied_without_its_recipe(client, services, puppet) -> None:
    job = submit(client).json()["id"]
    puppet.order("step", "step", "step", "step", "finish")
    eventually(lambda: client.get(f"/api/v1/jobs/{job}").json()["state"] == "done")
    saved = client.get(f"/api/v1/jobs/{job}").json()["pictures"][0]
    answer = client.post(f"{ADDRESS}/copies", json={"job": job, "image": 0})
    assert answer.status_code == 201
    assert (answer.json()["width"], answer.json()["height"]) == (saved["width"], saved["height"])
    copied = services.inputs.path(answer.json()["sha256"])
    assert (
        np.asarray(Image.open(copied))
        == np.asarray(Image.open(services.settings.outputs / saved["path"]))
    ).all()
    assert b"a cat" not in copied.read_bytes()
    (services.settings.outputs / saved["path"]).unlink()
    field, text = refusal(client.post(f"{ADDRESS}/copies", json={"job": job, "image": 0}))
    assert field == "image" and "not there any more" in text


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"job": "none", "image": 0}, 404, None),
        ({"image": 0}, 404, None),
        ({"job": 5}, 422, "job"),
        ({"job": "job-of-one", "image": 1}, 422, "image"),
        ({"job": "job-of-one", "image": True}, 422, "image"),
        ({"job": "job-of-one", "image": "0"}, 422, "image"),
        ({"job": "job-of-one", "path": "/etc/passwd"}, 422, "path"),
    ],
)
def test_copies_that_cannot_be(client, body, status, field) -> None:
    client.post("/api/v1/jobs", json={"request": CAT, "id": "job-of-one"})
    assert refusal(client.post(f"{ADDRESS}/copies", json=body), status)[0] == field


# --- what a request says of them ---------------------------------------------------------------


def test_a_job_carries_the_picture_and_the_engine_is_told_where_it_lies(
    client, services, puppet
) -> None:
    picture = sent(client, noisy(100, 70))
    job = submit(client, init={"picture": picture, "strength": 0.5}).json()
    assert job["request"]["init"]["picture"] == picture
    assert (job["request"]["width"], job["request"]["height"]) == (104, 72)  # on the grid
    eventually(lambda: puppet.options)
    assert puppet.options[0].inputs == str(services.inputs.folder)
    puppet.order("finish")


@pytest.mark.parametrize(
    ("init", "given", "size"),
    [
        ({}, {}, (200, 104)),
        ({}, {"width": 128}, (128, 104)),
        ({}, {"width": 128, "height": 64}, (128, 64)),
        ({"mask": {"area": "whole picture"}}, {}, (200, 104)),
        ({"mask": {"area": "only masked"}}, {}, (256, 256)),  # the model's own
        ({"outpaint": {"left": 40, "up": 16}}, {}, (240, 120)),
        ({"tiles": {}}, {}, (256, 256)),
    ],
)
def test_width_and_height_are_the_pictures_where_nobody_says(client, init, given, size) -> None:
    init = dict(init, picture=sent(client, noisy(199, 101)))
    if "mask" in init:
        init["mask"] = init["mask"] | {"picture": sent(client, white(199, 101, (9, 9, 50, 50)))}
    answer = submit(client, init=init, **given)
    assert answer.status_code == 201, answer.text
    request = answer.json()["request"]
    assert (request["width"], request["height"]) == size


def test_a_tiny_picture_is_made_at_the_least_size(client) -> None:
    request = submit(client, init={"picture": sent(client, noisy(1, 3))}).json()["request"]
    assert (request["width"], request["height"]) == (64, 64)


GONE = "5" * 64


@pytest.mark.parametrize(
    ("request_part", "field"),
    [
        ({"init": {"picture": GONE}}, "init.picture"),
        ({"init": {"picture": "HERE", "mask": {"picture": GONE}}}, "init.mask.picture"),
        ({"hires": {"picture": GONE}}, "hires.picture"),
        ({"upscale": {"picture": GONE}}, "upscale.picture"),
        ({"init": {"picture": "../../etc/passwd"}}, "init.picture"),
        ({"init": {"picture": "HERE", "mask": {"picture": "SMALL"}}}, "init.mask.picture"),
        ({"hires": {"picture": "SMALL"}, "width": 128, "height": 64}, "hires.picture"),
        ({"hires": {"scale": 4.0}, "width": 256, "height": 256}, "hires.scale"),
        ({"hires": {"width": 1024, "height": 1024}}, "hires.width"),
        ({"upscale": {"picture": "HERE", "scale": 8.0}}, "upscale.scale"),
        ({"upscale": {"picture": "HERE", "width": 4000}}, "upscale.width"),
        ({"init": {"picture": "HERE", "tiles": {"scale": 8.0, "overlap": 32}}}, "init.tiles.scale"),
        ({"init": {"picture": "HERE", "tiles": {"scale": 2.0}}}, "init.tiles.overlap"),
        ({"init": {"picture": "LARGE", "resize": "latent upscale"}}, "init.resize"),
        (
            {"init": {"picture": "HERE", "outpaint": {"left": 1024, "up": 1024}}, "width": 64},
            "init.outpaint",
        ),
        ({"hires": {"sampler": "Eulerr"}}, "hires.sampler"),
        ({"hires": {"schedule": "None such"}}, "hires.schedule"),
        ({"hires": {"upscaler": "None such"}}, "hires.upscaler"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field(client, request_part, field) -> None:
    known = {
        "HERE": sent(client, noisy(96, 96)),
        "SMALL": sent(client, white(95, 96, (0, 0, 9, 9))),
        "LARGE": sent(client, white(513, 512, (0, 0, 9, 9))),
    }

    def filled(value):
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        return known.get(value, value) if isinstance(value, str) else value

    defaults = {"width": 64, "height": 64} if "height" not in request_part else {}
    answer = submit(client, **defaults | filled(request_part))
    found, text = refusal(answer)
    assert found == field
    if GONE in str(request_part):
        assert text == "names a picture that is not kept here; send it again"


def test_a_picture_that_would_grow_beyond_what_can_be_worked_at_is_refused(client) -> None:
    sides = dict.fromkeys(("left", "right", "up", "down"), 1024)
    init = {"picture": sent(client, noisy(2048, 1)), "outpaint": sides}
    found = refusal(submit(client, init=init))
    assert found == ("width", "must be from 64 to 2048 and a multiple of 8, got 4096; try 2048")
    field, text = refusal(submit(client, init=init, width=512, height=256))
    assert field == "init.outpaint" and text.startswith("would make 4096 x 2049 pixels; at most")


@pytest.mark.parametrize(
    ("scale", "overlap", "words"),
    [
        (2.0, 64, "must be less than a tile's side, 64, got 64"),
        (5.0, 56, "gives 53 x 53 tiles of 64 x 64; at most 1024 in all can be made"),
    ],
)
def test_tiles_that_nobody_would_wait_for_are_refused(client, scale, overlap, words) -> None:
    tiles = {"scale": scale, "overlap": overlap}
    asked = {"init": {"picture": sent(client, noisy(96, 96)), "tiles": tiles}}
    field, text = refusal(submit(client, width=64, height=64, **asked))
    assert (field, text[: len(words)]) == ("init.tiles.overlap", words)
    assert submit(client, width=72, height=128, **asked).status_code == 201


def test_a_batch_of_second_passes_counts_as_one(client) -> None:
    wanted = {"hires": {"scale": 2.0}, "width": 128, "height": 128}
    assert submit(client, **wanted, images=4, batch_size=4).status_code == 201
    field, text = refusal(submit(client, **wanted, images=5, batch_size=5))
    assert field == "hires.scale" and "256 x 256 pixels x 5 at once" in text


def test_the_second_passes_sampler_may_be_called_by_its_alias(client) -> None:
    asked = {"sampler": "K_EULER_A", "schedule": "karras", "upscaler": "latent"}
    hires = submit(client, width=64, height=64, hires=asked).json()["request"]["hires"]
    assert (hires["sampler"], hires["schedule"], hires["upscaler"]) == (
        "Euler a", "Karras", "Latent",
    )  # fmt: skip
    both = {"sampler": "DPM++ 2M Karras"}
    hires = submit(client, width=64, height=64, hires=both).json()["request"]["hires"]
    assert (hires["sampler"], hires["schedule"]) == ("DPM++ 2M", "Karras")


def test_a_waiting_job_is_edited_only_to_pictures_that_are_here(client) -> None:
    first = submit(client).json()["id"]
    job = submit(client, init={"picture": sent(client, noisy(64, 64))}).json()["id"]
    answer = client.patch(f"/api/v1/jobs/{job}", json={"request": {"init": {"picture": GONE}}})
    assert refusal(answer)[0] == "init.picture"
    client.post(f"/api/v1/jobs/{first}/cancel")


@pytest.mark.parametrize("way", ["submit", "duplicate", "edit"])
def test_no_picture_goes_between_the_look_and_the_job(client, services, monkeypatch, way) -> None:
    """Nothing is removed while the store's lock is held, and here it is."""
    running, waiting = submit(client).json()["id"], submit(client).json()["id"]
    named = {"init": {"picture": sent(client, noisy(64, 64, 7))}}
    where = services.line.order if way == "edit" else services.line
    name, free = "edit" if way == "edit" else "submit", []
    inner = getattr(type(where), name)

    def late(self, *given, **values):
        def other():
            free.append(services.inputs.lock.acquire(blocking=False))
            if free[-1]:
                services.inputs.lock.release()

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return inner(self, *given, **values)

    monkeypatch.setattr(type(where), name, late)
    if way == "submit":
        assert submit(client, **named).status_code == 201
    elif way == "duplicate":
        duplicate(services, waiting, named)
    else:
        assert edit(services, waiting, named).request.init is not None
    assert free == [False]
    client.post(f"/api/v1/jobs/{running}/cancel")


# --- what the model sees -----------------------------------------------------------------------


def look(client, **body):
    return client.post(f"{ADDRESS}/seen", json=body)


def shown(client, sha256):
    return Image.open(io.BytesIO(client.get(f"{ADDRESS}/{sha256}").content))


def test_the_model_sees_what_the_engine_will_make_of_it(client) -> None:
    picture, mask = noisy(160, 96), white(160, 96, (40, 20, 60, 50))
    names = {"picture": sent(client, picture), "mask": {"picture": sent(client, mask)}}
    names["mask"] |= {"area": "only masked", "padding": 16, "blur": 4, "content": "fill"}
    answer = look(client, init=names, width=128, height=64, model="toy")
    assert answer.status_code == 200
    said = answer.json()
    images = said.pop("images")
    init = InitImage(picture=names["picture"], mask=Mask(**names["mask"]))
    frame = masking.framed(picture, mask, init, 128, 64)
    assert said == {
        "crop": list(frame.crop), "size": [128, 64], "latent": [16, 8], "result": [160, 96],
    }  # fmt: skip
    assert (np.asarray(shown(client, images["start"])) == np.asarray(frame.start)).all()
    assert (np.asarray(shown(client, images["mask"])) == np.asarray(frame.mask)).all()
    cells = np.asarray(shown(client, images["latent_mask"]))
    assert (cells == masking.at_latent_size(frame.mask, 8) * 255).all() and cells.shape == (8, 16)


def test_without_a_mask_it_sees_the_picture_alone(client) -> None:
    name = sent(client, noisy(99, 64))
    said = look(client, init={"picture": name, "resize": "crop and resize"}, width=64).json()
    assert (said["crop"], said["size"], said["result"]) == (None, [64, 64], [64, 64])
    assert said["images"]["mask"] is None and said["images"]["latent_mask"] is None
    assert shown(client, said["images"]["start"]).size == (64, 64)


def test_outpainting_is_seen_on_its_canvas(client) -> None:
    init = {"picture": sent(client, noisy(64, 64)), "outpaint": {"right": 64}}
    said = look(client, init=init).json()
    assert (said["crop"], said["size"], said["result"]) == (None, [128, 64], [128, 64])
    cells = np.asarray(shown(client, said["images"]["latent_mask"]))
    assert cells[:, 8:].all() and not cells[:, :6].any()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "init"),
        ({"init": None}, "init"),
        ({"init": {"picture": GONE}}, "init.picture"),
        ({"init": "HERE"}, "init"),
        ({"init": {"picture": "HERE"}, "seed": 1}, "seed"),
        ({"init": {"picture": "HERE"}, "width": 65}, "width"),
        ({"init": {"picture": "HERE"}, "width": 10**9}, "width"),
        ({"init": {"picture": "HERE", "mask": {"picture": "BLACK"}}}, "init.mask.picture"),
        ({"init": {"picture": "HERE", "tiles": {}}}, "init.tiles"),
        ({"init": {"picture": "HERE"}, "model": "none"}, "model"),
    ],
)
def test_what_cannot_be_seen(client, body, field) -> None:
    known = {"HERE": sent(client, noisy(64, 64)), "BLACK": sent(client, Image.new("L", (64, 64)))}
    if isinstance(body.get("init"), dict):
        init = body["init"] | {"picture": known.get(body["init"]["picture"], GONE)}
        if "mask" in init:
            init["mask"] = {"picture": known["BLACK"]}
        body = body | {"init": init}
    assert refusal(look(client, **body))[0] == field


def test_what_was_looked_at_takes_no_place_of_what_was_sent(client, services) -> None:
    name = sent(client, noisy(64, 64))
    before = sorted(services.inputs.folder.glob("*.png"))
    said = look(client, init={"picture": name}, width=128, height=128).json()
    assert sorted(services.inputs.folder.glob("*.png")) == before
    assert inputs.read(services.settings.data_dir / "seen", "init.picture", said["images"]["start"])


HOW = (
    "names a picture that is not kept here any more; send the same file in again (on the page: "
    "drop it on the img2img tab), then run this again"
)


@pytest.mark.parametrize("field", ["init.picture", "init.mask.picture", "upscale.picture"])
def test_a_job_is_not_tried_again_without_its_pictures(client, services, puppet, field) -> None:
    picture, mask = noisy(64, 64), white(64, 64, (0, 0, 9, 9))
    known = {"init.picture": sent(client, picture), "init.mask.picture": sent(client, mask)}
    known["upscale.picture"] = known["init.picture"]
    part, _, inner = field.partition(".")
    request = {part: {"picture": known[f"{part}.picture"]}}
    if inner == "mask.picture":
        request[part]["mask"] = {"picture": known[field]}
    job = submit(client, **request).json()["id"]
    puppet.order("finish")
    eventually(lambda: services.line.job(job).state == "done")
    file = services.inputs.path(known[field])
    file.rename(file.with_suffix(".away"))
    for verb in ("retry", "duplicate"):
        found, text = refusal(client.post(f"/api/v1/jobs/{job}/{verb}"))
        assert found == field
        assert verb == "duplicate" or text == HOW
    assert len(client.get("/api/v1/jobs").json()["jobs"]) == 1
    sent(client, mask if inner == "mask.picture" else picture)
    again = client.post(f"/api/v1/jobs/{job}/retry")
    assert (again.status_code, again.json()["retry_of"]) == (201, job)
    puppet.order("finish")


def test_nor_gone_on_with(client, services, puppet) -> None:
    first = submit(client).json()["id"]
    kept = sent(client, noisy(64, 64))
    job = submit(client, init={"picture": kept}).json()["id"]
    client.post(f"/api/v1/jobs/{job}/pause")
    services.inputs.path(kept).unlink()
    assert refusal(client.post(f"/api/v1/jobs/{job}/resume")) == ("init.picture", HOW)
    assert client.get(f"/api/v1/jobs/{job}").json()["state"] == "paused"
    sent(client, noisy(64, 64))
    answer = client.post(f"/api/v1/jobs/{job}/resume")
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    for each in (first, job):
        client.post(f"/api/v1/jobs/{each}/cancel")


def test_rows_of_the_line_show_the_picture_that_a_job_begins_with_and_say_what_is_made(client):
    picture = sent(client, noisy(64, 64))
    mask = sent(client, white(64, 64, (0, 0, 9, 9)))
    first = sent(client, noisy(64, 64, 1))
    small = {"width": 64, "height": 64}
    blocking = submit(client).json()["id"]
    parts = [
        ({}, None, ""),
        ({"init": {"picture": picture}}, picture, "img2img"),
        ({"init": {"picture": picture, "mask": {"picture": mask}}}, picture, "inpaint"),
        ({"init": {"picture": picture, "outpaint": {"left": 8}}}, picture, "outpaint"),
        ({"init": {"picture": picture, "tiles": {"overlap": 8}}, **small}, picture, "SD upscale"),
        ({"init": {"picture": picture, "loopback": {}}}, picture, "loopback"),
        ({"hires": {}, **small}, None, "hires"),
        ({"hires": {"picture": first}, **small}, first, "hires"),
        ({"upscale": {"picture": picture, "scale": 3}}, picture, "upscale"),
    ]
    for number, (request, sha256, kind) in enumerate(parts):
        job = submit(client, **request).json()["id"]
        (row,) = client.get("/api/v1/queue").json()["waiting"]
        assert (row["id"], row["input"]) == (job, sha256 and f"api/v1/inputs/{sha256}"), number
        head = ["a cat", kind] if kind and kind != "upscale" else ["a cat"]
        if kind == "upscale":
            assert row["recipe"] == "upscale · Lanczos · 3x"
        else:
            assert row["recipe"].split(" · ")[: len(head) + 1] == [*head, "Euler a"]
        client.post(f"/api/v1/jobs/{job}/cancel")
    client.post(f"/api/v1/jobs/{blocking}/cancel")
