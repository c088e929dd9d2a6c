"""In which numbers a device computes."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from genbench.commands.assembly import allow_tf32


@contextmanager
def float32_products(tf32: bool) -> Iterator[None]:
    """Let products and convolutions of float32 take TF32's ten bits of mantissa, or all of them, for a while.

    By itself torch takes TF32 for convolutions and not for products of matrices.
    """
    products, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    allow_tf32(tf32)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions
