"""Base of denoising methods: one network, its averaged weights, a condition that may be dropped, any sampler.

A method's own file defines the loss.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.choosing import chosen
from genbench.conditions.derived import Derived
from genbench.diffusion.estimates import Denoise, Estimate, at_time, clamping
from genbench.diffusion.guidance import guided_by_estimate
from genbench.diffusion.parameterisation import Prediction, to_x_0
from genbench.diffusion.processes import Process
from genbench.diffusion.samplers import Draw, ddim_encode
from genbench.diffusion.times import Observing, Times
from genbench.errors import UserError
from genbench.medium import Images, Medium
from genbench.methods.base import GenerativeMethod
from genbench.methods.denoising.quarters import by_quarter
from genbench.methods.denoising.running import begun_at, run_sampler, sample_until
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.networks.attention_maps import AttentionMaps
from genbench.networks.conditioning import ConditionEncoder
from genbench.randomness import Noise


class DenoisingMethod(GenerativeMethod):
    """Train a network to denoise, and sample with its averaged weights.

    Args:
        denoiser: builds the network from the samples' `shape` and the `condition`; it is called with x_t, t in [0, 1]
            as the process gives it to networks and, for a conditional method, rows of the condition.
        medium: what a sample is.
        condition: of the data; None if it has none.
        space: what is noised and denoised, if not the samples themselves: the latents of a first stage.
        process: the forward process, which turns samples to noise.
        times: the distribution of training times.
        prediction: what the network predicts.
        sampler: one of `diffusion.samplers`, with its settings.
        optimizer: maps parameters to an optimizer.
        conditional: whether the network is conditioned on the data's condition.
        derive: derives a condition from the samples themselves, which replaces the data's.
        condition_dropout: fraction of training samples whose condition is replaced by the null condition, so that the
            network also learns unconditional predictions.
        guidance: classifier-free guidance scale w; a prediction is (1 + w) times the conditional one minus w times the
            unconditional one (Ho and Salimans 2022).
        clip: largest norm of the gradient; 0 for no clipping.
        ema_decay: decay of the averaged weights.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, or the data has no condition.
    """

    null: Tensor

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        space: Medium | None = None,
        process: Process,
        times: Times,
        prediction: Prediction = "eps",
        sampler: Callable[..., Tensor],
        optimizer: MakeOptimizer,
        conditional: bool = False,
        derive: Derived | None = None,
        condition_dropout: float = 0.1,
        guidance: float = 0.0,
        clip: float = 1.0,
        ema_decay: float = 0.9999,
        **settings: Any,
    ) -> None:
        super().__init__(clip=clip, ema_decay=ema_decay, **settings)
        if guidance < 0:
            raise ValueError(f"guidance must be at least 0, not {guidance}")
        if not 0 <= condition_dropout < 1:
            raise ValueError(f"condition_dropout must be in [0, 1), not {condition_dropout}")
        if derive is not None and not isinstance(derive, Derived):
            raise ValueError("derive must make a condition, as genbench.conditions.derived.LowResolution does")
        if derive is not None and conditional:
            raise ValueError("derive takes the place of the data's condition: set conditional=false")
        if guidance and not ((conditional or derive) and condition_dropout):
            raise ValueError("guidance takes a condition, and a training with condition_dropout above 0")
        self.medium = medium
        self.space = medium if space is None else space
        self.bounds = self.space.bounds
        self.condition = chosen(conditional, condition) if derive is None else derive.condition(medium)
        self.derive = derive
        self.derives_condition = derive is not None
        # Where the method is, so that no step waits for a copy.
        self.register_buffer("null", None if self.condition is None else self.condition.null(1), persistent=False)
        self.denoiser = denoiser(shape=self.space.shape, condition=self.condition)
        self.average = self.averaged(self.denoiser)
        self.process = process
        self.times = times
        self.prediction: Prediction = prediction
        self.sampler = sampler
        self.condition_dropout = condition_dropout
        self.guidance = guidance
        self.optimise("denoiser", self.denoiser, optimizer, average=self.average)

    @abstractmethod
    def losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the loss (B,) of samples x_0 (B, ...) at times t (B,), with rows y (B, ...) of any condition."""

    def condition_of(self, batch: Batch) -> Tensor | None:
        """Return the rows of the condition for a batch: the data's, or those derived from the samples."""
        return super().condition_of(batch) if self.derive is None else self.derive(batch.x)

    def trained_condition(self, batch: Batch) -> Tensor | None:
        """Return the rows that the network is trained with; by default those of `condition_of`."""
        return self.condition_of(batch)

    def draw_times(self, count: int) -> tuple[Tensor, Tensor]:
        """Return training times (count,) in [0, 1] and their weights (count,)."""
        return self.times.draw(count, self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the network and its average."""
        self.take_step("denoiser", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the sum of the weighted losses of a batch at random times, and each by quarters of the times."""
        x_0, y = self.trained_on(batch), self.trained_condition(batch)
        t, weights = self.draw_times(len(x_0))
        losses = {"denoiser": self.losses(x_0, t, None if y is None else self.drop_condition(y))}
        losses |= self.further_losses(x_0, t, y)
        if isinstance(self.times, Observing):
            seen = losses["denoiser"].detach()
            self.times.observe(self.all_gather(t).flatten(), self.all_gather(seen).flatten())  # type: ignore[union-attr]
        means = {name: (weights * each).mean() for name, each in losses.items()}
        figures: dict[str, Tensor] = {}
        if self.measures:
            for name, each in losses.items():
                figures |= {f"loss/{name}": means[name], **by_quarter(name, each.detach(), t)}
        return torch.stack([*means.values()]).sum(), figures

    def further_losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> dict[str, Tensor]:
        """Return further losses to minimise, (B,) each, by name; by default none."""
        return {}

    def drop_condition(self, y: Tensor) -> Tensor:
        """Return rows of the condition, a fraction of them replaced by the null condition."""
        dropped = torch.rand(len(y), device=y.device) < self.condition_dropout
        return torch.where(dropped.view(-1, *[1] * (y.ndim - 1)), self.unconditioned(y), y)

    def unconditioned(self, y: Tensor) -> Tensor:
        """Return the rows that classifier-free guidance leads away from, as many as y: the null condition."""
        return self.null.expand_as(y)

    def for_sampling(self, y: Tensor | None, noise: Noise) -> Tensor | None:
        """Return the rows that `predict` is called with throughout the sampling; by default those asked for."""
        return y

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for x_t at times (B,)."""
        t = self.process.network_time(t)
        return network(x_t, t) if y is None else network(x_t, t, y)

    def estimate(self, predicted: Tensor, x_t: Tensor, t: Tensor) -> Estimate:
        """Return the estimate of x_0 that corresponds to a prediction at time t, a scalar."""
        return Estimate(to_x_0(self.prediction, predicted, x_t, self.process.alpha(t), self.process.sigma(t)))

    def guide(self, conditional: Tensor, unconditional: Tensor, guidance: float) -> Tensor:
        """Return the guided prediction, extrapolated from the unconditional through the conditional one."""
        return conditional + guidance * (conditional - unconditional)

    def denoise_with(self, y: Tensor | None, *, guidance: float = 0.0) -> Denoise:
        """Return the averaged network as a denoiser for samplers, differentiable with respect to x_t.

        Args:
            y: rows of the condition, (B, ...); None for unconditional.
            guidance: the guidance scale w.
        """
        # The average's own forward pass has no gradients.
        return self.denoise_by(self.average.module, y, guidance=guidance)

    def denoise_by(self, network: Callable[..., Tensor], y: Tensor | None, *, guidance: float) -> Denoise:
        """Return a network, called as the denoiser is, as a denoiser for samplers; see `denoise_with`."""

        def denoise(x_t: Tensor, t: Tensor) -> Estimate:
            times = at_time(t, x_t)
            predicted = self.predict(network, x_t, times, y)
            if guidance and y is not None:
                unconditional = self.predict(network, x_t, times, self.unconditioned(y))
                predicted = self.guide(predicted, unconditional, guidance)
            return self.estimate(predicted, x_t, t)._replace(bounds=self.bounds)

        return denoise

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return samples (count, *medium.shape) by the sampler, from the averaged weights.

        Raises:
            ValueError: the condition is missing, given to an unconditional method, or invalid.
            UserError: the sampler's settings do not suit the process.
        """
        y = self.for_sampling(self.check_condition(condition, count), noise)
        return self.sample_by(self.denoise_with(y, guidance=self.guidance), self.draw_from(noise, count))

    def sample_by(self, denoise: Denoise, draw: Draw, start: Tensor | None = None) -> Tensor:
        """Return samples (B, *medium.shape) by the sampler, with some denoiser.

        Args:
            denoise: the denoiser.
            draw: draws fresh noise.
            start: what sampling begins with, (B, ...), such as of `encode_by_ddim`; None for fresh noise.

        Raises:
            UserError: the sampler's settings do not suit the process.
        """
        return self.from_space(self.bounded(run_sampler(self.sampler, denoise, self.process, draw, start)))

    @torch.no_grad()
    def sample_until(self, until: float, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return x_t (count, ...) at time `until`, at which the sampler ends early.

        Raises:
            ValueError: the condition is missing, given to an unconditional method, or invalid.
            UserError: the sampler's settings do not suit the process, or what is denoised are latents.
        """
        self.refuse_latents("draws no noisy images")
        y = self.for_sampling(self.check_condition(condition, count), noise)
        denoise = self.denoise_with(y, guidance=self.guidance)
        return sample_until(until, self.sampler, denoise, self.process, self.draw_from(noise, count))

    @torch.no_grad()
    def sample_led(
        self,
        count: int,
        log_probability: Callable[[Tensor], Tensor],
        scale: float,
        condition: Tensor | None = None,
        *,
        noise: Noise,
        images: Tensor | None = None,
        begin: float = 1.0,
    ) -> Tensor:
        """Return samples led by the gradient of what is thought of their images, see `abilities.DrawsLed`.

        Sampling that begins in between, with images that were made noisy, keeps what is larger than the noise (Meng et
        al. 2022, SDEdit, https://arxiv.org/abs/2108.01073).

        Raises:
            ValueError: the condition is given to an unconditional method, or invalid.
            UserError: the sampler's settings do not suit the process.
        """
        y = None if condition is None else self.for_sampling(self.check_condition(condition, count), noise)
        denoise = self.denoise_with(y, guidance=0.0 if y is None else self.guidance)
        led = guided_by_estimate(denoise, lambda x_0: log_probability(self.from_space(x_0)), scale)
        draw = self.draw_from(noise, count)
        if images is None:
            return self.sample_by(led, draw)
        process, t = begun_at(self.process, begin)
        x_0 = self.to_space(images.to(self.device))
        start = (process.alpha(t) * x_0 + process.sigma(t) * draw()).to(x_0)
        return self.from_space(self.bounded(run_sampler(self.sampler, led, process, draw, start)))

    @torch.no_grad()
    def encode_by_ddim(self, x: Tensor, y: Tensor | None, *, steps: int) -> Tensor:
        """Return the noise from which DDIM, unguided, makes samples x (B, ...) of rows y, see `samplers.ddim_encode`.

        Raises:
            UserError: the process has fewer steps.
        """
        denoise = clamping(self.denoise_with(y), "static")
        try:
            return ddim_encode(denoise, self.process, self.to_space(x.to(self.device)), steps=steps)
        except ValueError as error:
            raise UserError(str(error)) from error

    @torch.no_grad()
    def attention_maps(self, count: int, condition: Tensor, *, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return samples and their attention to the tokens of captions, see `AttendsToWords`.

        Of guided samples it is the attention of the conditional predictions.

        Raises:
            UserError: this method is not conditioned on captions, draws no images, or its network attends to no text.
        """
        encoder = next((each for each in self.average.modules() if isinstance(each, ConditionEncoder)), None)
        if not (isinstance(self.condition, Captions) and isinstance(self.medium, Images) and encoder is not None):
            raise UserError("only a method that draws images from captions attends to their words")
        y = self.check_condition(condition, count)
        try:
            maps = AttentionMaps(self.average.module, (self.medium.shape[1], self.medium.shape[2]))
        except ValueError as error:
            raise UserError(str(error)) from error
        guided = self.denoise_with(y, guidance=self.guidance)
        unguided = self.denoise_with(y)

        def denoise(x_t: Tensor, t: Tensor) -> Estimate:
            # By a call of its own: a guided estimate is made of two, and attention to no caption is no map.
            with maps.watching():
                unguided(x_t, t)
            return guided(x_t, t)

        samples = self.sample_by(denoise, self.draw_from(noise, count))
        return samples, maps.mean()[:, encoder.learnt :]

    def trained_on(self, batch: Batch) -> Tensor:
        """Return what is noised in training, (B, *space.shape)."""
        return self.to_space(batch.x)

    def to_space(self, x: Tensor) -> Tensor:
        """Return what is denoised, (B, *space.shape), of samples (B, *medium.shape)."""
        return x

    def from_space(self, x_0: Tensor) -> Tensor:
        """Return samples (B, *medium.shape) of what was denoised, (B, *space.shape)."""
        return x_0

    def bounded(self, samples: Tensor) -> Tensor:
        """Return what was denoised, clamped to its bounds, if it has any."""
        return samples if self.bounds is None else samples.clamp(*self.bounds)

    @torch.no_grad()
    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images whose missing part is filled in by the sampler, see `samplers.repaint`.

        Args:
            known: images (B, C, H, W) in [-1, 1].
            mask: 1 where they are known and 0 where they are not, (H, W).
            condition: rows of the condition (B, ...); None for unconditional, also if the method is conditional.
            noise: source of random numbers.

        Raises:
            ValueError: the condition is given to an unconditional method, or invalid.
        """
        self.refuse_latents("fills in no images")
        known, mask = known.to(self.device), mask.to(self.device)
        y = None if condition is None else self.check_condition(condition, len(known))
        denoise = self.denoise_with(y, guidance=self.guidance)
        draw = self.draw_from(noise, len(known))
        x_1 = self.process.prior_std * draw()
        images: Tensor = self.sampler(denoise, self.process, x_1, draw, known=known, mask=mask)
        return self.bounded(images)

    def refuse_latents(self, lacks: str) -> None:
        """Refuse what can be done with a model of the samples themselves alone.

        Raises:
            UserError: what this method denoises are latents.
        """
        if self.space is not self.medium:
            raise UserError(f"a diffusion model of latents {lacks}")

    def draw_from(self, noise: Noise, count: int) -> Draw:
        """Return a function that draws normal noise in the shape of what is denoised, on this method's device."""
        return lambda: noise.normal(count, *self.space.shape).to(self.device)
