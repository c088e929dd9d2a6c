"""Adversarial objectives and regularisers: pure functions, each returning a scalar to be minimised.

A logit is the discriminator's output before the sigmoid, D(x) = sigmoid(logit), so that log D(x) = -softplus(-logit)
and log(1 - D(x)) = -softplus(logit): the logarithms never see a rounded 0 or 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

ObjectiveName = Literal["minimax", "non_saturating", "wasserstein", "least_squares", "hinge"]


class Objective(NamedTuple):
    """The losses of discriminator and generator."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    """Loss from the discriminator's outputs on real and on generated images, of any shape."""

    generator: Callable[[Tensor], Tensor]
    """Loss from its outputs on generated images."""


def make_objective(name: ObjectiveName, label_smoothing: float = 0.0) -> Objective:
    """Return an objective by its name.

    Args:
        name: "minimax" or "non_saturating" (Goodfellow et al. 2014), "wasserstein" (Arjovsky et al. 2017),
            "least_squares" (Mao et al. 2017) or "hinge" (Lim and Ye 2017).
        label_smoothing: real images are labelled 1 - label_smoothing, see `cross_entropy_discriminator_loss`.

    Raises:
        ValueError: there is no such objective, or it has no labels to smooth.
    """
    if name not in _OBJECTIVES:
        raise ValueError(f"objective must be one of {', '.join(_OBJECTIVES)}, not {name!r}")
    if not 0 <= label_smoothing < 0.5:
        raise ValueError(f"label_smoothing must be in [0, 0.5), not {label_smoothing}")
    if not label_smoothing:
        return _OBJECTIVES[name]
    smoothed = {
        cross_entropy_discriminator_loss: partial(cross_entropy_discriminator_loss, smoothing=label_smoothing),
        least_squares_discriminator_loss: partial(least_squares_discriminator_loss, smoothing=label_smoothing),
    }
    discriminator, generator = _OBJECTIVES[name]
    if discriminator not in smoothed:
        raise ValueError(f"objective={name} has no labels: label_smoothing works with the other objectives")
    return Objective(smoothed[discriminator], generator)


def cross_entropy_discriminator_loss(real_logits: Tensor, fake_logits: Tensor, smoothing: float = 0.0) -> Tensor:
    """-E[log D(x)] - E[log(1 - D(G(z)))]: real against generated (Goodfellow et al. 2014, equation 1).

    Its minimum for equal densities is log 4, where D is 1/2 everywhere. Logits may have any shape. One-sided smoothing
    (Salimans et al. 2016, section 3.4) labels real images 1 - smoothing, so that D does not become overconfident.
    Generated images keep the label 0; otherwise D would reinforce the generator's current mistakes.
    """
    real = softplus(-real_logits)
    if smoothing:
        # -(1 - s) log D - s log(1 - D) = softplus(-logit) + s logit
        real = real + smoothing * real_logits
    return real.mean() + softplus(fake_logits).mean()


def minimax_generator_loss(fake_logits: Tensor) -> Tensor:
    """E[log(1 - D(G(z)))]: what the discriminator maximises (Goodfellow et al. 2014, equation 1).

    Its gradient with respect to a logit is -D(G(z)), which vanishes where the discriminator is confident.
    """
    return -softplus(fake_logits).mean()


def non_saturating_generator_loss(fake_logits: Tensor) -> Tensor:
    """-E[log D(G(z))]: same fixed point, strong gradient early on (Goodfellow et al. 2014, section 3).

    Its gradient with respect to a logit is D(G(z)) - 1, which is strongest where the discriminator is confident.
    """
    return softplus(-fake_logits).mean()


