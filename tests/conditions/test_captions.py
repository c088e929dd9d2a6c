"""Captions: words to tokens and back."""

import pytest
import torch

from genbench.conditions.base import Tokens
from genbench.conditions.captions import Captions
from genbench.text.words import WordTokenizer

CAPTIONS = Captions(["a", "cat", "on", "mat", ","], 5)
CLIP = Captions(tokenizer="clip_bpe", length=8)


def test_words_become_tokens_and_tokens_words() -> None:
    rows = CAPTIONS.encode(["A cat, a mat", "cat"])
    assert rows.tolist() == [[2, 3, 6, 2, 5], [3, 0, 0, 0, 0]]
    assert CAPTIONS.describe(rows) == ["a cat , a mat", "cat"]
    assert torch.equal(CAPTIONS.parse("A cat, a mat"), rows[:1])


def test_words_that_no_caption_has_are_refused_by_name_or_unknown_in_data() -> None:
    with pytest.raises(ValueError, match="no caption has the word 'cta'; did you mean cat"):
        CAPTIONS.parse("a cta")
    assert CAPTIONS.describe(CAPTIONS.encode(["a dog"])) == ["a [?]"]
    many = Captions([f"word{number}" for number in range(1200)], length=5)
    with pytest.raises(ValueError, match=r"'zzz'; there are 1,200, such as word0, word1, .*, word7$"):
        many.parse("zzz")


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


def test_clips_captions_begin_and_end_with_their_tokens() -> None:
    rows = CLIP.encode(["a cat", ""])
    assert rows.tolist() == [[49406, 320, 2368, 49407, 0, 0, 0, 0], [49406, 49407, 0, 0, 0, 0, 0, 0]]
    assert torch.equal(rows[1:], CLIP.null(1))
    assert CLIP.describe(rows) == ["a cat", ""]
    assert torch.equal(CLIP.parse("a  CAT"), rows[:1])
    assert torch.equal(CLIP.check(rows, 2), rows)
    with pytest.raises(ValueError, match="lacks the token that ends it, 49407"):
        CLIP.check(rows[:, [0, 1, 2, 4, 4, 4, 4, 4]], 2)
    with pytest.raises(ValueError, match="has 9 tokens, those of its start and its end included, and there is room fo"):
        CLIP.parse("a cat on a mat, cat")


@pytest.mark.parametrize("condition", [CAPTIONS, CLIP])
def test_a_run_folder_keeps_the_tokenizer(condition: Captions) -> None:
    again = Captions.from_dict(condition.to_dict())
    assert again.form == condition.form
    assert torch.equal(again.encode(["a cat on mat"]), condition.encode(["a cat on mat"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tokenizer": "clip_bpe", "words": ["a"]}, "takes no argument words"),
        ({}, "takes its vocabulary as argument words"),
        ({"tokenizer": "sentencepiece"}, "must be words or clip_bpe"),
        ({"tokenizer": "clip_bpe", "length": 1}, "at least two tokens"),
        ({"words": [None, None], "length": 4}, "words= of captions is no list of texts"),
        ({"words": "ab", "length": 4}, "words= of captions is no list of texts"),
        ({"words": [1, 2], "length": 4}, "words= of captions is no list of texts"),
        ({"tokenizer": "clip_bpe", "length": 10**9}, "length=1000000000 of captions is no whole number from 1 to"),
        ({"tokenizer": "clip_bpe", "length": 20.5}, "length=20.5 of captions is no whole"),
        ({"tokenizer": "clip_bpe", "length": True}, "length=True of captions is no whole"),
    ],
)
def test_a_tokenizer_without_what_it_takes_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Captions.from_dict(arguments)


def test_the_form_says_where_a_text_ends() -> None:
    form = Tokens(10, 5)
    rows = torch.tensor([[2, 3, 0, 0, 0], [0, 0, 0, 0, 0], [2, 3, 4, 5, 6]])
    assert torch.equal(form.mask(rows), rows != 0)
    assert form.last(rows).tolist() == [1, 0, 4]
    # Zeros within a text are of it, and whatever follows the first end is not.
    form = Tokens(10, 5, end=9)
    rows = torch.tensor([[8, 0, 0, 9, 0], [8, 9, 7, 9, 9], [8, 1, 2, 3, 9]])
    assert form.mask(rows).int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert form.last(rows).tolist() == [3, 1, 4]


def test_images_with_several_captions() -> None:
    rows = CAPTIONS.encode_several([["a cat", "cat"], ["mat"], ["a mat", "a", "on mat"]])
    assert rows.shape == (3, 3, 5)
    assert CAPTIONS.describe_all(rows) == [["a cat", "cat"], ["mat"], ["a mat", "a", "on mat"]]
    assert CAPTIONS.describe(rows) == ["a cat", "mat", "a mat"]
    assert torch.equal(CAPTIONS.load(rows), rows[:, 0])
    # A place as near to 1 as it can be is still the last caption.
    almost = torch.full((3,), 1 - 2**-24)
    assert CAPTIONS.describe(CAPTIONS.choose(rows, almost)) == ["cat", "mat", "on mat"]
    assert CAPTIONS.describe(CAPTIONS.choose(rows, torch.tensor([0.49, 0.99, 0.5]))) == ["a cat", "mat", "a"]
    single = CAPTIONS.encode_several([["a cat"], ["mat"]])
    assert torch.equal(single, CAPTIONS.encode(["a cat", "mat"]))
    assert CAPTIONS.describe_all(single) == [["a cat"], ["mat"]]
    with pytest.raises(ValueError, match="no caption"):
        CAPTIONS.encode_several([["a"], []])
