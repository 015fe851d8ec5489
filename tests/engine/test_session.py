"""The engine's end of the pipe with runs and calls that take their time: who waits for whom."""

import queue
import threading
import time
from types import SimpleNamespace

from tests.engine.conftest import request
from webui.engine.session import Session
from webui.events import Picture, Stage, Step
from webui.request import to_dict
from webui.wire import Message

STEPS = 20
LOOK = {"batch": 0, "step": 1, "kind": "noisy", "method": "vae"}
PREVIEW = {"keep": "/kept", "look": LOOK}


class Slow:
    """Steps of 5 ms, previews of 50; `asked` is what each preview puts into the inbox."""

    def __init__(self):
        self.inbox = queue.Queue()
        self.asked = []
        self.previews = 0

    def run(self, asked, options, control):
        for step in range(1, STEPS + 1):
            time.sleep(0.005)
            yield Step(0, step, STEPS, 1.0, 0.005)
            if control.stop:
                return "cancelled"
        yield Stage("decoding")
        return "done"

    def preview(self, *place, running, inputs):
        time.sleep(0.05)
        self.previews += 1
        for head in self.asked:
            self.inbox.put(Message(dict(head)))
        return Picture(1, 1, b"abc")


def call(number, name, **args):
    return {"call": number, "name": name, "args": args}


def run(job):
    return {"run": job, "request": to_dict(request()), "options": {}}


def serve(slow, *heads):
    """What it sends, as it comes, of a session that is given these messages at once."""
    sent = queue.Queue()
    session = Session(slow, SimpleNamespace(loaded=None), None, sent.put)
    for head in heads:
        slow.inbox.put(Message(head))
    threading.Thread(target=session.serve, args=(slow.inbox,), daemon=True).start()
    return sent


def until(sent, wanted, seconds=10):
    heads, deadline = [], time.monotonic() + seconds
    while not heads or wanted not in heads[-1]:
        heads.append(sent.get(timeout=deadline - time.monotonic()).head)
    return heads


def test_readers_who_always_ask_for_more_leave_a_run_half_of_its_time():
    slow = Slow()
    slow.asked = [call(2, "preview", **PREVIEW)]  # whoever got one asks for the next
    sent = serve(slow, run("job-1"), *[call(2, "preview", **PREVIEW)] * 10)
    until(sent, "event")
    began = time.monotonic()
    heads = until(sent, "end")
    slow.asked = []
    assert heads[-1] == {"end": "job-1", "outcome": "done"}
    # 20 steps of 5 ms: as much again for previews, and one that had begun at each end
    assert 1 <= sum("answer" in head for head in heads) <= 8
    assert time.monotonic() - began < 2


def test_a_cancel_does_not_wait_behind_previews():
    slow = Slow()
    previews = [call(number, "preview", **PREVIEW) for number in range(10, 40)]
    sent = serve(slow, run("job-1"), *previews, call(1, "stop", job="job-1", keep=False))
    heads = until(sent, "end")
    assert heads[-1]["outcome"] == "cancelled"
    assert [head["event"]["step"] for head in heads if "event" in head] == [1]
    until(sent, "answer")  # and the previews come all the same
    while slow.previews < 30:
        until(sent, "answer")


def test_a_run_does_not_wait_behind_previews_that_came_before_it():
    slow = Slow()
    previews = [call(number, "preview", **PREVIEW) for number in range(10, 40)]
    sent = serve(slow, *previews, run("job-1"))
    heads = until(sent, "event")
    assert sum("answer" in head for head in heads) == 0
    until(sent, "end")
    assert slow.previews < 10
