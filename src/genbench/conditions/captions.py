"""Captions: what a picture shows, in words."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genbench.conditions.base import Condition, Tokens, check_count
from genbench.errors import near
from genbench.text.words import PADDING, WordTokenizer, split_words


class Captions(Condition):
    """Rows are tokens (N, length), int64, padded with 0; a caption without words stands for none.

    Args:
        words: the tokenizer's vocabulary.
        length: tokens of the longest caption; what is longer is refused, not cut.

    Raises:
        ValueError: `length` is out of range.
    """

    key = "prompt"

    def __init__(self, words: Sequence[str], length: int) -> None:
        if length < 1:
            raise ValueError(f"a caption has room for at least one token, not {length}")
        self.tokenizer = WordTokenizer(words)
        self.length = length

    @property
    def form(self) -> Tokens:
        """The tokens."""
        return Tokens(self.tokenizer.size, self.length)

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return tokens of the vocabulary."""
        check_count(rows, count, "captions")
        if rows.ndim != 2 or rows.shape[1] != self.length or rows.is_floating_point():
            raise ValueError(
                f"captions are whole numbers (N, {self.length}), not {rows.dtype} of shape {tuple(rows.shape)}"
            )
        if count and (rows.min() < 0 or rows.max() >= self.tokenizer.size):
            raise ValueError(f"tokens are numbers from 0 to {self.tokenizer.size - 1}")
        return rows

    def null(self, count: int) -> Tensor:
        """Return the caption without words."""
        return torch.full((count, self.length), PADDING)

    def parse(self, text: str) -> Tensor:
        """Return the tokens of a text.

        Raises:
            ValueError: it has too many words, or one that no caption has.
        """
        for word in split_words(text):
            if word not in self.tokenizer.words:
                raise ValueError(f"no caption has the word {word!r}{near(word, self.tokenizer.words)}")
        return self.encode([text])

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the rows of texts; a word that the vocabulary lacks is the unknown one.

        Raises:
            ValueError: a text has too many words; the message names it.
        """
        rows = self.null(len(texts))
        for row, text in zip(rows, texts, strict=True):
            tokens = self.tokenizer.encode(text)
            if len(tokens) > self.length:
                raise ValueError(f"{text!r} has {len(tokens)} words and marks, and there is room for {self.length}")
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.long)
        return rows

    def describe(self, rows: Tensor) -> list[str]:
        """Return the words."""
        return [self.tokenizer.decode(row) for row in rows.tolist()]

    def to_dict(self) -> dict[str, Any]:
        """Return the vocabulary and the length."""
        return {"words": self.tokenizer.words, "length": self.length}
