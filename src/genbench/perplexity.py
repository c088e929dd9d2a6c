"""How evenly things are used."""

import torch
from torch import Tensor


def perplexity(counts: Tensor) -> Tensor:
    """Return exp of the entropy of how often each of K is used, (K,): K if all alike, 1 if always the same one."""
    fractions = counts.double() / counts.sum()
    return torch.special.entr(fractions).sum().exp()
