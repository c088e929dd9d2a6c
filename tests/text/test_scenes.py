"""The language of scenes, both ways."""

from itertools import combinations
from math import dist

import pytest

from genbench.text.scenes import COLOURS, WORDINGS, Scene, Thing, caption, parse

RED_THREE, GREEN_SEVEN = Thing(3, "red", "large"), Thing(7, "green", "small")


def test_every_wording_says_the_same() -> None:
    for scene in (
        Scene((RED_THREE,), None, "blue"),
        Scene((GREEN_SEVEN, RED_THREE), "left of", "white"),
        Scene((RED_THREE, GREEN_SEVEN), "below", "black"),
    ):
        for wording in WORDINGS:
            text = caption(scene, wording)
            said = parse(text)
            things = tuple(thing._replace(size=thing.size if wording.sized else None) for thing in scene.things)
            assert said == scene._replace(things=things), text
    # A scene of two digits has as many captions as there are wordings.
    assert len({caption(Scene((GREEN_SEVEN, RED_THREE), "above", "white"), wording) for wording in WORDINGS}) == 64


@pytest.mark.parametrize(
    ("text", "scene"),
    [
        ("a three", Scene((Thing(3, None, None),), None, None)),
        ("a red digit on white", Scene((Thing(None, "red", None),), None, "white")),
        ("A big blue 4, on a pink background.", Scene((Thing(4, "blue", "large"),), None, "pink")),
        ("a tiny number 2 in black", Scene((Thing(2, "black", "small"),), None, None)),
        ("a one over a red one", Scene((Thing(1, None, None), Thing(1, "red", None)), "above", None)),
        ("a cyan background with an 8", Scene((Thing(8, None, None),), None, "cyan")),
        # As the issue has them.
        (
            "a small green seven to the left of a large yellow two on white",
            Scene((GREEN_SEVEN, Thing(2, "yellow", "large")), "left of", "white"),
        ),
        ("the digit 3 in red on blue", Scene((Thing(3, "red", None),), None, "blue")),
    ],
)
def test_a_caption_may_leave_open_what_it_likes(text: str, scene: Scene) -> None:
    assert parse(text) == scene


@pytest.mark.parametrize("text", ["", "a cat", "a red three blue", "a red three left of", "a red three on a red four"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no caption of scenes: write for example"):
        parse(text)


def test_colours_are_far_apart() -> None:
    assert min(dist(one, other) for one, other in combinations(COLOURS.values(), 2)) >= 180
