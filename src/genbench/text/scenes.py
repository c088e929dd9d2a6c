"""The language of `data=scenes`: what a scene of coloured digits shows, its captions, and captions read back.

"a red three to the left of the small digit 2 in white on blue" leaves open how large the three is.
"""

import re
from itertools import product
from typing import NamedTuple

from genbench.text.words import split_words

COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "red": (230, 0, 0),
    "green": (0, 180, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 230, 0),
    "cyan": (0, 220, 255),
    "pink": (255, 60, 200),
}
"""The colours of digits and of backgrounds, RGB from 0 to 255, at least 180 apart."""

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

SIZES = {"small": 10 / 32, "large": 14 / 32}
"""The longer side of a digit as a fraction of the image's."""

RELATIONS = {
    "left of": ("to the left of", "left of"),
    "right of": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under"),
}
"""How the first digit of a scene lies to the second, each with its wordings."""

_NOUNS = (
    "a {size}{colour} {word}",
    "a {size}{colour} {numeral}",
    "the {size}digit {numeral} in {colour}",
    "the {size}number {word} in {colour}",
)
_GROUNDS = (
    "{things} on a {ground} background",
    "{things} on {ground}",
    "{things} against a {ground} background",
    "a {ground} background with {things}",
)


class Thing(NamedTuple):
    """A digit of a scene; None for what is left open.

    Attributes:
        digit: from 0 to 9.
        colour: one of `COLOURS`.
        size: one of `SIZES`.
    """

    digit: int | None
    colour: str | None
    size: str | None


class Scene(NamedTuple):
    """What a picture shows or a caption says; None for what is left open.

    Attributes:
        things: one digit or two.
        relation: of the first digit to the second, one of `RELATIONS`; None of one digit.
        background: one of `COLOURS`.
    """

    things: tuple[Thing, ...]
    relation: str | None
    background: str | None


class Wording(NamedTuple):
    """One of the ways to say the same: a noun phrase, whether it has the size, a relation and a whole, by number."""

    noun: int
    sized: bool
    relation: int
    ground: int


WORDINGS = tuple(
    Wording(*numbers) for numbers in product(range(len(_NOUNS)), (False, True), range(2), range(len(_GROUNDS)))
)


def is_unseen(digit: int, colour: int) -> bool:
    """Return whether training never shows a digit in a colour, by its number in `COLOURS`: 12 of the 80 pairs.

    Every digit and every colour is in one or two of them.
    """
    return (6 * digit + 3 * colour) % 20 < 3


def caption(scene: Scene, wording: Wording = WORDINGS[0]) -> str:
    """Return a caption of a scene that leaves nothing open, but sizes maybe."""
    things = [_noun(thing, wording) for thing in scene.things]
    if scene.relation is not None:
        things.insert(1, RELATIONS[scene.relation][wording.relation])
    return _GROUNDS[wording.ground].format(things=" ".join(things), ground=scene.background)


def _noun(thing: Thing, wording: Wording) -> str:
    assert thing.digit is not None
    size = f"{thing.size} " if wording.sized and thing.size is not None else ""
    return _NOUNS[wording.noun].format(
        size=size, colour=thing.colour, word=DIGITS[thing.digit], numeral=str(thing.digit)
    )


def examples() -> list[str]:
    """Return captions in which every word of the language occurs, one of the longest among them."""
    colours, relations = list(COLOURS), list(RELATIONS)
    found = []
    for digit in range(10):
        colour = colours[digit % len(colours)]
        things = tuple(Thing(digit, colour, size) for size in SIZES)
        scene = Scene(things, relations[digit % len(relations)], colour)
        found += [caption(scene, wording) for wording in WORDINGS]
    return found


def parse(text: str) -> Scene:
    """Return what a caption says.

    It may leave open what it likes ("a three", "a red digit on white") and say "big" or "tiny". Punctuation is ignored.

    Raises:
        ValueError: it is no caption of scenes.
    """
    found = _CAPTION.fullmatch(" ".join(word for word in split_words(text) if word.isalnum()))
    if found is None:
        raise ValueError(
            f"{text!r} is no caption of scenes: write for example 'a red three on a blue background', or "
            "'a small green seven to the left of a large yellow two on white'"
        )
    relation = found["relation"]
    things = [_thing(found, place) for place in ("first", "second")[: 1 if relation is None else 2]]
    return Scene(tuple(things), None if relation is None else _RELATION_OF[relation], found["before"] or found["after"])


def _thing(found: re.Match[str], place: str) -> Thing:
    digit, size = found[f"{place}_digit"] or found[f"{place}_alone"], found[f"{place}_size"]
    return Thing(
        None if digit is None else _DIGIT_OF[digit],
        found[f"{place}_colour"] or found[f"{place}_in"],
        None if size is None else _SIZE_OF[size],
    )


_DIGIT_OF = {name: digit for digit, word in enumerate(DIGITS) for name in (word, str(digit))}
_SIZE_OF = {"small": "small", "tiny": "small", "little": "small", "large": "large", "big": "large"}
_RELATION_OF = {wording: relation for relation, wordings in RELATIONS.items() for wording in wordings}


def _one_of(words: object) -> str:
    # The longer first, as "to the left of" ends in "left of".
    return "|".join(sorted(map(str, words), key=len, reverse=True))  # type: ignore[call-overload]


def _pattern(place: str) -> str:
    return (
        rf"(?:(?:an?|the) )?(?:(?P<{place}_size>{_one_of(_SIZE_OF)}) )?(?:(?P<{place}_colour>{_one_of(COLOURS)}) )?"
        rf"(?:(?:digit|number)(?: (?P<{place}_digit>{_one_of(_DIGIT_OF)}))?|(?P<{place}_alone>{_one_of(_DIGIT_OF)}))"
        rf"(?: in (?P<{place}_in>{_one_of(COLOURS)}))?"
    )


_CAPTION = re.compile(
    rf"(?:(?:an? )?(?P<before>{_one_of(COLOURS)}) background with )?{_pattern('first')}"
    rf"(?: (?P<relation>{_one_of(_RELATION_OF)}) {_pattern('second')})?"
    rf"(?: (?:on|against|in front of) (?:an? )?(?P<after>{_one_of(COLOURS)})(?: background)?)?"
)
