"""Conditional methods class by class."""

from genbench.metrics.by_class import classification_accuracy_score, frechet_by_class
from genbench.metrics.material import Material
from genbench.metrics.score import Score, binomial_std


class ByClass(Score):
    """The mean and worst Frechet distance over classes, and the classification accuracy score."""

    figures = {"fid_class_mean": "lower", "fid_class_worst": "lower", "cas_linear": "higher"}
    needs_features = True
    needs_reference = "features"
    needs_labels = True

    def compute(self, material: Material) -> dict[str, float]:
        """Return the three figures.

        Raises:
            ValueError: samples or real images have no classes, or a class has too few.
        """
        generated, reference = material.generated, material.reference
        if generated.labels is None or reference.labels is None:
            raise ValueError("it takes a conditional method and a reference with classes")
        labelled = generated.features, generated.labels, reference.features, reference.labels
        distances = frechet_by_class(*labelled)
        accuracy = classification_accuracy_score(*labelled)
        return {
            "fid_class_mean": sum(distances.values()) / len(distances),
            "fid_class_worst": max(distances.values()),
            "cas_linear": accuracy,
            "cas_linear_std": binomial_std(accuracy, len(reference.labels)),
        }
