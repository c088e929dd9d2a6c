"""Files in the layout of NCSN++ in its authors' code, filled with random numbers."""

from collections.abc import Sequence

import torch
from torch import Tensor

Tensors = dict[str, Tensor]


def ncsnpp(
    *,
    channels: int = 3,
    width: int = 8,
    multipliers: Sequence[int] = (1, 2),
    blocks: int = 1,
    attended: int = 1,
    pyramid: str = "none",
    fourier: bool = False,
    latent: int = 0,
    sums: bool = False,
) -> Tensors:
    """Return a state dictionary of `models/ncsnpp.py`, whose level `attended` has self-attention.

    It lists the layers in the order in which they are called, as `all_modules`.
    """
    embedding = 4 * width
    layers: list[Tensors] = [{"W": rand(width)}] if fourier else []
    layers += [linear(2 * width if fourier else width, embedding), linear(embedding, embedding)]
    layers.append(convolution(channels, width))
    at, joined, skips = width, channels, [width]
    for level, multiplier in enumerate(multipliers):
        for _ in range(blocks):
            layers.append(block(at, width * multiplier, embedding, latent))
            at = width * multiplier
            layers += [attention(at)] if level == attended else []
            skips.append(at)
        if level < len(multipliers) - 1:
            layers.append(block(at, at, embedding, latent, resamples=True))
            if pyramid == "residual":
                layers.append(inside("Conv2d_0", convolution(joined, at)))
                joined = at
            elif pyramid == "sum":
                layers.append(inside("Conv_0", convolution(joined, at, 1)))
            skips.append(at)
    layers += [block(at, at, embedding, latent), attention(at), block(at, at, embedding, latent)]
    for level, multiplier in reversed(list(enumerate(multipliers))):
        for _ in range(blocks + 1):
            layers.append(block(at + skips.pop(), width * multiplier, embedding, latent))
            at = width * multiplier
        layers += [attention(at)] if level == attended else []
        if sums or not level:
            layers += [norm(at), convolution(at, channels)]
        if level:
            layers.append(block(at, at, embedding, latent, resamples=True))
    return {
        f"all_modules.{index}.{name}": tensor for index, layer in enumerate(layers) for name, tensor in layer.items()
    }


def block(given: int, made: int, embedding: int, latent: int, *, resamples: bool = False) -> Tensors:
    """Return the tensors of a residual block, whose norms have a style if there is a latent."""
    norms = [inside("style", linear(latent, 2 * size)) if latent else norm(size) for size in (given, made)]
    found = inside("GroupNorm_0", norms[0]) | inside("Conv_0", convolution(given, made))
    found |= inside("Dense_0", linear(embedding, made)) | inside("GroupNorm_1", norms[1])
    found |= inside("Conv_1", convolution(made, made))
    return found | (inside("Conv_2", convolution(given, made, 1)) if resamples or given != made else {})


def attention(size: int) -> Tensors:
    """Return the tensors of a self-attention."""
    found = inside("GroupNorm_0", norm(size))
    for index in range(4):
        found |= {f"NIN_{index}.W": rand(size, size), f"NIN_{index}.b": rand(size)}
    return found


def norm(size: int) -> Tensors:
    """Return a scale and a shift."""
    return {"weight": rand(size), "bias": rand(size)}


def linear(given: int, made: int) -> Tensors:
    """Return a matrix and a bias."""
    return {"weight": rand(made, given), "bias": rand(made)}


def convolution(given: int, made: int, kernel: int = 3) -> Tensors:
    """Return a kernel and a bias."""
    return {"weight": rand(made, given, kernel, kernel), "bias": rand(made)}


def inside(prefix: str, tensors: Tensors) -> Tensors:
    """Return tensors under names with a prefix."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def rand(*shape: int) -> Tensor:
    """Return random numbers, or none on the meta device."""
    return torch.randn(*shape) / max(1, shape[-1]) ** 0.5


def parallel(tensors: Tensors) -> Tensors:
    """Return tensors under DataParallel's names."""
    return inside("module", tensors)
