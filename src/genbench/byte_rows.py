"""A text file among a model's tensors, so that a run folder is whole: rows of 1024 bytes, filled up with blanks."""

import torch
from torch import Tensor

KIB = 1024


def blank_rows(kib: int) -> Tensor:
    """Return room for a file, uint8 (kib, 1024)."""
    return torch.full((kib, KIB), ord(" "), dtype=torch.uint8)


def to_rows(content: bytes) -> Tensor:
    """Return a file of text as uint8 (KiB, 1024), of a size that is rounded up."""
    rows = blank_rows(-(-len(content) // KIB))
    rows.view(-1)[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
    return rows


def from_rows(rows: Tensor) -> bytes:
    """Return the file, followed by the blanks, which JSON ignores."""
    return rows.cpu().numpy().tobytes()
