"""The Inception Score."""
# ruff: noqa: N999 -- it is called "is" in configurations, and is imported by name alone.

import numpy as np
import torch

from genbench.metrics.material import Material
from genbench.metrics.predictions import IS_SPLITS, inception_score
from genbench.metrics.score import Score, Setting

_NO_CLASSES = "this extractor has no classes"


class InceptionScore(Score):
    """The Inception Score of the samples, shuffled as in torch-fidelity since they may be sorted by class."""

    figures = {"is": "higher"}
    needs_features = True
    least = IS_SPLITS

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the extractor has no classes, where it has none."""
        return _NO_CLASSES if not setting.class_count else super().unsuited(setting)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the mean and the standard deviation over splits."""
        logits = material.generated.logits
        if logits.shape[1] == 0:
            raise ValueError(_NO_CLASSES)
        order = torch.from_numpy(np.random.RandomState(2020).permutation(len(logits)))
        mean, deviation = inception_score(logits[order], IS_SPLITS)
        return {"is": mean, "is_std": deviation}
