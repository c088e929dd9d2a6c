"""The maximum mean discrepancy with its permutation test."""

from genbench.metrics.kernel import discrepancy_test
from genbench.metrics.material import Material
from genbench.metrics.score import Score
from genbench.metrics.two_sample import equal_sets


class Mmd(Score):
    """The discrepancy of features under a Gaussian kernel, and its p-value."""

    figures = {"mmd": "lower", "mmd_p": "higher"}
    needs_features = True
    needs_reference = "features"
    least = 2

    def compute(self, material: Material) -> dict[str, float]:
        """Return the discrepancy and the p-value."""
        value, p_value = discrepancy_test(*equal_sets(material.generated.features, material.reference.features))
        return {"mmd": value, "mmd_p": p_value}
