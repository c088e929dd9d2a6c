"""Improved DDPM (Nichol and Dhariwal 2021, https://arxiv.org/abs/2102.09672): learned variances, better likelihoods.

The network predicts the noise and, for each pixel, an interpolation between the two bounds of a step's variance,

    Sigma_theta(x_t, t) = exp(v log beta_t + (1 - v) log beta~_t)

and is trained with the simple loss plus a small weight times the variational bound, whose gradient reaches only the
variance:

    L_hybrid = L_simple + 0.001 L_vlb

or with the bound alone, with steps drawn by importance sampling.

Example:
    python -m genbench experiment=improved_ddpm_digits
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.diffusion.estimates import Estimate
from genbench.diffusion.likelihood import chain_term
from genbench.diffusion.parameterisation import to_x_0
from genbench.diffusion.processes import DiscreteProcess
from genbench.medium import Medium
from genbench.methods.denoising.ddpm import DDPM

Objective = Literal["hybrid", "bound", "simple"]


class ImprovedDDPM(DDPM):
    """DDPM with a learned variance.

    Args:
        denoiser: builds the network from `shape`, `condition` and `outputs`, the two images that it predicts; without
            `outputs` if it learns no variance.
        medium: what a sample is.
        condition: of the data; None if it has none.
        process: a chain of T steps.
        objective: "hybrid"; "bound" for L_vlb alone, which needs `times="importance"` to train well; or "simple" for
            L_simple alone, whose variance is not learned, as in DDPM.
        bound_weight: of L_vlb, the sum of all T terms in bits per dimension, in the hybrid loss.
        settings: those of `DDPM`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        objective: Objective = "hybrid",
        bound_weight: float = 0.001,
        **settings: Any,
    ) -> None:
        expect_choice("objective", objective, Objective)
        if bound_weight < 0:
            raise ValueError(f"bound_weight must be at least 0, not {bound_weight}")
        outputs = 1 if objective == "simple" else 2
        super().__init__(partial(denoiser, outputs=outputs), medium, condition, process=process, **settings)
        self.objective = objective
        self.bound_weight = bound_weight

    def errors(self, predicted: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Return L_hybrid, or L_vlb (B,), of the network's outputs."""
        if self.objective == "simple":
            return super().errors(predicted, x_0, x_t, t)
        predicted, fraction = self.split(predicted)
        if self.objective == "bound":
            return self.bound(predicted, fraction, x_0, x_t, t)
        # The bound trains only the variance; the simple loss trains the noise prediction better.
        bound = self.bound(predicted.detach(), fraction, x_0, x_t, t)
        return super().errors(predicted, x_0, x_t, t) + self.bound_weight * bound

    def bound(self, predicted: Tensor, fraction: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """Return T times the bound's term (B,), whose mean over t is L_vlb, in bits per dimension."""
        alpha, sigma = self.process.coefficients(x_t, t)
        image = to_x_0(self.prediction, predicted, x_t, alpha, sigma)
        return self.chain.steps * chain_term(self.chain, x_0, x_t, t, image, fraction)

    def split(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the prediction and the variance fraction in [0, 1], which the network outputs as -1 to 1."""
        predicted, variance = outputs.chunk(2, dim=1)
        return predicted, (variance + 1) / 2

    def guide(self, conditional: Tensor, unconditional: Tensor, guidance: float) -> Tensor:
        """Guide the prediction only; the variance remains the conditional one."""
        if self.objective == "simple":
            return super().guide(conditional, unconditional, guidance)
        predicted, variance = conditional.chunk(2, dim=1)
        return torch.cat([super().guide(predicted, unconditional.chunk(2, dim=1)[0], guidance), variance], dim=1)

    def estimate(self, outputs: Tensor, x_t: Tensor, t: Tensor) -> Estimate:
        """Return the estimates of image and variance from the network's outputs at time t, a scalar."""
        if self.objective == "simple":
            return super().estimate(outputs, x_t, t)
        predicted, fraction = self.split(outputs)
        return Estimate(super().estimate(predicted, x_t, t).x_0, fraction)
