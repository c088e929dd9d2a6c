"""The Frechet distance in DINOv2's features, whatever the other scores' extractor is."""

from typing import Any

from genbench.metrics.material import Material
from genbench.metrics.score import Score
from genbench.metrics.scores.fid import distance_figures


class FdDinov2(Score):
    """The Frechet distance of DINOv2's features (Stein et al. 2023, https://arxiv.org/abs/2306.04675).

    Args:
        halves: random halves for the standard error; 0 for none.
    """

    figures = {"fd_dinov2": "lower"}
    chosen = "named"
    extractor = "dinov2"
    needs_features = True
    needs_reference = "statistics"
    least = 2

    def __init__(self, halves: int = 0) -> None:
        self.halves = halves

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return the extractor, which is not that of the other scores."""
        return {"fd_dinov2": material.extractor.facts}

    def compute(self, material: Material) -> dict[str, float]:
        """Return the distance, and its standard error if there are halves."""
        return distance_figures("fd_dinov2", material, self.halves)