def wasserstein_critic_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E[f(G(z))] - E[f(x)]: the negative estimate of the Wasserstein distance (Arjovsky et al. 2017, equation 2)."""
    return fake_scores.mean() - real_scores.mean()


def wasserstein_generator_loss(fake_scores: Tensor) -> Tensor:
    """-E[f(G(z))] (Arjovsky et al. 2017, theorem 3)."""
    return -fake_scores.mean()


def least_squares_discriminator_loss(real_scores: Tensor, fake_scores: Tensor, smoothing: float = 0.0) -> Tensor:
    """E[(D(x) - 1)^2] + E[D(G(z))^2], D without a sigmoid; twice that of Mao et al. 2017, as CycleGAN writes it.

    For equal densities its minimum is 1/2, where D is 1/2 everywhere.
    """
    return (real_scores - (1 - smoothing)).square().mean() + fake_scores.square().mean()


def least_squares_generator_loss(fake_scores: Tensor) -> Tensor:
    """E[(D(G(z)) - 1)^2] (Mao et al. 2017, equation 9)."""
    return (fake_scores - 1).square().mean()


def hinge_discriminator_loss(real_scores: Tensor, fake_scores: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G(z)))]: zero for outputs beyond the margin.

    Lim and Ye 2017 (https://arxiv.org/abs/1705.02894); the generator's loss is the Wasserstein one.
    """
    return relu(1 - real_scores).mean() + relu(1 + fake_scores).mean()


_OBJECTIVES = {
    "minimax": Objective(cross_entropy_discriminator_loss, minimax_generator_loss),
    "non_saturating": Objective(cross_entropy_discriminator_loss, non_saturating_generator_loss),
    "wasserstein": Objective(wasserstein_critic_loss, wasserstein_generator_loss),
    "least_squares": Objective(least_squares_discriminator_loss, least_squares_generator_loss),
    "hinge": Objective(hinge_discriminator_loss, wasserstein_generator_loss),
}


def r1_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """E[|grad_x D(x)|^2] at real images, to be weighted by gamma / 2 (Mescheder et al. 2018, equation 9).

    A discriminator that is flat around the data gives no gradient to a generator that has converged. The graph is kept,
    so the penalty can be minimised; the caller computes it in float32.

    Args:
        discriminator: D before its sigmoid; no output may depend on other images of the batch, so no BatchNorm.
        real: images (B, ...).
    """
    slope = _slope(discriminator, real)
    return slope.flatten(1).square().sum(1).mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E[(|grad_x f(x)| - 1)^2] at x between real and generated images (Gulrajani et al. 2017, equation 3).

    It is 0 for a critic of slope one everywhere and (s - 1)^2 for one of slope s. The graph is kept, so the penalty can
    be minimised; the caller computes it in float32.

    Args:
        critic: f; no output may depend on other images of the batch, so no BatchNorm.
        real: images (B, ...).
        fake: images (B, ...), without gradient.
        mix: weight of the real image in each x, uniform on [0, 1], (B,).
    """
    weight = mix.view(-1, *[1] * (real.ndim - 1))
    slope = _slope(critic, weight * real + (1 - weight) * fake)
    return (slope.flatten(1).norm(dim=1) - 1).square().mean()


def path_lengths(synthesise: Callable[[Tensor], Tensor], w: Tensor) -> Tensor:
    """|J_w^T y| at each w, y an image of normal noise divided by sqrt(H W) (Karras et al. 2020, section 3.2).

    Its mean square is |J_w|^2 / (H W): how much an image changes with w. Of w for several layers the mean square over
    them is taken. The graph is kept, so what is made of them can be minimised; the caller computes it in float32.

    Args:
        synthesise: returns images (B, C, H, W) of w.
        w: (B, L, D), one for each layer.

    Returns:
        lengths (B,).
    """
    with torch.compiler.set_stance("force_eager"):
        images = synthesise(w)
        y = torch.randn_like(images) / (images.shape[2] * images.shape[3]) ** 0.5
        (slope,) = torch.autograd.grad((images * y).sum(), w, create_graph=True)
    return slope.square().sum(2).mean(1).sqrt()


def _slope(network: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return the gradient of the summed outputs with respect to `x`, itself differentiable."""
    x = x.detach().requires_grad_()
    # A network compiled by torch.compile can't be differentiated twice, so here it runs uncompiled.
    with torch.compiler.set_stance("force_eager"):
        (slope,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    return slope
