import io
import json
import struct
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui.errors import (
    DarkroomError,
    EngineDied,
    EngineFailed,
    InvalidRequest,
    error_of,
    failure,
)
from webui.events import Picture, Preview, Rendered, Saved, Stage, Step, Warned
from webui.request import GenerationRequest
from webui.wire import Message, event_message, event_to_dict, message_event, read, write

REQUEST = GenerationRequest(
    model="m", prompt="a cat ✓", seed=5, extras={"x": {"y": [1, 2.5, None]}}
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


def sent(*messages):
    stream = io.BytesIO()
    for message in messages:
        write(stream, message)
    stream.seek(0)
    return stream


@given(st.lists(st.tuples(JSON, st.lists(st.binary(max_size=50))), max_size=4))
def test_what_is_written_is_read(contents):
    messages = [Message({"value": value}, tuple(blobs)) for value, blobs in contents]
    stream = sent(*messages)
    assert [read(stream) for _ in messages] == messages
    assert read(stream) is None


@pytest.mark.parametrize(
    "event",
    [
        Stage("sampling"),
        Step(0, 3, 20, 2.5, 0.25),
        Preview(1, 2, "noisy", "fast", Picture(2, 1, b"abcdef")),
        Warned("<b>ü</b>\n"),
        Rendered(3, Picture(1, 2, b"uvwxyz"), REQUEST, 1.5, 10**12, ("VAE decoded in tiles",)),
        Rendered(0, Picture(1, 1, b"rgb"), REQUEST, 0.0, 0),
        Rendered(0, Picture(2, 1, b"rgbRGB", b"aA"), REQUEST, 0.0, 0),
        Stage("upscaling", 3, 16),
    ],
)
def test_an_event_comes_out_as_it_went_in(event):
    assert message_event(read(sent(event_message(event)))) == event


def test_an_event_as_json_names_its_type_and_leaves_the_pixels_out():
    preview = Preview(1, 2, "noisy", "fast", Picture(2, 1, b"abcdef"))
    assert event_to_dict(preview) == {
        "type": "Preview",
        "batch": 1,
        "step": 2,
        "kind": "noisy",
        "method": "fast",
        "picture": {"width": 2, "height": 1},
        "turn": 0,
    }
    json.dumps(event_to_dict(Saved(0, "a/b.png", REQUEST, 1.0, 2, 8, 8)))


def test_a_message_cut_anywhere_is_refused():
    whole = sent(Message({"value": "ü"}, (b"12345", b"6"))).getvalue()
    for length in range(1, len(whole)):
        with pytest.raises(EngineDied):
            read(io.BytesIO(whole[:length]))


@pytest.mark.parametrize(
    "head", [b"", b"[]", b"{", b"\xff", b"{}", b'{"blobs": 3}', b'{"blobs": ["x"]}', b"null"]
)
def test_a_head_that_is_no_message_is_refused(head):
    with pytest.raises(EngineDied):
        read(io.BytesIO(struct.pack(">I", len(head)) + head))


def test_a_head_of_absurd_length_is_refused_unread():
    with pytest.raises(EngineDied, match="4294967295 bytes"):
        read(io.BytesIO(b"\xff\xff\xff\xff"))


@pytest.mark.parametrize(
    "kind", [each for each in DarkroomError.__subclasses__() if each.__module__ == "webui.errors"]
)
def test_every_error_crosses_as_a_value_and_comes_back(kind):
    error = kind("width", "is odd") if kind is InvalidRequest else kind("what went wrong")
    back = error_of(failure(error))
    assert (type(back), str(back)) == (kind, str(error))


@pytest.mark.parametrize("make", [EngineFailed, OSError, lambda text: InvalidRequest(text, text)])
def test_an_error_that_quotes_what_is_no_text_can_be_sent_and_stays_short(make):
    failed = failure(make("no file \udcff\ud800" + "\udcff" * 10**6))
    assert failed.text.removeprefix("OSError: ").startswith("no file \\udcff\\ud800\\udcff")
    assert len(failed.text) <= 2000 and len(failed.field or "") <= 2000
    json.dumps(asdict(failed), ensure_ascii=False).encode()


def test_text_that_is_none_does_not_break_the_pipe():
    assert read(sent(Message({"value": "\udcff"}))) == Message({"value": "\udcff"})


def test_an_error_that_is_not_ours_comes_back_as_engine_failed():
    back = error_of(failure(SystemExit(3)))
    assert (type(back), str(back)) == (EngineFailed, "SystemExit: 3")
