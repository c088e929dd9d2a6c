"""Names of logged figures: one vocabulary for all methods, so that any two runs can be plotted on the same axes.

A key is `section/figure`, as in `loss/generator`. Names of scores end with their extractor: `score/fid_digits` is not
an FID by Inception.
"""

import re
from collections.abc import Container, Iterable
from typing import Literal

SECTIONS = {
    "loss": "what the optimizers minimise",
    "adversary": "discriminator outputs, and penalties on the discriminator",
    "gradient": "norms of the gradients, before they are clipped",
    "learning_rate": "learning rates, where a schedule changes them",
    "score": "scores of the averaged weights",
    "speed": "images per second, seconds per step, the fraction of time spent waiting for data, memory",
    "samples": "pictures from fixed noise",
}

AXES = ("step", "images", "seconds")
"""Possible x-axes of a figure; each row has all three."""

_EXTRACTOR = re.compile(r"_(digits|clip|dinov2|inception)(_[0-9a-f]{8})?$")
"""Suffix of a score's name unless it was computed with FID's own Inception; for weights other than the published ones
the first eight digits of their hash follow."""

_HIGHER = {
    "is", "precision", "recall", "density", "coverage", "classes", "smallest_class", "agreement", "cas_linear",
    "ssim", "target_agreement", "in_target_domain", "means_p", "variances_p", "mmd_p", "c2st_p",
}  # fmt: skip
_LOWER = {
    "fid", "fid_infinity", "kid", "mmd", "c2st", "distance_from_uniform", "fid_class_mean", "fid_class_worst",
    "means_t", "variances_t", "mae", "cycle_source", "cycle_target", "bits_per_dim",
}  # fmt: skip

RANKED = tuple(sorted(_HIGHER | _LOWER))
"""Scores for which either higher or lower is better."""


def plain_score(name: str) -> str:
    """Return a score's name without its extractor: `fid` for `fid_digits`."""
    return _EXTRACTOR.sub("", name)


def extractor_of(name: str) -> str:
    """Return the extractor that a score's name ends with, `_digits` for `fid_digits`; empty if it names none."""
    return name[len(plain_score(name)) :]


def find_score(name: str, among: Iterable[str]) -> str | None:
    """Return a score by its name, or else the same score by another extractor; None if there is neither."""
    among = list(among)
    if name in among:
        return name
    return next((other for other in among if plain_score(other) == name), None)


def better(name: str) -> Literal["min", "max"] | None:
    """Return whether lower ("min") or higher ("max") is better; None if neither, as for a standard deviation."""
    plain = plain_score(name)
    if plain in _HIGHER:
        return "max"
    return "min" if plain in _LOWER else None


def is_deviation(name: str, among: Container[str]) -> bool:
    """Return whether a figure is the standard error or deviation of another one in `among`."""
    return name.endswith("_std") and name.removesuffix("_std") in among
