"""Alignment of pictures of scenes with the captions that they were requested by, exact."""

from typing import Any

import torch
from torch import Tensor

from genbench.medium import Images
from genbench.metrics.extractors.digits import load_digit_classifier
from genbench.metrics.material import Material
from genbench.metrics.scene_reading import read_scenes
from genbench.metrics.score import Score, Setting, binomial_std
from genbench.text.scenes import Scene, Thing, parse

_OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}


class Alignment(Score):
    """Whether pictures show what their captions say: `data=scenes`, or any prompt of that language.

    A figure is a fraction of pictures: those whose digits are right, all of one or two; the same of the digits' colours
    and of their sizes; whose background is right; whose two digits lie as requested; and whose everything is right, the
    number of digits too, of all captions and of those that ask for one digit or two. What a caption leaves open is
    right, and no part of the figure of it.
    """

    figures = {
        "alignment_digit": "higher",
        "alignment_colour": "higher",
        "alignment_background": "higher",
        "alignment_size": "higher",
        "alignment_relation": "higher",
        "alignment_all": "higher",
        "alignment_all_one": "higher",
        "alignment_all_two": "higher",
    }
    chosen = "named"
    needs_samples = True
    needs_captions = True
    least = 1

    def __init__(self) -> None:
        self._classifier = load_digit_classifier()

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the images have no colours, where they have none."""
        if setting.medium is not None and not (isinstance(setting.medium, Images) and setting.medium.shape[0] == 3):
            return "it takes images in colour"
        return super().unsuited(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return the hash of the digit classifier's weights."""
        return {"alignment": {"classifier": self._classifier.name, "sha256": self._classifier.weights_sha256}}

    def compute(self, material: Material) -> dict[str, float]:
        """Return the fractions with their standard errors.

        Raises:
            ValueError: a caption is not of the language of scenes.
        """
        found = material.once(self.name, lambda: self._measure(material))
        figures: dict[str, float] = {}
        for name, values in found.items():
            asked = values[~values.isnan()].double()
            if len(asked):
                fraction = figures[f"alignment_{name}"] = float(asked.mean())
                figures[f"alignment_{name}_std"] = binomial_std(fraction, len(asked))
        return figures

    def _measure(self, material: Material) -> dict[str, Tensor]:
        assert material.samples is not None
        requested = [parse(text) for text in material.texts]
        shown = read_scenes(material.samples, self._classifier)
        rows = [compare(one, other) for one, other in zip(requested, shown, strict=True)]
        nothing = float("nan")
        return {
            name: torch.tensor([nothing if row[name] is None else float(row[name] or 0) for row in rows])
            for name in rows[0]
        }


def compare(requested: Scene, shown: Scene) -> dict[str, bool | None]:
    """Return what is right in a picture, None for what the caption leaves open.

    Of two digits it is not asked which is which: they are taken in the order in which they agree best with the request,
    and their relation is that of this order.

    Args:
        requested: the caption's scene.
        shown: the picture's.
    """
    things, relation = _in_best_order(requested, shown)
    found: dict[str, bool | None] = {
        name: _all_right([getattr(thing, name) for thing in requested.things], [getattr(one, name) for one in things])
        for name in Thing._fields
    }
    found["background"] = None if requested.background is None else shown.background == requested.background
    found["relation"] = None if requested.relation is None else relation == requested.relation
    counted = len(shown.things) == len(requested.things)
    everything = counted and all(right is not False for right in found.values())
    wanted = len(requested.things)
    by_number = {f"all_{name}": everything if wanted == number else None for number, name in ((1, "one"), (2, "two"))}
    return found | {"all": everything} | by_number


def _all_right(wanted: list[Any], there: list[Any]) -> bool | None:
    asked = [place for place, value in enumerate(wanted) if value is not None]
    if not asked:
        return None
    return len(there) == len(wanted) and all(wanted[place] == there[place] for place in asked)


def _in_best_order(requested: Scene, shown: Scene) -> tuple[tuple[Thing, ...], str | None]:
    if len(shown.things) < 2 or shown.relation is None:
        return shown.things, shown.relation

    def agreement(order: tuple[tuple[Thing, ...], str]) -> tuple[int, bool]:
        things, relation = order
        pairs = zip(requested.things, things, strict=False)
        equal = sum(a == b for one, other in pairs for a, b in zip(one, other, strict=True))
        # Where nothing else distinguishes the two, it is the order that lies as requested.
        return equal, relation == requested.relation

    return max((shown.things, shown.relation), (shown.things[::-1], _OPPOSITE[shown.relation]), key=agreement)
