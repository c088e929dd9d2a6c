"""Zero-shot accuracy of a run that embeds images and texts."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import torch
from torch import Tensor

from genbench.abilities import EmbedsTexts
from genbench.metrics.material import Material, Origin
from genbench.metrics.score import Score, Setting, binomial_std
from genbench.metrics.splits import batches_of, facts_of_splits, scored_splits
from genbench.text.scenes import COLOURS, DIGITS, Scene, Thing, caption, parse
from genbench.zero_shot import classifier_weights, predict, prompt_weights

TEMPLATE = "a photo of a {}"
"""The prompt of a class where the data set has no templates of its own."""

_Prompts = list[list[str]]


class ZeroShot(Score):
    """The fraction of images whose class is the one that their embedding is nearest to, of classes known by name alone.

    Of labelled data it is `zero_shot`, by the templates of `data.captions`. Of scenes it is of those of one digit, by
    captions: the digit, its colour, the background, and the pair of digit and colour among all 80. The prompts of a
    class are the captions of all such scenes of it: 56 of a digit, 70 of a colour, 7 of a pair. Figures of the split
    `unseen` end in `_unseen`.
    """

    figures = {
        "zero_shot": "higher",
        "zero_shot_digit": "higher",
        "zero_shot_colour": "higher",
        "zero_shot_background": "higher",
        "zero_shot_pair": "higher",
        "zero_shot_unseen": "higher",
        "zero_shot_digit_unseen": "higher",
        "zero_shot_colour_unseen": "higher",
        "zero_shot_background_unseen": "higher",
        "zero_shot_pair_unseen": "higher",
    }
    chosen = "always"
    needs_method = True

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method does not embed images and texts, where it does not."""
        if reason := super().unsuited(setting):
            return reason
        return None if isinstance(setting.method, EmbedsTexts) else "it takes a method that embeds images and texts"

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return how many images there are of each split, and the templates of classes."""
        found = material.once(self.name, lambda: self._measure(material))
        origin = _origin(material)
        templates = {} if origin.data.class_names is None else {"zero_shot_templates": _templates(origin.data)}
        counts = {"zero_shot_count": {name: len(hits) for name, hits in found.items()}}
        return counts | templates | facts_of_splits(origin)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the accuracies with their standard errors.

        Raises:
            ValueError: the data have no classes, and are no scenes.
        """
        found = material.once(self.name, lambda: self._measure(material))
        figures: dict[str, float] = {}
        for name, hits in found.items():
            fraction = figures[name] = float(hits.double().mean())
            figures[f"{name}_std"] = binomial_std(fraction, len(hits))
        return figures

    @torch.no_grad()
    def _measure(self, material: Material) -> dict[str, Tensor]:
        """Return for each figure which images are predicted right, bool (n,)."""
        origin = _origin(material)
        asked = list(_of_classes(origin)) if origin.data.class_names is not None else list(_of_scenes(origin))
        return dict(asked)


def _of_classes(origin: Origin) -> Iterator[tuple[str, Tensor]]:
    data = origin.data
    weights = classifier_weights(origin.method, data.every_phrase(), _templates(data))
    for split, ending in scored_splits(origin):
        store = data.labelled(split)
        yield f"zero_shot{ending}", _hits(origin, store, weights, store.conditions[:])


def _templates(data: Any) -> list[str]:
    captions = data.captions
    return [captions] if isinstance(captions, str) else [TEMPLATE] if captions is None else list(captions)


def _of_scenes(origin: Origin) -> Iterator[tuple[str, Tensor]]:
    weights: dict[str, Tensor] = {}
    for split, ending in scored_splits(origin):
        store = origin.data.store(split)
        scenes = _scenes(origin.data.condition.describe(store.conditions[:]))
        alone = [number for number, scene in enumerate(scenes) if len(scene.things) == 1]
        for name, (classes, of_scene) in _QUESTIONS.items():
            rows = [number for number in alone if None not in _flat(of_scene(scenes[number]))]
            if not rows:
                continue
            if name not in weights:
                weights[name] = prompt_weights(origin.method, _prompts(classes, of_scene))
            labels = torch.tensor([classes.index(of_scene(scenes[number])) for number in rows])
            yield f"zero_shot_{name}{ending}", _hits(origin, store, weights[name], labels, torch.tensor(rows))


def _scenes(texts: list[str]) -> list[Scene]:
    try:
        return [parse(text) for text in texts]
    except ValueError as error:
        raise ValueError("it takes data with classes, or scenes") from error


_QUESTIONS: dict[str, tuple[Sequence[Any], Callable[[Scene], Any]]] = {
    "digit": (range(len(DIGITS)), lambda scene: scene.things[0].digit),
    "colour": (list(COLOURS), lambda scene: scene.things[0].colour),
    "background": (list(COLOURS), lambda scene: scene.background),
    "pair": (
        list(product(range(len(DIGITS)), COLOURS)),
        lambda scene: (scene.things[0].digit, scene.things[0].colour),
    ),
}
"""The classes of each question about a scene of one digit, and which of them it is."""


def _prompts(classes: Sequence[Any], of_scene: Callable[[Scene], Any]) -> _Prompts:
    """Return the captions of all scenes of each class, without sizes and in one wording."""
    every = [
        Scene((Thing(digit, colour, None),), None, ground)
        for digit, colour, ground in product(range(len(DIGITS)), COLOURS, COLOURS)
        if colour != ground
    ]
    found: dict[Any, list[str]] = {one: [] for one in classes}
    for scene in every:
        found[of_scene(scene)].append(caption(scene))
    return list(found.values())


def _hits(origin: Origin, store: Any, weights: Tensor, labels: Tensor, rows: Tensor | None = None) -> Tensor:
    parts = [predict(origin.method, x, weights).argmax(1) for x in batches_of(store, rows)]
    return torch.cat(parts) == labels


def _flat(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _origin(material: Material) -> Origin:
    assert material.origin is not None
    return material.origin
