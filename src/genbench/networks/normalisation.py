"""Normalisation layers."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import group_norm
from torch.nn.utils.parametrizations import spectral_norm

NormName = Literal["batch", "instance", "none"]


def normalisation(name: NormName) -> tuple[Callable[[int], nn.Module], bool]:
    """Return a function from channels to a normalisation layer, and whether convolutions before it need a bias.

    BatchNorm has its own bias. InstanceNorm has no parameters here, as in CycleGAN, so the convolution keeps its bias.

    Raises:
        ValueError: there is no such normalisation.
    """
    if name == "batch":
        return nn.BatchNorm2d, False
    if name == "instance":
        return InstanceNorm, True
    if name == "none":
        return lambda channels: nn.Identity(), True
    raise ValueError(f"norm must be batch, instance or none, not {name!r}")


class InstanceNorm(nn.InstanceNorm2d):
    """InstanceNorm without parameters, also of a single image.

    For one image between convolutions in channels-last layout the gradients that torch's InstanceNorm gives to earlier
    layers are wrong (2.14, on CPUs). GroupNorm with one channel per group is the same function, with right gradients.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel of each image of (B, C, H, W)."""
        if len(input) > 1:
            return super().forward(input)
        return group_norm(input, self.num_features, eps=self.eps)


class GroupNorm(nn.GroupNorm):
    """GroupNorm in the precision of its weights, whatever the input's precision.

    Under autocast that is float32, which autocast itself chooses on GPUs. On CPUs autocast would leave it in bfloat16,
    where torch's kernel takes six times as long.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, ...)."""
        return super().forward(input.to(self.weight.dtype))


def has_batch_norm(network: nn.Module) -> bool:
    """Return whether a network has BatchNorm, so that its output for one image depends on the rest of the batch."""
    return any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in network.modules())


def normalise_spectrally(network: nn.Module) -> None:
    """Divide the weights of each layer by their largest singular value, in place (Miyato et al. 2018).

    The value is estimated by one power iteration a forward pass in training mode (https://arxiv.org/abs/1802.05957).
    """
    # The list is made first: the parametrisation adds modules.
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding):
            spectral_norm(module)
