"""Whether pictures are found to belong to their captions among others, in the features of a CLIP."""

from collections.abc import Sequence

import torch
from torch import Tensor

from genbench.metrics.clip_scoring import ClipBased
from genbench.metrics.material import Material
from genbench.metrics.score import binomial_std

CANDIDATES = 100
"""Captions that a picture is compared with, its own among them."""

_BATCH = 1000


class RPrecision(ClipBased):
    """The fraction of pictures to which their own caption is nearer than 99 others (Xu et al. 2018; Park et al. 2021).

    https://arxiv.org/abs/1711.10485, there in the features of another model. The 99 are drawn for each picture from the
    different captions of the split; texts that are the CLIP's same tokens are one caption.
    """

    figures = {"r_precision": "higher"}

    def check(self, material: Material) -> None:
        """Check that the CLIP knows the words of the split's captions too."""
        self.clip.check([*material.texts, *_texts_of_split(material)])

    def compute(self, material: Material) -> dict[str, float]:
        """Return the fraction with its standard error.

        Raises:
            ValueError: the split has too few different captions.
        """
        right = material.once(self.name, lambda: {"right": self._measure(material)})["right"].double()
        fraction = float(right.mean())
        return {"r_precision": fraction, "r_precision_std": binomial_std(fraction, len(right))}

    def _measure(self, material: Material) -> Tensor:
        images, _ = self.clip.embed(material)
        own, pool = material.texts, _texts_of_split(material)
        numbers, texts = self._distinct([*own, *pool])
        if len(texts) < CANDIDATES:
            raise ValueError(f"it takes a split of at least {CANDIDATES} different captions, not {len(texts)}")
        features = self.clip.embed_each(texts)
        generator = torch.Generator().manual_seed(material.seed)
        right = []
        for rows, numbers_of in zip(images.split(_BATCH), numbers[: len(own)].split(_BATCH), strict=True):
            similarities = rows @ features.T
            # Not the picture's own, the others in a random order.
            order = torch.rand(similarities.shape, generator=generator).scatter(1, numbers_of[:, None], 2.0).argsort(1)
            wrong = similarities.gather(1, order[:, : CANDIDATES - 1])
            right.append(similarities.gather(1, numbers_of[:, None])[:, 0] > wrong.amax(1))
        return torch.cat(right)

    def _distinct(self, texts: Sequence[str]) -> tuple[Tensor, list[str]]:
        """Return the number of each text among those that differ, and these."""
        places: dict[tuple[int, ...], int] = {}
        of_text = {text: tuple(self.clip.model.condition.parse(text)[0].tolist()) for text in dict.fromkeys(texts)}
        distinct: list[str] = []
        for text, tokens in of_text.items():
            if tokens not in places:
                places[tokens] = len(distinct)
                distinct.append(text)
        return torch.tensor([places[of_text[text]] for text in texts]), distinct


def _texts_of_split(material: Material) -> list[str]:
    """Return the captions of the split that those of the samples are from."""
    if material.origin is None:
        return material.texts
    store = material.origin.data.store(material.origin.split)
    texts: list[str] = material.origin.data.condition.describe(store.conditions[:])
    return texts
