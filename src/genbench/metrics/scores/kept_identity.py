"""Whether translations are still of what their sources are of, where the true translations are known."""

from typing import Any

import torch
from torch import Tensor

from genbench.conditions.target_domain import TargetDomain
from genbench.images import to_float
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting, binomial_std
from genbench.metrics.scores.target_domain import unsuited_to_domains
from genbench.metrics.translation import translation_facts


class KeptIdentity(Score):
    """The fraction of translations that, of all held-out images of their target domain, are nearest to the true one.

    Distances are mean absolute errors. With M images in a domain a translation that ignores its source would reach
    1 / M.
    """

    figures = {"kept_identity": "higher"}
    chosen = "always"
    needs_samples = True
    needs_targets = True
    needs_method = True
    least = 1

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method does not translate among domains, where it does not."""
        return super().unsuited(setting) or unsuited_to_domains(setting)

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which sources were translated."""
        return translation_facts(material)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the fraction with its standard error."""
        kept = material.once(self.name, lambda: {"kept": _kept(material)})["kept"].double()
        fraction = float(kept.mean())
        return {"kept_identity": fraction, "kept_identity_std": binomial_std(fraction, len(kept))}


def _kept(material: Material) -> Tensor:
    origin, conditions, targets = material.origin, material.conditions, material.targets
    assert origin is not None
    assert conditions is not None
    assert targets is not None
    assert material.samples is not None
    condition = conditions.kind
    assert isinstance(condition, TargetDomain)
    held_out = origin.data.store(origin.split)
    own = condition.split(held_out.conditions[:])[0]
    return kept_identities(
        material.samples, targets[slice(None)], condition.split(conditions.rows)[0], held_out.samples[:], own
    )


def kept_identities(samples: Tensor, targets: Tensor, domains: Tensor, images: Tensor, own: Tensor) -> Tensor:
    """Return which samples are at least as near to their targets as to all other images of the target domain, (N,).

    Args:
        samples: uint8 (N, C, H, W).
        targets: the true translations, likewise.
        domains: of the targets, (N,) classes or (N, K) attributes.
        images: real ones, uint8 (M, C, H, W); each may be there several times.
        own: their domains.
    """
    kept = torch.empty(len(samples), dtype=torch.bool)
    for domain in domains.unique(dim=0):
        rows, there = ((each == domain).view(len(each), -1).all(1) for each in (domains, own))
        candidates = to_float(images[there].unique(dim=0)).flatten(1)
        drawn, true = (to_float(each[rows]).flatten(1) for each in (samples, targets))
        nearest = torch.cdist(drawn, candidates, p=1).amin(1)
        # A hair more than nothing for the rounding of two sums of the same terms.
        kept[rows] = (drawn - true).abs().sum(1) <= nearest * (1 + 1e-5) + 1e-3
    return kept
