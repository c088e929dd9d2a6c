"""Score-based models through SDEs (Song et al. 2021, https://arxiv.org/abs/2011.13456): diffusion in continuous time.

An SDE dx = f(t) x dt + g(t) dw turns images to noise, and a network learns the score of the noisy images:

    L = E_t lambda(t) E_{x_0, x_t} |s_theta(x_t, t) - grad log q(x_t | x_0)|^2,    grad log q(x_t | x_0) = -eps / sigma

with lambda = sigma^2, or g^2, which bounds the likelihood (Song et al. 2021, "Maximum likelihood training"). With
discrete noise levels the loss is that of NCSN (Song and Ermon 2019). Samples come from the reverse SDE
(`samplers.predictor_corrector`) or from the ODE with the same marginals (`samplers.probability_flow`), which also gives
exact likelihoods.

Example:
    python -m genbench experiment=score_sde_digits
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.diffusion.likelihood import density_bits_per_dim, dequantise, flow_log_likelihood
from genbench.diffusion.parameterisation import convert
from genbench.diffusion.processes import Process
from genbench.diffusion.times import EvenLevels, EvenTimes
from genbench.diffusion.weightings import Weighting, weight
from genbench.medium import Medium
from genbench.methods.denoising.base import DenoisingMethod
from genbench.randomness import Noise

Reduction = Literal["mean", "half_sum"]
NetworkTime = Literal["t", "log_sigma"]
InputScale = Literal["unit_variance", "none"]


class ScoreSDE(DenoisingMethod):
    """Learn the score at all times in [first_time, 1].

    Args:
        denoiser: see `DenoisingMethod`.
        medium: what a sample is.
        condition: of the data; None if it has none.
        process: variance preserving, sub-variance preserving or variance exploding.
        weighting: of the score's error: "snr", lambda = sigma^2; "bound", g^2 / 2; or "simple", 1.
        first_time: earliest time of training and likelihood.
        levels: train at as many discrete noise levels, i / (levels - 1) for i = 0 ... levels - 1, as NCSN; None for all
            times from `first_time`.
        reduction: of a sample's errors: "mean" over the pixels; or "half_sum", half of their sum, as in the authors'
            code for variance exploding SDEs, where the gradient's `clip` then acts at once.
        network_time: what the network is called with: "t"; or "log_sigma", log(sigma / 2), as in the authors' code for
            variance exploding SDEs, whose sigma is of images in [0, 1].
        input_scale: "unit_variance", x_t / sqrt(alpha^2 + sigma^2); or "none", x_t itself, as in the authors' code.
        tolerance: of the solver that computes likelihoods.
        settings: those of `DenoisingMethod`.

    Raises:
        ValueError: an argument is out of range.
    """

    likelihood = "exact density of the flow, dequantised evenly"

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: Process,
        weighting: Weighting = "snr",
        first_time: float = 1e-5,
        levels: int | None = None,
        reduction: Reduction = "mean",
        network_time: NetworkTime = "t",
        input_scale: InputScale = "unit_variance",
        tolerance: float = 1e-5,
        **settings: Any,
    ) -> None:
        if not 0 < first_time < 1:
            raise ValueError(f"first_time must be in (0, 1), not {first_time}")
        if tolerance <= 0:
            raise ValueError(f"tolerance must be positive, not {tolerance}")
        for name, value, choices in (
            ("reduction", reduction, Reduction),
            ("network_time", network_time, NetworkTime),
            ("input_scale", input_scale, InputScale),
        ):
            expect_choice(name, value, choices)
        times = EvenTimes(first_time) if levels is None else EvenLevels(levels)
        super().__init__(denoiser, medium, condition, process=process, times=times, **settings)
        self.weighting: Weighting = weighting
        self.first_time = first_time
        self.tolerance = tolerance
        self.levels = levels
        self.reduction = reduction
        self.network_time = network_time
        self.input_scale = input_scale

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for x_t at times (B,), see `input_scale` and `network_time`."""
        if self.input_scale == "unit_variance":
            alpha, sigma = self.process.coefficients(x_t, t)
            x_t = x_t / (alpha.square() + sigma.square()).sqrt()
        if self.levels is not None:
            # Samplers come close to the levels that the network knows.
            t = (t * (self.levels - 1)).round() / (self.levels - 1)
        return super().predict(
            network, x_t, (self.process.sigma(t) / 2).log() if self.network_time == "log_sigma" else t, y
        )

    def losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Lambda |s_theta + eps / sigma|^2, the mean or half the sum over the pixels, (B,)."""
        eps = torch.randn_like(x_0)
        x_t = self.process.diffuse(x_0, t, eps)
        alpha, sigma = self.process.coefficients(x_t, t)
        predicted = self.predict(self.denoiser, x_t, t, y)
        score = convert(predicted, x_t, alpha, sigma, given=self.prediction, wanted="score")
        squares = (score + eps / sigma).square().flatten(1)
        errors = squares.mean(1) if self.reduction == "mean" else squares.sum(1) / 2
        return weight(self.weighting, "score", self.process, t) * errors

    def bits_per_dim(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return the flow's likelihood (B,), without guidance, with one Hutchinson probe; see `HasLikelihood`."""
        self.refuse_latents("has no likelihood of images")
        y = self.check_condition(condition, len(x))
        x = dequantise(x, noise.uniform(len(x), *self.medium.shape)).to(self.device)
        signs = (noise.uniform(len(x), *self.medium.shape) < 0.5).to(x) * 2 - 1
        log_density = flow_log_likelihood(
            self.denoise_with(y),
            self.process,
            x,
            lambda: signs,
            first=self.first_time,
            tolerance=self.tolerance,
        )
        return density_bits_per_dim(log_density, x[0].numel())
