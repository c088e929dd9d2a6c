"""Guidance by the gradient of another model, such as a classifier or a CLIP of noisy images.

By Bayes' rule grad log p(x_t | y) = grad log p(x_t) + grad log p(y | x_t), so a model of p(y | x_t) can make any
denoiser conditional (Dhariwal and Nichol 2021, https://arxiv.org/abs/2105.05233, section 4). A guidance scale s > 1
moves samples to where that model is most confident.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from genbench.diffusion.estimates import Denoise, Estimate, at_time


def guided_by(denoise: Denoise, log_probability: Callable[[Tensor, Tensor], Tensor], scale: float) -> Denoise:
    """Return a denoiser whose estimates have a gradient, s grad log p(y | x_t), for the sampler to apply.

    Each sample has the gradient of its own log probability, whatever else is in the batch.

    Args:
        denoise: see `estimates`.
        log_probability: returns log p(y | x_t), up to a constant, (B,) of x_t (B, ...) at times (B,), differentiable.
        scale: the guidance scale s; 0 for no guidance.
    """
    if not scale:
        return denoise

    def guided(x: Tensor, t: Tensor) -> Estimate:
        with torch.enable_grad():
            x_t = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(log_probability(x_t, at_time(t, x_t)).sum(), x_t)
        return denoise(x, t)._replace(gradient=scale * slope)

    return guided


def guided_by_estimate(denoise: Denoise, log_probability: Callable[[Tensor], Tensor], scale: float) -> Denoise:
    """Return a denoiser that is guided by a model of images without noise, through its own estimates of x_0.

    The gradient s grad log p(y | x_0(x_t)), with respect to x_t, goes through the network, so that the model need never
    have seen noise (Crowson 2021; Bansal et al. 2023, https://arxiv.org/abs/2302.07121, section 3.1).

    Args:
        denoise: see `estimates`, differentiable.
        log_probability: returns log p(y | x_0), up to a constant, (B,) of x_0 (B, ...), differentiable.
        scale: the guidance scale s; 0 for no guidance.
    """
    if not scale:
        return denoise

    def guided(x: Tensor, t: Tensor) -> Estimate:
        with torch.enable_grad():
            x_t = x.detach().requires_grad_()
            estimate = denoise(x_t, t)
            # Each sample has the gradient of its own log probability, whatever else is in the batch.
            (slope,) = torch.autograd.grad(log_probability(estimate.x_0).sum(), x_t)
        fraction = estimate.variance_fraction
        return estimate._replace(
            x_0=estimate.x_0.detach(),
            variance_fraction=None if fraction is None else fraction.detach(),
            gradient=scale * slope,
        )

    return guided


def classifier_guided(
    denoise: Denoise, classify: Callable[[Tensor, Tensor], Tensor], y: Tensor, scale: float
) -> Denoise:
    """Return a denoiser that is guided to classes by a classifier's log p(y | x_t), see `guided_by`.

    Args:
        denoise: see `estimates`.
        classify: returns logits (B, K) of x_t (B, ...) at times (B,), differentiable.
        y: classes (B,).
        scale: the guidance scale s; 0 for no guidance.
    """
    return guided_by(denoise, lambda x_t, t: -cross_entropy(classify(x_t, t), y, reduction="none"), scale)


def clip_guided(
    denoise: Denoise, embed: Callable[[Tensor, Tensor], Tensor], texts: Tensor, logit_scale: float, scale: float
) -> Denoise:
    """Return a denoiser that is guided to texts by a CLIP of noisy images, see `guided_by`.

    The log probability is CLIP's logit, exp(log-scale) <z_t, z_i(x_t, t)> of normalised embeddings (Nichol et al. 2022,
    https://arxiv.org/abs/2112.10741, section 2.3).

    Args:
        denoise: see `estimates`.
        embed: returns embeddings (B, D) of x_t (B, ...) at times (B,), differentiable.
        texts: embeddings of what each sample is to show, (B, D).
        logit_scale: the factor of cosines in logits.
        scale: the guidance scale s; 0 for no guidance.
    """
    wanted = logit_scale * normalize(texts, dim=1)
    return guided_by(denoise, lambda x_t, t: (wanted * normalize(embed(x_t, t), dim=1)).sum(1), scale)
