"""Captions: what a picture shows, in words."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from genbench.conditions.base import Condition, Tokens, check_count
from genbench.errors import UserError
from genbench.text.glide_bpe import GlideBpe
from genbench.text.tokenizer import ImportedTokenizerName, TokenizerName, make_tokenizer
from genbench.text.words import PADDING, UNKNOWN_WORD, WordTokenizer, split_words
from genbench.wording import shortened

UNUSED = -1
"""Fills the places of captions that an image does not have, where others have more."""

CONTEXT = 77
"""Tokens of a caption of CLIP's, start and end included."""

_LONGEST = 65_536
"""Tokens of a caption that a file may ask room for: a text tower has a vector for each place."""


class Captions(Condition):
    """Rows are tokens (N, length), int64, padded with 0; the empty text stands for none.

    Stored rows of images with several captions are (N, K, length); an image with fewer than K is filled up with rows of
    `UNUSED`. Training draws one for each step; whoever takes one only takes the first.

    Args:
        words: the vocabulary of the tokenizer "words"; None for another.
        length: tokens of the longest caption; what is longer is refused, not cut.
        tokenizer: "words"; "clip_bpe", whose captions begin and end with a token for it; or "glide_bpe".
        definition: of the tokenizer "glide_bpe"; None for another.

    Raises:
        ValueError: `length` is out of range, or the tokenizer and its vocabulary do not go together.
    """

    key = "prompt"

    def __init__(
        self,
        words: Sequence[str] | None = None,
        length: int = CONTEXT,
        *,
        tokenizer: TokenizerName | ImportedTokenizerName = "words",
        definition: str | None = None,
    ) -> None:
        self.tokenizer = make_tokenizer(tokenizer, words, definition)
        least = max(1, 0 if self.tokenizer.end is None else 2)
        if length < least:
            raise ValueError(f"a caption has room for at least {('one token', 'two tokens')[least - 1]}, not {length}")
        self.length = length

    @property
    def form(self) -> Tokens:
        """The tokens."""
        return Tokens(self.tokenizer.size, self.length, self.tokenizer.end)

    def check(self, rows: Tensor, count: int) -> Tensor:
        """Return tokens of the vocabulary, one caption a row."""
        check_count(rows, count, "captions")
        if rows.ndim != 2 or rows.shape[1] != self.length or rows.is_floating_point():
            raise ValueError(
                f"captions are whole numbers (N, {self.length}), not {rows.dtype} of shape {tuple(rows.shape)}"
            )
        if count and (rows.min() < 0 or rows.max() >= self.tokenizer.size):
            raise ValueError(f"tokens are numbers from 0 to {self.tokenizer.size - 1}")
        if self.tokenizer.end is not None and not (rows == self.tokenizer.end).any(1).all():
            raise ValueError(f"a caption lacks the token that ends it, {self.tokenizer.end}")
        return rows

    def null(self, count: int) -> Tensor:
        """Return the empty text."""
        return self._row("").repeat(count, 1)

    def parse(self, text: str) -> Tensor:
        """Return the tokens of a text.

        Raises:
            ValueError: it is too long, or has a word that no caption has.
        """
        self.tokenizer.check(text)
        return self.encode([text])

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Return the rows (N, length) of texts; a word that the vocabulary lacks is the unknown one.

        Raises:
            ValueError: a text is too long; the message names it.
        """
        return torch.stack([self._row(text) for text in texts]) if texts else self.null(0)

    def encode_several(self, texts: Sequence[Sequence[str]]) -> Tensor:
        """Return the stored rows of images with several captions each, (N, K, length); (N, length) if K is 1.

        Raises:
            ValueError: a text is too long, or an image has none.
        """
        if not all(texts):
            raise ValueError("an image has no caption")
        most = max(map(len, texts), default=1)
        rows = torch.full((len(texts), most, self.length), UNUSED)
        for row, own in zip(rows, texts, strict=True):
            row[: len(own)] = self.encode(own)
        return rows[:, 0] if most == 1 else rows

    def encode_again(self, rows: Tensor, other: "Captions") -> Tensor:
        """Return stored rows of other captions, whose tokenizer may be another, as rows of these.

        Raises:
            ValueError: a text is too long, or can't be encoded.
        """
        return rows if other.to_dict() == self.to_dict() else self.encode(other.describe(rows))

    def load(self, rows: Tensor) -> Tensor:
        """Return one caption a row, the first of several, as int64."""
        return self._first(rows).long()

    def has_alternatives(self, shape: tuple[int, ...]) -> bool:
        """Whether stored rows of a shape hold several captions each."""
        return len(shape) == 3

    def choose(self, rows: Tensor, places: Tensor) -> Tensor:
        """Return one of each image's captions."""
        counts = (rows[..., 0] != UNUSED).sum(1)
        # Rounding may give the number itself.
        chosen = torch.minimum((places.to(rows.device) * counts).long(), counts - 1)
        return rows[torch.arange(len(rows), device=rows.device), chosen]

    def describe(self, rows: Tensor) -> list[str]:
        """Return the words, those of the first caption of several."""
        return [self.tokenizer.decode(row) for row in self._first(rows).tolist()]

    def describe_all(self, rows: Tensor) -> list[list[str]]:
        """Return the words of all captions of each image."""
        several = rows if rows.ndim == 3 else rows.unsqueeze(1)
        return [[self.tokenizer.decode(row) for row in own if row[0] != UNUSED] for own in several.tolist()]

    def words(self, row: Tensor) -> list[tuple[str, list[int]]]:
        """Return the words of a row (length,) in their order, each with the places of its tokens."""
        form, tokens = self.form, row.tolist()
        found: list[tuple[str, list[int]]] = []
        for place in range(int(form.mask(row).sum())):
            words = self.tokenizer.decode(tokens[: place + 1]).split()
            if not words or tokens[place] == form.end:
                continue
            # A token goes on with the last word, or begins one.
            own = [place] if len(words) > len(found) else [*found.pop()[1], place]
            found.append((words[-1], own))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the vocabulary, or the tokenizer's name and its definition, and the length."""
        if isinstance(self.tokenizer, WordTokenizer):
            return {"words": self.tokenizer.words, "length": self.length}
        if isinstance(self.tokenizer, GlideBpe):
            return {"tokenizer": "glide_bpe", "definition": self.tokenizer.definition, "length": self.length}
        return {"tokenizer": "clip_bpe", "length": self.length}

    @classmethod
    def from_dict(cls, arguments: Mapping[str, Any]) -> Self:
        """Return the captions of these arguments, which a file may hold.

        Raises:
            ValueError: they are not of the right kinds, or no captions have them.
        """
        words, length = arguments.get("words"), arguments.get("length", CONTEXT)
        if words is not None and not (isinstance(words, list | tuple) and all(isinstance(each, str) for each in words)):
            raise ValueError("words= of captions is no list of texts")
        if not isinstance(arguments.get("definition"), str | None):
            raise ValueError("definition= of captions is no text")
        if type(length) is not int or not 1 <= length <= _LONGEST:
            raise ValueError(f"length={length!r} of captions is no whole number from 1 to {_LONGEST:,}")
        return super().from_dict(arguments)

    def _row(self, text: str) -> Tensor:
        tokens = self.tokenizer.encode(text)
        if len(tokens) > self.length:
            raise ValueError(
                f"{shortened(text)!r} has {len(tokens)} {self.tokenizer.counted}, and there is room for {self.length}"
            )
        return torch.tensor(tokens + [PADDING] * (self.length - len(tokens)), dtype=torch.long)

    def _first(self, rows: Tensor) -> Tensor:
        return rows[:, 0] if rows.ndim == 3 else rows


