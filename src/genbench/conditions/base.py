"""What a condition is: the one object that knows what its rows mean."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Index:
    """Rows are whole numbers (B,) from 0 to `size` - 1, and `size` for none.

    Attributes:
        size: how many there are.
    """

    size: int


@dataclass(frozen=True)
class Vector:
    """Rows are vectors (B, length), float32.

    Attributes:
        length: of each.
    """

    length: int


@dataclass(frozen=True)
class Tokens:
    """Rows are token sequences (B, length), int64, padded with 0; `mask` says which tokens are of the text.

    Attributes:
        vocabulary: how many tokens there are, padding included.
        length: of each sequence with its padding.
        end: the token that ends each text; None if a text ends where its padding begins.
    """

    vocabulary: int
    length: int
    end: int | None = None

    def mask(self, rows: Tensor) -> Tensor:
        """Return which tokens of rows are of the text, bool (B, L): up to the first `end`, or all but padding."""
        if self.end is None:
            return rows != 0
        ends = rows == self.end
        return ends.cumsum(-1) - ends.long() == 0

    def last(self, rows: Tensor) -> Tensor:
        """Return the position of the last token of each text, int64 (B,); 0 for a text without tokens."""
        return (self.mask(rows) * torch.arange(rows.shape[-1], device=rows.device)).amax(-1)


@dataclass(frozen=True)
class Channels:
    """Rows are images (B, C, H, W), float32 in [-1, 1].

    Attributes:
        shape: (C, H, W).
    """

    shape: tuple[int, int, int]


@dataclass(frozen=True)
class States:
    """Rows are sequences of states of a text encoder (B, L, width), float32; states of zeros are padding.

    Attributes:
        length: states of the sequence that stands for none; others are as long as their texts.
        width: length of a state.
    """

    length: int
    width: int

    def mask(self, rows: Tensor) -> Tensor:
        """Return which states of rows are of the text, bool (B, L)."""
        return (rows != 0).any(-1)


@dataclass(frozen=True)
class TokensAndVector:
    """Rows are a token sequence and a vector in one, float32 (B, L + D): the tokens' numbers first.

    Attributes:
        tokens: of the sequence.
        vector: of the vector; zeros for none.
    """

    tokens: Tokens
    vector: Vector

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tokens, int64 (B, L), and the vectors (B, D) of rows."""
        return rows[:, : self.tokens.length].long(), rows[:, self.tokens.length :]


