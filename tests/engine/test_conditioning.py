"""From windows to conditionings: against transformers and diffusers, and against whole values."""

import math

import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTextConfig, CLIPTextModel

from tests.engine.conftest import MODELS, tiny_pipeline
from tests.engine.texts import ids_of, text_windows, window
from webui.engine.clip import ClipTextEncoder, Specials
from webui.engine.conditioning import conditioner as conditioner_module
from webui.engine.conditioning.blending import linear, slerp
from webui.engine.conditioning.conditioner import (
    EMPTY,
    Conditioner,
    Reading,
    embeddings_in,
    equally_long,
)
from webui.engine.conditioning.emphasis import emphasised
from webui.errors import InvalidRequest, ModelRefused
from webui.interfaces import Conditioning
from webui.prompt.parts import Term, Vector

CAT, PANDA, DOG = 2368, 12949, 1929
NORMAL = Reading()


class Learned:
    """Two embeddings of 32 wide vectors, whose contents can be changed."""

    def __init__(self):
        generator = torch.Generator().manual_seed(5)
        self.rows = {"goldleaf": torch.randn(2, 32, generator=generator)}
        self.version = 1

    def stamp(self, name):
        return name, self.version

    def row(self, name, row, encoder):
        assert encoder == "clip_l"
        return self.rows[name][row]


class Counted(ClipTextEncoder):
    """Counts how often the network is called."""

    calls = 0

    def encode(self, *given):
        self.calls += 1
        return super().encode(*given)


def specials(tokenizer):
    return Specials(tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)


@pytest.fixture(scope="module")
def pipe():
    return tiny_pipeline()


@pytest.fixture
def encoder(pipe):
    return Counted("clip_l", specials(pipe.tokenizer), pipe.text_encoder.requires_grad_(False))


@pytest.fixture
def learned():
    return Learned()


@pytest.fixture
def conditioner(encoder, learned):
    return Conditioner([encoder], learned)


def by_diffusers(pipe, text):
    with torch.no_grad():
        return pipe.encode_prompt(text, "cpu", 1, False)[0]


def by_a_shorter_network(pipe, text, layers):
    """The network without its last layers. (diffusers' own clip skip fails with this version of
    transformers.)"""
    whole = pipe.text_encoder
    config = CLIPTextConfig.from_dict(whole.config.to_dict() | {"num_hidden_layers": layers})
    shorter = CLIPTextModel(config).eval()
    shorter.load_state_dict(
        {name: each for name, each in whole.state_dict().items() if name in shorter.state_dict()}
    )
    return by_diffusers(
        StableDiffusionPipeline(
            **pipe.components | {"text_encoder": shorter}, requires_safety_checker=False
        ),
        text,
    )


def context(conditioner, windows, reading=NORMAL):
    return conditioner.text(windows, reading).context


# --- plain texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "a red apple", "cat, panda; 7 dogs!", "word " * 75])
@pytest.mark.parametrize("clip_skip", [1, 2, 3])
def test_a_plain_text_is_diffusers_own_encoding_bit_for_bit(pipe, conditioner, text, clip_skip):
    if clip_skip == 1:
        theirs = by_diffusers(pipe, text)
    else:
        theirs = by_a_shorter_network(pipe, text, 4 - clip_skip)
    mine = context(conditioner, text_windows(text), Reading(clip_skip=clip_skip))
    assert mine.shape == (1, 77, 32)
    assert torch.equal(mine, theirs)


def test_the_shipped_models_encoding_is_the_pipelines_bit_for_bit():
    folder = MODELS / "checkpoints" / "fluent-emoji"
    pipe = StableDiffusionPipeline.from_pretrained(
        str(folder), local_files_only=True, dtype=torch.float32
    )
    encoder = ClipTextEncoder("clip_l", specials(pipe.tokenizer), pipe.text_encoder)
    mine = Conditioner([encoder], Learned())
    text = "panda on a blue background"
    for each in ("", text):
        with torch.no_grad():
            assert torch.equal(context(mine, text_windows(each)), by_diffusers(pipe, each))
    plain = by_diffusers(pipe, text)
    for weight in (0.5, 1.3, 3.0):  # blue is the fourth word, after the beginning
        weighted = plain.clone()
        weighted[:, 4] *= weight
        loud = [window(*ids_of(text), weights={3: weight})]
        assert torch.equal(context(mine, loud, Reading("no norm")), weighted)
        scaled = weighted * (plain.mean() / weighted.mean())
        assert torch.equal(context(mine, loud), scaled)


@pytest.mark.parametrize("emphasis", ["original", "no norm", "ignore", "none"])
def test_weights_of_1_change_no_bit(pipe, conditioner, emphasis):
    mine = context(conditioner, text_windows("a red apple"), Reading(emphasis))
    assert torch.equal(mine, by_diffusers(pipe, "a red apple"))


