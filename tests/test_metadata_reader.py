"""A1111's text read: by its rules, back to what was written, in linear time."""

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from webui import sampler_table
from webui.errors import InvalidRequest, ModelNotFound
from webui.interfaces import ServerRegistry, UpscalerInfo
from webui.library import Library
from webui.metadata import parameters_text, read_record, read_text, record_text
from webui.metadata.reader import pairs
from webui.names import check_options
from webui.recipes import Tables, read
from webui.recipes.settled import request_of
from webui.request import (
    GenerationRequest,
    SamplingOptions,
    ScheduleOptions,
    Variation,
    from_dict,
    to_dict,
)
from webui.upscalers import Upscalers

REGISTRY = ServerRegistry(
    samplers={each.name: each for each in sampler_table.SAMPLER_INFOS},
    schedules={each.name: each for each in sampler_table.SCHEDULE_INFOS},
    previews={},
    upscalers={
        "Latent": UpscalerInfo(name="Latent", kind="latent"),
        "Lanczos": UpscalerInfo(name="Lanczos", kind="interpolation"),
    },
    tabs=(),
    routes=(),
)


def tables(library, kept=()):
    return Tables(REGISTRY, library, Upscalers(Path("/nowhere")), lambda sha256: sha256 in kept)


SCHEDULES = REGISTRY.schedules
# as A1111's readers have it; only for lines that we know to be short
PAIR = re.compile(r'\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')

# --- A1111's rules ------------------------------------------------------------------------------


@given(
    st.lists(
        st.sampled_from(
            ["a", "B 9", "Key", "x-y/z", ":", ": ", ",", ", ", '"', '\\"', "\\", " ", "é", "_", "{"]
        ),
        max_size=24,
    ).map("".join)
)  # fmt: skip
@settings(max_examples=1500, deadline=None)
@example('Key: "a\\", Key: "b", Key:"c"d, Key')
@example('aa:"",bb:')
@example('aa:"b" cc,dd:e')
@example('aa:"b"Kc:d,ee:"f"c')
def test_pairs_are_those_that_a1111s_pattern_finds(line):
    def resolved(value):
        if not PAIR.fullmatch(f"aa:{value},") or not re.fullmatch(r'"(?:\\.|[^\\"])+"', value):
            return value.rstrip()
        try:
            return json.loads(value)
        except ValueError:
            return value

    expected = [(key, resolved(value)) for key, value in PAIR.findall(line)]
    assert pairs(line) == [pair for pair in expected if pair[1]]


def test_the_layout_of_a1111_is_read_with_its_trimming():
    text = read_text(
        "\n  a red fox , \n second line\t\nNegative prompt:   blurry\n more \nNegative prompt: x\n"
        'Steps: 20, Sampler: Euler a, Model: "a, \\"b\\": c", Size: 512x768 , '
        "Empty: , Version: v1\n\n"
    )
    assert (text.prompt, text.negative_prompt) == ("a red fox ,\nsecond line", "blurry\nmore\nx")
    assert text.pairs == (
        ("Steps", "20"), ("Sampler", "Euler a"), ("Model", 'a, "b": c'), ("Size", "512x768"),
        ("Version", "v1"),
    )  # fmt: skip
    assert not text.ours


@pytest.mark.parametrize(
    ("text", "prompt", "count"),
    [
        ("Steps: 1, Sampler: x", "Steps: 1, Sampler: x", 0),  # two pairs are prompt
        ("Steps: 1, Sampler: x, Seed: 3", "", 3),
        ("p\nA: 1, B: 2, C: 3", "p\nA: 1, B: 2, C: 3", 0),  # one letter is no key
        ("", "", 0),
        ("a\u2028Steps: 1, Seed: 2, Size: 1x1", "", 3),  # one line, for A1111 too
        ("a cat", "a cat", 0),
    ],
)
def test_the_last_line_counts_from_three_pairs_on(text, prompt, count):
    read = read_text(text)
    assert (read.prompt, len(read.pairs), read.recipe) == (prompt, count, count > 0)


def test_json_that_civitai_does_not_quote_is_taken_whole():
    resources = '[{"type":"checkpoint","modelVersionId":128713},{"type":"lora","weight":0.8}]'
    text = read_text(
        f"a cat\nNegative prompt: x\nSteps: 25, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1, "
        'Hashes: {"model": "abc", "vae": "def"}, '
        f"Created Date: 2024-08-11T05:23:23.1234Z, Civitai resources: {resources}, "
        "Civitai metadata: {}"
    )
    assert dict(text.pairs) == {
        "Steps": "25", "Sampler": "DPM++ 2M Karras", "CFG scale": "7", "Seed": "1",
        "Hashes": '{"model": "abc", "vae": "def"}', "Created Date": "2024-08-11T05:23:23.1234Z",
        "Civitai resources": resources, "Civitai metadata": "{}",
    }  # fmt: skip


