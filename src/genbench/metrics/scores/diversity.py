"""How much samples of the same condition differ: the mean LPIPS distance of pairs of them."""

from itertools import combinations
from typing import Any

import torch
from torch import Tensor

from genbench.images import to_float
from genbench.lpips import BACKBONES, backbone_path, load_lpips
from genbench.medium import Images
from genbench.metrics.extractor import hash_weights
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting, mean_with_error
from genbench.metrics.translation import translation_facts
from genbench.sampling import sample_set


class Diversity(Score):
    """The mean over conditions of the LPIPS distances of all pairs of their samples (Choi et al. 2020, section 3).

    Conditions are the first `most` of the scored samples, each drawn `outputs` times, of other noise. It is 0 for a
    method without noise. Distances are by AlexNet, version 0.1, as in `lpips`. More is better only for translations
    that are also in their target domain: noise is diverse.

    Args:
        outputs: samples of each condition; 10 in the paper.
        most: conditions.

    Raises:
        UserError: AlexNet's weights are not there, or are of another network.
    """

    figures = {"lpips_diversity": "higher"}
    chosen = "named"
    needs_samples = True
    needs_method = True
    least = 1

    def __init__(self, outputs: int = 10, most: int = 100) -> None:
        if outputs < 2 or most < 1:
            raise ValueError(f"diversity takes at least 2 outputs of at least 1 condition, not {outputs} of {most}")
        self.outputs, self.most = outputs, most
        self._network = load_lpips("alex")
        self._sha256 = hash_weights(backbone_path("alex"))

    def unsuited(self, setting: Setting) -> str | None:
        """Return that samples have no condition from which they differ, or are too small for AlexNet."""
        if reason := super().unsuited(setting):
            return reason
        if setting.method.condition is None:
            return "it takes a conditional method"
        if not isinstance(setting.medium, Images):
            return "it compares images"
        smallest = BACKBONES["alex"].smallest
        if min(setting.medium.shape[1:]) < smallest:
            return f"AlexNet takes images of at least {smallest} pixels a side"
        return None

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return how many samples of how many conditions, which ones, and the network with its weights."""
        assert material.origin is not None
        of_sources = {} if material.origin.rows is None else translation_facts(material)
        network = {"network": "AlexNet", "sha256": self._sha256}
        return of_sources | {
            "diversity_outputs": self.outputs,
            "diversity_conditions": min(self.most, material.count),
            "diversity_lpips": network,
        }

    def compute(self, material: Material) -> dict[str, float]:
        """Return the mean, with its standard error over conditions."""
        found = material.once(self.name, lambda: {"distances": self._distances(material)})["distances"].double()
        return mean_with_error("lpips_diversity", found)

    @torch.no_grad()
    def _distances(self, material: Material) -> Tensor:
        """Return the mean distance of the pairs of each condition, (N,)."""
        origin, conditions = material.origin, material.conditions
        assert origin is not None
        assert conditions is not None
        method, few = origin.method, conditions[: self.most]
        seeds = range(material.seed, material.seed + self.outputs)
        drawn = [sample_set(method.sample, len(few), seed, method.medium, few).cpu() for seed in seeds]
        pairs = [self._network(to_float(one), to_float(other)) for one, other in combinations(drawn, 2)]
        return torch.stack(pairs).mean(0)
