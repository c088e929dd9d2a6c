"""Captions by template, and faces in words."""

import random

import pytest

from genbench.text.faces import ATTRIBUTES, describe_face, every_phrase
from genbench.text.templates import as_words, check_templates, fill
from genbench.text.words import split_words


def test_names_of_folders_become_words() -> None:
    names = ["hot_dog", "001.Black_footed_Albatross", "t-shirt", "3", "3.5", "  two  words ", "8.cat"]
    words = ["hot dog", "Black footed Albatross", "t-shirt", "3", "3.5", "two words", "cat"]
    assert [as_words(name) for name in names] == [*words[:4], "3.5", *words[5:]]


def test_a_name_is_put_where_the_template_has_its_place() -> None:
    assert fill("a photo of a {}, a {} in the wild", "hot dog") == "a photo of a hot dog, a hot dog in the wild"
    for templates, message in (([], "at least one"), (["a photo"], "no {}"), (["a {} {1}"], "brace"), ([3], "no {}")):
        with pytest.raises(ValueError, match=message):
            check_templates(templates)  # type: ignore[arg-type]


def test_a_face_is_described_in_words() -> None:
    known = ATTRIBUTES
    for present, text in (
        ({"Smiling", "Young", "Black_Hair", "Eyeglasses", "No_Beard"}, "a smiling young woman with black hair and eyeg"
         "lasses"),
        ({"Male", "Attractive", "Wearing_Hat"}, "an attractive man with a beard, wearing a hat"),
        ({"Male", "Bald", "No_Beard", "Gray_Hair"}, "a bald man"),
        ({"No_Beard", "Wavy_Hair", "Brown_Hair", "Wearing_Lipstick", "Wearing_Earrings"},
         "a woman with wavy brown hair, wearing earrings and lipstick"),
    ):  # fmt: skip
        assert describe_face(present, known) == text
    # Of what is not known nothing is said.
    assert describe_face({"Smiling"}, ["Smiling", "Bangs"]) == "a smiling person"


def test_every_word_of_any_face_is_known_and_none_is_longer_than_the_longest() -> None:
    assert len(ATTRIBUTES) == 40
    generator = random.Random(0)
    for trial in range(60):
        names = sorted(ATTRIBUTES)
        known = names if trial < 20 else generator.sample(names, generator.randint(1, 12))
        texts = [split_words(text) for text in every_phrase(known)]
        words, longest = {word for text in texts for word in text}, max(map(len, texts))
        for _ in range(40):
            often = generator.choice([0.2, 0.6, 0.95])
            face = split_words(describe_face({name for name in known if generator.random() < often}, known))
            assert words.issuperset(face)
            assert len(face) <= longest
