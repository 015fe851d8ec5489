"""Event listeners: told by a thread of their own; what fails or hangs in one keeps no other."""

import threading

from webui import EventListener
from webui.events import Finished, Queued, Started
from webui.extensions import Conduct
from webui.interfaces.server_hooks import Owned
from webui.listeners import HeardLog, Listeners


def told(*listeners):
    conduct = Conduct()
    made = Listeners([Owned(f"ext{i}", each) for i, each in enumerate(listeners)], conduct)
    return HeardLog(made), made, conduct


def test_a_listener_hears_what_is_appended_of_its_kinds_in_order():
    heard, ended = [], []
    log, made, _ = told(
        EventListener(hear=lambda job, event: heard.append((job, event))),
        EventListener(hear=lambda job, event: ended.append(job), kinds=(Finished,)),
    )
    events = [Queued(0), Started(1, 4), Finished("done")]
    numbers = [log.append("job-1", event) for event in events]
    made.close()
    assert heard == [("job-1", event) for event in events]
    assert ended == ["job-1"]
    assert [number for number, _ in log.read("job-1", 0)[0]] == numbers


def test_one_that_raises_is_switched_off_and_one_that_hangs_holds_up_nobody():
    heard, never = [], threading.Event()

    def raises(job, event):
        raise ValueError("deaf")

    log, made, conduct = told(
        EventListener(hear=raises),
        EventListener(hear=lambda job, event: never.wait()),
        EventListener(hear=lambda job, event: heard.append(job)),
    )
    for number in range(3000):  # more than the one that hangs can remember
        log.append(f"job-{number % 3}", Queued(number))
        if number % 500 == 0:
            threading.Event().wait(0.01)
    made.close()
    never.set()
    assert set(heard) == {"job-0", "job-1", "job-2"}
    assert conduct.off("ext0").endswith("event listener: ValueError: deaf")
    assert conduct.off("ext2") == ""
