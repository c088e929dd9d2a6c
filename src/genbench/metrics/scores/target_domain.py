"""Whether translations among many domains are seen as images of their target domain."""

from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from genbench.conditions.classes import Classes
from genbench.conditions.target_domain import TargetDomain
from genbench.metrics.extractor import Extractor
from genbench.metrics.features import features_of, kept_every
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting, binomial_std
from genbench.metrics.translation import translation_facts

_CLASSIFIED = 10_000
"""Training images of the classifier."""


class TargetDomainScore(Score):
    """What a linear classifier of the extractor's features, trained on real training images, says of translations.

    Of classes `target_domain` is the fraction of translations that are classified as their target, of attributes the
    fraction of all attributes of all translations that are seen as asked for. `target_domain_real` is the same of
    held-out real images and their own domains, which the first can hardly exceed. The classifier never sees a
    translation, and the method's own discriminator has no part in it.
    """

    figures = {"target_domain": "higher", "target_domain_real": None}
    chosen = "always"
    needs_features = True
    needs_method = True
    least = 1

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method does not translate among domains, where it does not."""
        if reason := super().unsuited(setting):
            return reason
        return unsuited_to_domains(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which sources were translated."""
        return translation_facts(material)

    def compute(self, material: Material) -> dict[str, float]:
        """Return both fractions, the first with its standard error."""
        seen = material.once(self.name, lambda: _classified(material))
        translated, real = seen["translated"].double(), seen["real"].double()
        fraction = float(translated.mean())
        return {
            "target_domain": fraction,
            "target_domain_std": binomial_std(fraction, len(translated)),
            "target_domain_real": float(real.mean()),
        }


def unsuited_to_domains(setting: Setting) -> str | None:
    """Return that samples are no translations among domains; None if they are."""
    if isinstance(setting.method.condition, TargetDomain):
        return None
    return "it takes a method that translates among domains"


def _classified(material: Material) -> dict[str, Tensor]:
    origin, conditions = material.origin, material.conditions
    assert origin is not None
    assert conditions is not None
    condition = conditions.kind
    assert isinstance(condition, TargetDomain)
    every = kept_every(material.count)
    wanted = condition.split(conditions.rows[::every])[0]
    train, held_out = (origin.data.store(split) for split in ("train", origin.split))
    few = slice(_CLASSIFIED)
    return right_domains(
        (material.generated.features, wanted),
        (train.samples[few], _own(condition, train.conditions[few])),
        (held_out.samples[few], _own(condition, held_out.conditions[few])),
        isinstance(condition.domains, Classes),
        material.extractor,
    )


def _own(condition: TargetDomain, rows: Tensor) -> Tensor:
    """Return the domains of a data set's own images: they are its rows, or in them."""
    return rows if condition.drawn else condition.split(rows)[0]


def right_domains(
    translated: tuple[Tensor, Tensor],
    train: tuple[Tensor, Tensor],
    held_out: tuple[Tensor, Tensor],
    are_classes: bool,
    extractor: Extractor,
) -> dict[str, Tensor]:
    """Classify images by domain, with a linear classifier of the extractor's features.

    Args:
        translated: features of translations, (N, D), and their targets, (N,) classes or (N, K) attributes.
        train: training images of the classifier, uint8 (M, C, H, W), and their domains.
        held_out: real images that are none of those, likewise.
        are_classes: which of both domains are.
        extractor: whose features it uses.

    Returns:
        For "translated" and "real" the fraction of each image's domains that are seen as said, (N,): of classes 0 or 1.
    """
    columns = [each[1].long()[:, None] if are_classes else each[1].long() for each in (translated, train, held_out)]
    learnt = features_of(extractor, train[0]).features.double().numpy()
    looked_at = (translated[0].double(), features_of(extractor, held_out[0]).features.double())
    right: dict[str, list[Tensor]] = {"translated": [], "real": []}
    for column in range(columns[1].shape[1]):
        own = columns[1][:, column].numpy()
        if len(set(own.tolist())) < 2:
            raise ValueError("its classifier takes training images of at least two domains")
        classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
        classifier.fit(learnt, own)
        for (_name, found), features, wanted in zip(right.items(), looked_at, columns[::2], strict=True):
            found.append(torch.from_numpy(classifier.predict(features.numpy())) == wanted[:, column])
    return {name: torch.stack(found, 1).double().mean(1) for name, found in right.items()}
