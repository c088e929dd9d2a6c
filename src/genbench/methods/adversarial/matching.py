"""Adversarial learning of images of captions with a matching-aware discriminator: both stages of StackGAN.

The discriminator sees three kinds of pairs: a real image with its caption t, which it should accept, a generated image
with its caption, and a real image with the caption t' of another one, so that it learns what captions mean (Reed et al.
2016, https://arxiv.org/abs/1605.05396, section 4.2). With D = sigmoid(logit) and l = softplus,

    L_D = E[l(-D(x, t))] + (E[l(D(x, t'))] + E[l(D(G(t), t))]) / 2
    L_G = E[l(-D(G(t), t))] + lambda KL

where KL is that of what the generator makes of a caption, N(mu, sigma^2), to N(0, I) (StackGAN, equation 2). It is the
mean over its numbers, as in the authors' PyTorch code with lambda = 2; the paper writes their sum, with lambda = 1. The
second stage's discriminator also says of an image alone how real it is, r(x), and its losses are, as in that code,

    L_D = (E[l(-D(x, t))] + E[l(-r(x))]) / 2 + (E[l(D(G(t), t))] + E[l(D(x, t'))] + E[l(r(G(t)))]) / 3
    L_G = E[l(-D(G(t), t))] + E[l(-r(G(t)))] + lambda KL

The authors' code takes the logarithm of a sigmoid; logits do not round to 0 and 1.

One wrong caption of another image mostly names another colour, which is told apart at a glance, and hardly ever the
right colours and another shape. `contrastive` adds, for D of real images and for G of its own, the cross entropy of
finding an image's caption among all of the batch by the cosines of D's features (Zhang et al. 2021, XMC-GAN,
https://arxiv.org/abs/2101.04702, section 4.2), to which the captions that are hardest to tell apart matter most.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, softplus

from genbench.abilities import EmbedsTexts
from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions, reread
from genbench.conditions.embeddings import Embeddings
from genbench.losses import non_saturating_generator_loss, r1_penalty
from genbench.medium import Images
from genbench.methods.adversarial.base import AdversarialMethod
from genbench.methods.adversarial.stylegan import lazily, without_effect
from genbench.methods.contrastive.clip import contrastive_loss
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.networks.normalisation import has_batch_norm
from genbench.networks.pair_discriminator import PairDiscriminator
from genbench.networks.stackgan import Drawn
from genbench.parts import Frozen

_SCALE = 10.0
"""Of cosines in the contrastive term: XMC-GAN's temperature is 0.1."""


