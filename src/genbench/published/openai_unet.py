"""OpenAI's U-Nets (improved-diffusion, guided-diffusion): their shape by their tensors, and these by our names."""

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, NamedTuple

from torch import Tensor

from genbench.errors import UserError
from genbench.published.source import Weights, multipliers_of, renamed
from genbench.published.unet_names import swapped, with_null

_FIRST, _TIME = "input_blocks.0.0.weight", "time_embed.0.weight"
_TO_TEXT = "middle_block.1.encoder_kv.weight"

_RULES = [
    (r"time_embed\.0\.(weight|bias)", r"embed_time.1.\1"),
    (r"time_embed\.2\.(weight|bias)", r"embed_time.3.\1"),
    (r"label_emb\.weight", r"embed_condition.embedding.weight"),
    (r"input_blocks\.0\.0\.(weight|bias)", r"from_image.\1"),
    (r"(.+)\.in_layers\.(0|2)\.(weight|bias)", r"\1.first.\2.\3"),
    (r"(.+)\.emb_layers\.1\.(weight|bias)", r"\1.from_embedding.1.\2"),
    (r"(.+)\.out_layers\.(0|3)\.(weight|bias)", r"\1.second.\2.\3"),
    (r"(.+)\.skip_connection\.(weight|bias)", r"\1.shortcut.\2"),
    (r"(.+)\.norm\.(weight|bias)", r"\1.norm.\2"),
    (r"(.+)\.qkv\.(weight|bias)", r"\1.to_qkv.\2"),
    (r"(.+)\.proj_out\.(weight|bias)", r"\1.to_out.\2"),
    (r"(.+)\.(?:op|conv)\.(weight|bias)", r"\1.convolution.\2"),
]

IMAGE_END = [(r"out\.(0|2)\.(weight|bias)", r"to_image.\1.\2")]
"""What ends a denoiser."""

CLASSIFIER_END = [
    (r"out\.0\.(weight|bias)", r"to_features.0.\1"),
    (r"out\.2\.positional_embedding", "to_features.2.positions"),
    (r"out\.2\.qkv_proj\.(weight|bias)", r"to_features.2.to_qkv.\1"),
    (r"out\.2\.c_proj\.(weight|bias)", r"to_outputs.\1"),
]
"""What ends a classifier that pools by attention."""


_PARTS = {
    "in_layers.0": ("in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3"),
    "qkv": ("norm", "proj_out"),
}
"""Layers by which a block and self-attention are known, and those that they always have beside."""


