"""Guidance by a classifier of noisy images (Dhariwal and Nichol 2021, https://arxiv.org/abs/2105.05233, section 4).

By Bayes' rule grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t), so a classifier can make any denoiser
class-conditional. A guidance scale s > 1 moves samples to where the classifier is most confident.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from genbench.diffusion.processes import Process
from genbench.diffusion.samplers import Denoise, Estimate


def classifier_guided(
    denoise: Denoise, process: Process, log_probability: Callable[[Tensor, Tensor], Tensor], scale: float
) -> Denoise:
    """Return a denoiser with s times the gradient of a classifier added to its score.

    Args:
        denoise: see `samplers`.
        process: the one it was trained for.
        log_probability: log p(y | x_t) (B,) of images x_t (B, ...) at a time, differentiable.
        scale: the guidance scale s.
    """

    def guided(x: Tensor, t: Tensor) -> Estimate:
        with torch.enable_grad():
            x_t = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(log_probability(x_t, t).sum(), x_t)
        estimate = denoise(x, t)
        # By Tweedie's formula x_0 = (x_t + sigma^2 score) / alpha.
        reach = process.sigma(t).square() / process.alpha(t)
        return Estimate(estimate.x_0 + scale * reach * slope, estimate.variance_fraction)

    return guided


def guided_to_classes(
    denoise: Denoise,
    process: Process,
    classify: Callable[[Tensor, Tensor], Tensor],
    y: Tensor,
    scale: float,
    bounds: tuple[float, float] | None,
) -> Denoise:
    """Return a denoiser that is guided to classes, its estimates clamped to the samples' bounds.

    Args:
        denoise: see `samplers`.
        process: the one it was trained for.
        classify: returns logits (B, K) of x_t (B, ...) at times (B,), differentiable.
        y: classes (B,).
        scale: the guidance scale s; 0 for no guidance.
        bounds: the least and the largest value of a sample; None where there are none.
    """
    if not scale:
        return denoise

    def log_probability(x_t: Tensor, t: Tensor) -> Tensor:
        return -cross_entropy(classify(x_t, t.to(x_t).expand(len(x_t))), y, reduction="none")

    guided = classifier_guided(denoise, process, log_probability, scale)

    def clamped(x: Tensor, t: Tensor) -> Estimate:
        x_0, variance_fraction = guided(x, t)
        return Estimate(x_0 if bounds is None else x_0.clamp(*bounds), variance_fraction)

    return clamped
