"""The agreement of enlarged images with the small ones that they were made from."""

from typing import Any

import torch
from torch import Tensor

from genbench.conditions.derived import LowResolution
from genbench.conditions.source_images import SourceImages
from genbench.images import to_float
from genbench.medium import Images
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting
from genbench.metrics.translation import translation_facts

_BATCH = 64


class Consistency(Score):
    """The mean squared error between small images and the samples made as small again, on [0, 1].

    Saharia et al. 2021 (SR3), table 1, in units of 1e-5 there. Samples are made smaller as the small images were:
    bicubically, with antialiasing, and rounded to 256 levels.
    """

    figures = {"consistency": "lower"}
    chosen = "always"
    needs_samples = True
    needs_method = True
    least = 1

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the samples are no enlarged images."""
        if reason := super().unsuited(setting):
            return reason
        return None if _factor(setting.method, setting.medium) else "it takes a method that enlarges images"

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which images were enlarged."""
        return translation_facts(material)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the mean error."""
        errors = material.once(self.name, lambda: {"error": _errors(material)})
        return {"consistency": float(errors["error"].double().mean())}


def _errors(material: Material) -> Tensor:
    assert material.origin is not None
    assert material.samples is not None
    assert material.conditions is not None
    factor = _factor(material.origin.method, material.origin.method.medium)
    assert factor is not None
    shrink, errors = LowResolution(factor), []
    for samples, sources in zip(material.samples.split(_BATCH), material.conditions.rows.split(_BATCH), strict=True):
        difference = shrink(to_float(samples)) - to_float(sources)
        # Half of the distance on [-1, 1] is that on [0, 1].
        errors.append((difference.double() / 2).square().flatten(1).mean(1))
    return torch.cat(errors)


def _factor(method: Any, medium: Any) -> int | None:
    """Return by which factor a method enlarges its source images; None if it does something else."""
    sources = getattr(method, "condition", None)
    if not (isinstance(sources, SourceImages) and isinstance(medium, Images)):
        return None
    (channels, *small), (own_channels, *large) = sources.shape, medium.shape
    factor, rest = divmod(large[0], small[0])
    is_enlarged = channels == own_channels and not rest and factor > 1 and small[1] * factor == large[1]
    return factor if is_enlarged else None
