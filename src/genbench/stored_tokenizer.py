"""A tokenizer of Hugging Face's, whose file `tokenizer.json` is kept among a model's tensors.

So a run folder is whole and names no other file. The tensor has rows of 1024 bytes, filled up with blanks.
"""

from typing import Any

import torch
from torch import Tensor

from genbench.errors import UserError, first_line

_KIB = 1024


def blank_rows(kib: int) -> Tensor:
    """Return room for a file, uint8 (kib, 1024)."""
    return torch.full((kib, _KIB), ord(" "), dtype=torch.uint8)


def to_rows(content: bytes) -> Tensor:
    """Return a file of text as uint8 (KiB, 1024), of a size that is rounded up."""
    rows = blank_rows(-(-len(content) // _KIB))
    if content:
        rows.view(-1)[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return rows


def from_rows(rows: Tensor) -> bytes:
    """Return the file, followed by the blanks, which JSON ignores."""
    return rows.cpu().numpy().tobytes()


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
