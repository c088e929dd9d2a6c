"""A tokenizer of Hugging Face's, as its file `tokenizer.json` says it."""

from typing import Any

from genbench.errors import UserError, first_line


def read_tokenizer(content: bytes) -> Any:
    """Return a `tokenizers.Tokenizer` that neither truncates nor pads.

    Args:
        content: of a file `tokenizer.json`.

    Raises:
        UserError: the package `tokenizers` is missing.
        ValueError: the content is not that of such a file.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise UserError("a language model takes tokenizers: pip install 'genbench[language]'") from error
    try:
        tokenizer = Tokenizer.from_buffer(content)
    # The package raises plain exceptions.
    except Exception as error:
        raise ValueError(f"tokenizer.json can't be read: {first_line(error)}") from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
