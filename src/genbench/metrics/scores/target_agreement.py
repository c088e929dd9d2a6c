"""Agreement of the predicted class of a sample with that of its target."""

from typing import Any

from torch import Tensor

from genbench.metrics.features import features_of, kept_every
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting
from genbench.metrics.translation import translation_facts


class TargetAgreement(Score):
    """The fraction of samples that the extractor classifies like their targets."""

    figures = {"target_agreement": "higher"}
    chosen = "always"
    needs_features = True
    needs_targets = True
    least = 1

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the extractor has no classes, where it has none."""
        return "this extractor has no classes" if not setting.class_count else super().unsuited(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which sources were translated."""
        return translation_facts(material)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the fraction."""

        def compare() -> dict[str, Tensor]:
            assert material.targets is not None
            targets = material.targets[slice(None, None, kept_every(material.count))]
            seen = features_of(material.extractor, targets).logits.argmax(1)
            return {"same": seen == material.generated.logits.argmax(1)}

        return {"target_agreement": float(material.once(self.name, compare)["same"].double().mean())}
