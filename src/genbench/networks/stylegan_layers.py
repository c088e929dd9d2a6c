"""Layers of StyleGAN2: equalised learning rates, modulated and demodulated convolutions, noise.

Karras et al. 2020 (https://arxiv.org/abs/1912.04958, section 2 and appendix B), 2018 (https://arxiv.org/abs/1812.04948).
"""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, linear

from genbench.networks.resampling import Lowpass

_EPSILON = 1e-8


def activate(x: Tensor, gain: float = 1.0, clamp: float | None = None) -> Tensor:
    """Return leaky ReLU of slope 0.2 times sqrt 2, which keeps the size of normal numbers, times a gain.

    Args:
        x: maps or vectors of any shape.
        gain: of the result.
        clamp: largest magnitude of the result for a gain of 1, which only half precision needs; None for any.
    """
    x = leaky_relu(x, 0.2) * (sqrt(2) * gain)
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


class EqualisedLinear(nn.Module):
    """A fully connected layer whose weights are N(0, 1) and are scaled where they are used (Karras et al. 2017).

    So Adam, whose steps have about the learning rate's size, moves all layers at the same relative speed.

    Args:
        inputs: numbers of a vector.
        outputs: of the result.
        bias: initial value of each.
        rate: factor of the layer's learning rate.
        active: whether leaky ReLU follows, see `activate`.
    """

    def __init__(
        self, inputs: int, outputs: int, *, bias: float = 0.0, rate: float = 1.0, active: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), float(bias)))
        self.scale = rate / sqrt(inputs)
        self.rate = rate
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        """Return vectors (B, outputs) of vectors (B, inputs)."""
        y = linear(x, self.weight * self.scale, self.bias * self.rate)
        return activate(y) if self.active else y


class EqualisedConv(nn.Module):
    """A convolution with such weights, which may halve its maps after a lowpass filter.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side of it, odd.
        halves: whether maps are made half as large.
        bias: whether the layer has one.
        active: whether leaky ReLU follows, see `activate`.
        gain: of the result.
        clamp: see `activate`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        *,
        halves: bool = False,
        bias: bool = True,
        active: bool = True,
        gain: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / sqrt(inputs * kernel**2)
        self.padding = kernel // 2
        self.lowpass = Lowpass() if halves else None
        self.active = active
        self.gain = gain
        self.clamp = clamp

    def forward(self, x: Tensor) -> Tensor:
        """Return maps (B, outputs, H, W), or half as large, of maps x (B, inputs, H, W)."""
        weight = self.weight * self.scale
        if self.lowpass is None:
            x = conv2d(x, weight, self.bias, padding=self.padding)
        elif self.padding:
            x = conv2d(self.lowpass.smooth(x, self.padding + 1), weight, self.bias, stride=2)
        else:
            x = conv2d(self.lowpass.down(x), weight, self.bias)
        return activate(x, self.gain, self.clamp) if self.active else x * self.gain


class ModulatedConv(nn.Module):
    """A convolution whose weights are scaled by a style, input channel by input channel (section 2.2, equation 1).

    With demodulation each output channel's weights are divided by their norm (equation 3), so that outputs of inputs of
    unit deviation have unit deviation, whatever the style. Instead of a kernel for each image, the inputs are scaled by
    the style and the outputs by the norms, which is the same.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: side of it, odd.
        doubles: whether maps are made twice as large, by a transposed convolution and a lowpass filter.
        demodulates: whether weights are divided by their norm; without that they are scaled as in `EqualisedConv`.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 3, *, doubles: bool = False, demodulates: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale = 1 / sqrt(inputs * kernel**2)
        self.padding = kernel // 2
        self.demodulates = demodulates
        self.lowpass = Lowpass() if doubles else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return maps (B, outputs, H, W), or twice as large, of maps x (B, inputs, H, W) and styles (B, inputs)."""
        # Norms do not change the result of a demodulated layer; numbers of about 1 keep half precision in range.
        weight = self.weight * self.scale
        y = x * style[:, :, None, None].to(x)
        if self.lowpass is None:
            y = conv2d(y, weight, padding=self.padding)
        else:
            # Four times as large, since three of four inputs are zeros to the filter.
            y = self.lowpass.smooth(conv_transpose2d(y, 4 * weight.transpose(0, 1), stride=2), self.padding)
        if self.demodulates:
            y = y * self._norms(weight, style).rsqrt()[:, :, None, None].to(y)
        return y

    def _norms(self, weight: Tensor, style: Tensor) -> Tensor:
        """Return the squared norms (B, outputs) of the kernels that each image would have."""
        with torch.autocast(weight.device.type, enabled=False):
            return linear(style.float().square(), weight.float().square().sum((2, 3))) + _EPSILON


class StyledLayer(nn.Module):
    """A modulated convolution, noise and leaky ReLU.

    Args:
        inputs: channels.
        outputs: channels.
        w_dim: numbers of w.
        side: of the result, in pixels.
        doubles: see `ModulatedConv`.
        clamp: see `activate`.
    """

    fixed_noise: Tensor

    def __init__(
        self, inputs: int, outputs: int, w_dim: int, side: int, *, doubles: bool = False, clamp: float | None = None
    ) -> None:
        super().__init__()
        self.style = EqualisedLinear(w_dim, inputs, bias=1.0)
        self.convolution = ModulatedConv(inputs, outputs, doubles=doubles)
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("fixed_noise", torch.randn(side, side))
        self.clamp = clamp

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return maps of maps x (B, inputs, H, W), scaled by a style (B, inputs), which `self.style` makes of w.

        Noise is fresh in training, else the fixed one.
        """
        x = self.convolution(x, style)
        side = self.fixed_noise.shape[0]
        noise = torch.randn(len(x), 1, side, side, device=x.device) if self.training else self.fixed_noise
        x = x + (noise * self.noise_strength).to(x) + self.bias.to(x)[:, None, None]
        return activate(x, clamp=self.clamp)


class ToImage(nn.Module):
    """A modulated 1 x 1 convolution to the channels of an image, without demodulation.

    Args:
        inputs: channels.
        outputs: channels of an image.
        w_dim: numbers of w.
        clamp: largest magnitude of the result, which only half precision needs; None for any.
    """

    def __init__(self, inputs: int, outputs: int, w_dim: int, *, clamp: float | None = None) -> None:
        super().__init__()
        self.style = EqualisedLinear(w_dim, inputs, bias=1.0)
        self.convolution = ModulatedConv(inputs, outputs, 1, demodulates=False)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.clamp = clamp

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """Return images (B, outputs, H, W) of maps x (B, inputs, H, W), scaled by a style (B, inputs), made of w."""
        y: Tensor = self.convolution(x, style) + self.bias.to(x)[:, None, None]
        return y if self.clamp is None else y.clamp(-self.clamp, self.clamp)
