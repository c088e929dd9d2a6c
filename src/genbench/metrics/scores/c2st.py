"""The classifier two-sample test."""

from genbench.metrics.material import Material
from genbench.metrics.score import Score, binomial_std
from genbench.metrics.two_sample import FOLDS, classifier_test, equal_sets


class C2st(Score):
    """The accuracy of a classifier that distinguishes samples from real images, and its p-value."""

    figures = {"c2st": "lower", "c2st_p": "higher"}
    needs_features = True
    needs_reference = "features"
    least = FOLDS

    def compute(self, material: Material) -> dict[str, float]:
        """Return the accuracy with its standard error, and the p-value."""
        x, y = equal_sets(material.generated.features, material.reference.features)
        result = classifier_test(x, y, FOLDS)
        deviation = binomial_std(result.statistic, len(x) + len(y))
        return {"c2st": result.statistic, "c2st_std": deviation, "c2st_p": result.p_value}
