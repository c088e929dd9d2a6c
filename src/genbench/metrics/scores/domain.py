"""Whether translations between two unpaired domains are seen as images of the target domain."""

from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from genbench.metrics.extractor import Extractor
from genbench.metrics.features import features_of
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting
from genbench.metrics.translation import held_out_images, translation_facts, unsuited_to_unpaired

_CLASSIFIED = 5000
"""Training images per domain for the domain classifier."""


class Domain(Score):
    """What a linear classifier of the extractor's features, trained on real images, says of translations.

    `in_target_domain` is the fraction of translations classified as targets; `domain_accuracy` is the classifier's
    accuracy on held-out real images, needed to interpret the first.
    """

    figures = {"in_target_domain": "higher", "domain_accuracy": None}
    chosen = "always"
    needs_features = True
    needs_method = True
    least = 1

    def unsuited(self, setting: Setting) -> str | None:
        """Return that there are no two domains, where there are none."""
        return super().unsuited(setting) or unsuited_to_unpaired(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which sources were translated."""
        return translation_facts(material)

    def compute(self, material: Material) -> dict[str, float]:
        """Return both fractions."""
        seen = material.once(self.name, lambda: _classified(material))
        translated, sources, targets = (seen[name].double().mean() for name in ("translated", "sources", "targets"))
        return {"in_target_domain": float(translated), "domain_accuracy": float((targets + 1 - sources) / 2)}


def _classified(material: Material) -> dict[str, Tensor]:
    assert material.origin is not None
    train, extractor = material.origin.data.store("train"), material.extractor
    sources, targets = held_out_images(material)
    return domain_predictions(
        material.generated.features, sources, targets, (train.conditions, train.samples), extractor
    )


def domain_predictions(
    translated: Tensor, sources: Tensor, targets: Tensor, train: tuple[Tensor, Tensor], extractor: Extractor
) -> dict[str, Tensor]:
    """Classify images by domain, with a linear classifier of the extractor's features.

    Args:
        translated: features of translations, (N, D).
        sources: held-out images of the source domain, uint8 (M, C, H, W).
        targets: held-out images of the target domain, uint8.
        train: training images of the classifier: sources and targets.
        extractor: whose features it uses.

    Returns:
        For "translated", "sources" and "targets" which are classified as targets, bool.
    """
    learnt = [features_of(extractor, images[:_CLASSIFIED]).features.double() for images in train]
    labels = torch.cat([torch.full((len(features),), index) for index, features in enumerate(learnt)])
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, class_weight="balanced"))
    classifier.fit(torch.cat(learnt).numpy(), labels.numpy())

    def are_targets(features: Tensor) -> Tensor:
        return torch.from_numpy(classifier.predict(features.double().numpy())) == 1

    return {
        "translated": are_targets(translated),
        "sources": are_targets(features_of(extractor, sources).features),
        "targets": are_targets(features_of(extractor, targets).features),
    }
