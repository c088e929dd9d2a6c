"""What identifies weights and other tensors, whatever file they come from."""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genbench.runs.moved import first_name

if TYPE_CHECKING:
    # torch is heavy: a misspelt folder is answered without it.
    from torch import Tensor


def fingerprint(weights: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits that identify a state dictionary, in which hashes of others may stand as text."""
    digest = hashlib.sha256()
    for name, value in sorted((first_name(name), value) for name, value in weights.items()):
        digest.update(name.encode())
        if isinstance(value, str):
            digest.update(value.encode())
        elif hasattr(value, "detach"):
            digest.update(as_bytes(value))
    return digest.hexdigest()[:16]


def digest_of(tensor: "Tensor") -> str:
    """Return 16 hexadecimal digits that identify a tensor."""
    return hashlib.sha256(as_bytes(tensor)).hexdigest()[:16]


def as_bytes(tensor: "Tensor") -> bytes:
    """Return the content of a tensor of any dtype."""
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    content: bytes = flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
    return content
