"""Agreement with the requested class."""

from genbench.metrics.material import Material
from genbench.metrics.predictions import DIGITS, refuse_other_classes
from genbench.metrics.score import Score, Setting, binomial_std


class Agreement(Score):
    """The fraction of samples that the extractor classifies as the class they were conditioned on."""

    figures = {"agreement": "higher"}
    needs_features = True
    needs_labels = True

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the extractor's classes are not the digits, where they are not."""
        return refuse_other_classes(setting.class_count) or super().unsuited(setting)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the fraction with its standard error.

        Raises:
            ValueError: there are no labels, or they are not the extractor's classes.
        """
        labels, logits = material.generated.labels, material.generated.logits
        if labels is None:
            raise ValueError("it takes a method that is conditioned on classes")
        if logits.shape[1] != DIGITS or labels.max() >= DIGITS:
            raise ValueError("it takes the digit classifier, and digits as classes")
        fraction = float((logits.argmax(1) == labels).double().mean())
        return {"agreement": fraction, "agreement_std": binomial_std(fraction, len(labels))}
