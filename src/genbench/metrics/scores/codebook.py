"""How much of a codebook is used on held-out images."""

from typing import Any

import torch

from genbench.abilities import Codes
from genbench.images import to_float
from genbench.metrics.material import Material
from genbench.metrics.score import Score, Setting
from genbench.metrics.translation import translation_facts
from genbench.perplexity import perplexity

_BATCH = 64


class Codebook(Score):
    """The perplexity of the codes of images, exp of their entropy, and the fraction of the codebook that is used.

    The perplexity is K if all codes are used alike, and 1 if one is used always (van den Oord et al. 2017).
    """

    figures = {"codebook_perplexity": "higher", "codebook_used": "higher"}
    chosen = "always"
    needs_samples = True
    needs_method = True
    least = 1

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method has no codebook."""
        if reason := super().unsuited(setting):
            return reason
        return None if isinstance(setting.method, Codes) else "it takes a method with a codebook, such as vqgan"

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return which images were encoded, and into how many codes."""
        assert material.origin is not None
        return translation_facts(material) | {"codebook": material.origin.method.codes}

    def compute(self, material: Material) -> dict[str, float]:
        """Return both figures, of the images that the samples are reconstructions of."""
        assert material.origin is not None
        assert material.conditions is not None
        method, rows = material.origin.method, material.conditions.rows

        def encode() -> dict[str, torch.Tensor]:
            batches = [method.encode_codes(to_float(images)).cpu() for images in rows.split(_BATCH)]
            return {"codes": torch.cat(batches).flatten(1)}

        counts = torch.bincount(material.once(self.name, encode)["codes"].flatten(), minlength=method.codes).double()
        return {"codebook_perplexity": float(perplexity(counts)), "codebook_used": float((counts > 0).double().mean())}
