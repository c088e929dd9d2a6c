"""Weight initialisation."""

import math

from torch import nn


def initialise_normal(module: nn.Module, std: float = 0.02) -> None:
    """Draw weights from normal(0, std), scales of norms from normal(1, std), and set biases to zero.

    The initialisation of DCGAN (Radford et al. 2016, section 4), in place. Use: `network.apply(initialise_normal)`.
    """
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, std)
    elif isinstance(module, nn.BatchNorm2d | nn.InstanceNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, std)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def initialise_glorot(module: nn.Module, *, before_relu: bool = False) -> None:
    """Draw weights uniformly from +-sqrt(6 / (fan_in + fan_out)), and set biases to zero, in place.

    The initialisation of Glorot and Bengio 2010 (equation 16), with which linear layers keep the variance of features
    and of gradients. Use: `network.apply(initialise_glorot)`; layers without weights are left as they are.

    Args:
        module: a layer.
        before_relu: whether the bound is sqrt(2) times as large, since ReLUs halve the variance (He et al. 2015).
    """
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight, gain=math.sqrt(2) if before_relu else 1.0)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