def test_windows_are_encoded_each_alone_and_stand_side_by_side(pipe, conditioner):
    first, second = ids_of("a red apple"), ids_of("green frog")
    mine = context(conditioner, [window(*first), window(*second)])
    theirs = [by_diffusers(pipe, text) for text in ("a red apple", "green frog")]
    assert torch.equal(mine, torch.cat(theirs, dim=1))


def test_an_id_that_the_table_has_not_is_refused_before_the_network_sees_it(conditioner, encoder):
    with pytest.raises(ModelRefused, match="gives the token 49408, and its text encoder knows"):
        conditioner.text([window(CAT, 49408)], NORMAL)
    with pytest.raises(ModelRefused, match="gives the token -1"):
        encoder.vectors([-1])


@pytest.mark.parametrize(
    ("kind", "lacking"),
    [("bos", Specials(None, 5, 5)), ("eos", Specials(5, None, 5)), ("pad", Specials(5, 5, None))],
)
def test_a_tokenizer_without_a_special_token_is_refused(pipe, kind, lacking):
    with pytest.raises(ValueError, match=f"has no {kind} token"):
        ClipTextEncoder("clip_l", lacking, pipe.text_encoder)


# --- emphasis -------------------------------------------------------------------------------------


def test_a_weight_multiplies_its_token_alone_and_original_keeps_the_mean():
    hidden = torch.randn(1, 77, 4, generator=torch.Generator().manual_seed(1)) + 0.5
    factors = torch.ones(77)
    factors[2] = 1.3
    no_norm = emphasised(hidden, [1.0, 1.3, 1.0], "no norm")
    assert torch.equal(no_norm, hidden * factors[:, None])
    original = emphasised(hidden, [1.0, 1.3, 1.0], "original")
    assert torch.allclose(original, no_norm * (hidden.mean() / no_norm.mean()), rtol=1e-6)
    assert original.mean().item() == pytest.approx(hidden.mean().item(), rel=1e-5)
    for emphasis in ("ignore", "none"):
        assert torch.equal(emphasised(hidden, [1.0, 1.3, 1.0], emphasis), hidden)


def test_the_mean_is_kept_window_by_window(conditioner):
    loud = {1: 1.5}
    both = context(conditioner, [window(CAT, DOG, weights=loud), window(PANDA, weights={0: 0.5})])
    alone = [
        context(conditioner, [window(CAT, DOG, weights=loud)]),
        context(conditioner, [window(PANDA, weights={0: 0.5})]),
    ]
    assert torch.equal(both, torch.cat(alone, dim=1))
    assert not torch.equal(alone[0], context(conditioner, [window(CAT, DOG)]))


def test_all_weights_0_leave_the_frame_and_no_nan():
    hidden = torch.ones(1, 77, 4)
    assert bool(torch.isfinite(emphasised(hidden, [0.0] * 75, "original")).all())
    # begin is 1 and the token becomes -1: the mean to scale by is 0
    assert emphasised(torch.ones(1, 2, 2), [-1.0], "original").tolist() == [[[1, 1], [-1, -1]]]


# --- vectors in the place of tokens ---------------------------------------------------------------


def mix(*terms, mixing="linear"):
    return Vector(tuple(Term(factor, id) for factor, id in terms), mixing)


class Spy:
    """Takes down what comes out of the token table and what goes into the transformer."""

    def __init__(self, network):
        self.seen = []
        table = network.embeddings.token_embedding
        # a hook that is registered before the one under test runs before it; the sum runs after
        network.embeddings.register_forward_hook(lambda *given: self.seen.append(given[2].clone()))
        self.positions = network.embeddings.position_embedding.weight
        self.table = table


def test_a_replaced_vector_leaves_every_other_input_as_it_was(pipe, conditioner):
    spy = Spy(pipe.text_encoder)
    context(conditioner, [window(CAT, PANDA, DOG)])
    half = mix((0.4, CAT), (0.6, PANDA))
    context(conditioner, [window(CAT, PANDA, DOG, vectors={1: half})])
    assert not spy.table._forward_hooks  # nothing stays behind for the next text
    plain, mixed = spy.seen
    same = (plain == mixed).all(-1)[0]
    assert same.tolist() == [place != 2 for place in range(77)]  # begin stands before it
    table = spy.table.weight
    assert torch.equal(mixed[0, 2], 0.4 * table[CAT] + 0.6 * table[PANDA] + spy.positions[2])


