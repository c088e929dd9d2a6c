"""A stand-in for autoencoders of maps."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from genbench.medium import Images


class Halves(nn.Module):
    """Encode an image as every second pixel and its right neighbour, times a factor; decode by repeating the first."""

    is_part = True
    condition = None
    codes = 16
    embedding_dim = 6

    def __init__(self, shape: Sequence[int], factor: float = 5.0, latent_shape: tuple[int, ...] | None = None) -> None:
        super().__init__()
        channels, height, width = shape
        self.factor = factor
        self.medium = Images(shape)
        self.latent_shape = latent_shape or (2 * channels, height // 2, width // 2)

    def encode(self, x: Tensor, *, draw: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        z = self.factor * torch.cat([x[..., ::2, ::2], x[..., ::2, 1::2]], dim=1)
        return z if draw is None else z + draw(z)

    def decode(self, z: Tensor) -> Tensor:
        first = z[:, : z.shape[1] // 2] / self.factor
        return first.repeat_interleave(2, 2).repeat_interleave(2, 3).clamp(-1, 1)
