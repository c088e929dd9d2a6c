"""Weight initialisation."""

from torch import nn


def initialise_normal(module: nn.Module, std: float = 0.02) -> None:
    """Draw weights from normal(0, std), BatchNorm scales from normal(1, std), and set biases to zero.

    The initialisation of DCGAN (Radford et al. 2016, section 4), in place. Use: `network.apply(initialise_normal)`.
    """
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, std)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, std)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
