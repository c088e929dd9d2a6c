"""CLIP's tokenizer beside OpenAI's vectors and open_clip's own function."""

import sys

import pytest

from genbench.errors import UserError
from genbench.text import clip_bpe
from genbench.text.clip_bpe import END, START, ClipBpe

pytest.importorskip("open_clip")

BPE = ClipBpe()
TEXTS = [
    "a photo of a cat",
    "  Two   CATS &amp;amp; a dog\tin\nthe caf\u00e9 ",
    "it's 2021, isn't it?!!",
    "\u732b\U0001f44b",
    "schÃ¶n",
    "",
]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a photo of a cat", [49406, 320, 1125, 539, 320, 2368, 49407]),
        ("a diagram", [49406, 320, 22697, 49407]),
        ("", [49406, 49407]),
        ("hello world! it's 2021", [49406, 3306, 1002, 256, 585, 568, 273, 271, 273, 272, 49407]),
    ],
)
def test_tokens_are_those_of_openais_model(text: str, tokens: list[int]) -> None:
    assert BPE.encode(text) == tokens
    assert BPE.size == 49_408


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_open_clip(text: str) -> None:
    from open_clip.tokenizer import tokenize

    (row,) = tokenize([text]).tolist()
    tokens = BPE.encode(text)
    assert row == tokens + [0] * (77 - len(tokens))


@pytest.mark.parametrize("special", ["<|endoftext|>", "<|startoftext|>", "<end_of_text>", "<START_OF_TEXT>"])
def test_the_name_of_a_special_token_is_text_like_any_other(special: str) -> None:
    tokens = BPE.encode(f"a cat {special} on a mat")
    assert (tokens[0], tokens[-1]) == (START, END)
    assert not {START, END} & set(tokens[1:-1])
    assert BPE.decode(tokens).replace(" ", "") == f"acat{special.lower()}onamat"


def test_texts_come_back_without_start_end_and_padding() -> None:
    assert BPE.decode([*BPE.encode("A Cat, two dogs"), 0, 0]) == "a cat , two dogs"
    # Token 0 is an exclamation mark within a word, and what follows the end is not of the text.
    assert BPE.decode([START, 0, 256, END, 320, END]) == "!!"


def test_without_its_package_the_remedy_is_named_and_the_empty_text_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "open_clip.tokenizer", None)
    clip_bpe._tokenizer.cache_clear()
    assert BPE.encode("") == [START, END]
    with pytest.raises(UserError, match=r"takes open_clip_torch: pip install 'genbench\[clip\]'"):
        BPE.encode("a cat")