@pytest.mark.parametrize("mixing", ["linear", "slerp"])
def test_a_mix_at_its_ends_is_its_parent_bit_for_bit(conditioner, mixing):
    for share, parent in ((0.0, CAT), (1.0, PANDA)):
        mixed = mix((1 - share, CAT), (share, PANDA), mixing=mixing)
        for held in (CAT, PANDA, DOG):
            made = context(conditioner, [window(DOG, held, vectors={1: mixed})])
            assert torch.equal(made, context(conditioner, [window(DOG, parent)]))


def test_words_can_be_added_and_taken_away(conditioner, encoder):
    cat, panda, dog = encoder.vectors([CAT, PANDA, DOG])
    arithmetic = mix((1.0, CAT), (-1.0, PANDA), (2.0, DOG))
    made = conditioner.vectors(window(DOG, vectors={0: arithmetic}).tokens)
    assert torch.equal(made["clip_l"][0], cat - panda + 2.0 * dog)
    assert torch.equal(conditioner.vectors(window(DOG).tokens)["clip_l"][0], dog)


def test_an_embedding_stands_row_by_row_in_the_place_of_tokens(pipe, conditioner, learned):
    spy = Spy(pipe.text_encoder)
    rows = {place: Vector((Term(1.0, embedding="goldleaf", row=place - 1),)) for place in (1, 2)}
    context(conditioner, [window(CAT, 0, 0, DOG, vectors=rows)])
    (seen,) = spy.seen
    vectors = seen[0] - spy.positions
    assert torch.allclose(vectors[2:4], learned.rows["goldleaf"], atol=1e-6)
    assert torch.allclose(vectors[[1, 4]], spy.table.weight[[CAT, DOG]], atol=1e-6)


def test_a_mix_that_overflows_is_refused(conditioner):
    huge = mix((1e38, CAT), (1e38, CAT), (1e38, CAT), (1e38, CAT), (3e38, PANDA))
    huge = Vector((*huge.terms, *[Term(3e38, CAT)] * 200000), "linear")
    with pytest.raises(InvalidRequest, match="prompt: a mix of vectors in it gives NaN or Inf"):
        conditioner.text([window(CAT, vectors={0: huge})], NORMAL)


# --- lines and arcs -------------------------------------------------------------------------------


def test_an_arc_goes_by_angle_and_keeps_the_length_on_a_circle():
    one, two = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    for share in (0.25, 0.5, 0.9):
        turned = slerp(one, two, share)
        angle = math.pi / 2 * share
        assert turned[0].tolist() == pytest.approx([3 * math.cos(angle), 3 * math.sin(angle)])
    assert slerp(one, one * 2, 0.5).tolist() == [[4.5, 0.0]]  # the same way: a line
    assert slerp(one, -one, 0.25).tolist() == [[1.5, 0.0]]  # opposite ways: a line
    assert slerp(one, torch.zeros(1, 2), 0.5).isfinite().all()
    assert slerp(one, two, 0) is one
    assert slerp(one, two, 1) is two


def test_what_counts_0_or_1_is_left_out_or_left_alone():
    one, infinite = torch.tensor([-0.0, 1.0]), torch.tensor([math.inf, 1.0])
    assert linear([(1.0, one), (0.0, infinite)]) is one
    assert linear([(0.0, one)]).tolist() == [0.0, 0.0]
    assert linear([(0.5, one), (2.0, one)]).tolist() == [0.0, 2.5]


# --- whole texts blended --------------------------------------------------------------------------


@pytest.mark.parametrize("mixing", ["linear", "slerp"])
def test_a_blend_of_texts_at_its_ends_is_the_text_bit_for_bit(conditioner, mixing):
    cat, long = [window(CAT)], [window(*[PANDA] * 75), window(DOG)]
    for texts, alone in (
        ([(1.0, cat), (0.0, long)], cat),
        ([(0.0, cat), (1.0, long)], long),
        ([(1.0, cat)], cat),
    ):
        made = conditioner.blend(texts, mixing, NORMAL)
        assert torch.equal(made.context, context(conditioner, alone))


def test_a_blend_of_texts_is_the_sum_or_the_arc_of_their_encodings(conditioner):
    cat, dog = [window(CAT)], [window(DOG)]
    one, two = context(conditioner, cat), context(conditioner, dog)
    half = conditioner.blend([(0.3, cat), (0.7, dog)], "linear", NORMAL)
    assert torch.allclose(half.context, 0.3 * one + 0.7 * two, atol=1e-6)
    arc = conditioner.blend([(0.3, cat), (0.7, dog)], "slerp", NORMAL)
    assert torch.equal(arc.context, slerp(one, two, 0.7))
    three = conditioner.blend([(0.3, cat), (0.7, dog), (0.2, cat)], "slerp", NORMAL)
    assert torch.equal(three.context, slerp(slerp(one, two, 0.7), one, 0.2))


