"""Base of data sets of images that come with captions of their own."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from genbench.conditions.captions import CONTEXT, Captions
from genbench.data.base import Split
from genbench.data.prepared import MissingDataError, PreparedData, Records
from genbench.data.sources import Origin
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.text.tokenizer import TokenizerName
from genbench.text.words import WordTokenizer, split_words


class Captioned(NamedTuple):
    """The images of a split.

    Attributes:
        origin: where they are.
        texts: the captions of each, in their order; at least one.
    """

    origin: Origin
    texts: list[list[str]]


class CaptionedImages(PreparedData):
    """Images with captions; its own file defines where they are `found`.

    A store keeps the captions as texts, so it serves every tokenizer, and the vocabulary of the training captions.

    Args:
        tokenizer: of the captions: "words" of their own, or "clip_bpe".
        length: tokens of a caption; as many as the longest has if None, or CLIP's 77.
        settings: those of `PreparedData`.

    Raises:
        UserError: an argument is out of range.
    """

    def __init__(self, *, tokenizer: TokenizerName = "words", length: int | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.tokenizer = tokenizer
        self.length = length

    @cached_property
    @abstractmethod
    def found(self) -> dict[str, Captioned]:
        """The images of each split that there is, with their captions.

        Raises:
            MissingDataError: there are none; the message says what to put where.
            UserError: they are invalid.
        """

    @cached_property
    def labels(self) -> Captions:
        """The captions of these images.

        Raises:
            UserError: there is no such tokenizer, or no caption of this length.
        """
        facts = self.locate("train").facts
        try:
            if self.tokenizer == "words":
                return Captions(facts["words"], self.length or facts["longest"])
            return Captions(tokenizer=self.tokenizer, length=self.length or CONTEXT)
        except ValueError as error:
            raise UserError(f"data: {error}") from error

    def records(self, part: str) -> Records:
        """Return the images of a split; the training images with the vocabulary of their captions.

        Raises:
            MissingDataError: there are none.
            UserError: there are others, and none to train on.
        """
        if part == "train" and self.found and part not in self.found:
            others = " and ".join(self.found)
            raise UserError(
                f"data.root={self.root}: no training image has a caption, only those of the {others} split: write "
                "captions for images to train on"
            )
        if part not in self.found:
            raise MissingDataError(f"data.root={self.root} has no {part} image with a caption")
        origin, texts = self.found[part]
        facts: dict[str, Any] = {}
        if part == "train":
            everywhere = (text for split in self.found.values() for own in split.texts for text in own)
            facts["words"] = WordTokenizer.of(text for own in texts for text in own).words
            facts["longest"] = max(1, *(len(split_words(text)) for text in everywhere))
        return Records(origin, pack(texts), facts)

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split with the tokens of their captions.

        Raises:
            UserError: a caption is too long.
        """
        images, packed = self.open(split)
        assert packed is not None
        try:
            rows = self.labels.encode_several(unpack(packed.numpy()))
        except ValueError as error:
            raise UserError(f"{self.name}: {error}: shorten it, or set data.length") from error
        return SampleStore(images, rows, condition=self.labels)


def pack(texts: Sequence[Sequence[str]]) -> np.ndarray:
    """Return the captions of images as their UTF-8, uint8 (N, K, L), padded with zeros."""
    encoded = [[text.encode() for text in own] for own in texts]
    most = max(map(len, encoded), default=0)
    longest = max((len(text) for own in encoded for text in own), default=0)
    packed = np.zeros((len(texts), most, longest), dtype=np.uint8)
    for row, own in zip(packed, encoded, strict=True):
        for place, text in zip(row, own, strict=False):
            place[: len(text)] = np.frombuffer(text, dtype=np.uint8)
    return packed


def unpack(packed: np.ndarray) -> list[list[str]]:
    """Return the captions of images from `pack`."""
    several = [[place.tobytes().rstrip(b"\0").decode() for place in row] for row in packed]
    return [[text for text in own if text] for own in several]