class MatchingAwareGAN(AdversarialMethod):
    """Draw images of captions, which a discriminator compares with their captions.

    Args:
        generator: builds the generator from `image_shape` and `condition`.
        discriminator: builds the discriminator from the same.
        image_shape: (C, H, W) of the data.
        condition: the captions of the data, or embeddings in their place, as published models take them.
        embedder: a frozen model of texts, whose embedding of a caption is given to both networks; None for text
            encoders that they train, each its own.
        kl_weight: lambda.
        contrastive: weight of the contrastive term in both losses; 0 for none, as in the paper.
        r1: gamma; gamma / 2 E[|grad_x D(x, t)|^2] is added to D's loss; 0 for none, as in the paper.
        r1_every: steps from one R1 to the next, in which it counts as many times.
        discriminator_optimizer: maps parameters to an optimizer, whose rate and betas are for steps without R1.
        settings: those of `AdversarialMethod`.

    Raises:
        ValueError: an argument is out of range, the data has no captions, or the discriminator does not suit.
    """

    with_realness = False
    """Whether the discriminator also says of an image alone how real it is."""

    condition: Captions | Embeddings
    discriminator: PairDiscriminator

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        discriminator: Callable[..., PairDiscriminator],
        image_shape: Sequence[int],
        condition: Condition | None,
        *,
        embedder: Frozen[EmbedsTexts] | None = None,
        kl_weight: float = 2.0,
        contrastive: float = 0.0,
        r1: float = 0.0,
        r1_every: int = 16,
        discriminator_optimizer: MakeOptimizer,
        **settings: Any,
    ) -> None:
        if not isinstance(condition, Captions | Embeddings) or (embedder and not isinstance(condition, Captions)):
            raise ValueError("StackGAN takes data with captions, such as data=scenes")
        for name, value, least in (
            ("kl_weight", kl_weight, 0), ("contrastive", contrastive, 0), ("r1", r1, 0), ("r1_every", r1_every, 1),
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        read = condition if embedder is None else Embeddings(embedder.embedding_dim)
        build_discriminator = partial(discriminator, with_realness=True) if self.with_realness else discriminator
        super().__init__(
            generator(image_shape=image_shape, condition=read),
            build_discriminator(image_shape=image_shape, condition=read),
            discriminator_optimizer=lazily(discriminator_optimizer, r1_every if r1 else 0),
            **settings,
        )
        if r1 and has_batch_norm(self.discriminator):
            raise ValueError("r1 takes a discriminator without BatchNorm: set network.discriminator.norm=none")
        if contrastive and self.discriminator.joining != "projection":
            raise ValueError(
                "contrastive compares each image with all captions: set network.discriminator.joining=projection"
            )
        self.medium = Images(image_shape)
        self.condition = condition
        self.embedder = embedder
        self.kl_weight = kl_weight
        self.contrastive = contrastive
        self.r1, self.r1_every = r1, r1_every

    @abstractmethod
    def draw(self, rows: Tensor) -> Drawn:
        """Return images of fresh noise and captions (B, L), with what the generator made of the captions."""

    def read(self, rows: Tensor) -> Tensor:
        """Return captions (B, L) as the networks have them: themselves, or embeddings whose numbers are about 1.

        Raises:
            UserError: the part can't read a caption.
        """
        if self.embedder is None:
            return rows
        assert isinstance(self.condition, Captions)
        with torch.no_grad():
            texts = reread(rows, self.condition, self.embedder.condition, "parts.embedder")
            return normalize(self.embedder.embed_texts(texts).float(), dim=1) * self.embedder.embedding_dim**0.5

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the discriminator, with R1 if its turn has come, then the generator and its average."""
        index = self.step
        self.take_step("discriminator", self.discriminator_loss, batch)
        if self.r1 and index % self.r1_every == 0:
            self.take_step("discriminator", self.r1_loss, batch, measure=True, further="r1")
        if self.generator_moves(index):
            self.take_step("generator", self.generator_loss, batch, measure=self.discriminator_steps > 1)
        return self.finish_step()

    def discriminator_loss(self, batch: Batch) -> Loss:
        """Return L_D of real images with their captions and with wrong ones, and of generated images."""
        x, rows = batch.pair()
        with torch.no_grad():
            x_fake = self.draw(rows).images
        d = self.discriminator
        said = d.read(self.read(rows))
        of_real, of_fake = d.features(x), d.features(x_fake)
        real, fake = d.match(of_real, said), d.match(of_fake, said)
        others, is_wrong = wrong_captions(rows)
        wrong = d.match(of_real, said[others])
        on_wrong = (softplus(wrong) * is_wrong).sum() / is_wrong.sum().clamp(min=1)
        if self.with_realness:
            on_real = softplus(-real).mean() + softplus(-d.realness(of_real)).mean()
            on_fake = softplus(fake).mean() + softplus(d.realness(of_fake)).mean()
            loss = on_real / 2 + (on_fake + on_wrong) / 3
        else:
            loss = softplus(-real).mean() + (on_wrong + softplus(fake).mean()) / 2
        figures = {
            f"adversary/d_{name}": logits.sigmoid().mean()
            for name, logits in (("real", real), ("wrong", wrong), ("fake", fake))
        }
        return self._with_contrast(loss, of_real, said, rows, figures)

    def r1_loss(self, batch: Batch) -> Loss:
        """Return gamma / 2 E[|grad_x D(x, t)|^2], times the steps from one to the next."""
        x, rows = batch.pair()
        read = self.read(rows)
        # The gradient would over- or underflow in half precision.
        with torch.autocast(x.device.type, enabled=False):
            penalty = r1_penalty(lambda images: self.discriminator(images, read), x.float())
        return self.r1_every * self.r1 / 2 * penalty + without_effect(self.discriminator), {"adversary/r1": penalty}

    def generator_loss(self, batch: Batch) -> Loss:
        """Return L_G of freshly drawn images."""
        _, rows = batch.pair()
        drawn = self.draw(rows)
        d = self.discriminator
        of_fake, said = d.features(drawn.images), d.read(self.read(rows))
        loss = non_saturating_generator_loss(d.match(of_fake, said))
        if self.with_realness:
            loss = loss + non_saturating_generator_loss(d.realness(of_fake))
        kl = divergence(drawn.mu, drawn.log_variance)
        return self._with_contrast(loss + self.kl_weight * kl, of_fake, said, rows, {"loss/kl": kl})

    def _with_contrast(
        self, loss: Tensor, features: Tensor, said: Tensor, rows: Tensor, figures: dict[str, Tensor]
    ) -> Loss:
        """Return a loss with the contrastive term of images with these features and their captions."""
        if not self.contrastive:
            return loss, figures
        cosines = normalize(self.discriminator.pooled(features), dim=1) @ normalize(said, dim=1).T
        term = contrastive_loss(_SCALE * cosines, _SCALE * cosines.T, same_rows(rows))
        return loss + self.contrastive * term, figures | {"loss/contrastive": term}


def divergence(mu: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mu, sigma^2) || N(0, 1)), the mean over all numbers, of mu and log sigma^2 (B, D)."""
    return (mu.square() + log_variance.exp() - 1 - log_variance).mean() / 2


def same_rows(rows: Tensor) -> Tensor:
    """Return which rows (B, L) are equal, bool (B, B)."""
    names = rows.unique(dim=0, return_inverse=True)[1]
    return names[:, None] == names


def wrong_captions(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each image of a batch whose caption is a wrong one: that of the next image with another caption.

    Args:
        rows: captions (B, L).

    Returns:
        The number (B,) of that image, from 0 to B - 1 and never its own, and whether there is one, bool (B,).
    """
    count = len(rows)
    own = torch.arange(count, device=rows.device)
    if count == 1:
        return own, torch.zeros_like(own, dtype=torch.bool)
    following = (own[:, None] + torch.arange(1, count, device=rows.device)) % count
    differs = ~same_rows(rows).gather(1, following)
    first = differs.long().argmax(1, keepdim=True)
    return following.gather(1, first)[:, 0], differs.any(1)
