"""StarGAN: translation among many domains by one generator (Choi et al. 2018, https://arxiv.org/abs/1711.09020).

The generator is given an image x of domain c and a target domain c', which is that of another image of the batch; the
discriminator also classifies domains:

    L_D = E[D(G(x, c'))] - E[D(x)] + lambda_gp E[(|grad D(x^)| - 1)^2]
        + lambda_cls E[-log D_cls(c | x)]
    L_G = -E[D(G(x, c'))] + lambda_cls E[-log D_cls(c' | G(x, c'))]
        + lambda_rec E[|x - G(G(x, c'), c)|_1]

D_cls(c | x) is a softmax of classes, or a product of independent attributes, whose cross-entropies are added up.

Example:
    python -m genbench experiment=stargan_emoji data.root=~/data
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, l1_loss, one_hot

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.losses import gradient_penalty, wasserstein_critic_loss, wasserstein_generator_loss
from genbench.methods.adversarial.domain_translation import DomainTranslation, target_domain_of
from genbench.methods.optimisation import Loss
from genbench.randomness import Noise


class StarGAN(DomainTranslation):
    """Section 3 of the paper, on one data set.

    Args:
        generator: builds the generator from `image_shape` and `domains`, the numbers of a domain's vector.
        discriminator: builds the discriminator likewise; it returns outputs of any shape, and logits of domains.
        image_shape: (C, H, W) of the data.
        condition: the data's classes or attributes, which are the domains; or sources with their targets.
        penalty: lambda_gp.
        domain_weight: lambda_cls.
        cycle_weight: lambda_rec.
        discriminator_steps: of the discriminator for each of the generator.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, or the data has no domains.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        penalty: float = 10.0,
        domain_weight: float = 1.0,
        cycle_weight: float = 10.0,
        discriminator_steps: int = 5,
        **settings: Any,
    ) -> None:
        weights = {"penalty": penalty, "domain_weight": domain_weight, "cycle_weight": cycle_weight}
        for name, value in weights.items():
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        own = target_domain_of(condition, image_shape, attributes=True)
        names = len(own.domains.names)
        super().__init__(
            generator(image_shape=image_shape, domains=names),
            discriminator(image_shape=image_shape, domains=names),
            image_shape,
            own,
            discriminator_steps=discriminator_steps,
            **settings,
        )
        self.penalty = penalty
        self.domain_weight = domain_weight
        self.cycle_weight = cycle_weight

    def discriminator_loss(self, batch: Batch) -> Loss:
        """The critic's loss with its penalty, and the classification of real images."""
        x, own = batch.x, self.domains_of(batch)
        with torch.no_grad():
            x_fake = self.generator(x, self.vectors(permuted(own)))
        mix = torch.rand(len(x), device=x.device)
        # The gradient would over- or underflow in half precision.
        with torch.autocast(x.device.type, enabled=False):
            penalty = gradient_penalty(lambda images: self.discriminator(images)[0], x.float(), x_fake.float(), mix)
        real, logits = self.discriminator(x)
        distance = -wasserstein_critic_loss(real, self.discriminator(x_fake)[0])
        of_domain = self.domain_loss(logits, own)
        loss = self.penalty * penalty - distance + self.domain_weight * of_domain
        return loss, {
            "adversary/wasserstein": distance,
            "adversary/penalty": penalty,
            "loss/domain_real": of_domain,
        }

    def generator_loss(self, batch: Batch) -> Loss:
        """The adversarial term, the classification of translations as their targets, and the way back."""
        x, own = batch.x, self.domains_of(batch)
        target = permuted(own)
        x_fake = self.generator(x, self.vectors(target))
        outputs, logits = self.discriminator(x_fake)
        of_domain = self.domain_loss(logits, target)
        cycle = l1_loss(self.generator(x_fake, self.vectors(own)), x)
        loss = wasserstein_generator_loss(outputs) + self.domain_weight * of_domain + self.cycle_weight * cycle
        return loss, {"loss/domain_fake": of_domain, "loss/cycle": cycle}

    def domain_loss(self, logits: Tensor, domains: Tensor) -> Tensor:
        """Return the mean over images of -log D_cls, of logits (B, K) and of classes (B,) or attributes (B, K)."""
        if isinstance(self.condition.domains, Classes):
            return cross_entropy(logits, domains)
        return binary_cross_entropy_with_logits(logits, domains, reduction="sum") / len(logits)

    def vectors(self, domains: Tensor) -> Tensor:
        """Return domains as the generator is given them, float (B, K): one of K is 1, or attributes as they are."""
        if isinstance(self.condition.domains, Classes):
            return one_hot(domains, len(self.condition.domains.names)).float()
        return domains.float()

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return translations (count, C, H, W) in [-1, 1] by the averaged weights; there is no noise.

        Args:
            count: how many.
            condition: `count` rows of target domains and source images.
            noise: not used.

        Raises:
            ValueError: the rows are missing or invalid.
        """
        targets, sources = self.targets_of(condition, count)
        images: Tensor = self.average(sources, self.vectors(targets))
        return images


def permuted(domains: Tensor) -> Tensor:
    """Return the domains (B, ...) of a batch in a random order, as targets: some images keep their own."""
    return domains[torch.randperm(len(domains), device=domains.device)]
