"""The embedding of an image beside its caption, as unCLIP's decoder takes them."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from genbench.conditions.base import Condition, TokensAndVector, Vector, check_count
from genbench.conditions.captions import Captions


class EmbeddedCaptions(Condition):
    """Rows are both in one tensor, float32 (N, L + D): the caption's tokens, then the embedding, of length 1.

    Either may be missing: the empty text stands for no caption, zeros for no embedding. Tokens are exact in float32 up
    to 2^24.

    Args:
        captions: what the tokens are.
        dim: numbers of an embedding.

    Raises:
        ValueError: `dim` is out of range.
    """

    key = "prompt"

    def __init__(self, captions: Captions, dim: int) -> None:
        if type(dim) is not int or dim < 1:
            raise ValueError(f"an embedding has at least one number, not {dim!r}")
        self.captions = captions
        self.dim = dim

    @property
    def form(self) -> TokensAndVector:
        """Both."""
        return TokensAndVector(self.captions.form, Vector(self.dim))

    def pack(self, tokens: Tensor, embeddings: Tensor) -> Tensor:
        """Return rows of tokens (N, L) and embeddings (N, D)."""
        return torch.cat([tokens.to(embeddings.dtype), embeddings], dim=1)

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return float32 rows of tokens and of embeddings."""
        check_count(rows, count, "captions with their embeddings")
        length = self.captions.length + self.dim
        if rows.ndim != 2 or rows.shape[1] != length or rows.dtype != torch.float32:
            raise ValueError(
                f"captions with their embeddings are float32 (N, {length}), not {rows.dtype} of shape "
                f"{tuple(rows.shape)}"
            )
        if not rows.isfinite().all():
            raise ValueError("captions with their embeddings hold NaN or infinite values")
        self.captions.check(self.form.split(rows)[0], count)
        return rows

    def null(self, count: int) -> Tensor:
        """Return the empty caption without an embedding."""
        return self.pack(self.captions.null(count), torch.zeros(count, self.dim))

    def parse(self, text: str) -> Tensor:
        """Refuse: a text alone says nothing of the embedding.

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "a decoder draws what an image's embedding says: leave the prompt out to draw those of held-out images, or "
            "draw from the assembled model (method=unclip)"
        )

    def describe(self, rows: Tensor) -> list[str]:
        """Return the captions."""
        return self.captions.describe(self.form.split(rows)[0])

    def to_dict(self) -> dict[str, Any]:
        """Return what the captions are made of, and the length of an embedding."""
        return {"captions": self.captions.to_dict(), "dim": self.dim}

    @classmethod
    def from_dict(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the condition of these arguments, which a file may hold.

        Raises:
            ValueError: they are not of the right kinds, or no such condition has them.
        """
        captions = arguments.get("captions")
        if not isinstance(captions, dict):
            raise ValueError("captions= of captions with embeddings is no dictionary")
        return super().from_dict({**arguments, "captions": Captions.from_dict(captions)})
