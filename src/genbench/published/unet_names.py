"""What implementations call the tensors of Ho's U-Net, beside the names in `networks.unet`: one table, both directions.

For implementations whose attention has q, k and v as layers of their own, numbered by level and block.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published.source import Weights


class Plan(NamedTuple):
    """The shape of a U-Net.

    Attributes:
        levels: resolutions.
        blocks: residual blocks at each resolution of the encoder.
        attention: of each resolution from the full one down, whether it has self-attention.
        is_residual: whether residual blocks resample, not convolutions.
    """

    levels: int
    blocks: int
    attention: tuple[bool, ...]
    is_residual: bool = False


class Names(NamedTuple):
    """What an implementation calls the parts; `{level}` counts from the full resolution, `{rise}` from the lowest.

    Attributes:
        outer: layers outside the levels, by our names.
        down: of the way down, by the kind of part: residual, attention, resampling.
        middle: its three parts.
        up: of the way up, likewise.
        residual: layers of a residual block, by our names.
        attention: layers of self-attention, by our names; q, k and v are three.
        without_bias: those of them that have weights alone.
    """

    outer: dict[str, str]
    down: dict[str, str]
    middle: tuple[str, str, str]
    up: dict[str, str]
    residual: dict[str, str]
    attention: dict[str, str | tuple[str, ...]]
    without_bias: frozenset[str] = frozenset()

    def kinds(self, ours: str) -> tuple[str, ...]:
        """Return which tensors a layer has, by our name."""
        return ("weight",) if any(ours.endswith(f".{each}") for each in self.without_bias) else ("weight", "bias")


def layers(plan: Plan, names: Names) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each layer by our name, and what it is called there: of q, k and v together three names."""
    for ours, theirs in names.outer.items():
        yield ours, (theirs,)
    for ours, theirs, kind in _parts(plan, names):
        if kind == "resampling" and not plan.is_residual:
            yield f"{ours}.convolution", (theirs,)
            continue
        inner = names.attention if kind == "attention" else names.residual
        for own, other in inner.items():
            yield f"{ours}.{own}", tuple(f"{theirs}.{each}" for each in ((other,) if isinstance(other, str) else other))


def _parts(plan: Plan, names: Names) -> Iterator[tuple[str, str, str]]:
    """Yield the parts by our names and theirs, and their kinds."""
    for level in range(plan.levels):
        for number in range(plan.blocks):
            at = {"level": level, "number": number}
            ours = f"down.{level * (plan.blocks + 1) + number}"
            yield f"{ours}.0", names.down["residual"].format(**at), "residual"
            if plan.attention[level]:
                yield f"{ours}.1", names.down["attention"].format(**at), "attention"
        if level < plan.levels - 1:
            ours = f"down.{level * (plan.blocks + 1) + plan.blocks}.0"
            yield ours, names.down["resampling"].format(level=level), "resampling"
    for index, kind in enumerate(("residual", "attention", "residual")):
        yield f"middle.{index}", names.middle[index], kind
    for rise, level in enumerate(reversed(range(plan.levels))):
        for number in range(plan.blocks + 1):
            at = {"level": level, "rise": rise, "number": number}
            ours = f"up.{rise * (plan.blocks + 1) + number}"
            yield f"{ours}.0", names.up["residual"].format(**at), "residual"
            if plan.attention[level]:
                yield f"{ours}.1", names.up["attention"].format(**at), "attention"
        if level:
            last = f"up.{rise * (plan.blocks + 1) + plan.blocks}.{1 + plan.attention[level]}"
            yield last, names.up["resampling"].format(level=level, rise=rise), "resampling"


def imported(weights: Weights, plan: Plan, names: Names) -> dict[str, Tensor]:
    """Return weights under our names.

    Raises:
        UserError: a tensor is missing, or one has no counterpart.
    """
    found: dict[str, Tensor] = {}
    used: set[str] = set()
    for ours, theirs in layers(plan, names):
        # A block that keeps its channels has no layer in its shortcut.
        if ours.endswith(".shortcut") and f"{theirs[0]}.weight" not in weights:
            continue
        for kind in names.kinds(ours):
            keys = [f"{name}.{kind}" for name in theirs]
            for key in keys:
                if key not in weights:
                    raise UserError(f"the tensor {key} is missing: the file is cut short, or of another network")
            used.update(keys)
            tensor = torch.cat([weights[key] for key in keys])
            found[f"{ours}.{kind}"] = tensor[:, :, None, None] if _is_linear_there(ours, kind, tensor) else tensor
    for key in weights:
        if key not in used:
            raise UserError(f"the tensor {key} {tuple(weights[key].shape)} has no counterpart in this model")
    return found


def exported(weights: Weights, plan: Plan, names: Names) -> dict[str, Tensor]:
    """Return weights of ours under the names of an implementation whose attention has linear layers."""
    found = {}
    for ours, theirs in layers(plan, names):
        if f"{ours}.weight" not in weights:
            continue
        for kind in ("weight", "bias"):
            for name, part in zip(theirs, weights[f"{ours}.{kind}"].chunk(len(theirs)), strict=True):
                is_flat = kind == "weight" and ours.endswith((".to_qkv", ".to_out"))
                part = part.flatten(1) if is_flat else part
                # A file holds tensors in their plain order, whatever memory format the network has.
                found[f"{name}.{kind}"] = part.clone(memory_format=torch.contiguous_format)
    return found


def _is_linear_there(ours: str, kind: str, tensor: Tensor) -> bool:
    # Layers within a transformer's blocks are linear here, too.
    is_layer = ours.endswith((".to_qkv", ".to_out", ".shortcut", ".first", ".last"))
    return kind == "weight" and tensor.ndim == 2 and is_layer and ".blocks." not in ours


def swapped(weight: Tensor) -> Tensor:
    """Return the weights (D, F) of what takes cosines before sines for sines before cosines, or the other way round."""
    return torch.cat([*reversed(weight.chunk(2, dim=1))], dim=1)


def with_null(embeddings: Tensor) -> Tensor:
    """Return embeddings (K, D) of classes with a row for no class, which adds nothing to the time embedding."""
    return torch.cat([embeddings, torch.zeros_like(embeddings[:1])])
