"""What implementations call the tensors of the autoencoder of VQGAN and latent diffusion: one table for both."""

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published.networks import tensor_of
from genbench.published.source import Weights, multipliers_of


class Names(NamedTuple):
    """What an implementation calls the parts of one half, the encoder or the decoder.

    Attributes:
        ends: first convolution, last normalisation and last convolution.
        middle: its three parts.
        residual: a residual block, of `{level}` and `{number}`.
        attention: an attention, likewise.
        resampling: a change of size, of `{level}`.
        counts_up: whether levels of the decoder count from the lowest resolution.
    """

    ends: tuple[str, str, str]
    middle: tuple[str, str, str]
    residual: str
    attention: str
    resampling: str
    counts_up: bool = False


class Implementation(NamedTuple):
    """What an implementation calls the parts.

    Attributes:
        encoder: one half.
        decoder: the other one.
        shortcut: of a residual block.
        attention: layers by our names; q, k and v are three.
    """

    encoder: Names
    decoder: Names
    shortcut: str
    attention: dict[str, tuple[str, ...]]


COMPVIS = Implementation(
    Names(
        ("conv_in", "norm_out", "conv_out"),
        ("mid.block_1", "mid.attn_1", "mid.block_2"),
        "down.{level}.block.{number}",
        "down.{level}.attn.{number}",
        "down.{level}.downsample.conv",
    ),
    Names(
        ("conv_in", "norm_out", "conv_out"),
        ("mid.block_1", "mid.attn_1", "mid.block_2"),
        "up.{level}.block.{number}",
        "up.{level}.attn.{number}",
        "up.{level}.upsample.conv",
    ),
    "nin_shortcut",
    {"norm": ("norm",), "to_qkv": ("q", "k", "v"), "to_out": ("proj_out",)},
)
"""taming-transformers and latent-diffusion."""

_DIFFUSERS_MIDDLE = ("mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1")
_DIFFUSERS_ENDS = ("conv_in", "conv_norm_out", "conv_out")

DIFFUSERS = Implementation(
    Names(
        _DIFFUSERS_ENDS,
        _DIFFUSERS_MIDDLE,
        "down_blocks.{level}.resnets.{number}",
        "down_blocks.{level}.attentions.{number}",
        "down_blocks.{level}.downsamplers.0.conv",
    ),
    Names(
        _DIFFUSERS_ENDS,
        _DIFFUSERS_MIDDLE,
        "up_blocks.{level}.resnets.{number}",
        "up_blocks.{level}.attentions.{number}",
        "up_blocks.{level}.upsamplers.0.conv",
        counts_up=True,
    ),
    "conv_shortcut",
    {"norm": ("group_norm",), "to_qkv": ("to_q", "to_k", "to_v"), "to_out": ("to_out.0",)},
)
"""diffusers' `AutoencoderKL` and `VQModel`."""

_RESIDUAL = {"first.0": "norm1", "first.2": "conv1", "second.0": "norm2", "second.3": "conv2"}


