"""Tests of equal means and of equal variances."""

from genbench.metrics.material import Material
from genbench.metrics.score import Score
from genbench.metrics.two_sample import equal_sets, means_test, variances_test


class Moments(Score):
    """The largest t of means and of variances over the dimensions, with p-values."""

    figures = {"means_t": "lower", "means_p": "higher", "variances_t": "lower", "variances_p": "higher"}
    needs_features = True
    needs_reference = "features"
    least = 2

    def compute(self, material: Material) -> dict[str, float]:
        """Return statistics and p-values."""
        x, y = equal_sets(material.generated.features, material.reference.features)
        mean, variance = means_test(x, y), variances_test(x, y)
        return {
            "means_t": mean.statistic,
            "means_p": mean.p_value,
            "variances_t": variance.statistic,
            "variances_p": variance.p_value,
        }
