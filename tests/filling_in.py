"""What every method that was trained to fill in images must do, whatever it is given of them."""

from typing import Any

import torch
from torch import Tensor

from genbench.randomness import Noise


def check_filling_in(method: Any, known: Tensor, mask: Tensor, rows: Tensor | None) -> Tensor:
    """Check that known pixels are kept exactly and seen, and hidden ones are not; return the images.

    Args:
        method: what fills them in.
        known: images (B, C, H, W).
        mask: 1 where they are known, (H, W).
        rows: of the condition, which are not the same from back to front; None for none.
    """
    hole = mask == 0

    def filled_of(images: Tensor, y: Tensor | None = rows) -> Tensor:
        filled: Tensor = method.inpaint(images, mask, y, noise=Noise(0))
        return filled

    filled = filled_of(known)
    assert torch.equal(filled * mask, known * mask)
    assert not torch.equal(filled[..., hole], known[..., hole])
    # What is hidden has no influence; what is known, and what is asked for, has.
    assert torch.equal(filled_of(torch.where(hole, -known, known)), filled)
    assert not torch.equal(filled_of(-known)[..., hole], filled[..., hole])
    if rows is not None:
        assert not torch.equal(filled_of(known, rows.flip(0))[..., hole], filled[..., hole])
    # Nothing known is a plain sample.
    nothing = method.inpaint(known, torch.zeros_like(mask), rows, noise=Noise(0))
    assert torch.equal(nothing, method.sample(len(known), rows, noise=Noise(0)))
    return filled