def reread(rows: Tensor, own: Captions, other: Captions, reader: str) -> Tensor:
    """Return rows (B, L') by which other captions say the same texts, whose tokenizer may be another.

    Args:
        rows: (B, L), of `own` captions.
        own: what the rows mean.
        other: what the returned rows mean.
        reader: whose captions those are, such as "parts.upsampler", for messages.

    Raises:
        UserError: the other vocabulary lacks a word, or has no room for a text.
    """
    if own.to_dict() == other.to_dict():
        return rows
    texts = own.describe(rows)
    read = {}
    for text in dict.fromkeys(texts):
        if UNKNOWN_WORD in text:
            raise UserError(
                f"{reader} can't read a caption: {text!r} has a word that the vocabulary of its own data lacks"
            )
        try:
            read[text] = other.parse(text)
        except ValueError as error:
            raise UserError(f"{reader} can't read a caption: {text!r}: {error}") from error
    return torch.cat([read[text] for text in texts]).to(rows.device) if texts else other.null(0).to(rows.device)


def captions_of(texts: Sequence[str], tokenizer: TokenizerName) -> Captions:
    """Return the captions that texts are all of, or hold all words of.

    Args:
        texts: of the vocabulary and the length of "words".
        tokenizer: "words", or "clip_bpe", which has its own vocabulary and CLIP's length.

    Raises:
        ValueError: there is no such tokenizer.
    """
    if tokenizer != "words":
        return Captions(tokenizer=tokenizer, length=CONTEXT)
    return Captions(WordTokenizer.of(texts).words, max(len(split_words(text)) for text in texts))
