"""Retrieval between images and captions by a run that embeds both."""

from typing import Any

import torch
from torch import Tensor

from genbench.abilities import EmbedsTexts
from genbench.conditions.captions import Captions
from genbench.metrics.material import Material, Origin
from genbench.metrics.score import Score, Setting, binomial_std
from genbench.metrics.splits import batches_of, facts_of_splits, scored_splits
from genbench.retrieval import AT, numbered, ranks, recall
from genbench.zero_shot import embed_images, embed_rows, embed_texts

_BATCH = 1000


class Retrieval(Score):
    """Recall at 1, 5 and 10: whether the caption of an image is among the nearest ones, and the reverse.

    Among `candidates` pairs whose captions all differ, the mean over such groups of a split, into which its different
    captions are dealt at random, each with one of its images; and, ending in `_all`, among all images and all different
    captions of the split, where any image of the caption is right. Figures of the split `unseen` end in `_unseen`.

    Args:
        candidates: pairs of a group.
    """

    figures = {
        "image_to_text_recall_1": "higher",
        "image_to_text_recall_5": "higher",
        "image_to_text_recall_10": "higher",
        "text_to_image_recall_1": "higher",
        "text_to_image_recall_5": "higher",
        "text_to_image_recall_10": "higher",
        "image_to_text_recall_1_all": "higher",
        "image_to_text_recall_5_all": "higher",
        "image_to_text_recall_10_all": "higher",
        "text_to_image_recall_1_all": "higher",
        "text_to_image_recall_5_all": "higher",
        "text_to_image_recall_10_all": "higher",
        "image_to_text_recall_1_unseen": "higher",
        "image_to_text_recall_5_unseen": "higher",
        "image_to_text_recall_10_unseen": "higher",
        "text_to_image_recall_1_unseen": "higher",
        "text_to_image_recall_5_unseen": "higher",
        "text_to_image_recall_10_unseen": "higher",
        "image_to_text_recall_1_all_unseen": "higher",
        "image_to_text_recall_5_all_unseen": "higher",
        "image_to_text_recall_10_all_unseen": "higher",
        "text_to_image_recall_1_all_unseen": "higher",
        "text_to_image_recall_5_all_unseen": "higher",
        "text_to_image_recall_10_all_unseen": "higher",
    }
    chosen = "always"
    needs_method = True

    def __init__(self, candidates: int = 100) -> None:
        self.candidates = candidates

    def unsuited(self, setting: Setting) -> str | None:
        """Return that the method does not embed images and texts, where it does not."""
        if reason := super().unsuited(setting):
            return reason
        return None if isinstance(setting.method, EmbedsTexts) else "it takes a method that embeds images and texts"

    def protocol(self, material: Material) -> dict[str, Any]:
        """Return how many candidates there are, and of which images."""
        assert material.origin is not None
        return {"retrieval_candidates": self.candidates} | facts_of_splits(material.origin)

    def compute(self, material: Material) -> dict[str, float]:
        """Return the recalls with their standard errors.

        Raises:
            ValueError: the data have no captions, or too few different ones for a figure.
        """
        found = material.once(self.name, lambda: self._measure(material))
        figures: dict[str, float] = {}
        for name, own in found.items():
            direction, _, ending = name.partition("/")
            for at in AT:
                figure = f"{direction}_recall_{at}{ending}"
                fraction = figures[figure] = recall(own, at)
                figures[f"{figure}_std"] = binomial_std(fraction, len(own))
        return figures

    @torch.no_grad()
    def _measure(self, material: Material) -> dict[str, Tensor]:
        """Return the rank of what is right for each query, by "direction/ending"."""
        assert material.origin is not None
        origin = material.origin
        if not isinstance(origin.data.condition, Captions):
            raise ValueError("it takes data with captions")
        found: dict[str, Tensor] = {}
        for split, ending in scored_splits(origin):
            images, texts, own = _embedded(origin, split)
            found |= {f"{name}/_all{ending}": one for name, one in _ranks(images, texts, own).items()}
            groups = _groups(own, self.candidates, material.seed)
            parts = [_ranks(images[rows], texts[own[rows]], torch.arange(len(rows))) for rows in groups]
            for name in parts[0] if parts else ():
                found[f"{name}/{ending}"] = torch.cat([part[name] for part in parts])
        return found


def _embedded(origin: Origin, split: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return features of the images (N, D), of the different captions (M, D), and the caption of each image (N,)."""
    store, model = origin.data.store(split), origin.method
    kind, stored = origin.data.condition, store.conditions[:]
    texts = kind.describe(stored)
    places, own = numbered(texts)
    if model.condition.to_dict() == kind.to_dict():
        # As the data have them: words that the vocabulary lacks are a token, but no text.
        firsts = {text: row for row, text in reversed(list(enumerate(texts)))}
        features = embed_rows(model, kind.load(stored[[firsts[text] for text in places]]))
    else:
        features = embed_texts(model, list(places))
    return embed_images(model, batches_of(store)), features, own


def _groups(own: Tensor, size: int, seed: int) -> list[Tensor]:
    """Return rows of images in groups of `size` whose captions all differ; what makes no whole group is left over."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(own), generator=generator)
    # The first image of each caption in a random order.
    seen: dict[int, int] = {}
    for row, text in zip(order.tolist(), own[order].tolist(), strict=True):
        seen.setdefault(text, row)
    rows = torch.tensor(list(seen.values()))
    return [group for group in rows.split(size) if len(group) == size]


def _ranks(images: Tensor, texts: Tensor, own: Tensor) -> dict[str, Tensor]:
    """Return the ranks in both directions, of N images with features (N, D) and the captions `own` (N,) of (M, D)."""
    every = torch.arange(len(texts))
    of_images = [
        ranks(rows @ texts.T, numbers[:, None] == every)
        for rows, numbers in zip(images.split(_BATCH), own.split(_BATCH), strict=True)
    ]
    of_texts = [
        ranks(rows @ images.T, numbers[:, None] == own)
        for rows, numbers in zip(texts.split(_BATCH), every.split(_BATCH), strict=True)
    ]
    return {"image_to_text": torch.cat(of_images), "text_to_image": torch.cat(of_texts)}
