"""A prompt under the microscope."""

import time

from webui.prompt import Note
from webui.prompt.look import SeenStage, look


def names(seen):
    return [[token.text for token in window] for text in seen.texts for window in text.windows]


def test_stages_stand_on_the_step_axis_and_each_text_is_shown_once(clip):
    seen = look("a [cat|dog] AND fox:0.5", clip, 4)
    assert names(seen) == [["a", "cat"], ["a", "dog"], ["fox"]]
    first, second = seen.parts
    assert (first.weight, second.weight) == (1, 0.5)
    assert first.stages == tuple(
        SeenStage(step, step, "linear", ((1.0, (step - 1) % 2),)) for step in range(1, 5)
    )
    assert second.stages == (SeenStage(1, 4, "linear", ((1.0, 2),)),)


def test_a_place_is_where_it_was_written(clip):
    prompt = "a #x\n<lora:i:1>[red:(blue\\(:1.2):2] <mix:cat,owl:0.5>, <mix:fox,dog:0>"
    seen = look(prompt, clip, 4)
    shown = [
        [(prompt[token.start : token.end], token.weight) for token in window]
        for text in seen.texts
        for window in text.windows
    ]
    mix = ("<mix:cat,owl:0.5>", 1)
    assert shown == [
        [("a", 1), ("red", 1), mix, (",", 1), ("fox", 1)],
        [("a", 1), ("blue", 1.2), ("(", 1.2), mix, (",", 1), ("fox", 1)],
    ]
    assert [prompt[tag.start : tag.end] for tag in seen.tags] == ["<lora:i:1>"]


def test_what_cannot_be_loaded_yet_is_told_before_a_picture_is_made(clip):
    prompt = "a <lora:ink:0.8> cat <hypernet:x:1> <lora: :1> <style:x:1>"
    seen = look(prompt, clip, 4, misfit={"ink": "there is no LoRA 'ink'"}.get)
    notes = [(note.text, note.start, note.end) for note in seen.notes]
    assert notes[:3] == [
        ("There is no LoRA 'ink'.", 2, 16),
        ("Hypernetworks cannot be loaded yet, so this does nothing.", 21, 35),
        ("This <lora:...> names nothing.", 36, 46),
    ]
    assert [(start, end) for _, start, end in notes[3:]] == [(47, 58)]  # a kind that nobody knows


def test_marks_that_turn_the_text_round_are_told_where_they_stand(clip):
    notes = [(note.text, note.start, note.end) for note in look("a \u202ecat\u2069", clip, 4).notes]
    assert notes == [
        ("An invisible mark, U+202E, changes the direction of the text here.", 2, 3),
        ("An invisible mark, U+2069, changes the direction of the text here.", 6, 7),
    ]
    many = look("\u202e" * 1000, clip, 4).notes
    assert sum(note.text.startswith("An invisible mark") for note in many) == 20


def test_the_counter_is_the_longest_stage(clip):
    assert (look("", clip, 4).tokens, look("", clip, 4).of) == (0, 75)
    long = look("[a:" + "b " * 76 + ":2]", clip, 4)
    assert (long.tokens, long.of) == (76, 150)


def test_a_break_fills_its_window_in_the_count_as_in_a1111(clip):
    counted = look("a cat BREAK a dog", clip, 4)
    assert (counted.tokens, counted.of) == (77, 150)


def test_blends_and_embeddings_are_named(clip):
    seen = look(
        "style <mix:cat,owl:0.25> <mix:cat,owl:.5:slerp>", clip.with_embeddings({"style": 2}), 4
    )
    ((*tokens,),) = seen.texts[0].windows
    assert [(token.embedding, token.mix) for token in tokens] == [
        ("style", ""),
        ("style", ""),
        ("", "0.75 cat + 0.25 owl"),
        ("", "1 cat towards 0.5 owl"),
    ]


def test_a_second_window_is_told_and_a_word_that_is_cut(clip):
    told = {note.text: note.start for note in look("a " * 75 + "cat", clip, 4).notes}
    assert told == {
        "Here the next window of 75 tokens begins, which the one before cannot see.": 150
    }
    cut = look("a " * 74 + "fluentdarkroom", clip, 4)
    ((told, start),) = [(note.text, note.start) for note in cut.notes]
    assert "This word is cut" in told and 148 < start < 162
    assert look("a BREAK b", clip, 4).notes == ()


def test_an_embedding_that_is_not_there_is_told(clip):
    vocabulary = clip.with_embeddings({"style": 1})
    assert look("embedding:nix, embedding:style", vocabulary, 4).notes == (
        Note("There is no embedding nix, so this is read as words.", 0, 13),
        Note("Write style alone: 'embedding:' before it is read as words.", 15, 30),
    )


def test_an_embedding_that_cannot_be_used_is_told_where_it_stands_as_a_word(clip):
    unusable = {"Gold": "it is too wide", "cat": "it is cut", "a+(b": "it is odd"}
    seen = look("marigold, a (GOLD:1.2) catfish a+(b", clip, 4, unusable=unusable)
    told = [(note.text, note.start, note.end) for note in seen.notes]
    assert told == [
        ("The embedding Gold is read as plain words: it is too wide.", 13, 17),
        ("The embedding a+(b is read as plain words: it is odd.", 31, 35),
        ("This ( is never closed, so it counts to the end of the prompt.", 33, 34),
    ]


def test_typing_never_waits_for_it(clip):
    """300 characters: meant are 3 ms, promised 50."""
    prompt = "portrait of a [cat:dog:.5], (sharp focus:1.2), <mix:fox,owl:.3>, [red|blue] scarf, "
    taken = []
    for _ in range(5):
        began = time.thread_time()
        look((prompt * 4)[:300], clip, 20)
        taken.append(time.thread_time() - began)
    assert min(taken) < 0.05


def test_many_stages_are_shown_as_far_as_is_sensible(clip):
    many = "".join(f"[a{n}:{n}]" for n in range(1, 100))
    seen = look(many, clip, 150)
    assert len(seen.texts) == 64
    assert seen.notes[0].text == "Only the first 64 of 100 texts are shown."
