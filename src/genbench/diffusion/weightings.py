"""Weights of the training loss at each time.

An error of x_0 corresponds to an error of any other prediction: of eps by alpha / sigma, and so on. Weights are defined
for errors of x_0 and converted to those of what the network predicts, so one weighting trains every parameterisation
towards the same denoiser.
"""

from typing import Literal

import torch
from torch import Tensor

from genbench.diffusion.parameterisation import Prediction
from genbench.diffusion.processes import DiscreteProcess, Process

Weighting = Literal["simple", "snr", "debiased", "min_snr", "bound"]

_LARGEST_SNR = 5.0


def weight(name: Weighting, prediction: Prediction, process: Process, t: Tensor) -> Tensor:
    """Return the weights (B,) of a prediction's mean squared error at times (B,).

    Args:
        name: "simple", 1 for any prediction (Ho et al. 2020, equation 14); "snr", SNR(t) for x_0, which is 1 for eps;
            "debiased", sqrt(SNR(t)) for x_0 (Yu et al. 2023, https://arxiv.org/abs/2310.08442); "min_snr",
            min(SNR(t), 5) for x_0 (Hang et al. 2023, https://arxiv.org/abs/2303.09556); or "bound", with which the mean
            over t is the variational bound in nats per dimension (Kingma et al. 2021, equations 13, 17).
        prediction: what the network predicts.
        process: the forward process.
        t: the times.

    Raises:
        ValueError: there is no such weighting.
    """
    if name == "simple":
        return torch.ones_like(t)
    snr = process.log_snr(t).exp()
    if name == "snr":
        of_x_0 = snr
    elif name == "debiased":
        of_x_0 = snr.sqrt()
    elif name == "min_snr":
        of_x_0 = snr.clamp_max(_LARGEST_SNR)
    elif name == "bound":
        of_x_0 = _bound(process, t)
    else:
        raise ValueError(f"weighting must be simple, snr, debiased, min_snr or bound, not {name!r}")
    return of_x_0 / error_ratio(prediction, process, t)


def error_ratio(prediction: Prediction, process: Process, t: Tensor) -> Tensor:
    """Return the ratios (B,) of a prediction's squared error to that of the corresponding x_0."""
    alpha, sigma = process.alpha(t), process.sigma(t)
    if prediction == "x_0":
        return torch.ones_like(t)
    if prediction == "eps":
        return (alpha / sigma).square()
    if prediction == "v":
        return ((alpha.square() + sigma.square()) / sigma).square()
    return (alpha / sigma.square()).square()


def _bound(process: Process, t: Tensor) -> Tensor:
    """Return half of the decrease in SNR at times t: of the step, times T, or the derivative."""
    if isinstance(process, DiscreteProcess):
        # Before the first step SNR is infinite: its term is a likelihood, for which the second step's weight is used.
        before = (t - 1 / process.steps).clamp_min(process.first)
        now = torch.where(t <= process.first * 1.5, 2 * t, t)
        return process.steps / 2 * (process.log_snr(before).exp() - process.log_snr(now).exp())
    # d log SNR / dt = 2 f - d log sigma^2 / dt = -g^2 / sigma^2
    return process.log_snr(t).exp() * process.g_squared(t) / process.sigma(t).square() / 2
