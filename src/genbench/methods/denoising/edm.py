"""EDM (Karras et al. 2022, https://arxiv.org/abs/2206.00364): diffusion with a preconditioned network.

A denoiser D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) learns the image at log-normal noise levels,

    L = E_sigma 1 / c_out^2 E_{x_0, eps} |D(x_0 + sigma eps; sigma) - x_0|^2,    log sigma ~ N(-1.2, 1.2^2)

with the coefficients of table 1 (`diffusion.edm`), for which the network's inputs and targets have unit variance.
Samples come from Heun's method (`samplers.heun`), or from its stochastic version (`stochastic_heun`).

Example:
    python -m genbench experiment=edm_digits
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from genbench.conditions.base import Condition
from genbench.diffusion.edm import Coefficients, Precondition, coefficients
from genbench.diffusion.processes import Process
from genbench.diffusion.times import LogNormalLevels
from genbench.medium import Medium
from genbench.methods.denoising.base import DenoisingMethod


class EDM(DenoisingMethod):
    """Learn a preconditioned denoiser.

    The process only places the noise levels: in x / alpha and sigma / alpha all are alike (section 2.4 of the paper).

    Args:
        denoiser: see `DenoisingMethod`; it is called with c_in x and c_noise, in place of x_t and t.
        medium: what a sample is.
        condition: of the data; None if it has none.
        process: the forward process.
        precondition: "edm"; or "vp" or "ve", for networks that were trained as Song et al. do, see `diffusion.edm`.
        data_std: standard deviation of the samples, for "edm".
        log_sigma_mean: of the training's noise levels.
        log_sigma_std: standard deviation of their logarithms.
        settings: those of `DenoisingMethod`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: Process,
        precondition: Precondition = "edm",
        data_std: float = 0.5,
        log_sigma_mean: float = -1.2,
        log_sigma_std: float = 1.2,
        **settings: Any,
    ) -> None:
        if data_std <= 0:
            raise ValueError(f"data_std must be positive, not {data_std}")
        times = LogNormalLevels(process, log_sigma_mean, log_sigma_std)
        super().__init__(denoiser, medium, condition, process=process, times=times, prediction="x_0", **settings)
        coefficients(precondition, torch.ones(()))
        self.precondition: Precondition = precondition
        self.data_std = data_std

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return D, the image expected for x_t at times (B,)."""
        alpha, sigma = self.process.coefficients(x_t, t)
        x, c = x_t / alpha, self.coefficients(sigma / alpha)
        # Not the time of the process, which a chain would count from its first step.
        given = (c.into * x, c.noise.flatten(), *(() if y is None else (y,)))
        predicted: Tensor = c.skip * x + c.out * network(*given)
        return predicted

    def losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """|D - x_0|^2 / c_out^2, the mean over the pixels, (B,)."""
        x_t = self.process.diffuse(x_0, t, torch.randn_like(x_0))
        alpha, sigma = self.process.coefficients(x_t, t)
        errors = (self.predict(self.denoiser, x_t, t, y) - x_0) / self.coefficients(sigma / alpha).out
        return errors.square().flatten(1).mean(1)

    def coefficients(self, sigma: Tensor) -> Coefficients:
        """Return the coefficients of the preconditioning at noise levels sigma / alpha."""
        return coefficients(self.precondition, sigma, self.data_std)
