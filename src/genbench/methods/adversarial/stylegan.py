"""StyleGAN2 (Karras et al. 2020, https://arxiv.org/abs/1912.04958), with adaptive augmentation (2020b, 2006.06676).

A mapping network makes w of z, and every layer of the generator is modulated by w. The objective is the non-saturating
one, and both networks are regularised, each in a few of the steps only ("lazily"):

    D:  E[softplus(D(G(z)))] + E[softplus(-D(x))]     and every 16th step  gamma / 2 E[|grad_x D(x)|^2]  (R1)
    G:  E[softplus(-D(G(z)))]                         and every 4th step   2 E[(|J_w^T y| - a)^2]        (path length)

Here J_w is the Jacobian of the image with respect to w, y an image of normal noise divided by sqrt(H W), and a the
moving average of the lengths |J_w^T y|: a step in w then changes the image by as much wherever it is taken. What is
regularised in every k-th step is multiplied by k there, as a step of its own.

Example:
    python -m genbench experiment=stylegan_digits
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.optim import Optimizer

from genbench.batch import Batch
from genbench.conditions.base import Condition, Index, Vector
from genbench.conditions.choosing import chosen
from genbench.distributed import averaged
from genbench.losses import (
    cross_entropy_discriminator_loss,
    non_saturating_generator_loss,
    path_lengths,
    r1_penalty,
)
from genbench.methods.adversarial.adaptive_augment import AdaptiveAugment
from genbench.methods.adversarial.latent_gan import LatentGAN
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.networks.stylegan import StyleGANDiscriminator, StyleGANGenerator


class StyleGAN(LatentGAN):
    """StyleGAN2, unconditional or conditioned on classes or attributes.

    Args:
        generator: builds the generator from `latent_dim`, `image_shape` and `condition_dim`.
        discriminator: builds the discriminator from `image_shape` and `condition_dim`; D before its sigmoid, (B,).
        image_shape: (C, H, W) of the data.
        condition: of the data; None if it has none.
        conditional: whether both networks are conditioned on it.
        latent_dim: numbers of z.
        mixing: fraction of images whose layers from a random one on have the w of a second z, so that layers do not
            rely on each other (2018, section 3.1).
        r1: gamma; 0 for no R1.
        r1_every: steps from one R1 to the next.
        path_length: weight of the path lengths' deviation; 0 for none.
        path_length_every: steps from one to the next.
        path_length_decay: by how much a follows the mean length of a batch.
        path_length_shrink: how many times as small as the batch theirs is, since they take much memory.
        adaptive: makes what augments all that D sees, the more the more D overfits.
        ema_half_life: images in which the weight of a network in the average is halved.
        truncation: psi; w are led to their mean, mean + psi (w - mean), for better but more uniform images; 1 for none.
        truncated_layers: of how many layers, from the first; None for all.
        generator_optimizer: maps parameters to an optimizer, whose rate and betas are for steps without regularisation.
        discriminator_optimizer: likewise.
        settings: those of `LatentGAN`.

    Raises:
        ValueError: an argument is out of range, or the data has no condition of this kind.
    """

    generator: StyleGANGenerator
    discriminator: StyleGANDiscriminator

    path_mean: Tensor
    """a, the moving average of path lengths."""

    def __init__(
        self,
        generator: Callable[..., StyleGANGenerator],
        discriminator: Callable[..., StyleGANDiscriminator],
        image_shape: Sequence[int],
        condition: Condition | None = None,
        *,
        conditional: bool = False,
        latent_dim: int = 512,
        mixing: float = 0.9,
        r1: float = 10.0,
        r1_every: int = 16,
        path_length: float = 2.0,
        path_length_every: int = 4,
        path_length_decay: float = 0.01,
        path_length_shrink: int = 2,
        adaptive: Callable[[], AdaptiveAugment] = AdaptiveAugment,
        ema_half_life: float = 10_000,
        truncation: float = 1.0,
        truncated_layers: int | None = None,
        generator_optimizer: MakeOptimizer,
        discriminator_optimizer: MakeOptimizer,
        **settings: Any,
    ) -> None:
        for name, value, least in (
            ("r1", r1, 0), ("r1_every", r1_every, 1), ("path_length", path_length, 0),
            ("path_length_every", path_length_every, 1), ("path_length_shrink", path_length_shrink, 1),
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        for name, value in (("mixing", mixing), ("path_length_decay", path_length_decay)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], not {value}")
        if settings.get("joint_pass"):
            raise ValueError(
                "joint_pass would mix real and generated images in D's deviation among images: leave it out"
            )
        if ema_half_life <= 0:
            raise ValueError(f"ema_half_life must be positive, not {ema_half_life}")
        shown = chosen(conditional, condition)
        condition_dim = 0 if shown is None else width_of(shown)
        super().__init__(
            partial(generator, condition_dim=condition_dim),
            partial(discriminator, condition_dim=condition_dim),
            image_shape,
            latent_dim=latent_dim,
            generator_optimizer=lazily(generator_optimizer, path_length_every if path_length else 0),
            discriminator_optimizer=lazily(discriminator_optimizer, r1_every if r1 else 0),
            **settings,
        )
        self.layers: int = self.generator.styles
        self.style_dim: int = self.generator.w_dim
        if truncated_layers is not None and not 0 <= truncated_layers <= self.layers:
            raise ValueError(f"truncated_layers must be from 0 to {self.layers}, not {truncated_layers}")
        self.condition = shown
        self.mixing = mixing
        self.r1, self.r1_every = r1, r1_every
        self.path_length, self.path_length_every = path_length, path_length_every
        self.path_length_decay, self.path_length_shrink = path_length_decay, path_length_shrink
        self.adaptive = adaptive()
        self.ema_half_life = ema_half_life
        self.truncation = truncation
        self.truncated_layers = truncated_layers
        self.register_buffer("path_mean", torch.zeros(()))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the discriminator, then the generator and its average, and regularise each if its turn has come."""
        index = self.step
        self.average.decay = 0.5 ** (len(batch.x) * self.trainer.world_size / self.ema_half_life)
        self.take_step("discriminator", self.discriminator_loss, batch)
        if self.r1 and index % self.r1_every == 0:
            self.take_step("discriminator", self.r1_loss, batch, measure=True, further="r1")
        if self.generator_moves(index):
            if self.path_length and index % self.path_length_every == 0:
                self.take_step("generator", self.path_length_loss, batch, measure=True, further="path_length")
            self.take_step("generator", self.generator_loss, batch, measure=self.discriminator_steps > 1)
        self.adaptive.adapt(index)
        return self.finish_step()

    def discriminator_loss(self, batch: Batch) -> Loss:
        """E[softplus(D(G(z)))] + E[softplus(-D(x))]."""
        with torch.no_grad():
            x_fake = self.generate(batch)
        real, fake = self.discriminate_both(batch.x, x_fake, batch)
        figures = {"adversary/d_real": real.sigmoid().mean(), "adversary/d_fake": fake.sigmoid().mean()}
        self.adaptive.observe(real)
        figures |= {"adversary/overfitting": real.sign().mean(), "adversary/augmentation": self.adaptive.p.clone()}
        return cross_entropy_discriminator_loss(real, fake), figures

    def r1_loss(self, batch: Batch) -> Loss:
        """Gamma / 2 E[|grad_x D(x)|^2], times the steps from one to the next."""
        # The gradient would over- or underflow in half precision.
        with torch.autocast(batch.x.device.type, enabled=False):
            penalty = r1_penalty(lambda images: self.discriminate(images, batch), batch.x.float())
        return self.r1_every * self.r1 / 2 * penalty + without_effect(self.discriminator), {"adversary/r1": penalty}

    def generator_loss(self, batch: Batch) -> Loss:
        """E[softplus(-D(G(z)))]."""
        return non_saturating_generator_loss(self.discriminate(self.generate(batch), batch)), {}

    def path_length_loss(self, batch: Batch) -> Loss:
        """2 E[(|J_w^T y| - a)^2], times the steps from one to the next; a moves first, as in the authors' code."""
        rows = slice(max(1, len(batch.x) // self.path_length_shrink))
        few = Batch(batch.x[rows], None if batch.condition is None else batch.condition[rows])
        with torch.autocast(batch.x.device.type, enabled=False):
            w = self.mixed_styles(few)
            lengths = path_lengths(self.generator.synthesise, w)
        mean = averaged(lengths.detach().mean())
        self.path_mean.lerp_(mean, self.path_length_decay)
        penalty = (lengths - self.path_mean).square().mean()
        loss = self.path_length_every * self.path_length * penalty + without_effect(self.generator)
        return loss, {"adversary/path_length": mean, "adversary/path_length_deviation": penalty}

    def generate(self, batch: Batch) -> Tensor:
        """Return generated images of fresh latents, as many as the batch has."""
        return self.generator.synthesise(self.mixed_styles(batch))

    def mixed_styles(self, batch: Batch) -> Tensor:
        """Return w (B, layers, w_dim) of fresh latents, some mixed from two; the mean w follows the first."""
        count, shown = len(batch.x), self.shown(batch.condition)
        w = self.generator.mapping(self.draw_latents(count), shown)
        self.generator.follow(averaged(w.detach().float().mean(0)))
        w = self.generator.repeated(w)
        if not self.mixing:
            return w
        other = self.generator.repeated(self.generator.mapping(self.draw_latents(count), shown))
        cut = torch.randint(1, self.layers, (count, 1, 1), device=w.device)
        is_mixed = torch.rand(count, 1, 1, device=w.device) < self.mixing
        is_later = torch.arange(self.layers, device=w.device)[:, None] >= cut
        return torch.where(is_mixed & is_later, other, w)

    def discriminate(self, images: Tensor, batch: Batch) -> Tensor:
        """Return D of images after their augmentation, (B,), before its sigmoid."""
        augmented = self.augment(self.adaptive(images))
        logits: Tensor = self.discriminator(augmented, self.shown(batch.condition))
        return logits

    def shown(self, rows: Tensor | None) -> Tensor | None:
        """Return rows of the condition as networks have them, (B, condition_dim); None of an unconditional method."""
        if self.condition is None:
            return None
        assert rows is not None
        form = self.condition.form
        return one_hot(rows, form.size).float() if isinstance(form, Index) else rows.float()

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the averaged generator's images of latents `z`, (B, latent_dim), by truncated w.

        Raises:
            ValueError: a condition is missing, given to an unconditional method, or invalid.
        """
        return self.synthesise(self.styles(z, condition)).clamp(-1, 1)

    @torch.no_grad()
    def styles(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return truncated w (B, layers, w_dim) of latents `z`, see `HasStyles`."""
        network = self._averaged
        w = network.repeated(network.mapping(z, self.shown(self.check_condition(condition, len(z)))))
        return self.truncated(w)

    def truncated(self, w: Tensor) -> Tensor:
        """Return w (B, layers, w_dim) led to their mean."""
        if self.truncation == 1:
            return w
        led = self.mean_style + self.truncation * (w - self.mean_style)
        layers = torch.arange(self.layers, device=w.device)[:, None]
        return led if self.truncated_layers is None else torch.where(layers < self.truncated_layers, led, w)

    def synthesise(self, w: Tensor) -> Tensor:
        """Return the averaged generator's images of w (B, layers, w_dim), see `HasStyles`."""
        return self._averaged.synthesise(w)

    def style_channels(self, w: Tensor) -> list[Tensor]:
        """Return the scales (B, C_l) of the averaged generator's channels, see `HasStyleSpace`."""
        return self._averaged.channels(w)

    @property
    def adds_to_image(self) -> list[bool]:
        """Of each layer whether it adds to the image: the last one of each block."""
        return [number == block.styles for block in self._averaged.synthesis for number in range(block.styles + 1)]

    def synthesise_channels(self, channels: Sequence[Tensor]) -> Tensor:
        """Return the averaged generator's images of the scales of all channels, see `HasStyleSpace`."""
        return self._averaged.synthesise_channels(channels)

    def perceive(self, images: Tensor) -> list[Tensor]:
        """Return the discriminator's maps of images (B, C, H, W) in [-1, 1], at each of its resolutions."""
        return self.discriminator.features(images)

    @property
    def mean_style(self) -> Tensor:
        """The mean w, (w_dim,)."""
        return self._averaged.mean_style

    @property
    def _averaged(self) -> StyleGANGenerator:
        network: Any = self.average.module
        return cast(StyleGANGenerator, network)


def width_of(condition: Condition) -> int:
    """Return how many numbers say what an image shows.

    Raises:
        ValueError: it is neither a class nor attributes.
    """
    match condition.form:
        case Index(size):
            return size
        case Vector(length):
            return length
    raise ValueError(
        "StyleGAN is conditioned on classes or attributes: leave out method.conditional=true, or take other data"
    )


def lazily(make_optimizer: MakeOptimizer, every: int) -> MakeOptimizer:
    """Return a maker of an optimizer that takes further steps: every + 1 where there were as many as `every`.

    With c = every / (every + 1) rates become c lr and betas beta^c, so that it moves and forgets as fast as without
    them (appendix B); for `every` = 0 it stays as it is.
    """
    if not every:
        return make_optimizer
    c = every / (every + 1)

    def make(parameters: Any) -> Optimizer:
        optimizer = make_optimizer(parameters)
        for group in optimizer.param_groups:
            group["lr"] *= c
            if "betas" in group:
                group["betas"] = tuple(beta**c for beta in group["betas"])
        return optimizer

    return make


def without_effect(network: nn.Module) -> Tensor:
    """Return zero as a sum over all parameters: those that a penalty leaves out get a gradient of zero, not none.

    Adam moves a parameter on by its momentum for a gradient of zero, and processes expect as many of each other.
    """
    return torch.stack([parameter.sum() for parameter in network.parameters()]).sum() * 0
