"""What can be asked of autoencoders of maps, on whose latents or codes other models are built."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from genbench.medium import Medium


@runtime_checkable
class Autoencodes(Protocol):
    """The ability to map an image to latents and back, as the first stage of a latent model must."""

    medium: Medium

    latent_shape: tuple[int, ...]
    """Of the latents of an image: (D, S', S') of a map."""

    def encode(self, x: Tensor, *, draw: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return latents (B, *latent_shape) of images (B, C, S, S) in [-1, 1], from the averaged weights.

        Args:
            x: images.
            draw: returns normal noise like a tensor, by which latents are drawn that are random; None for their means.
        """
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Return images (B, C, S, S) in [-1, 1] of latents (B, *latent_shape), from the averaged weights.

        They have a gradient also where they are clamped, if a step against it leads back.
        """
        ...


@runtime_checkable
class Codes(Autoencodes, Protocol):
    """The ability to map an image to a map of whole numbers and back, as a model of such sequences needs."""

    codes: int
    """How many different numbers there are."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    @property
    def codebook(self) -> Tensor:
        """The latents that the numbers stand for, (codes, D)."""
        ...

    def encode_codes(self, x: Tensor) -> Tensor:
        """Return codes int64 (B, S', S') of images (B, C, S, S) in [-1, 1]."""
        ...

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [-1, 1] of codes (B, H', W'), also of other sizes than those of training."""
        ...