def test_unquoted_json_is_looked_for_once():
    found = pairs('Hashes: {"a": 1, "b": 2}, Seed: 5, Hashes: {"c": 3, "d": 4}, Steps: 6')
    assert found == [
        ("Hashes", '{"a": 1, "b": 2}'), ("Seed", "5"), ("Hashes", '{"c": 3'), ("Steps", "6"),
    ]  # fmt: skip


def test_half_a_character_in_a_quoted_value_is_replaced():
    value = dict(read_text('p\nSteps: 1, Seed: 2, Model: "a\\ud800b,"').pairs)["Model"]
    assert value.encode() == b"a?b,"


# --- the way back -------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
TRICKY = st.lists(
    st.sampled_from(
        ["Steps: 20, Sampler: x, Seed: 1", "Negative prompt", "\n", "\r", "\r\n", "\u2028", "\x85",
         "\x0b", " ", "\t", '"', '\\"', ",", ":", "\U0001f431\u200d\U0001f5a4", "(a:1.2)",
         "Version: darkroom-1", "<lora:x:1>"]
    ),
    max_size=8,
).map("".join)  # fmt: skip
PROMPTS = (ANY_TEXT | TRICKY).filter(
    lambda text: not any(line.startswith("Negative prompt:") for line in text.split("\n"))
)


def optional(strategy):
    return st.none() | strategy


def numbers(low, high):
    return st.floats(low, high) | st.integers(int(low) + 1, int(high)).map(float)


@st.composite
def requests(draw):
    """Any request for one picture that the sampler and schedule can be told."""
    info = draw(st.sampled_from(sampler_table.SAMPLER_INFOS))
    schedule = draw(st.sampled_from(sampler_table.SCHEDULE_INFOS))
    ranges = {"eta": (0, 1), "s_churn": (0, 100), "s_tmin": (0, 100), "s_tmax": (0, 999)}
    chosen = {
        name: draw(optional(numbers(*ranges.get(name, (0, 1.1)))))
        for name in info.parameters
        if name not in ("order", "solver_type")
    }
    for name, known in (("order", info.orders), ("solver_type", info.solver_types)):
        if known:
            chosen[name] = draw(optional(st.sampled_from(known)))
    steps = draw(st.integers(1, 150))
    options = {}
    if draw(st.booleans()):
        ends = {"sigma_min": (0.001, 1), "sigma_max": (1.5, 1000), "rho": (0.1, 30)}
        ends["shift"] = (0.1, 100)
        meant = SCHEDULES[info.automatic] if schedule.name == "Automatic" else schedule
        options = {name: draw(optional(numbers(*ends[name]))) for name in meant.parameters}
    elif draw(st.booleans()):
        steps = draw(st.integers(1, 4))
        levels = draw(st.lists(st.floats(1e-6, 1000), min_size=steps, max_size=steps, unique=True))
        options = {"sigmas": (*sorted(levels, reverse=True), 0.0)}
    sides = st.integers(8, 256).map(lambda side: side * 8)
    return GenerationRequest(
        model=draw(ANY_TEXT.filter(bool)),
        prompt=draw(PROMPTS),
        negative_prompt=draw(ANY_TEXT | TRICKY),
        seed=draw(st.integers(0, 2**32 - 1)),
        rng=draw(st.sampled_from(["cpu", "nv"])),
        variation=draw(
            optional(
                st.builds(Variation, seed=st.integers(0, 2**32 - 1), strength=st.floats(0.01, 1))
            )
        ),
        seed_resize=draw(optional(st.tuples(sides, sides))),
        sampler=info.name,
        sampling=SamplingOptions(**chosen),
        schedule=schedule.name,
        schedule_options=ScheduleOptions(**options),
        steps=steps,
        guidance_scale=draw(st.floats(1, 30)),
        emphasis=draw(st.sampled_from(["original", "no norm", "ignore", "none"])),
        clip_skip=draw(st.integers(1, 12)),
        width=draw(sides),
        height=draw(sides),
    )


class NoModels(Library):
    def __init__(self):
        pass

    folder = "models"

    def entries(self):
        return []

    def find(self, name):
        raise ModelNotFound(name)

    def find_vae(self, name):
        raise ModelNotFound(name)


def form_request(values):
    """What the form would submit, with its text of levels as a list again."""
    sigmas = values.get("schedule_options.sigmas")
    levels = None if sigmas is None else [float(each) for each in sigmas.split(",")]
    return request_of(values | {"schedule_options.sigmas": levels})


@settings(max_examples=300, deadline=None)
@given(requests())
def test_a1111s_text_gives_back_any_request_but_its_model(request):
    check_options(REGISTRY, request)
    text = parameters_text(request, "", "0.1.0")
    found = read(tables(NoModels()), text)
    assert found.source == "a1111"
    assert [lost.name for lost in found.lost] == ["Model"]
    assert form_request(found.values | {"model": request.model}) == request
    assert dict(read_text(text).pairs)["Model"] == request.model


@settings(max_examples=100, deadline=None)
@given(requests(), st.integers(1, 800), st.integers(1, 8), ANY_TEXT)
def test_our_json_gives_back_any_request_whatsoever(request, images, batch, prompt):
    everything = to_dict(request) | {
        "images": images, "batch_size": batch, "extras": {"x": [1, None, {"y": "猫"}]},
        "embeddings": {"goldleaf": "ab" * 32},
        "prompt": prompt + "\nNegative prompt: z\n" + prompt,
    }  # fmt: skip
    request = from_dict(everything)
    record = record_text(request, "ab" * 32, "0.1.0")
    assert record.isascii()
    back = read_record(record)
    assert (back.request, back.model_hash, back.version) == (request, "ab" * 32, "0.1.0")
    found = read(tables(NoModels()), None, record)
    values = found.values
    made = values["batch_count"] * values["batch_size"]
    assert made == images or (made < images and "Pictures" in [each.name for each in found.lost])
    form = form_request(values | {"model": request.model})
    everything |= {"extras": {}, "images": 1, "batch_size": 1, "embeddings": {}}
    assert to_dict(form) == everything


@given(requests())
@settings(max_examples=200, deadline=None)
def test_a1111s_own_reader_finds_the_same_in_our_text(request):
    """Its rules, told again: it trims lines and finds pairs; nothing moves into another field."""
    lines = parameters_text(request, "", "1").strip().split("\n")
    found = PAIR.findall(lines.pop())
    keys = [key for key, _ in found]
    assert keys[:5] == ["Steps", "Sampler", "Schedule type", "CFG scale", "Seed"]
    assert keys[-1] == "Version" and len(set(keys)) == len(keys)
    prompt = "\n".join(line.strip() for line in request.prompt.split("\n"))
    assert "\n".join(line.strip() for line in lines).strip().startswith(prompt.strip())


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "{}", "{", '{"request": {}}', '{"request": 5}',
     '{"request": {"model": "m"}}',
     '{"request": {"model": "m", "prompt": "p", "seed": 1, "steps": 0}}', '{"request": NaN}',
     '{"request": {"model": "m", "prompt": "p", "seed": 1, "new": 2}}', "[" * 100_000, "\ud800",
     '{"request": {"model": "m", "prompt": "\\ud800", "seed": 1}}', "x" * (2**21 + 1)],
)  # fmt: skip
def test_a_record_that_is_none_says_what_is_wrong(text):
    with pytest.raises(InvalidRequest):
        read_record(text)


# --- time ---------------------------------------------------------------------------------------

HOSTILE = {
    "letters": "a", "keys": "aa:", "pairs": "aa:b,", "open quotes": 'aa:"', "quotes": '"',
    "escapes": 'aa:"\\', "spaces": " ", "spaces and colons": "a : ", "hyphens": "a-",
    "lines": "\n",
    "negatives": "\nNegative prompt:", "unclosed JSON": "Hashes: [",
    "more JSON": 'Hashes: {"a":[',
    "quoted": 'aa:"b",', "quoted badly": 'aa:"b"c,', "sizes": "Size:1x1,", "separators": "\u2028",
    "JSON with strings": 'Civitai resources: ["', "nothing but colons": ":", "key of blanks": "a ",
}  # fmt: skip
TAILS = ("", "\nSteps: 1, Seed: 2, Size: 8x8", '\naa:b,aa:b,aa:b,aa:"')


def seconds(unit, tail, length):
    """The best of three, of this process alone."""
    text = unit * (length // len(unit)) + tail
    times = []
    for _ in range(3):
        began = time.process_time()
        read(tables(NoModels()), text)
        times.append(time.process_time() - began)
    return min(times)


@pytest.mark.parametrize("tail", TAILS, ids=["alone", "with pairs", "open"])
@pytest.mark.parametrize("name", HOSTILE)
def test_any_200_kb_are_read_at_once_and_in_eight_times_the_time_of_25(name, tail):
    """A busy machine may make it 2.5 times as much; what is quadratic would take 64 times."""
    short, long = (seconds(HOSTILE[name], tail, length) for length in (25_000, 200_000))
    assert long < 1
    assert long < 20 * short + 0.01


@given(st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_no_text_breaks_the_reader(text):
    read(tables(NoModels()), text + "\nSteps: 1, Seed: x, Size: 1x" + text, text)
    found = read(tables(NoModels()), text)
    assert found.source in (None, "a1111")
