"""What ships has two sides, one for each process; they meet by name."""

from webui import builtin as server
from webui.engine import builtin as engine


def test_page_and_engine_know_the_same_samplers():
    assert {each.name for each in server.register_samplers()} == set(engine.register_samplers())


def test_page_and_engine_know_the_same_schedules_and_the_page_automatic_too():
    named = {each.name for each in server.register_schedules()}
    assert named == {"Automatic", *engine.register_schedules()}


def test_page_and_engine_know_the_same_previews():
    assert {each.name for each in server.register_previews()} == set(engine.register_previews())


def test_the_schedule_that_automatic_means_is_one_that_there_is():
    meant = {each.automatic for each in engine.register_samplers().values()}
    assert meant <= set(engine.register_schedules())
