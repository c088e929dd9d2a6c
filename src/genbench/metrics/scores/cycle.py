"""Cycle consistency of methods that translate between two unpaired domains in both directions."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from genbench.abilities import Generative, TranslatesBack
from genbench.conditions.base import Conditions
from genbench.conditions.source_images import SourceImages
from genbench.images import to_float
from genbench.medium import Images
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting
from genbench.metrics.translation import held_out_images, translation_facts, unsuited_to_unpaired
from genbench.sampling import sample_set


class Cycle(Score):
    """The mean absolute error on [-1, 1] after translation there and back, for both domains.

    Translations are rounded to uint8 before they are translated back, so that no information can be hidden in
    imperceptible differences.
    """

    figures = {"cycle_source": "lower", "cycle_target": "lower"}
    chosen = "always"
    needs_samples = True
    needs_method = True
    least = 1

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method does not translate both ways between two domains, where it does not."""
        if reason := super().unsuited(setting) or unsuited_to_unpaired(setting):
            return reason
        return None if isinstance(setting.method, TranslatesBack) else "it takes a method that also translates back"

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which sources were translated."""
        return translation_facts(material)

    def compute(self, material: Material) -> dict[str, float]:
        """Return both errors."""
        errors = material.once(self.name, lambda: _errors(material))
        return {name: float(values.double().mean()) for name, values in errors.items()}


def _errors(material: Material) -> dict[str, Tensor]:
    assert material.origin is not None
    assert material.samples is not None
    assert material.conditions is not None
    method = material.origin.method
    _, targets = held_out_images(material)
    return cycle_errors(method, method.sample_back, material.conditions, targets, material.seed, material.samples)


def cycle_errors(
    method: Generative,
    back: Callable[..., Tensor],
    sources: Conditions,
    targets: Tensor,
    seed: int,
    translated: Tensor,
) -> dict[str, Tensor]:
    """Return the mean absolute cycle-consistency error of each image on [-1, 1], for both domains.

    Args:
        method: translates sources.
        back: translates targets.
        sources: N of them.
        targets: uint8 (M, C, H, W).
        seed: of the method's noise.
        translated: the translations of `sources`, uint8.
    """
    source, target = sources.kind, SourceImages(method.medium.shape)
    of_sources = Images(sources.rows.shape[1:])
    home = sample_set(back, len(translated), seed, of_sources, Conditions(target, translated))
    drawn = sample_set(back, len(targets), seed, of_sources, Conditions(target, targets))
    there = sample_set(method.sample, len(targets), seed, method.medium, Conditions(source, drawn))
    return {
        "cycle_source": (to_float(home) - to_float(sources.rows)).abs().flatten(1).mean(1),
        "cycle_target": (to_float(there) - to_float(targets)).abs().flatten(1).mean(1),
    }
