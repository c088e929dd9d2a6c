"""Zero-shot accuracy of a run that embeds images and texts."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from genbench.abilities import EmbedsTexts
from genbench.metrics.material import Material, Origin
from genbench.metrics.score import Score, Setting, binomial_std
from genbench.metrics.splits import batches_of, facts_of_splits, scored_splits
from genbench.retrieval import numbered
from genbench.text.scenes import COLOURS, DIGITS, Scene, Thing, caption, parse
from genbench.zero_shot import classifier_weights, marginal, predict, prompt_weights

TEMPLATE = "a photo of a {}"
"""The prompt of a class where the data set has no templates of its own."""


class ZeroShot(Score):
    """The fraction of images whose class is predicted right, of classes that are known by texts alone.

    Of labelled data it is `zero_shot`, by the templates of `data.captions`. Of scenes it is of those of one digit: the
    digit, its colour, the background, and the pair of digit and colour among all 80. The texts are the captions of all
    560 such scenes, and the probability of an answer is the sum over its captions. (An average of their embeddings
    says little of the digit: most of an embedding are the colours.) Figures of the split `unseen` end in `_unseen`.
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
        logits = torch.cat([predict(origin.method, x, weights) for x in batches_of(store)])
        yield f"zero_shot{ending}", logits.argmax(1) == store.conditions[:]


def _templates(data: Any) -> list[str]:
    captions = data.captions
    return [captions] if isinstance(captions, str) else [TEMPLATE] if captions is None else list(captions)


def _of_scenes(origin: Origin) -> Iterator[tuple[str, Tensor]]:
    weights: Tensor | None = None
    for split, ending in scored_splits(origin):
        store = origin.data.store(split)
        scenes = _scenes(origin.data.condition.describe(store.conditions[:]))
        rows = torch.tensor([number for number, scene in enumerate(scenes) if _is_simple(scene)])
        if not len(rows):
            continue
        weights = prompt_weights(origin.method, [[caption(one)] for one in _EVERY]) if weights is None else weights
        logits = torch.cat([predict(origin.method, x, weights) for x in batches_of(store, rows)])
        for name, of_scene in _QUESTIONS.items():
            classes, found = numbered([of_scene(one) for one in _EVERY])
            labels = torch.tensor([classes[of_scene(scenes[row])] for row in rows.tolist()])
            yield f"zero_shot_{name}{ending}", marginal(logits, found).argmax(1) == labels


def _is_simple(scene: Scene) -> bool:
    """Whether a scene has one digit, and its caption says all but how large it is."""
    return len(scene.things) == 1 and None not in (scene.background, *scene.things[0][:2])


def _scenes(texts: list[str]) -> list[Scene]:
    try:
        return [parse(text) for text in texts]
    except ValueError as error:
        raise ValueError("it takes data with classes, or scenes") from error


_EVERY = [
    Scene((Thing(digit, colour, None),), None, ground)
    for digit, colour, ground in product(range(len(DIGITS)), COLOURS, COLOURS)
    if colour != ground
]
"""All 560 scenes of one digit, without its size."""

_QUESTIONS: dict[str, Callable[[Scene], Any]] = {
    "digit": lambda scene: scene.things[0].digit,
    "colour": lambda scene: scene.things[0].colour,
    "background": lambda scene: scene.background,
    "pair": lambda scene: scene.things[0][:2],
}
"""The questions about a scene, and what is right."""


def _origin(material: Material) -> Origin:
    assert material.origin is not None
    return material.origin
