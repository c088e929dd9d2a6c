"""Which normalisation a network of image translation has."""

from collections.abc import Callable
from typing import Literal

from torch import nn

NormName = Literal["batch", "instance"]


def normalisation(name: NormName) -> tuple[Callable[[int], nn.Module], bool]:
    """Return what makes a normalisation of so many channels, and whether convolutions before it need a bias.

    BatchNorm has a bias of its own; InstanceNorm, which has none here as in CycleGAN, takes that of the convolution.

    Raises:
        ValueError: there is no such normalisation.
    """
    if name == "batch":
        return nn.BatchNorm2d, False
    if name == "instance":
        return nn.InstanceNorm2d, True
    raise ValueError(f"norm must be batch or instance, not {name!r}")
