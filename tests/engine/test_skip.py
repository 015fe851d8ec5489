"""Leaving pictures out, and what is left to go on with."""

import pytest

from tests.engine.conftest import play, request
from webui.engine.engine import Control
from webui.events import Rendered, Skipped, Step
from webui.trajectories import read_header, read_spool
from webui.wire import RunOptions


def played(engine, asked, act, folder=None):
    """Plays a run; `act(event, control)` may ask for something after each event."""
    control, events = Control(), []
    run = engine.run(asked, RunOptions(keep=folder and str(folder)), control)
    try:
        while True:
            events.append(next(run))
            act(events[-1], control)
    except StopIteration as ended:
        return events, ended.value


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def test_a_skip_ends_its_batch_after_the_step_and_the_others_are_as_ever(engine):
    asked = request(images=3)

    def act(event, control):
        if isinstance(event, Step) and (event.batch, event.step) == (1, 2):
            control.skip = 1

    events, outcome = played(engine, asked, act)
    assert outcome == "done"
    assert [step.step for step in of(events, Step) if step.batch == 1] == [1, 2]
    assert of(events, Skipped) == [Skipped(1, 2)]
    pictures = {event.image: event.picture.rgb for event in of(events, Rendered)}
    whole = play(engine, asked).pictures
    assert pictures == {0: whole[0], 2: whole[2]}


@pytest.mark.parametrize(("ask", "images"), [("skip", [0, 3, 4, 5]), ("discard", [0])])
def test_while_pictures_are_decoded_it_acts_between_two_of_them(engine, ask, images):
    def act(event, control):
        if isinstance(event, Rendered) and event.image == 0:
            if ask == "skip":
                control.skip = 0
            else:
                control.stop = "discard"

    events, outcome = played(engine, request(images=6, batch_size=3, steps=2), act)
    assert outcome == ("done" if ask == "skip" else "cancelled")
    assert [event.image for event in of(events, Rendered)] == images
    assert of(events, Skipped) == ([Skipped(0, 2)] if ask == "skip" else [])


def test_a_skip_of_another_batch_or_after_a_stop_or_too_late_does_nothing(engine):
    def late(event, control):
        if isinstance(event, Rendered):
            control.skip = 0

    def other(event, control):
        control.skip = 5

    def stopped(event, control):
        if isinstance(event, Step):
            control.stop, control.skip = "keep", 0

    for act, outcome in [(late, "done"), (other, "done"), (stopped, "stopped")]:
        events, ended = played(engine, request(steps=3), act)
        assert (ended, len(of(events, Rendered)), of(events, Skipped)) == (outcome, 1, [])


def test_a_run_that_was_thrown_away_can_be_gone_on_with(engine, tmp_path):
    asked = request(steps=6)

    def act(event, control):
        if isinstance(event, Step) and event.step == 4:
            control.stop = "discard"

    played(engine, asked, act, tmp_path)
    assert len(read_spool(tmp_path, read_header(tmp_path, 0))) == 4
    rest = play(engine, asked, RunOptions(keep=str(tmp_path)))
    assert [step.step for step in rest.of(Step)] == [5, 6]
    assert rest.pictures == play(engine, asked).pictures
