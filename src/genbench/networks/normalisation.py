"""Normalisation layers."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import group_norm, normalize
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import register_parametrization

NormName = Literal["batch", "batch_of_one", "instance", "layer", "none"]


def normalisation(name: NormName) -> tuple[Callable[[int], nn.Module], bool]:
    """Return a function from channels to a normalisation layer, and whether convolutions before it need a bias.

    Args:
        name: "batch" for BatchNorm; "batch_of_one" for what it is to batches of one image in training mode, also in
            sampling, as in pix2pix; "instance" for InstanceNorm without parameters, as in CycleGAN, so that
            convolutions keep their biases; "layer" for LayerNorm of each image with a scale and a shift for each
            channel, as in the critic of WGAN-GP; "none".

    Raises:
        ValueError: there is no such normalisation.
    """
    if name == "batch":
        return nn.BatchNorm2d, False
    if name == "instance":
        return InstanceNorm, True
    if name == "batch_of_one":
        return BatchOfOneNorm, False
    if name == "layer":
        return lambda channels: GroupNorm(1, channels), False
    if name == "none":
        return lambda channels: nn.Identity(), True
    raise ValueError(f"norm must be {', '.join(get_args(NormName))}, not {name!r}")


class InstanceNorm(nn.InstanceNorm2d):
    """InstanceNorm, also of a single image.

    For one image between convolutions in channels-last layout the gradients that torch's InstanceNorm gives to earlier
    layers are wrong (2.14, on CPUs). GroupNorm with one channel per group is the same function, with right gradients.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise each channel of each image of (B, C, H, W)."""
        if len(input) > 1:
            return super().forward(input)
        return group_norm(input, self.num_features, self.weight, self.bias, self.eps)


class BatchOfOneNorm(InstanceNorm):
    """BatchNorm of each image by itself, with scale and shift, in training and in evaluation mode.

    In pix2pix batches have one image, and sampling uses the statistics of the image, not running ones (Isola et al.
    2017, section 3.4).

    Args:
        channels: of the maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)


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


def adaptive_instance_norm(x: Tensor, mean: Tensor, std: Tensor, eps: float = 1e-5) -> Tensor:
    """Return maps x (B, C, H, W) whose channels have the given means and deviations (B, C) (Huang and Belongie 2017).

    https://arxiv.org/abs/1703.06868, equation 8: std (x - mean(x)) / std(x) + mean.
    """
    # GroupNorm with a channel per group is InstanceNorm, with right gradients of a single image.
    return std[:, :, None, None] * group_norm(x, x.shape[1], eps=eps) + mean[:, :, None, None]


class SpectralNorm(nn.Module):
    """Divide a weight by its largest singular value, also in a moving average of the network.

    torch's keeps both singular vectors and multiplies by them. In an average they are averaged, too, and are then not
    of unit length, nor do they belong together. Here one is kept, is made a unit vector, and gives the other.

    Args:
        weight: of a linear layer or a convolution, (outputs, ...).
    """

    u: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("u", normalize(torch.randn(len(weight)), dim=0))
        for _ in range(15):
            self._follow(weight.detach())

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight, divided; in training the vector follows it by one power iteration."""
        if self.training:
            self._follow(weight.detach())
        with torch.no_grad():
            # A tensor of its own, which gradients may need after the next pass has changed the buffer.
            u = normalize(self.u, dim=0)
            v = normalize(weight.flatten(1).T @ u, dim=0)
        return weight / (u @ weight.flatten(1) @ v)

    @torch.no_grad()
    def _follow(self, weight: Tensor) -> None:
        matrix = weight.flatten(1)
        self.u.copy_(normalize(matrix @ normalize(matrix.T @ self.u, dim=0), dim=0))


def constrain_spectrally(network: nn.Module) -> None:
    """Make every linear layer and convolution of a network one of `SpectralNorm`, in place."""
    for module in list(network.modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            register_parametrization(module, "weight", SpectralNorm(module.weight))
