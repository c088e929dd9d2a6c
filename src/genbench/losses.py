"""Adversarial objectives and regularisers: pure functions, each returning a scalar to be minimised.

A logit is the discriminator's output before the sigmoid, D(x) = sigmoid(logit), so that log D(x) = -softplus(-logit)
and log(1 - D(x)) = -softplus(logit): the logarithms never see a rounded 0 or 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import softplus


def cross_entropy_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))]: real against generated (Goodfellow et al. 2014, equation 1).

    Its minimum for equal densities is log 4, where D is 1/2 everywhere. Logits may have any shape.
    """
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def minimax_generator_loss(fake_logits: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))]: what the discriminator maximises (Goodfellow et al. 2014, equation 1).

    Its gradient with respect to a logit is -D(G(z)), which vanishes where the discriminator is sure.
    """
    return -softplus(fake_logits).mean()


def non_saturating_generator_loss(fake_logits: Tensor) -> Tensor:
    """-E[log D(G(z))]: same fixed point, strong gradient early on (Goodfellow et al. 2014, section 3).

    Its gradient with respect to a logit is D(G(z)) - 1, which is strongest where the discriminator is sure.
    """
    return softplus(-fake_logits).mean()


def wasserstein_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E[f(G(z))] - E[f(x)]: the negative of what estimates the distance (Arjovsky et al. 2017, equation 2)."""
    return fake_scores.mean() - real_scores.mean()


def wasserstein_generator_loss(fake_scores: Tensor) -> Tensor:
    """-E[f(G(z))] (Arjovsky et al. 2017, theorem 3)."""
    return -fake_scores.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E[(|grad_x f(x)| - 1)^2] at x between real and generated images (Gulrajani et al. 2017, equation 3).

    It is 0 for a critic of slope one everywhere and (s - 1)^2 for one of slope s. Its graph is kept, so it can be
    minimised; the caller computes it in float32.

    Args:
        critic: f; it must judge each image by itself, so it has no BatchNorm.
        real: images (B, ...).
        fake: images (B, ...), without gradient.
        mix: share of the real image in each x, uniform on [0, 1], (B,).
    """
    share = mix.view(-1, *[1] * (real.ndim - 1))
    x = (share * real + (1 - share) * fake).detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()
