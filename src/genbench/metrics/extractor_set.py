"""The extractors that an evaluator's scores need, each loaded once."""

from collections.abc import Iterable

import torch

from genbench.medium import Medium
from genbench.metrics.extractor import Extractor
from genbench.metrics.extractors import load_extractor, needs_medium
from genbench.metrics.material import MAIN
from genbench.metrics.score import Score


class ExtractorSet(dict[str, Extractor]):
    """Extractors by name, the evaluator's own under `MAIN`.

    Args:
        setting: `metrics.extractor`.
        weights: `metrics.weights`.
    """

    def __init__(self, setting: str | Extractor, weights: str | None) -> None:
        super().__init__()
        self._setting, self._weights = setting, weights

    def load(self, scores: Iterable[Score], medium: Medium | None) -> None:
        """Load what scores need and is not there; without a medium not the extractors that ask for it.

        Raises:
            UserError: one is not available.
        """
        for score in scores:
            key = score.extractor_key
            setting, weights = (self._setting, self._weights) if key == MAIN else (key, None)
            waits = medium is None and needs_medium(setting)
            if score.needs_features and key not in self and not waits:
                self[key] = load_extractor(setting, weights, medium)

    def on(self, device: torch.device | str, key: str) -> Extractor:
        """Return an extractor after moving it to a device."""
        return self[key].to(device)
