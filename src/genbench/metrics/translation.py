"""Scores of image-to-image translation on held-out images.

With pairs a translation is compared with its target. Without, scores measure whether it is classified as an image of
the target domain, and cycle consistency.
"""

from collections.abc import Callable
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from genbench.abilities import Generative
from genbench.conditions.base import Conditions
from genbench.conditions.source_images import SourceImages
from genbench.images import to_float
from genbench.medium import Images
from genbench.metrics.conditions import conditions_of
from genbench.metrics.extractor import Extractor
from genbench.metrics.features import FeatureSet, extract
from genbench.sampling import sample_set

Draw = Callable[..., Tensor]

_CLASSIFIED = 5000
"""Training images per domain for the domain classifier."""


def translation_scores(
    method: Generative, back: Draw | None, data: Any, split: str, extractor: Extractor, *, count: int, seed: int
) -> dict[str, float]:
    """Return `paired_scores` for paired data, else `domain_scores` and `cycle_scores`.

    Args:
        method: whose condition is source images.
        back: its `sample_back`, if it has one.
        data: a data set.
        split: which of its images are translated.
        extractor: for features and classes.
        count: images, at most all of the split.
        seed: of the method's noise.
    """
    store = data.store(split)
    sources = conditions_of(method, data, split, torch.arange(count))
    translated = sample_set(method.sample, count, seed, method.medium, sources)
    targets = store.samples[:count]
    if store.has_pairs:
        return paired_scores(translated, targets, extractor)
    train = data.store("train")
    scores = domain_scores(translated, sources.rows, targets, (train.conditions, train.samples), extractor)
    if back is not None:
        scores |= cycle_scores(method, back, sources, targets, seed, translated)
    return scores


def paired_scores(translated: Tensor, targets: Tensor, extractor: Extractor) -> dict[str, float]:
    """Compare translations with their targets.

    Args:
        translated: uint8 (N, C, H, W).
        targets: uint8 (N, C, H, W).
        extractor: with or without classes.

    Returns:
        `mae`, the mean absolute error on [-1, 1]; `ssim` (Wang et al. 2004); and, if the extractor has classes,
        `target_agreement`, the fraction of translations that it classifies like their targets.
    """
    x, y = to_float(translated), to_float(targets)
    similarity = structural_similarity_index_measure(x, y, data_range=2.0)
    assert isinstance(similarity, Tensor)
    scores = {"mae": float((x - y).abs().mean()), "ssim": float(similarity)}
    if extractor.class_count:
        x_class, y_class = (_features(extractor, images).logits.argmax(1) for images in (translated, targets))
        scores["target_agreement"] = float((x_class == y_class).double().mean())
    return scores


def domain_scores(
    translated: Tensor, sources: Tensor, targets: Tensor, train: tuple[Any, Any], extractor: Extractor
) -> dict[str, float]:
    """Classify translations by domain, with a linear classifier of the extractor's features.

    Args:
        translated: uint8 (N, C, H, W).
        sources: held-out images of the source domain, uint8.
        targets: held-out images of the target domain, uint8.
        train: training images of the classifier: sources and targets.
        extractor: whose features it uses.

    Returns:
        `in_target_domain`, the fraction of translations classified as targets; `domain_accuracy`, the classifier's
        accuracy on held-out real images, needed to interpret the first.
    """
    learnt = [_features(extractor, images[:_CLASSIFIED]).features.double() for images in train]
    labels = torch.cat([torch.full((len(features),), index) for index, features in enumerate(learnt)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    classifier.fit(torch.cat(learnt).numpy(), labels.numpy())

    def fraction_of_targets(images: Tensor) -> float:
        return float(classifier.predict(_features(extractor, images).features.double().numpy()).mean())

    return {
        "in_target_domain": fraction_of_targets(translated),
        "domain_accuracy": (fraction_of_targets(targets) + 1 - fraction_of_targets(sources)) / 2,
    }


def cycle_scores(
    method: Generative, back: Draw, sources: Conditions, targets: Tensor, seed: int, translated: Tensor
) -> dict[str, float]:
    """Return the mean absolute cycle-consistency error on [-1, 1], for both domains.

    Translations are rounded to uint8 before they are translated back, so that no information can be hidden in
    imperceptible differences.

    Args:
        method: translates sources.
        back: translates targets.
        sources: N of them.
        targets: uint8 (M, C, H, W).
        seed: of the method's noise.
        translated: the translations of `sources`, uint8.
    """
    source, target = sources.kind, SourceImages(method.medium.shape)
    of_sources = Images(sources.rows.shape[1:])
    home = sample_set(back, len(translated), seed, of_sources, Conditions(target, translated))
    drawn = sample_set(back, len(targets), seed, of_sources, Conditions(target, targets))
    there = sample_set(method.sample, len(targets), seed, method.medium, Conditions(source, drawn))
    return {
        "cycle_source": float((to_float(home) - to_float(sources.rows)).abs().mean()),
        "cycle_target": float((to_float(there) - to_float(targets)).abs().mean()),
    }


def _features(extractor: Extractor, images: Tensor) -> FeatureSet:
    parts = ((first, images[first : first + 64]) for first in range(0, len(images), 64))
    device = next(extractor.parameters()).device
    return extract(extractor, parts, len(images), device, shared=False)
