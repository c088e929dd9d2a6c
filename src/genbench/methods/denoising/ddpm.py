"""Denoising diffusion probabilistic models (Ho et al. 2020, https://arxiv.org/abs/2006.11239).

A chain of T steps turns images to noise, x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps, so that in closed form

    x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps

and a network is trained to predict the noise (algorithm 1):

    L = E_{x_0, eps, t} |eps - eps_theta(x_t, t)|^2

Sampling reverses the chain from noise (algorithm 2, `samplers.ancestral`), or uses any other sampler.

Example:
    python -m genbench experiment=ddpm_digits
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.diffusion.estimates import clamping
from genbench.diffusion.likelihood import bound_terms
from genbench.diffusion.parameterisation import from_x_0
from genbench.diffusion.processes import DiscreteProcess
from genbench.diffusion.times import BalancedSteps, ContinuousSteps, EvenSteps, ImportanceSteps, Times
from genbench.diffusion.weightings import Weighting, weight
from genbench.medium import Medium
from genbench.methods.denoising.base import DenoisingMethod
from genbench.randomness import Noise

StepChoice = Literal["even", "balanced", "importance", "continuous"]

_STEPS: dict[StepChoice, Callable[[DiscreteProcess], Times]] = {
    "even": lambda chain: EvenSteps(chain.steps),
    "balanced": lambda chain: BalancedSteps(chain.steps),
    "importance": lambda chain: ImportanceSteps(chain.steps),
    "continuous": ContinuousSteps,
}


class DDPM(DenoisingMethod):
    """Algorithm 1 of the paper; other schedules, predictions and weightings are settings.

    Args:
        denoiser: see `DenoisingMethod`.
        medium: what a sample is.
        condition: of the data; None if it has none.
        process: a chain of T steps.
        weighting: of the times in the loss, see `diffusion.weightings`.
        times: steps are drawn uniformly ("even"), likewise but weighted so that all count alike ("balanced"), by
            "importance" sampling, or with noise levels in between ("continuous"), see `diffusion.times`.
        settings: those of `DenoisingMethod`.

    Raises:
        ValueError: an argument is out of range.
    """

    likelihood = "variational bound of the chain"

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        weighting: Weighting = "simple",
        times: StepChoice = "even",
        **settings: Any,
    ) -> None:
        expect_choice("times", times, StepChoice)
        super().__init__(denoiser, medium, condition, process=process, times=_STEPS[times](process), **settings)
        self.chain = process
        self.weighting: Weighting = weighting

    def losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """|eps - eps_theta(x_t, t)|^2, or that of another prediction, weighted; the mean over the pixels, (B,)."""
        x_t = self.process.diffuse(x_0, t, torch.randn_like(x_0))
        return self.errors(self.predict(self.trained_network(x_0), x_t, t, y), x_0, x_t, t)

    def trained_network(self, x_0: Tensor) -> Callable[..., Tensor]:
        """Return the network as it is called in training for samples x_0 (B, ...)."""
        return self.denoiser

    def errors(self, predicted: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Return the weighted error (B,) of a prediction."""
        alpha, sigma = self.process.coefficients(x_t, t)
        # x_t and x_0 determine the noise that was drawn.
        target = from_x_0(self.prediction, x_0, x_t, alpha, sigma)
        errors = self.penalties(predicted - target).flatten(1).mean(1)
        return weight(self.weighting, self.prediction, self.process, t) * errors

    def penalties(self, difference: Tensor) -> Tensor:
        """Return what the difference between a prediction and its target costs, pixel by pixel: its square."""
        return difference.square()

    @torch.no_grad()
    def bits_per_dim(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return the variational bound (B,) with all its T terms, without guidance; see `HasLikelihood`."""
        return self.bound_terms(x, condition, noise=noise).sum(1)

    @torch.no_grad()
    def bound_terms(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return the bound's terms (B, T + 1), see `likelihood.bound_terms`."""
        self.refuse_latents("bounds no likelihood of images")
        denoise = clamping(self.denoise_with(self.check_condition(condition, len(x))), "static")
        return bound_terms(denoise, self.chain, x.to(self.device), self.draw_from(noise, len(x)))
