"""The Frechet Inception distance."""

import torch

from genbench.metrics.difference import random_halves
from genbench.metrics.features import FeatureSet
from genbench.metrics.frechet import frechet_distance, frechet_distance_of_features
from genbench.metrics.material import Material
from genbench.metrics.score import Score


class Fid(Score):
    """The Frechet distance of features, and its standard error by random halves of the generated set.

    Heusel et al. 2017, https://arxiv.org/abs/1706.08500.

    Args:
        halves: random halves for the standard error; 0 for none.
    """

    figures = {"fid": "lower"}
    needs_features = True
    needs_reference = "statistics"
    least = 2

    def __init__(self, halves: int = 0) -> None:
        self.halves = halves

    def compute(self, material: Material) -> dict[str, float]:
        """Return the distance, and its standard error if there are halves."""
        return distance_figures("fid", material, self.halves)


def distance_figures(name: str, material: Material, halves: int) -> dict[str, float]:
    """Return the Frechet distance under a name, and its standard error by random halves, if any."""
    generated, reference = material.generated, material.reference
    values = {name: distance_between(generated, reference)}
    if halves:
        distances = [distance_between(half, reference) for half in random_halves(generated, halves)]
        values[f"{name}_std"] = float(torch.tensor(distances).std())
    return values


def distance_between(generated: FeatureSet, reference: FeatureSet) -> float:
    """Return the Frechet distance, by the cheaper method."""
    few = min(len(generated.features), len(reference.features)) < len(generated.mean)
    # Statistics from a file have no features at all.
    whole = all(0 < len(part.features) == part.count for part in (generated, reference))
    if few and whole:
        return frechet_distance_of_features(generated.features, reference.features)
    return frechet_distance(generated.mean, generated.covariance, reference.mean, reference.covariance)