@dataclass(frozen=True)
class StatesAndVectors:
    """Rows are a text's states and two vectors in one, float32 (B, length * width + 2 dim).

    Attributes:
        length: states of a text; those of zeros are padding.
        width: numbers of a state.
        dim: of each vector: the text's, and an image's, zeros for none.
    """

    length: int
    width: int
    dim: int

    def split(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states (B, length, width) and both vectors (B, dim) of rows."""
        states, text, image = rows.split([self.length * self.width, self.dim, self.dim], dim=1)
        return states.unflatten(1, (self.length, self.width)), text, image


Form = Index | Vector | Tokens | Channels | States | TokensAndVector | StatesAndVectors
"""What a network sees of a row, whatever it means; `networks.conditioning` encodes each."""


class Condition(ABC):
    """What the rows of a condition mean.

    Rows have two forms: as a data set stores them, and as a method is given them in a batch; they differ for images
    alone. Nobody else guesses from the number of dimensions or the dtype what a row may be.
    """

    key: ClassVar[str]
    """The word of the command line that asks for it, such as "label" in `sample label=7`."""

    @property
    @abstractmethod
    def form(self) -> Form:
        """What a network sees of it."""

    @abstractmethod
    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return `count` rows as a method is given them, after a look whether they can be.

        Raises:
            ValueError: they are of another kind, out of range, or not so many.
        """

    @abstractmethod
    def null(self, count: int) -> Tensor:
        """Return rows that stand for "no condition", as classifier-free guidance needs them."""

    @abstractmethod
    def parse(self, text: str) -> Tensor:
        """Return the stored row, (1, ...), that a text asks for.

        Raises:
            ValueError: it asks for nothing that there is; the message says what there is.
        """

    @abstractmethod
    def describe(self, rows: Tensor) -> list[str]:
        """Return what is written under the picture of each stored row; "" for nothing."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return the arguments that make it again, as JSON has them."""

    @classmethod
    def from_dict(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the condition of these arguments.

        Raises:
            ValueError: they do not do.
        """
        try:
            return cls(**arguments)
        except TypeError as error:
            raise ValueError(str(error)) from error

    def load(self, rows: Tensor) -> Tensor:
        """Return stored rows as a method is given them."""
        return rows

    def store(self, rows: Tensor) -> Tensor:
        """Return rows of a batch as they are stored."""
        return rows

    def has_alternatives(self, shape: tuple[int, ...]) -> bool:
        """Whether stored rows of a shape hold several alternatives for each sample, such as captions."""
        return False

    def choose(self, rows: Tensor, places: Tensor) -> Tensor:
        """Return stored rows with one alternative each.

        Args:
            rows: with alternatives, (B, K, ...).
            places: which of a sample's alternatives, (B,), as a fraction in [0, 1) of their number.
        """
        raise TypeError(f"{type(self).__name__} have no alternatives")

    def labels(self, rows: Tensor) -> Tensor | None:
        """Return the class (N,) of each stored row, for scores of each class; None where rows are no classes."""
        return None

    def examples(self, count: int) -> Tensor | None:
        """Return `count` different stored rows for a picture; None if they must be taken from data."""
        return None

    def picture(self, rows: Tensor) -> Tensor | None:
        """Return what is shown to the left of each sample, uint8 (N, C, H, W); None for nothing."""
        return None

    @property
    def restores(self) -> bool:
        """Whether rows that are derived from samples ask for these very samples, as a smaller copy does of an image."""
        return True

    def in_turn(self, rows: Tensor, count: int) -> Tensor:
        """Return `count` stored rows for a picture, made of the first ones of a split: those, over and over."""
        return rows[torch.arange(count) % len(rows)]

    @property
    def sources(self) -> "Condition | None":
        """What the images are that a person may have translated, `sources=`, and that its rows hold; None for none."""
        return None

    def of_sources(self, images: Tensor, asked: Tensor | None = None) -> Tensor:
        """Return stored rows of somebody's source images.

        Args:
            images: as `sources` stores them, uint8 (N, C, H, W).
            asked: a row of `parse`, which says what all are to become; None for all that there is, in turn.
        """
        raise TypeError(f"{type(self).__name__} are of no source images")


@dataclass(frozen=True)
class Conditions:
    """Stored rows with what they mean; indexed, some of the rows.

    Attributes:
        kind: what they mean.
        rows: (N, ...), as they are stored.
    """

    kind: Condition
    rows: Tensor

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.rows)

    def __getitem__(self, index: Tensor | slice) -> "Conditions":
        """Return some of the rows."""
        return Conditions(self.kind, self.rows[index])

    def load(self) -> Tensor:
        """Return the rows as a method is given them."""
        return self.kind.load(self.rows)

    @property
    def labels(self) -> Tensor | None:
        """The class of each row, (N,); None where rows are no classes."""
        return self.kind.labels(self.rows)

    def describe(self) -> list[str] | None:
        """Return what is written under each picture; None if that is nothing at all."""
        texts = self.kind.describe(self.rows)
        return texts if any(texts) else None

    def picture(self) -> Tensor | None:
        """Return what is shown beside each sample."""
        return self.kind.picture(self.rows)


def check_count(rows: Tensor, count: int, what: str) -> None:
    """Check that there are as many rows as samples.

    Raises:
        ValueError: there are not.
    """
    if len(rows) != count:
        raise ValueError(f"{count} samples take as many {what}, not {len(rows)}")


def check_vectors(rows: Tensor, count: int, length: int, what: str) -> Tensor:
    """Return finite vectors (count, length) as float32.

    Raises:
        ValueError: they are something else.
    """
    check_count(rows, count, what)
    if rows.ndim != 2 or rows.shape[1] != length:
        raise ValueError(f"{what} are vectors of {length} numbers, not of the shape {tuple(rows.shape[1:])}")
    rows = rows.to(torch.float32)
    if not rows.isfinite().all():
        raise ValueError(f"{what} hold NaN or infinite values")
    return rows
