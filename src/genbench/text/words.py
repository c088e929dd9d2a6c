"""A tokenizer of whole words, whose vocabulary is that of a data set's own captions."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar

from genbench.errors import near

PADDING, UNKNOWN = 0, 1

UNKNOWN_WORD = "[?]"
"""What stands for a word that the vocabulary lacks, in a text made of tokens; no such text has it otherwise."""

_SHOWN = 8
"""Words of the vocabulary in a message, the most frequent ones."""


class WordTokenizer:
    """Lower-case words, numbers and single punctuation marks; what the vocabulary lacks is one token for all.

    Args:
        words: the vocabulary, without padding and the unknown word.
    """

    counted: ClassVar[str] = "words and marks"
    end: ClassVar[int | None] = None

    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self._numbers = {word: number for number, word in enumerate(self.words, UNKNOWN + 1)}

    @classmethod
    def of(cls, captions: Iterable[str]) -> "WordTokenizer":
        """Return the tokenizer of all words of captions, the most frequent first."""
        counts = Counter(word for caption in captions for word in split_words(caption))
        return cls(sorted(counts, key=lambda word: (-counts[word], word)))

    @property
    def size(self) -> int:
        """How many tokens there are, with padding and the unknown word."""
        return len(self.words) + UNKNOWN + 1

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text."""
        return [self._numbers.get(word, UNKNOWN) for word in split_words(text)]

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text of tokens, without padding."""
        names = [UNKNOWN_WORD, *self.words]
        return " ".join(names[token - UNKNOWN] for token in tokens if token != PADDING)

    def check(self, text: str) -> None:
        """Check that the vocabulary has all words of a text.

        Raises:
            ValueError: it lacks one; the message names it, and words like it.
        """
        for word in split_words(text):
            if word not in self._numbers:
                raise ValueError(f"no caption has the word {word!r}{near(word, self.words, _SHOWN)}")


def split_words(text: str) -> list[str]:
    """Return the words and marks of a text, in lower case."""
    return re.findall(r"\w+|[^\w\s]", text.lower())