class Shape(NamedTuple):
    """What the tensors of a U-Net say of it.

    Attributes:
        channels: of the images that it takes.
        width: channels of the first convolution's output.
        time_width: number of time features.
        multipliers: of the width, at each resolution.
        blocks: residual blocks at each resolution of the encoder.
        attention: of each resolution, whether it has self-attention.
        adaptive: whether the embedding scales and shifts.
        resamples: whether residual blocks resample, not convolutions.
        classes: number of classes; 0 if it is unconditional.
    """

    channels: int
    width: int
    time_width: int
    multipliers: tuple[float, ...]
    blocks: int
    attention: tuple[bool, ...]
    adaptive: bool
    resamples: bool
    classes: int

    def settings(self, side: int) -> dict[str, Any]:
        """Return the settings of `UNet` and of `UNetEncoder` that follow from it, for images of a side in pixels."""
        return {
            "width": self.width,
            "multipliers": list(self.multipliers),
            "blocks": self.blocks,
            "attention": [side // 2**level for level, attends in enumerate(self.attention) if attends],
            "adaptive": self.adaptive,
            "groups": 32,
            "resampling": "residual" if self.resamples else "convolution",
        }


def is_openai(content: Any) -> bool:
    """Return whether content is a state dictionary of one of these U-Nets, or of their downward halves."""
    return _has(content, _FIRST, _TIME, "middle_block.1.qkv.weight") and not _has(content, _TO_TEXT)


def is_glide(content: Any) -> bool:
    """Return whether content is a state dictionary of one of these U-Nets that attends to a text."""
    return _has(content, _FIRST, _TIME, "middle_block.1.qkv.weight", _TO_TEXT)


def _has(content: Any, *names: str) -> bool:
    return isinstance(content, Mapping) and set(names) <= set(content)


def has_strides(content: Weights) -> bool:
    """Return whether sizes change by convolutions, not by residual blocks."""
    return any(name.endswith(".op.weight") for name in content)


def shape_of(weights: Weights) -> Shape:
    """Return the shape of a U-Net or of its downward half.

    Raises:
        UserError: the tensors are of no such network, or some are missing.
    """
    _check_parts(weights)
    count = _count(weights, "input_blocks.{}.0.")
    is_whole = any(name.startswith("output_blocks.") for name in weights)
    blocks = _blocks_of_a_whole(weights, count) if is_whole else _blocks_of_a_half(weights, count)
    ups = _count(weights, "output_blocks.{}.0.")
    if blocks < 1 or count % (blocks + 1) or (is_whole and ups != count):
        raise UserError("its blocks are not as many at each resolution: the file is cut short, or of another network")
    starts = [level * (blocks + 1) + 1 for level in range(count // (blocks + 1))]
    try:
        maps = [len(weights[f"input_blocks.{start}.0.in_layers.2.weight"]) for start in starts]
        embedded = len(weights["input_blocks.1.0.emb_layers.1.weight"])
    except KeyError as error:
        raise UserError(f"the tensor {error} is missing: the file is cut short, or of another network") from error
    width, channels, *_ = weights[_FIRST].shape
    return Shape(
        channels,
        width,
        weights[_TIME].shape[1],
        tuple(multipliers_of(maps, width)),
        blocks,
        tuple(_attends(weights, start) for start in starts),
        embedded == 2 * maps[0],
        f"input_blocks.{blocks + 1}.0.in_layers.0.weight" in weights,
        len(weights["label_emb.weight"]) if "label_emb.weight" in weights else 0,
    )


def _check_parts(weights: Weights) -> None:
    """Check that no layer of a block or of self-attention is missing.

    Raises:
        UserError: one is.
    """
    for name in weights:
        for known, others in _PARTS.items():
            place = name.removesuffix(f"{known}.weight")
            if place == name:
                continue
            for layer in (known, *others):
                for kind in ("weight", "bias"):
                    if f"{place}{layer}.{kind}" not in weights:
                        raise UserError(f"the tensor {place}{layer}.{kind} is missing: the file is cut short")


def _blocks_of_a_whole(weights: Weights, count: int) -> int:
    """Return the blocks at each resolution, which the changes of size on the way up separate."""
    grown = {
        match[1]
        for name in weights
        if (match := re.match(r"output_blocks\.(\d+)\.[12]\.(?:conv|in_layers\.0)\.weight", name))
    }
    return count // (len(grown) + 1) - 1


def _blocks_of_a_half(weights: Weights, count: int) -> int:
    """Return the blocks at the lowest resolution: those with attention after the last change of size, without it."""
    return len(list(takewhile(lambda number: _attends(weights, number), range(count - 1, 0, -1))))


def _attends(weights: Weights, number: int) -> bool:
    return any(f"input_blocks.{number}.1.{layer}.weight" in weights for layer in ("qkv", "proj_in"))


def _count(weights: Weights, form: str) -> int:
    number = 0
    while any(name.startswith(form.format(number)) for name in weights):
        number += 1
    return number


def converted(
    weights: Weights, end: list[tuple[str, str]], heads: int | None, head_channels: int | None
) -> dict[str, Tensor]:
    """Return weights under our names.

    Args:
        weights: of the network.
        end: rules for the names of its last layers.
        heads: of each self-attention, if it orders q, k and v by head; None if it doesn't.
        head_channels: channels of each head, likewise.

    Raises:
        UserError: a tensor has no counterpart.
    """
    found = {}
    for name, tensor in renamed(weights, [*end, *_RULES]).items():
        place, _, rest = name.partition(".")
        if place == "input_blocks":
            # The first convolution is none of our blocks.
            number, _, rest = rest.partition(".")
            name = f"down.{int(number) - 1}.{rest}"
        elif place in ("middle_block", "output_blocks"):
            name = f"{'middle' if place == 'middle_block' else 'up'}.{rest}"
        found[name] = _converted(name, tensor, heads, head_channels)
    return found


def _converted(name: str, tensor: Tensor, heads: int | None, head_channels: int | None) -> Tensor:
    """Return a tensor with its axes and rows in our order."""
    if name.startswith(("to_features", "to_outputs")):
        # Convolutions over one dimension are linear layers.
        return tensor[..., 0] if tensor.ndim == 3 else tensor
    if ".to_qkv." in name and (heads or head_channels):
        count = heads or len(tensor) // 3 // (head_channels or 1)
        tensor = tensor.unflatten(0, (count, 3, -1)).transpose(0, 1).flatten(0, 2)
    if ".to_qkv." in name or ".to_out." in name:
        return tensor[..., None] if tensor.ndim == 3 else tensor
    if name == "embed_time.1.weight":
        return swapped(tensor)
    if name == "embed_condition.embedding.weight":
        return with_null(tensor)
    return tensor
