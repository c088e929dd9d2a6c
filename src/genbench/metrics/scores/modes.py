"""Mode coverage: how many digits were predicted, and how evenly."""

from genbench.metrics.material import Material
from genbench.metrics.predictions import class_fractions, distance_from_uniform, refuse_other_classes
from genbench.metrics.score import Score, Setting, binomial_std


class Modes(Score):
    """How many classes were predicted, the smallest one's fraction, and the distance of the fractions from uniform."""

    figures = {"classes": "higher", "smallest_class": "higher", "distance_from_uniform": "lower"}
    needs_features = True

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the extractor's classes are not the digits, where they are not."""
        return refuse_other_classes(setting.class_count) or super().unsuited(setting)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the three figures."""
        fractions = class_fractions(material.generated.logits)
        smallest = float(fractions.min())
        return {
            "classes": float((fractions > 0).sum()),
            "smallest_class": smallest,
            "smallest_class_std": binomial_std(smallest, len(material.generated.logits)),
            "distance_from_uniform": distance_from_uniform(fractions),
        }
