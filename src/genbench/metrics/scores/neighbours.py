"""Precision, recall, density, coverage, and distances to the nearest real image."""

from genbench.metrics.material import Material
from genbench.metrics.neighbours import neighbour_scores
from genbench.metrics.score import Score, binomial_std


class Neighbours(Score):
    """Fidelity, diversity and memorisation by nearest neighbours in feature space, one computation for all.

    Args:
        neighbours: k, whose distance is a neighbourhood's radius.
    """

    figures = {
        "precision": "higher", "recall": "higher", "density": "higher", "coverage": "higher",
        "nearest_real": None, "nearest_real_percentile": None,
    }  # fmt: skip
    needs_features = True
    needs_reference = "features"

    def __init__(self, neighbours: int = 3) -> None:
        self.neighbours = neighbours
        self.least = neighbours + 1

    def compute(self, material: Material) -> dict[str, float]:
        """Return fractions with binomial standard errors, and the median and first percentile of the distances."""
        generated, reference = material.generated.features, material.reference.features
        found = neighbour_scores(generated, reference, self.neighbours)
        values: dict[str, float] = {}
        for name, fraction, count in (
            ("precision", found.precision, len(generated)),
            ("recall", found.recall, len(reference)),
            ("coverage", found.coverage, len(reference)),
        ):
            values |= {name: fraction, f"{name}_std": binomial_std(fraction, count)}
        return {
            **values,
            "density": found.density,
            "density_std": found.density_std,
            "nearest_real": float(found.nearest.median()),
            "nearest_real_percentile": float(found.nearest.quantile(0.01)),
        }
