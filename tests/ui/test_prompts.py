"""What surrounds the prompts: their places on the page, and the strip's way to jobs."""

from typing import Any

import pytest

from webui.errors import InvalidRequest
from webui.ui import mix, page

pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Gradio leaves event loops open
]

VALUES: dict[str, Any] = {
    "model": "small",
    "sampler": "Euler",
    "schedule": "Karras",
    "steps": 8,
    "width": 128,
    "height": 128,
    "batch_count": 3,
    "batch_size": 2,
    "seed": -1,
    "prompt": "what stands in the box",
}
RATIOS = [f"<mix:cat,panda:{ratio}>" for ratio in (0, 0.5, 1)]


def submitted(services: Any) -> list[Any]:
    return [request for request, _ in services.line.submitted]


def test_what_surrounds_the_prompts_is_there_once_and_they_come_first(services) -> None:
    components = page.build(services).get_config_file()["components"]
    ids = [each["props"].get("elem_id") for each in components]
    for element in (
        "txt2img_prompt_notes",
        "txt2img_neg_prompt_notes",
        "txt2img_microscope",
        "txt2img_mix",
    ):
        assert ids.count(element) == 1, element
    assert ids.index("txt2img_prompt") < ids.index("txt2img_generate") < ids.index("txt2img_mix")


def test_a_strip_is_a_job_for_each_prompt_with_one_picture_and_one_seed(services) -> None:
    ids = mix.queued(services, VALUES, RATIOS, owner="tab1")
    assert ids == ["job1", "job2", "job3"]
    requests = submitted(services)
    assert [each.prompt for each in requests] == RATIOS
    assert {(each.images, each.batch_size, each.steps) for each in requests} == {(1, 1, 8)}
    (seed,) = {each.seed for each in requests}
    assert 0 <= seed < 2**32
    assert {owner for _, owner in services.line.submitted} == {"tab1"}


def test_a_random_variation_seed_is_one_too(services) -> None:
    values = VALUES | {"variation": {"seed": -1, "strength": 0.3}}
    mix.queued(services, values, RATIOS, owner="")
    (variation,) = {each.variation for each in submitted(services)}
    assert 0 <= variation.seed < 2**32
    assert variation.strength == 0.3


def test_nothing_of_a_strip_is_queued_if_one_of_it_cannot_be(services) -> None:
    with pytest.raises(InvalidRequest) as error:
        mix.queued(services, VALUES | {"height": 500}, RATIOS, owner="")
    assert error.value.field == "height"
    with pytest.raises(InvalidRequest) as error:
        mix.queued(services, VALUES, [*RATIOS, "x" * 10**6], owner="")
    assert error.value.field == "prompt"
    assert submitted(services) == []


@pytest.mark.parametrize(
    "asked", [None, 7, {}, {"prompts": "cat"}, {"prompts": ["cat", 7]}, {"prompts": ["cat"]}]
)
def test_a_strip_of_nonsense_is_refused(asked: object) -> None:
    with pytest.raises(InvalidRequest):
        mix.prompts(asked)


def test_a_strip_has_an_end() -> None:
    assert len(mix.prompts({"prompts": ["cat"] * mix.MOST})) == mix.MOST
    with pytest.raises(InvalidRequest, match="2 to 21 texts for a strip, got 22"):
        mix.prompts({"prompts": ["cat"] * (mix.MOST + 1)})
