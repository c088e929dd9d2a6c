"""Captions: words to tokens and back."""

import pytest
import torch

from genbench.conditions.captions import Captions
from genbench.text.words import WordTokenizer

CAPTIONS = Captions(["a", "cat", "on", "mat", ","], 5)


def test_words_become_tokens_and_tokens_words() -> None:
    rows = CAPTIONS.encode(["A cat, a mat", "cat"])
    assert rows.tolist() == [[2, 3, 6, 2, 5], [3, 0, 0, 0, 0]]
    assert CAPTIONS.describe(rows) == ["a cat , a mat", "cat"]
    assert torch.equal(CAPTIONS.parse("A cat, a mat"), rows[:1])


def test_words_that_no_caption_has_are_refused_by_name_or_unknown_in_data() -> None:
    with pytest.raises(ValueError, match="no caption has the word 'cta'; did you mean cat"):
        CAPTIONS.parse("a cta")
    assert CAPTIONS.describe(CAPTIONS.encode(["a dog"])) == ["a [?]"]


def test_what_is_longer_than_there_is_room_for_is_refused_and_not_cut() -> None:
    with pytest.raises(ValueError, match="'a cat on a mat , a mat' has 8 words and marks, and there is room for 5"):
        CAPTIONS.parse("a cat on a mat , a mat")


def test_a_caption_without_words_stands_for_none() -> None:
    assert torch.equal(CAPTIONS.parse(""), CAPTIONS.null(1))
    assert CAPTIONS.describe(CAPTIONS.null(2)) == ["", ""]


def test_rows_that_are_no_captions_are_refused() -> None:
    for rows, message in (
        (torch.tensor([[0, 1, 2, 3, 7]]), "from 0 to 6"),
        (torch.tensor([[0, 1, 2, 3, -1]]), "from 0 to 6"),
        (torch.tensor([[0, 1, 2, 3]]), r"whole numbers \(N, 5\)"),
        (torch.zeros(1, 5), r"whole numbers \(N, 5\)"),
    ):
        with pytest.raises(ValueError, match=message):
            CAPTIONS.check(rows, 1)
    with pytest.raises(ValueError, match="at least one token"):
        Captions(["a"], 0)


def test_the_vocabulary_is_that_of_the_captions_the_most_frequent_first() -> None:
    tokenizer = WordTokenizer.of(["A cat.", "the cat", "two cats, a dog"])
    assert tokenizer.words == ["a", "cat", ",", ".", "cats", "dog", "the", "two"]
    assert tokenizer.size == 10
    assert tokenizer.decode(tokenizer.encode("the dog, THE CAT!")) == "the dog , the cat [?]"
