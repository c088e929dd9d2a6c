"""Guidance by a classifier of noisy images (Dhariwal and Nichol 2021, https://arxiv.org/abs/2105.05233, section 4).

By Bayes' rule grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t), so a classifier leads any denoiser to a
class; its gradient times s > 1 leads to where the classifier is surest.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from genbench.diffusion.processes import Process
from genbench.diffusion.samplers import Denoise, Estimate


def classifier_guided(
    denoise: Denoise, process: Process, log_probability: Callable[[Tensor, Tensor], Tensor], scale: float
) -> Denoise:
    """Return a denoiser whose score has s times the gradient of a classifier added.

    Args:
        denoise: see `samplers`.
        process: that it was trained for.
        log_probability: log p(y | x_t) (B,) of images x_t (B, ...) at a time, differentiable.
        scale: s.
    """

    def guided(x: Tensor, t: Tensor) -> Estimate:
        with torch.enable_grad():
            x_t = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(log_probability(x_t, t).sum(), x_t)
        estimate = denoise(x, t)
        # By Tweedie's formula x_0 = (x_t + sigma^2 score) / alpha.
        reach = process.sigma(t).square() / process.alpha(t)
        return Estimate(estimate.x_0 + scale * reach * slope, estimate.variance_share)

    return guided
