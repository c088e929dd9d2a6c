"""Guidance by a classifier of noisy images (Dhariwal and Nichol 2021, https://arxiv.org/abs/2105.05233, section 4).

By Bayes' rule grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t), so a classifier can make any denoiser
class-conditional. A guidance scale s > 1 moves samples to where the classifier is most confident.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from genbench.diffusion.estimates import Denoise, Estimate, at_time


def classifier_guided(
    denoise: Denoise, classify: Callable[[Tensor, Tensor], Tensor], y: Tensor, scale: float
) -> Denoise:
    """Return a denoiser whose estimates have a classifier's gradient, s grad log p(y | x_t), for the sampler to apply.

    Args:
        denoise: see `estimates`.
        classify: returns logits (B, K) of x_t (B, ...) at times (B,), differentiable.
        y: classes (B,).
        scale: the guidance scale s; 0 for no guidance.
    """
    if not scale:
        return denoise

    def guided(x: Tensor, t: Tensor) -> Estimate:
        with torch.enable_grad():
            x_t = x.detach().requires_grad_()
            log_probability = -cross_entropy(classify(x_t, at_time(t, x_t)), y, reduction="sum")
            (slope,) = torch.autograd.grad(log_probability, x_t)
        return denoise(x, t)._replace(gradient=scale * slope)

    return guided
