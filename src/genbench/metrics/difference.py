"""Random halves of a set in feature space, for standard errors: see `Material.halves`."""

from collections.abc import Iterator

import torch

from genbench.metrics.features import FeatureSet


def random_halves(features: FeatureSet, halves: int, seed: int = 0) -> Iterator[FeatureSet]:
    """Yield random halves of a set; for two sets of one size, the same positions."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(halves):
        yield features.take(torch.randperm(len(features.features), generator=generator)[: len(features.features) // 2])
