"""The difference of two sets' scores, with an interval: same reference, same count, same noise.

Each score is computed on many random halves of both sets, with the same halves for both, and the spread of the
differences gives their standard error (the delete-half jackknife, Shao and Wu 1989): errors common to both halves
cancel. Unlike a bootstrap it draws no image twice; a repeated image would be its own nearest neighbour.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch

from genbench.metrics.features import FeatureSet


def random_halves(features: FeatureSet, halves: int, seed: int = 0) -> Iterator[FeatureSet]:
    """Yield random halves of a set; for two sets of one size, the same positions."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(halves):
        rows = torch.randperm(len(features.features), generator=generator)[: len(features.features) // 2]
        chosen = features.features[rows].double()
        yield replace(
            features,
            mean=chosen.mean(0),
            covariance=chosen.T.cov(),
            features=features.features[rows],
            logits=features.logits[rows],
            labels=None if features.labels is None else features.labels[rows],
            count=len(rows),
        )
