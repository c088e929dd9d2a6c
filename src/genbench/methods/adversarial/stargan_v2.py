"""StarGAN v2: diverse translation among many domains (Choi et al. 2020, https://arxiv.org/abs/1912.01865).

A style code s = F_y(z) of noise, or s = E_y(x') of a reference image x', says how an image of a domain y shall look;
G(x, s) has it, and D_y tells it from real images of y. For an image x of the domain y0:

    L_D = E[softplus(-D_y0(x))] + E[softplus(D_y(G(x, s)))] + gamma / 2 E[|grad_x D_y0(x)|^2]
    L_G = E[softplus(-D_y(G(x, s)))]
        + lambda_sty E[|s - E_y(G(x, s))|_1]
        - lambda_ds  E[|G(x, s) - sg G(x, s')|_1]
        + lambda_cyc E[|x - G(G(x, s), E_y0(x))|_1]

sg stops the gradient, s' is another style of the same domain, and lambda_ds falls in a line to zero. A step has four
updates: D and then G by styles of noise, which trains F and E, too, and both again by styles of references, which
trains G alone.

Example:
    python -m genbench experiment=stargan_v2_emoji data.root=~/data
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.losses import cross_entropy_discriminator_loss, non_saturating_generator_loss, r1_penalty
from genbench.methods.adversarial.domain_translation import DomainTranslation, target_domain_of
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.randomness import Noise

Styles = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]
"""Maps the domains of a batch (B,) to target domains (B,) and two styles (B, style_dim) of each."""


class StarGANv2(DomainTranslation):
    """Section 2 of the paper.

    References are other images of the batch, whose domains are the targets; the authors load two more images for each.

    Args:
        generator: builds G from `image_shape` and `style_dim`.
        discriminator: builds D from `image_shape` and `domains`, how many; one logit of an image as of a domain.
        mapping: builds F from `latent_dim`, `style_dim` and `domains`.
        style_encoder: builds E from `image_shape`, `style_dim` and `domains`.
        image_shape: (C, H, W) of the data.
        condition: the data's classes, which are the domains; or sources with their targets.
        latent_dim: numbers of z.
        style_dim: numbers of s.
        r1: gamma.
        style_weight: lambda_sty.
        diversity_weight: lambda_ds at first.
        diversity_steps: in which it falls to zero.
        cycle_weight: lambda_cyc.
        generator_optimizer: maps parameters to an optimizer; of E, too.
        mapping_optimizer: that of F.
        settings: those of `DomainTranslation`; G is updated in every step.

    Raises:
        ValueError: an argument is out of range, or the data has no domains of which an image is of one alone.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        mapping: Callable[..., nn.Module],
        style_encoder: Callable[..., nn.Module],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        latent_dim: int = 16,
        style_dim: int = 64,
        r1: float = 1.0,
        style_weight: float = 1.0,
        diversity_weight: float = 1.0,
        diversity_steps: int = 100_000,
        cycle_weight: float = 1.0,
        generator_optimizer: MakeOptimizer,
        mapping_optimizer: MakeOptimizer,
        **settings: Any,
    ) -> None:
        weights = {"r1": r1, "style_weight": style_weight, "diversity_weight": diversity_weight}
        for name, value, least in (
            *((name, value, 0) for name, value in weights.items()),
            ("cycle_weight", cycle_weight, 0), ("diversity_steps", diversity_steps, 1),
            ("latent_dim", latent_dim, 1), ("style_dim", style_dim, 1),
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        own = target_domain_of(condition, image_shape, attributes=False)
        assert isinstance(own.domains, Classes)
        domains = len(own.domains.names)
        super().__init__(
            generator(image_shape=image_shape, style_dim=style_dim),
            discriminator(image_shape=image_shape, domains=domains),
            image_shape,
            own,
            generator_optimizer=generator_optimizer,
            **settings,
        )
        if self.discriminator_steps != 1:
            raise ValueError("all networks are updated in every step: leave out discriminator_steps")
        self.mapping = mapping(latent_dim=latent_dim, style_dim=style_dim, domains=domains)
        self.style_encoder = style_encoder(image_shape=image_shape, style_dim=style_dim, domains=domains)
        self.average_mapping, self.average_encoder = self.averaged(self.mapping), self.averaged(self.style_encoder)
        self.optimise("mapping", self.mapping, mapping_optimizer, average=self.average_mapping)
        self.optimise("style_encoder", self.style_encoder, generator_optimizer, average=self.average_encoder)
        self.latent_dim = latent_dim
        self.r1 = r1
        self.style_weight = style_weight
        self.diversity_weight, self.diversity_steps = diversity_weight, diversity_steps
        self.cycle_weight = cycle_weight
        self.diversity = diversity_weight
        """lambda_ds of the current step."""

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update D twice and G twice, by styles of noise and of references, F and E once, and their averages."""
        self.diversity = self.diversity_at(self.step)
        self.take_step("discriminator", self.discriminator_loss, batch)
        self.take_step("discriminator", self.discriminator_reference_loss, batch, further="discriminator_reference")
        trained_too = ("mapping", "style_encoder")
        self.take_step("generator", self.generator_latent_loss, batch, further="generator_latent", along=trained_too)
        # The last step of G: its average follows this one. F and E are frozen here.
        self.take_step("generator", self.generator_loss, batch)
        return self.finish_step()

    def diversity_at(self, step: int) -> float:
        """Return lambda_ds in the step of this index."""
        return self.diversity_weight * max(0.0, 1 - step / self.diversity_steps)

    def discriminator_loss(self, batch: Batch) -> Loss:
        """The loss of D with styles of noise."""
        return self.discriminator_loss_of(batch, self.styles_of_noise)

    def discriminator_reference_loss(self, batch: Batch) -> Loss:
        """The loss of D with styles of references."""
        return self.discriminator_loss_of(batch, self.styles_of_references(batch))

    def generator_latent_loss(self, batch: Batch) -> Loss:
        """The loss of G, F and E with styles of noise."""
        return self.generator_loss_of(batch, self.styles_of_noise)

    def generator_loss(self, batch: Batch) -> Loss:
        """The loss of G with styles of references."""
        return self.generator_loss_of(batch, self.styles_of_references(batch))

    def discriminator_loss_of(self, batch: Batch, styles: Styles) -> Loss:
        """E[softplus(-D(x))] + E[softplus(D(G(x, s)))] + gamma / 2 E[|grad D(x)|^2]."""
        x, own = batch.x, self.domains_of(batch)
        with torch.no_grad():
            target, style, _ = styles(own)
            x_fake = self.generator(x, style)
        real, fake = self.discriminator(x, own), self.discriminator(x_fake, target)
        figures = {"adversary/d_real": real.sigmoid().mean(), "adversary/d_fake": fake.sigmoid().mean()}
        loss = cross_entropy_discriminator_loss(real, fake)
        if self.r1:
            # The gradient would over- or underflow in half precision.
            with torch.autocast(x.device.type, enabled=False):
                penalty = r1_penalty(lambda images: self.discriminator(images, own), x.float())
            loss, figures = loss + self.r1 / 2 * penalty, figures | {"adversary/r1": penalty}
        return loss, figures

    def generator_loss_of(self, batch: Batch, styles: Styles) -> Loss:
        """The adversarial, style, diversity and cycle terms."""
        x, own = batch.x, self.domains_of(batch)
        target, style, other = styles(own)
        x_fake = self.generator(x, style)
        adversarial = non_saturating_generator_loss(self.discriminator(x_fake, target))
        of_style = l1_loss(self.style_encoder(x_fake, target), style)
        with torch.no_grad():
            x_other = self.generator(x, other)
        diversity = l1_loss(x_fake, x_other)
        cycle = l1_loss(self.generator(x_fake, self.style_encoder(x, own)), x)
        loss = adversarial + self.style_weight * of_style - self.diversity * diversity + self.cycle_weight * cycle
        return loss, {
            "loss/adversarial": adversarial,
            "loss/style": of_style,
            "loss/diversity": diversity,
            "loss/cycle": cycle,
        }

    def styles_of_noise(self, own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the batch's domains in a random order, and for each two styles of latents of its own."""
        target = own[torch.randperm(len(own), device=own.device)]
        z, other = torch.randn(2, len(own), self.latent_dim, device=own.device)
        return target, self.mapping(z, target), self.mapping(other, target)

    def styles_of_references(self, batch: Batch) -> Styles:
        """Return what gives the domains of random images of a batch, their styles, and those of others like them."""

        def styles(own: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            places = torch.randperm(len(own), device=own.device)
            others = others_of_domain(own, places)
            target = own[places]
            return target, *(self.style_encoder(batch.x[each], target) for each in (places, others))

        return styles

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return translations (count, C, H, W) in [-1, 1] by the averaged weights, in styles of noise.

        Args:
            count: how many.
            condition: `count` rows of target domains and source images.
            noise: of the latents.

        Raises:
            ValueError: the rows are missing or invalid.
        """
        targets, sources = self.targets_of(condition, count)
        z = noise.normal(count, self.latent_dim).to(self.device)
        images: Tensor = self.average(sources, self.average_mapping(z, targets))
        return images.clamp(-1, 1)

    @torch.no_grad()
    def sample_like(self, references: Tensor, condition: Tensor | None) -> Tensor:
        """Return translations in the styles of reference images (B, C, H, W), of rows as `sample` takes them.

        Raises:
            ValueError: the rows are missing or invalid.
        """
        targets, sources = self.targets_of(condition, len(references))
        images: Tensor = self.average(sources, self.average_encoder(references.to(self.device), targets))
        return images.clamp(-1, 1)


def others_of_domain(own: Tensor, places: Tensor) -> Tensor:
    """Return for images of a batch the place of another one of the same domain, random; the same if there is none.

    Args:
        own: domains of the batch, (B,).
        places: of the images, (N,).
    """
    same = own[places][:, None] == own
    same[torch.arange(len(places), device=own.device), places] = False
    chance = torch.rand(same.shape, device=own.device).masked_fill(~same, -1.0)
    return torch.where(same.any(1), chance.argmax(1), places)
