"""The tokenizer of OpenAI's CLIP (Radford et al. 2021): byte pairs, learnt once, that spell any text.

The vocabulary comes with the package `open_clip_torch`, which is imported at the first text.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

from genbench.errors import UserError

START, END = 49_406, 49_407
_PADDING = 0
"""It is also the token of "!" within a word, so only `END` says where a text ends."""


class ClipBpe:
    """49,408 tokens: 256 bytes, the same at the end of a word, 48,894 merges, start and end of a text.

    Texts are mended (mojibake, HTML entities), their white space is collapsed, and they become lower-case. The names of
    the special tokens in a text are text like any other: they can't end it, as they do in OpenAI's code.
    """

    counted: ClassVar[str] = "tokens, those of its start and its end included"
    end: ClassVar[int | None] = END
    size = END + 1

    def encode(self, text: str) -> list[int]:
        """Return start, tokens and end; of an empty text start and end, for which no package is needed.

        Raises:
            UserError: the package `open_clip_torch` is missing.
        """
        return [START, *(_tokenizer().encode(text) if text.strip() else ()), END]

    def decode(self, tokens: Iterable[int]) -> str:
        """Return the text between the start and the first end, in lower case, words separated by one space."""
        inner: list[int] = []
        for token in tokens:
            if token == END:
                break
            if token != START:
                inner.append(token)
        return str(_tokenizer().decode(inner)).strip() if inner else ""

    def check(self, text: str) -> None:
        """Accept any text: whatever is no word is spelt in bytes."""


@cache
def _tokenizer() -> Any:
    try:
        from open_clip.tokenizer import SimpleTokenizer
    except ImportError as error:
        raise UserError("the tokenizer clip_bpe takes open_clip_torch: pip install 'genbench[clip]'") from error
    import regex  # open_clip's own requirement

    tokenizer = SimpleTokenizer()
    # Without the alternatives that find the special tokens' names.
    names = [tokenizer.decoder[token] for token in (START, END)]
    tokenizer.pat = regex.compile(tokenizer.pat.pattern.removeprefix("|".join(names) + "|"), tokenizer.pat.flags)
    return tokenizer
