import os

import pytest

from webui.api.routes.pictures import contained


@pytest.fixture
def out(services):
    """Pictures that may be served, and what lies around them."""
    out = services.settings.outputs
    for path in ("2026-02-03/a b#\u732b.png", ".darkroom/x.png", ".x.png", "day/.x.png",
                 "day/x.PNG",
                 "day/x.html", "day/x.svg", "day/jobs.sqlite",
                 "day/x.gif", "day/x.jpeg", "day/.x.webp"):  # fmt: skip
        (out / path).parent.mkdir(parents=True, exist_ok=True)
        (out / path).write_bytes(b"x")
    secret = out.parent / "secret.png"
    secret.write_bytes(b"secret")
    (out / "day/link.png").symlink_to(secret)
    (out / "linked").symlink_to(out.parent)
    (out / "day/circle.png").symlink_to("circle.png")
    (out / "day/to hidden.png").symlink_to(out / ".darkroom/x.png")
    (out / "day/folder.png").mkdir()
    os.mkfifo(out / "day/fifo.png")
    (out / "day/zero.png").symlink_to("/dev/zero")
    return out


def test_a_saved_picture_is_served_whatever_its_name(client, out):
    answer = client.get("/api/v1/pictures/2026-02-03/a%20b%23%E7%8C%AB.png")
    assert (answer.status_code, answer.content) == (200, b"x")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("y.png", "image/png"), ("y.jpg", "image/jpeg"), ("y.webp", "image/webp"),
     ("y.avif", "image/avif")],
)  # fmt: skip
def test_a_picture_is_served_as_what_it_is(client, out, name, kind):
    (out / "day" / name).write_bytes(b"y")
    answer = client.get(f"/api/v1/pictures/day/{name}")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, kind, b"y")
    assert answer.headers["content-disposition"] == f'inline; filename="{name}"'


ELSEWHERE = [
    "../secret.png", "day/../../secret.png", "..%2fsecret.png", "%2e%2e/secret.png", "/etc/passwd",
    "%252e%252e/secret.png", "..\\secret.png", "day/..%5c..%5csecret.png", "C:/x.png", "c:x.png",
    "//host/share/x.png", "file:///etc/passwd", "~/x.png", "%00", "day/x.png%00", "x%0a.png",
    "x" * 5000 + ".png", ".darkroom/x.png", "day/../.darkroom/x.png", ".x.png", "day/.x.png",
    "day/x.PNG", "day/x.gif", "day/x.jpeg", "day/.x.webp",
    "day/x.html", "day/x.svg", "day/jobs.sqlite", "day/link.png", "linked/secret.png",
    "day/circle.png", "day/to hidden.png", "day/folder.png", "day/fifo.png", "day/zero.png", "day",
    "", ".", "2026-02-03/", "2026-02-03//a", "CON.png", "\uff0e\uff0e/secret.png", "day/x.png.",
    "2026-02-03/./a b#\u732b.png",
]  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_nothing_else_is_served(client, out, path):
    answer = client.get("/api/v1/pictures/" + path)
    assert answer.status_code in (400, 404, 414) and b"secret" not in answer.content
    assert contained(out, path) is None


def test_a_file_that_goes_while_it_is_asked_for_is_no_error_of_the_server(client, out, monkeypatch):
    def seen(folder, path):  # and removed at once, as a call of A1111's API does
        found = contained(folder, path)
        found.unlink()
        return found

    monkeypatch.setattr("webui.api.routes.pictures.contained", seen)
    answer = client.get("/api/v1/pictures/2026-02-03/a%20b%23%E7%8C%AB.png")
    assert answer.status_code == 404
    assert "there is no such picture" in answer.text
