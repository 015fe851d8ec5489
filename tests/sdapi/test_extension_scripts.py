"""Extensions by A1111's API: controls as scripts that are always on, several jobs of one call."""

import json
import threading
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from tests.jobs.fakes import eventually
from tests.sdapi.conftest import Api
from webui.api import server
from webui.extensions import Catalogue, find, installed, of_server
from webui.extensions.loading import tables_of
from webui.extensions.registry import Shelves
from webui.extensions.standing import Standing
from webui.guard import Guard, Rules

SHIPPED = ("prompt_matrix", "prompts_from_file", "perturbed_guidance")


@pytest.fixture
def extended(whole, puppet):
    """A1111's API with what ships as extensions."""
    found = {each.id: each for each in find(installed(whole.settings.data_dir))}
    shelves = Shelves()
    for id in SHIPPED:
        shelves.add(id, tables_of(found[id].folder, found[id].manifest, "server"))
    there = of_server(shelves)
    registry = replace(
        whole.registry, controls=there.controls, request_filters=there.request_filters
    )
    services = replace(whole, registry=registry)
    rules = Rules(uploads=whole.settings.temp_dir, outputs=whole.settings.outputs)
    guarded = Guard(server.create(services), rules)
    with TestClient(guarded, "http://localhost:7860", raise_server_exceptions=False) as client:
        yield Api(client, services)


def requests(api, answer):
    assert answer.status_code == 200, answer.text
    return [api.services.line.job(id).request for id in answer.json()["jobs"]]


def always(**groups):
    return {"alwayson_scripts": {name: {"args": args} for name, args in groups.items()}}


def test_controls_are_scripts_that_are_always_on(extended, puppet):
    puppet.order(*["finish"] * 4)
    for args in ([2.5], [{"scale": 2.5}], ["2.5"]):
        answer = extended.txt2img(**always(Perturbed_Guidance=args))
        if args == ["2.5"]:
            assert "extras.perturbed_guidance.scale" in extended.refusal(answer)
        else:
            [request] = requests(extended, answer)
            assert request.extras == {"perturbed_guidance": {"scale": 2.5}}
    [request] = requests(extended, extended.img2img(**always(perturbed_guidance=[2.0])))
    assert request.extras == {"perturbed_guidance": {"scale": 2.0}}
    [request] = requests(extended, extended.txt2img(**always(perturbed_guidance=[])))
    assert request.extras == {}


def test_what_is_not_there_is_refused_by_name(extended):
    for said, sentence in (
        (always(adetailer=[True]), "alwayson_scripts: 'adetailer' is not here"),
        (always(perturbed_guidance=[{"size": 1}]), "perturbed_guidance: has no 'size'"),
        ({"script_name": "x"}, "script_name: 'x' is not here; of txt2img there are: prompt matrix"),
    ):
        assert extended.refusal(extended.txt2img(**said)).startswith(sentence)


def test_a_prompt_matrix_is_one_answer_of_several_jobs(extended, puppet):
    puppet.order("finish", "finish")
    answer = extended.txt2img(
        prompt="a fox | in snow",
        script_name="Prompt matrix",
        script_args=[True, False, "positive", "space", 0],
    )
    prompts = ["a fox", "in snow a fox"]
    made = requests(extended, answer)
    assert [each.prompt for each in made] == prompts
    assert {each.seed for each in made} == {7}
    told, info = answer.json(), json.loads(answer.json()["info"])
    assert (len(told["images"]), told["job"]) == (2, told["jobs"][0])
    assert (info["all_prompts"], info["all_seeds"]) == (prompts, [7] * 2)
    assert [text.split("\n")[0] for text in info["infotexts"]] == prompts
    # handed over and not to be kept: none is in the list any more
    eventually(lambda: all(extended.services.line.job(id).dropped for id in told["jobs"]))


def test_prompts_from_lines(extended, puppet):
    puppet.order("finish", "finish")
    answer = extended.txt2img(
        script_name="prompts from file or textbox",
        script_args=[True, False, "start", "a cat\n--prompt 'a dog' --steps 2"],
    )
    made = [(each.prompt, each.steps, each.seed) for each in requests(extended, answer)]
    assert made == [("a cat", 3, 7), ("a dog", 2, 8)]
    for line, said in (
        ("--sampler_name nosuch", "line 2: sampler: must be one of"),
        ("--sd_model nosuch", "line 2: model: must be one of"),
        ("--width 8000", "line 2: --width must be"),
    ):
        refused = extended.txt2img(
            script_name="prompts from file or textbox", script_args=[False, False, "", f"a\n{line}"]
        )
        assert said in extended.refusal(refused)


def test_an_interrupt_ends_the_whole_call(extended, puppet):
    answers = []
    call = threading.Thread(
        target=lambda: answers.append(
            extended.txt2img(prompt="a|b", script_name="prompt matrix", force_task_id="mine")
        )
    )
    puppet.order("step")
    call.start()
    eventually(lambda: extended.services.line.running() is not None)
    extended.post("interrupt", {})
    call.join(30)
    states = [extended.services.line.job(id).state for id in answers[0].json()["jobs"]]
    assert len(states) == 2 and set(states) <= {"stopped", "cancelled"}


def test_scripts_are_listed_with_their_bounds(extended):
    listed = extended.get("scripts").json()
    assert listed["txt2img"] == ["prompt matrix", "prompts from file or textbox", *SHIPPED]
    assert listed["img2img"][-5:] == listed["txt2img"]
    told = {
        each["name"]: each for each in extended.get("script-info").json() if not each["is_img2img"]
    }
    [scale] = told["perturbed_guidance"]["args"]
    assert told["perturbed_guidance"]["is_alwayson"] is True
    assert (scale["label"], scale["value"], scale["minimum"]) == ("Scale", 0.0, 0.0)


def test_extensions_are_listed(whole, puppet):
    found = [each for each in find(installed(whole.settings.data_dir)) if each.id == "wildcards"]
    catalogue = Catalogue(
        tuple(Standing(each, "on") for each in found), data_dir=whole.settings.data_dir
    )
    with TestClient(
        server.create(replace(whole, extensions=catalogue)), "http://localhost:7860"
    ) as client:
        [told] = client.get("/sdapi/v1/extensions").json()
    assert (told["name"], told["enabled"]) == ("wildcards", True)
    assert told["version"]
