"""The kernel Inception distance."""

from genbench.metrics.kernel import kernel_distance
from genbench.metrics.material import Material
from genbench.metrics.score import Score


class Kid(Score):
    """The kernel distance of features, the mean over pairs of subsets.

    Args:
        kid_subsets: pairs of subsets.
        kid_subset_size: samples of a subset.
    """

    figures = {"kid": "lower"}
    needs_features = True
    needs_reference = "features"
    hint = " (metrics.kid_subset_size)"

    def __init__(self, kid_subsets: int = 100, kid_subset_size: int = 1000) -> None:
        self.subsets, self.least = kid_subsets, kid_subset_size

    def compute(self, material: Material) -> dict[str, float]:
        """Return the mean and the standard deviation over the subsets."""
        sets = material.generated.features, material.reference.features
        mean, deviation = kernel_distance(*sets, self.subsets, self.least)
        return {"kid": mean, "kid_std": deviation}
