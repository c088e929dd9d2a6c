"""What the tensors of StyleGAN2's published networks are called here, and what their shapes say of the networks."""

from collections.abc import Mapping
from math import log2
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.networks import last_index, tensor_of
from genbench.published.source import Weights

FIRST = 4
"""Pixels of a side of the smallest maps."""


def architecture_of(generator: Weights, discriminator: Weights | None) -> dict[str, Any]:
    """Return settings of the networks, by their keys.

    Args:
        generator: under the names of here.
        discriminator: likewise; None if the file has none.

    Raises:
        UserError: a tensor is missing, or no such networks have these channels.
    """
    sides = [FIRST * 2**level for level in range(last_index(generator, "blocks") + 1)]
    channels = [len(tensor_of(generator, f"blocks.{level}.layer.bias")) for level in range(len(sides))]
    most = max(channels)
    width = channels[-1] * sides[-1]
    if channels != [min(width // side, most) for side in sides]:
        raise UserError(f"a generator with {channels} channels at {sides} pixels has no counterpart here")
    settings: dict[str, Any] = {
        "network.generator.w_dim": len(tensor_of(generator, "mean_style")),
        "network.generator.width": width,
        "network.generator.most": most,
        "network.generator.mapping_layers": 1 + last_index(generator, "mapping.layers"),
        "network.discriminator.width": width,
        "network.discriminator.most": most,
    }
    if discriminator is not None:
        settings["network.discriminator.has_skips"] = any(".skip." in name for name in discriminator)
    return settings


def images_of(generator: Weights) -> tuple[int, int]:
    """Return the pixels of a side of a generator's images, and their channels."""
    return FIRST * 2 ** last_index(generator, "blocks"), len(tensor_of(generator, "blocks.0.to_image.bias"))


def without_discriminator(discriminator: Weights | None) -> tuple[str, ...]:
    """Return what is to be said of a file that has no discriminator; nothing of one that has."""
    note = "the file has no discriminator: it can be sampled and edited, and not trained on"
    return (note,) if discriminator is None else ()


def block_of(side: int) -> int:
    """Return the number of the generator's block whose maps have so many pixels a side."""
    level = log2(side / FIRST)
    if not level.is_integer():
        raise UserError(f"maps of {side} pixels have no counterpart in this model")
    return int(level)


def in_float32(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in float32."""
    return {name: tensor.float() for name, tensor in weights.items()}
