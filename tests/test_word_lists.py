"""What can be completed in a prompt."""

import os
import threading

import pytest

from webui.word_lists import Word, WordLists


def models(tmp_path):
    for folder, name in (
        ("wildcards", ".hidden.txt"),
        ("wildcards", "ink.pt"),
        ("wildcards", "inks.txt"),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).touch()
    return tmp_path


def tags(tmp_path, name, text):
    (tmp_path / "tags").mkdir(exist_ok=True)
    (tmp_path / "tags" / name).write_text(text, "utf-8")


def test_files_come_first_by_name_whatever_the_capitals(tmp_path):
    tags(models(tmp_path), "my.txt", "ink drop\nother\n")
    known = [Word("ink_hand", "embedding"), Word("other", "embedding"), Word("Ink style", "lora")]
    assert WordLists().beginning(tmp_path, "INK", 9, known) == [
        Word("ink_hand", "embedding"),
        Word("Ink style", "lora"),
        Word("inks", "wildcard"),
        Word("ink drop", "tag"),
    ]
    assert [word.kind for word in WordLists().beginning(tmp_path, "", 9, known)] == [
        "embedding",
        "embedding",
        "lora",
        "wildcard",
    ]
    assert len(WordLists().beginning(tmp_path, "ink", 2)) == 2


def test_a_list_of_a1111s_completion_is_read_the_most_used_first(tmp_path):
    tags(
        tmp_path,
        "danbooru.csv",
        'long_hair,0,100,"/lh,longhair"\nlong_skirt,0,900,\nlonely,0,x,""\n\n,0,5,\n'
        'broken,"0,1\nlong_tail,0,500\n',
    )
    lists = WordLists()
    assert lists.beginning(tmp_path, "long", 9) == [
        Word("long_skirt", "tag", 900),
        Word("long_tail", "tag", 500),
        Word("long_hair", "tag", 100),
    ]
    assert lists.beginning(tmp_path, "long h", 9) == [Word("long_hair", "tag", 100)]
    assert lists.beginning(tmp_path, "lon", 9)[-1] == Word("lonely", "tag", 0)
    assert lists.beginning(tmp_path, "/lh", 9) == [Word("long_hair", "tag", 100, "/lh")]
    assert lists.beginning(tmp_path, "longh", 9) == [Word("long_hair", "tag", 100, "longhair")]
    assert lists.beginning(tmp_path, "", 9) == []


def test_a_list_that_changes_is_read_again(tmp_path):
    lists = WordLists()
    assert lists.beginning(tmp_path, "cat", 9) == []
    tags(tmp_path, "a.txt", "cat\n")
    assert lists.beginning(tmp_path, "cat", 9) == [Word("cat", "tag")]
    tags(tmp_path, "a.txt", "catalogue\n")
    assert lists.beginning(tmp_path, "cat", 9) == [Word("catalogue", "tag")]


def test_what_is_no_text_and_what_is_too_long_is_passed_over(tmp_path):
    tags(tmp_path, "a.txt", "x" * 201 + "\nxyz\n")
    (tmp_path / "tags" / "b.csv").write_bytes(b"xy\xff,0," + b"9" * 5000 + b',"' + b"z" * 300000)
    (tmp_path / "tags" / "c.csv").write_bytes(b"xy\xff,0," + b"9" * 50)
    assert WordLists().beginning(tmp_path, "x", 9) == [Word("xyz", "tag"), Word("xy\ufffd", "tag")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_among_the_lists_is_passed_over(tmp_path):
    folder = tmp_path / "tags"
    folder.mkdir()
    (folder / "good.txt").write_text("rooster\n")
    os.mkfifo(folder / "pipe.csv")
    found = []
    reading = threading.Thread(
        target=lambda: found.extend(WordLists().beginning(tmp_path, "roo", 5)), daemon=True
    )
    reading.start()
    reading.join(20)
    assert [word.text for word in found] == ["rooster"]
