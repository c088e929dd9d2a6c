"""The networks of talking heads: embedder, generator and projection discriminator (Zakharov et al. 2019).

https://arxiv.org/abs/1905.08233, section 3.1 and appendix A. There are no official weights or code; sizes are those
that the paper says, at 256 pixels 15 M of the embedder, 38 M of the generator and 20 M of the discriminator:

    E(x, y)     sum over all places after residual halvings of a frame x beside its pose y down to 4 x 4: e in R^512
    G(y, psi)   four halvings with InstanceNorm, five residual blocks and four doublings with AdaIN, psi = P e
    D(x, y, i)  V(x, y)' (W_i + w_0) + b, V as E with one more block at 4 x 4

Example:
    >>> PortraitGenerator((3, 256, 256)).embedder.embedding_dim
    512
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from genbench.networks.normalisation import constrain_spectrally
from genbench.networks.portrait_blocks import Adaptive, Pyramid, Residual, SelfAttention, restyled, summed

POSE_CHANNELS = 3
"""Of a picture of a pose."""

_SMALLEST = 4
"""Side of the last map of E and V."""


class Embedder(nn.Module):
    """Map frames (B, C, S, S) and pictures of their poses (B, 3, S, S) to embeddings (B, D).

    Args:
        image_shape: (C, S, S); S a power of two, at least 8.
        width: channels of the first map, doubled with each halving.
        most: channels of a map at most.
        attention: side of the map with self-attention; 0 for none.

    Raises:
        ValueError: the side is no such number.
    """

    def __init__(self, image_shape: Sequence[int], width: int = 64, most: int = 512, attention: int = 32) -> None:
        super().__init__()
        channels, side, _ = image_shape
        self.blocks = Pyramid(channels + POSE_CHANNELS, side, _SMALLEST, width=width, most=most, attention=attention)
        self.embedding_dim = self.blocks.widths[-1]

    def forward(self, frames: Tensor, poses: Tensor) -> Tensor:
        """Return the embedding of each frame."""
        return summed(self.blocks(torch.cat([frames, poses], dim=1)))


class Drawer(nn.Module):
    """Map pictures of poses (B, 3, S, S) and the styles psi of a person (B, N) to images (B, C, S, S) in [-1, 1].

    Args:
        image_shape: (C, S, S).
        width: channels of the largest map, doubled with each halving.
        most: channels of a map at most.
        halvings: how many there are.
        blocks: residual blocks on the smallest map.
        attention: side of the map with self-attention on the way down; 0 for none.
        attention_up: on the way up, likewise.

    Attributes:
        numbers: N, of psi.

    Raises:
        ValueError: the side can't be halved so often.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 64,
        most: int = 512,
        halvings: int = 4,
        blocks: int = 5,
        attention: int = 32,
        attention_up: int = 64,
    ) -> None:
        super().__init__()
        channels, side, _ = image_shape
        smallest = max(1, side // 2**halvings)
        self.down = Pyramid(POSE_CHANNELS, side, smallest, width=width, most=most, attention=attention, norm=True)
        widths = [*reversed(self.down.widths), self.down.widths[0]]
        self.middle = nn.ModuleList(Adaptive(widths[0], widths[0], doubles=False) for _ in range(blocks))
        self.up = nn.ModuleList(Adaptive(*pair, doubles=True) for pair in pairwise(widths))
        sides = [smallest * 2 ** (level + 1) for level in range(halvings)]
        self.attend = nn.ModuleList(
            SelfAttention(outputs) if each == attention_up else nn.Identity()
            for each, outputs in zip(sides, widths[1:], strict=True)
        )
        self.to_image = nn.Sequential(nn.ReLU(), nn.Conv2d(widths[-1], channels, 3, padding=1), nn.Tanh())
        adaptive = cast(list[Adaptive], [*self.middle, *self.up])
        self._sizes = [*(size for block in adaptive for size in block.numbers), 2 * widths[-1]]
        self.numbers = sum(self._sizes)

    def forward(self, poses: Tensor, psi: Tensor) -> Tensor:
        """Return a picture of each person in each pose."""
        styles = iter(psi.split(self._sizes, dim=1))
        x = self.down(poses)
        for block in self.middle:
            x = block(x, styles)
        for block, attend in zip(self.up, self.attend, strict=True):
            x = attend(block(x, styles))
        image: Tensor = self.to_image(restyled(x, next(styles)))
        return image


class PortraitGenerator(nn.Module):
    """The embedder E, the projection P and the generator G, which are trained together.

    Args:
        image_shape: (C, S, S); S a power of two.
        width: channels of the first maps, doubled with each halving.
        most: channels of a map at most, and numbers of an embedding.
        halvings: of G.
        blocks: residual blocks of G on its smallest map.
        attention: side of the map with self-attention on the way down; 0 for none.
        attention_up: on the way up, likewise.
        spectral_norm: whether all layers of E and G are divided by their largest singular value.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        width: int = 64,
        most: int = 512,
        halvings: int = 4,
        blocks: int = 5,
        attention: int = 32,
        attention_up: int = 64,
        spectral_norm: bool = True,
    ) -> None:
        super().__init__()
        self.embedder = Embedder(image_shape, width, most, attention)
        self.drawer = Drawer(image_shape, width, most, halvings, blocks, attention, attention_up)
        self.embedding_dim = self.embedder.embedding_dim
        if spectral_norm:
            constrain_spectrally(self)
        # P is what is to give each person scales of any size, so it is not constrained.
        self.projection = nn.Linear(self.embedding_dim, self.drawer.numbers, bias=False)
        nn.init.normal_(self.projection.weight, std=0.02)

    def embed(self, frames: Tensor, poses: Tensor) -> Tensor:
        """Return embeddings (B, D): the means over K frames (B, K, C, S, S) with pictures of poses (B, K, 3, S, S)."""
        count = frames.shape[:2]
        each: Tensor = self.embedder(frames.flatten(0, 1), poses.flatten(0, 1))
        return each.unflatten(0, count).mean(1)

    def styles(self, embeddings: Tensor) -> Tensor:
        """Return psi (B, N) of embeddings (B, D)."""
        psi: Tensor = self.projection(embeddings)
        return psi

    def draw(self, poses: Tensor, psi: Tensor) -> Tensor:
        """Return images (B, C, S, S) of pictures of poses (B, 3, S, S) and of psi (B, N)."""
        images: Tensor = self.drawer(poses, psi)
        return images

    def forward(self, pose: Tensor, frames: Tensor, poses: Tensor) -> Tensor:
        """Return images in a pose (B, 3, S, S) of people by their frames, see `embed`."""
        return self.draw(pose, self.styles(self.embed(frames, poses)))


class ProjectionDiscriminator(nn.Module):
    """Score images with their poses: does V(x, y)' w + b, w = W_i + w_0, say that it is a real image of person i?

    Args:
        image_shape: (C, S, S).
        people: in training; W has a row for each.
        width: see `Embedder`, as the others.
        most: likewise.
        attention: likewise.
        spectral_norm: whether the layers of V are divided by their largest singular value.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        people: int,
        width: int = 64,
        most: int = 512,
        attention: int = 32,
        spectral_norm: bool = True,
    ) -> None:
        super().__init__()
        channels, side, _ = image_shape
        self.blocks = Pyramid(channels + POSE_CHANNELS, side, _SMALLEST, width=width, most=most, attention=attention)
        self.embedding_dim = self.blocks.widths[-1]
        self.last = Residual(self.embedding_dim)
        if spectral_norm:
            constrain_spectrally(self)
        self.people = nn.Embedding(people, self.embedding_dim)
        # Near 0, all embeddings would be drawn there by the match term before they say anything of a person.
        nn.init.uniform_(self.people.weight)
        self.common = nn.Parameter(0.02 * torch.randn(self.embedding_dim))
        self.bias = nn.Parameter(torch.zeros(()))

    def of(self, people: Tensor) -> Tensor:
        """Return w = W_i + w_0 (B, D) of people (B,)."""
        w: Tensor = self.people(people) + self.common
        return w

    def forward(self, images: Tensor, poses: Tensor, w: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return scores (B,) of images with pictures of their poses, and the features of each block.

        Args:
            images: (B, C, S, S).
            poses: (B, 3, S, S).
            w: of the people that they shall show, (B, D).
        """
        x, features = torch.cat([images, poses], dim=1), []
        for block in (*self.blocks, self.last):
            x = block(x)
            features.append(x)
        return (summed(x) * w).sum(1) + self.bias, features
