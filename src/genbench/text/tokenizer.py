"""What every tokenizer offers, and the choice among them."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Literal, Protocol

from genbench.choices import expect_choice
from genbench.text.clip_bpe import ClipBpe
from genbench.text.glide_bpe import GlideBpe
from genbench.text.words import WordTokenizer

TokenizerName = Literal["words", "clip_bpe"]
"""Of data sets' captions."""

ImportedTokenizerName = Literal["glide_bpe"]
"""Of published models, whose definition comes with their weights."""


class Tokenizer(Protocol):
    """A map from texts to tokens and back; token 0 is padding.

    Attributes:
        counted: what a text's tokens are called in a message.
        end: the token that ends each text; None if a text ends where its padding begins.
    """

    counted: ClassVar[str]
    end: ClassVar[int | None]

    @property
    def size(self) -> int:
        """How many tokens there are, with padding."""

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text, with those of its start and its end if the tokenizer has such."""

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens, without padding, start and end."""

    def check(self, text: str) -> None:
        """Check that the tokenizer knows all of a text.

        Raises:
            ValueError: it does not; the message names what is unknown.
        """


def make_tokenizer(
    name: TokenizerName | ImportedTokenizerName, words: Sequence[str] | None, definition: str | None = None
) -> Tokenizer:
    """Return a tokenizer.

    Args:
        name: "words", whose vocabulary is that of a data set's own captions; "clip_bpe", that of OpenAI's CLIP; or
            "glide_bpe", that of GLIDE.
        words: the vocabulary of "words"; None for the others.
        definition: of "glide_bpe", see `GlideBpe`; None for the others.

    Raises:
        ValueError: there is no such tokenizer, or it takes a vocabulary and has none, or the reverse.
    """
    if name == "glide_bpe" and words is None:
        return GlideBpe(definition)
    expect_choice("tokenizer", name, TokenizerName)
    if (words is None) == (name == "words"):
        takes = "its vocabulary as" if name == "words" else "no"
        raise ValueError(f"the tokenizer {name} takes {takes} argument words")
    return ClipBpe() if words is None else WordTokenizer(words)
