"""Show where a picture attends to each word of its prompt (Tang et al. 2022, https://arxiv.org/abs/2210.04885).

Example:
    python -m genbench edit editor=attention_maps run=FOLDER prompt="a red three on blue" count=4
"""

from typing import ClassVar

import torch
from torch import Tensor

from genbench.abilities import AttendsToWords
from genbench.conditions.captions import Captions
from genbench.editing.base import Beside, Editor, EditResult, Input, Inputs
from genbench.errors import UserError
from genbench.images import to_uint8
from genbench.medium import Images
from genbench.randomness import Noise

_HEAT = torch.tensor([[0.0, 0.0, 0.0], [0.34, 0.06, 0.43], [0.78, 0.20, 0.26], [0.98, 0.62, 0.12], [1.0, 1.0, 0.64]])
"""Colours of the heat from none to the most, RGB in [0, 1], ever brighter."""

_PICTURE = 0.35
"""The fraction of a heat map's picture that the sample beneath it takes, in grey."""


class AttentionMaps(Editor):
    """Draw samples, with a heat map for each word over all steps, layers and heads.

    Sample i is that of `sample` with the same seed and prompt. Each heat map is scaled to its own maximum.

    Args:
        method: what draws them.

    Raises:
        ValueError: it draws no images from captions.
    """

    takes: ClassVar[frozenset[Input]] = frozenset({"condition"})

    def __init__(self, method: AttendsToWords) -> None:
        if not isinstance(method.condition, Captions) or not isinstance(method.medium, Images):
            raise ValueError("it shows attention to words, and the method draws no images from captions")
        self.method = method
        self.captions = method.condition
        self.medium = method.medium

    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return samples, with the heat map of each word beside them.

        Raises:
            UserError: the method's network attends to no text, or a prompt is empty.
        """
        rows = inputs.condition
        assert rows is not None
        if not all(self.captions.words(row) for row in rows):
            raise UserError("an empty prompt has no words to attend to")
        samples, maps = self.method.attention_maps(inputs.count, rows, noise=noise)
        pictures = self.medium.store(self.medium.check(samples, inputs.count)).cpu()
        shown, labels = [], []
        for sample, own, row in zip(samples.cpu(), maps.cpu(), rows.cpu(), strict=True):
            words = self.captions.words(row)
            # Of a word of several tokens it is the mean of theirs.
            of_words = torch.stack([own[places].mean(0) for _, places in words])
            shown.append(_over(sample, of_words))
            labels.append([word for word, _ in words])
        return EditResult(pictures, beside=Beside(shown, labels))


def _over(sample: Tensor, maps: Tensor) -> Tensor:
    """Return heat maps (K, H, W) over a sample (C, H, W) in [-1, 1], uint8 (K, 3, H, W)."""
    heat = maps / maps.amax((1, 2), keepdim=True).clamp_min(torch.finfo().tiny)
    place = heat * (len(_HEAT) - 1)
    low = place.long().clamp_max(len(_HEAT) - 2)
    colours = torch.lerp(_HEAT[low], _HEAT[low + 1], (place - low).unsqueeze(-1)).permute(0, 3, 1, 2)
    grey = (sample.float().clamp(-1, 1).mean(0) + 1) / 2
    return to_uint8(2 * (_PICTURE * grey + (1 - _PICTURE) * colours) - 1)