def test_a_shorter_text_is_padded_with_an_empty_window_before_it_is_blended(pipe, conditioner):
    cat, long = [window(CAT)], [window(*[PANDA] * 75), window(DOG)]
    made = conditioner.blend([(0.25, cat), (0.75, long)], "linear", NORMAL).context
    filled = torch.cat([context(conditioner, cat), by_diffusers(pipe, "")], dim=1)
    assert torch.allclose(made, 0.25 * filled + 0.75 * context(conditioner, long), atol=1e-6)


def test_shorter_texts_are_filled_with_empty_windows_to_one_length(pipe, conditioner):
    short, empty = conditioner.text([window(CAT)], NORMAL), conditioner.text([EMPTY], NORMAL)
    long = conditioner.text([window(CAT)] * 3, NORMAL)
    one, two = equally_long([short, long], empty)
    assert two is long
    frame = by_diffusers(pipe, "")
    assert torch.equal(one.context, torch.cat([short.context, frame, frame], dim=1))
    (same,) = equally_long([short], empty)
    assert same is short


# --- the cache ------------------------------------------------------------------------------------


def test_a_text_is_encoded_once_for_each_way_to_read_it(conditioner, encoder):
    cat, loud = [window(CAT)], [window(CAT, weights={0: 2.0})]
    readings = [Reading(), Reading("no norm"), Reading(clip_skip=2)]
    made = [context(conditioner, text, each) for text in (cat, loud) for each in readings]
    again = [context(conditioner, text, each) for text in (cat, loud) for each in readings]
    assert encoder.calls == 6
    assert all(one is two for one, two in zip(made, again, strict=True))
    assert not torch.equal(made[3], made[4])  # original, no norm
    assert not torch.equal(made[0], made[2])  # clip skip


def test_an_embedding_whose_file_changed_is_encoded_anew(conditioner, encoder, learned):
    gold = [window(0, vectors={0: Vector((Term(1.0, embedding="goldleaf"),))})]
    before = context(conditioner, gold)
    learned.rows["goldleaf"] = learned.rows["goldleaf"] + 1
    assert context(conditioner, gold) is before  # nobody said that it changed
    learned.version = 2
    assert not torch.equal(context(conditioner, gold), before)
    assert encoder.calls == 2
    assert embeddings_in([*gold, window(CAT)]) == ["goldleaf"]


def test_the_cache_stays_small_and_keeps_what_was_used_last(conditioner, encoder, monkeypatch):
    monkeypatch.setattr(conditioner_module, "_KEPT", 3 * 77 * 32 * 4)
    for id in (1, 2, 3, 1, 4):
        conditioner.text([window(id)], NORMAL)
    assert encoder.calls == 4
    conditioner.text([window(1)], NORMAL)
    assert encoder.calls == 4
    conditioner.text([window(2)], NORMAL)
    assert encoder.calls == 5
    for id in range(10, 20):
        conditioner.text([window(id)], NORMAL)
    assert len(conditioner._kept) == 3


# --- a family with two text encoders --------------------------------------------------------------


class Second:
    """Another width, and a pooled vector, as Stable Diffusion XL's second one."""

    name, width, layers = "clip_g", 3, 5

    def vectors(self, ids):
        return torch.tensor(ids).float()[:, None].expand(-1, 3)

    def encode(self, ids, replaced, clip_skip=1):
        hidden = torch.full((1, 77, 3), float(sum(ids)))
        for place, vector in replaced.items():
            hidden[0, place + 1] = vector
        return Conditioning(hidden, torch.tensor([[float(len(ids))]]))


def test_two_encoders_stand_side_by_side_and_the_first_windows_pooled_vector_counts(
    pipe, encoder, learned
):
    both = Conditioner([encoder, Second()], learned)
    made = both.text([window(CAT, DOG), window(PANDA)], NORMAL)
    assert made.context.shape == (1, 154, 35)
    assert torch.equal(made.context[:, :77, :32], by_diffusers(pipe, "cat dog"))
    assert made.context[0, 80, 32:].tolist() == [PANDA] * 3
    assert made.pooled.tolist() == [[2.0]]
    assert both.layers == 3
    blend = both.blend([(0.5, [window(CAT)]), (0.5, [window(CAT, DOG)])], "linear", NORMAL)
    assert blend.pooled.tolist() == [[1.5]]
    mixed = both.text([window(CAT, vectors={0: mix((0.5, 10), (0.5, 20))})], NORMAL)
    assert mixed.context[0, 1, 32:].tolist() == [15.0] * 3
    made = both.vectors(window(CAT).tokens)
    assert {name: tuple(each.shape) for name, each in made.items()} == {
        "clip_l": (1, 32),
        "clip_g": (1, 3),
    }
