"""What the scores of translation have in common."""

from typing import Any

from torch import Tensor

from genbench.conditions.source_images import SourceImages
from genbench.metrics.material import Material
from genbench.metrics.score import Setting


def translation_facts(material: Material) -> dict[str, Any]:
    """Return what a protocol says of the sources of a set: those of the scored samples, each counted once."""
    assert material.origin is not None
    assert material.origin.rows is not None
    return {
        "translation_split": material.origin.split,
        "translation_count": len(material.origin.rows.unique()),
        "translation_sources": "the scored samples",
    }


def unsuited_to_unpaired(setting: Setting) -> str | None:
    """Return that samples are no translations, or have a target each; None for translations without."""
    if isinstance(setting.method.condition, SourceImages) and not setting.has_targets:
        return None
    return "it takes a method that translates between two domains of unpaired images"


def held_out_images(material: Material) -> tuple[Tensor, Tensor]:
    """Return the source images of a set of translations, and at most as many images of the target domain, uint8."""
    assert material.conditions is not None
    assert material.origin is not None
    targets: Tensor = material.origin.data.store(material.origin.split).samples[: material.count]
    return material.conditions.rows, targets
