"""A CLIP run that scores what others drew."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from genbench.abilities import EmbedsTexts
from genbench.errors import UserError
from genbench.images import to_float
from genbench.metrics.material import Material
from genbench.parts import Frozen, hashes_in
from genbench.text.words import UNKNOWN_WORD
from genbench.zero_shot import embed_images, embed_texts

_BATCH = 64


class Clip:
    """A trained model that embeds images and texts in one space.

    Args:
        model: embeds them.
        name: of its run, for protocols.
        sha256: of its weights.
    """

    def __init__(self, model: Frozen[EmbedsTexts], name: str, sha256: str) -> None:
        self.model: Any = model
        self.sha256 = sha256
        self.facts = {"name": name, "sha256": sha256}

    def guided(self, method: Any) -> str | None:
        """Return the name of the part of a method that has the same weights; None if none has."""
        return next((name for name, sha256 in hashes_in(method).items() if sha256 == self.sha256), None)

    def check(self, texts: Sequence[str]) -> None:
        """Check that the CLIP knows all words of texts, whose own tokenizer may be another.

        Raises:
            UserError: it does not, or has no room for one.
        """
        for text in dict.fromkeys(texts):
            if UNKNOWN_WORD in text:
                raise UserError(
                    f"the caption {text!r} has a word that the run's own vocabulary lacks, so no CLIP can know what it "
                    "says: score captions of known words, or train with data.tokenizer=clip_bpe"
                )
            try:
                self.model.condition.parse(text)
            except ValueError as error:
                raise UserError(f"metrics.clip={self.facts['name']} can't read the caption {text!r}: {error}") from None

    def embed(self, material: Material) -> tuple[Tensor, Tensor]:
        """Return normalised features (N, D) of samples and of their captions."""
        assert material.samples is not None
        found = material.once("clip", lambda: self._embed(material.samples, material))
        return found["images"], found["texts"]

    def embed_each(self, texts: Sequence[str]) -> Tensor:
        """Return normalised features (N, D) of texts, of which each is embedded once."""
        each = list(dict.fromkeys(texts))
        places = {text: place for place, text in enumerate(each)}
        return embed_texts(self.model, each)[[places[text] for text in texts]]

    def _embed(self, samples: Any, material: Material) -> dict[str, Tensor]:
        if material.origin is not None:
            self.model.to(material.origin.method.device)
        return {
            "images": embed_images(self.model, (to_float(part) for part in samples.split(_BATCH))),
            "texts": self.embed_each(material.texts),
        }
