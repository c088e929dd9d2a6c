"""What the tensors of StyleGAN2's published networks are called here, and what their shapes say of the networks."""

from collections.abc import Mapping
from math import log2
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.networks import tensor_of
from genbench.published.source import Weights

FIRST = 4
"""Pixels of a side of the smallest maps."""


def architecture_of(generator: Weights, discriminator: Weights | None, *, mapping_layers: int) -> dict[str, Any]:
    """Return settings of the networks, by their keys, and the side and channels of images.

    Args:
        generator: under the names of here.
        discriminator: likewise; None if the file has none.
        mapping_layers: of the generator.

    Raises:
        UserError: a tensor is missing, or no such networks have these channels.
    """
    sides = [FIRST * 2**level for level in range(last_block(generator) + 1)]
    channels = [len(tensor_of(generator, f"blocks.{level}.layer.bias")) for level in range(len(sides))]
    most = max(channels)
    width = channels[-1] * sides[-1]
    if channels != [min(width // side, most) for side in sides]:
        raise UserError(f"a generator with {channels} channels at {sides} pixels has no counterpart here")
    settings: dict[str, Any] = {
        "network.generator.w_dim": len(tensor_of(generator, "mean_style")),
        "network.generator.width": width,
        "network.generator.most": most,
        "network.generator.mapping_layers": mapping_layers,
        "network.discriminator.width": width,
        "network.discriminator.most": most,
    }
    if discriminator is not None:
        settings["network.discriminator.has_skips"] = any(".skip." in name for name in discriminator)
    return settings


def last_block(generator: Weights) -> int:
    """Return the number of the last block of a generator."""
    return max(int(name.split(".")[1]) for name in generator if name.startswith("blocks."))


def block_of(side: int) -> int:
    """Return the number of the generator's block whose maps have so many pixels a side."""
    level = log2(side / FIRST)
    if not level.is_integer():
        raise UserError(f"maps of {side} pixels have no counterpart in this model")
    return int(level)


def in_float32(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in float32."""
    return {name: tensor.float() for name, tensor in weights.items()}