class Shape(NamedTuple):
    """What the tensors say of an autoencoder.

    Attributes:
        channels: of an image.
        latent_channels: of a map of latents.
        z_channels: that the decoder takes.
        moments: 1 for latents, 2 for means and log variances.
        width: channels of the first map.
        multipliers: of the width, at each resolution.
        blocks: residual blocks at each resolution of the encoder.
        attention: of each resolution, whether it has self-attention.
    """

    channels: int
    latent_channels: int
    z_channels: int
    moments: int
    width: int
    multipliers: tuple[float, ...]
    blocks: int
    attention: tuple[bool, ...]

    def settings(self, side: int) -> dict[str, Any]:
        """Return the settings of `MapAutoencoder`, for images of a side in pixels."""
        return {
            "latent_channels": self.latent_channels,
            "z_channels": self.z_channels,
            "width": self.width,
            "multipliers": list(self.multipliers),
            "blocks": self.blocks,
            "attention": [side // 2**level for level, attends in enumerate(self.attention) if attends],
        }


def shape_of(weights: Weights, implementation: Implementation) -> Shape:
    """Return the shape of an autoencoder.

    Raises:
        UserError: a tensor is missing.
    """
    names = implementation.encoder
    first = tensor_of(weights, f"encoder.{names.ends[0]}.weight")
    last = tensor_of(weights, f"decoder.{implementation.decoder.ends[0]}.weight")
    latents = tensor_of(weights, "post_quant_conv.weight").shape[1]
    levels = _count(weights, f"encoder.{names.residual}", number=0)
    blocks = _count(weights, f"encoder.{names.residual}", level=0)
    block = "encoder." + names.residual + ".conv1.weight"
    maps = [len(tensor_of(weights, block.format(level=level, number=0))) for level in range(levels)]
    attends = [f"encoder.{names.attention.format(level=level, number=0)}." for level in range(levels)]
    return Shape(
        first.shape[1],
        latents,
        last.shape[1],
        len(tensor_of(weights, "quant_conv.weight")) // latents,
        len(first),
        tuple(multipliers_of(maps, len(first))),
        blocks,
        tuple(any(name.startswith(prefix) for name in weights) for prefix in attends),
    )


def imported(weights: Weights, shape: Shape, implementation: Implementation) -> dict[str, Tensor]:
    """Return the weights of an autoencoder under our names; those of a codebook are none of them.

    Raises:
        UserError: a tensor is missing, or one has no counterpart.
    """
    found: dict[str, Tensor] = {}
    used: set[str] = set()
    for ours, theirs in _layers(shape, implementation):
        if ours.endswith(".shortcut") and f"{theirs[0]}.weight" not in weights:
            continue
        for kind in ("weight", "bias"):
            keys = [f"{name}.{kind}" for name in theirs]
            tensor = torch.cat([tensor_of(weights, key) for key in keys])
            used.update(keys)
            is_linear = kind == "weight" and tensor.ndim == 2
            found[f"{ours}.{kind}"] = tensor[:, :, None, None] if is_linear else tensor
    for key in weights:
        if key not in used and key.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")):
            raise UserError(f"the tensor {key} {tuple(weights[key].shape)} has no counterpart in this model")
    return found


def _layers(shape: Shape, implementation: Implementation) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each layer by our name, and what it is called there: of q, k and v together three names."""
    yield "to_latent", ("quant_conv",)
    yield "from_latent", ("post_quant_conv",)
    halves: tuple[tuple[str, Names, Callable[..., Iterator[tuple[str, str]]]], ...] = (
        ("encoder", implementation.encoder, _down),
        ("decoder", implementation.decoder, _up),
    )
    for half, names, parts in halves:
        for ours, theirs in zip(("first", "norm", "last"), names.ends, strict=True):
            yield f"{half}.{ours}", (f"{half}.{theirs}",)
        for index, (kind, theirs) in enumerate(parts(shape, names)):
            place, there = f"{half}.layers.{index}", f"{half}.{theirs}"
            if kind == "resampling":
                yield f"{place}.convolution", (there,)
            elif kind == "attention":
                for ours, several in implementation.attention.items():
                    yield f"{place}.{ours}", tuple(f"{there}.{each}" for each in several)
            else:
                for ours, one in {**_RESIDUAL, "shortcut": implementation.shortcut}.items():
                    yield f"{place}.{ours}", (f"{there}.{one}",)


def _down(shape: Shape, names: Names) -> Iterator[tuple[str, str]]:
    """Yield the kind and name of each part of the encoder, in the order of `MapAutoencoder`."""
    for level, attends in enumerate(shape.attention):
        if level:
            yield "resampling", names.resampling.format(level=level - 1)
        yield from _level(names, level, shape.blocks, attends)
    yield from _middle(names)


def _up(shape: Shape, names: Names) -> Iterator[tuple[str, str]]:
    """Yield the kind and name of each part of the decoder, in the order of `MapAutoencoder`."""
    yield from _middle(names)
    deepest = len(shape.attention) - 1
    for rise, attends in enumerate(reversed(shape.attention)):
        there, before = (rise, rise - 1) if names.counts_up else (deepest - rise, deepest - rise + 1)
        if rise:
            yield "resampling", names.resampling.format(level=before)
        yield from _level(names, there, shape.blocks + 1, attends)


def _level(names: Names, level: int, blocks: int, attends: bool) -> Iterator[tuple[str, str]]:
    for number in range(blocks):
        yield "residual", names.residual.format(level=level, number=number)
        if attends:
            yield "attention", names.attention.format(level=level, number=number)


def _middle(names: Names) -> Iterator[tuple[str, str]]:
    yield from zip(("residual", "attention", "residual"), names.middle, strict=True)


def _count(weights: Weights, pattern: str, **fixed: int) -> int:
    """Return how many values the open place of a name takes."""
    place = re.escape(pattern.format(**{"level": "LEVEL", "number": "NUMBER", **fixed}))
    expression = re.compile(place.replace("LEVEL", r"(\d+)").replace("NUMBER", r"(\d+)") + r"\.")
    numbers = {int(match[1]) for name in weights if (match := expression.match(name))}
    if not numbers:
        raise UserError(f"no tensor is called {pattern.format(level=0, number=0)}: the file is of another network")
    return len(numbers)
