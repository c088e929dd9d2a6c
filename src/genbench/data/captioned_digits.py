"""scikit-learn's digits with captions: a minimal captioned data set, without a download.

Example:
    python -m genbench experiment=ddpm_captioned_digits
"""

import torch

from genbench.conditions.captions import captions_of
from genbench.data.base import DataSet, Split
from genbench.data.digits import Digits
from genbench.data.store import SampleStore
from genbench.randomness import make_generator
from genbench.text.tokenizer import TokenizerName

_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_GROUNDS = ("black", "white")
_TEMPLATES = ("a {digit} on {ground}", "the digit {digit} on a {ground} background", "{ground} with a {digit}")


class CaptionedDigits(DataSet):
    """Every digit white on black, and black on white, each with a caption such as "a seven on white".

    Args:
        size: side in pixels; at least 8.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.
        tokenizer: of the captions: "words" of their own, or "clip_bpe".

    Raises:
        UserError: an argument is out of range.
    """

    name = "captioned_digits"

    def __init__(self, size: int = 16, batch_size: int = 64, seed: int = 0, tokenizer: TokenizerName = "words") -> None:
        super().__init__(batch_size, seed)
        self._digits = Digits(size)
        self.medium = self._digits.medium
        texts = [caption(template, digit, ground) for template in _TEMPLATES for digit in _WORDS for ground in _GROUNDS]
        self._captions = captions_of(texts, tokenizer)
        self.condition = self._captions

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split, uint8 (2N, 1, size, size), with the tokens of their captions (2N, length)."""
        digits = self._digits.store(split)
        # In turn, so that a picture of the first images shows both.
        images = torch.stack([digits.samples[:], 255 - digits.samples[:]], dim=1).flatten(0, 1)
        assert digits.conditions is not None
        classes = digits.conditions[:].repeat_interleave(2).tolist()
        grounds = _GROUNDS * len(digits)
        # The captions do not depend on the run's seed.
        generator = make_generator("data", 0 if split == "train" else 1)
        chosen = torch.randint(len(_TEMPLATES), (len(images),), generator=generator).tolist()
        texts = [
            caption(_TEMPLATES[template], _WORDS[digit], ground)
            for template, digit, ground in zip(chosen, classes, grounds, strict=True)
        ]
        return SampleStore(images, self._captions.encode(texts), condition=self._captions)


def caption(template: str, digit: str, ground: str) -> str:
    """Return the caption from a template."""
    return template.format(digit=digit, ground=ground)
