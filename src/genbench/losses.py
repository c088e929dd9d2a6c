"""Adversarial objectives: pure functions of the discriminator's logits, each returning a scalar to be minimised.

A logit is the discriminator's output before the sigmoid, D(x) = sigmoid(logit), so that log D(x) = -softplus(-logit)
and log(1 - D(x)) = -softplus(logit): the logarithms never see a rounded 0 or 1.
"""

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
