"""Denoising diffusion (Ho et al. 2020, https://arxiv.org/abs/2006.11239): learn to undo a little noise.

A chain of T steps turns images to noise, x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps, so that at once

    x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps

and a network is trained to say which noise it was (algorithm 1):

    L = E_{x_0, eps, t} |eps - eps_theta(x_t, t)|^2

Samples come from noise by going the chain backwards (algorithm 2, `samplers.ancestral`), or by any other sampler.

Example:
    python -m genbench experiment=ddpm_digits
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.diffusion.parameterisation import from_x_0
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.weightings import Weighting, weight
from genbench.methods.denoising import DenoisingMethod


class DDPM(DenoisingMethod):
    """Algorithm 1 of the paper; other schedules, predictions and weightings are settings.

    Args:
        denoiser: see `DenoisingMethod`.
        image_shape: (C, H, W) of the data.
        num_classes: how many classes the data has.
        process: a chain of T steps.
        weighting: of the times in the loss, see `diffusion.weightings`.
        settings: those of `DenoisingMethod`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        image_shape: Sequence[int],
        num_classes: int | None,
        *,
        process: DiscreteProcess,
        weighting: Weighting = "simple",
        **settings: Any,
    ) -> None:
        super().__init__(denoiser, image_shape, num_classes, process=process, **settings)
        self.chain = process
        self.weighting: Weighting = weighting

    def draw_times(self, count: int) -> Tensor:
        """Return times t / T of steps t drawn evenly from 1 to T."""
        return torch.randint(1, self.chain.steps + 1, (count,), device=self.device) / self.chain.steps

    def losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """|eps - eps_theta(x_t, t)|^2, or what is predicted in its place, weighted; the mean over the pixels, (B,)."""
        eps = torch.randn_like(x_0)
        x_t = self.process.diffuse(x_0, t, eps)
        alpha, sigma = (value.view(-1, 1, 1, 1) for value in (self.process.alpha(t), self.process.sigma(t)))
        target = from_x_0(self.prediction, x_0, x_t, alpha, sigma)
        errors = (self.predict(self.denoiser, x_t, t, y) - target).square().flatten(1).mean(1)
        return weight(self.weighting, self.prediction, self.process, t) * errors
