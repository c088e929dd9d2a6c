"""The variational autoencoder (Kingma and Welling 2014, https://arxiv.org/abs/1312.6114).

An encoder predicts the posterior of the latent, q(z | x) = N(mu(x), sigma^2(x) I), a decoder the likelihood p(x | z),
and both are trained to maximise the evidence lower bound (ELBO):

    -log p(x) <= E_{z ~ q(z | x)}[-log p(x | z)] + beta KL(q(z | x) || N(0, I))            (a bound if beta = 1)

It has a likelihood and samples in one network call, but samples are blurry: detail that the decoder treats as noise is
lost.

Example:
    python -m genbench experiment=vae_digits
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.distributions import Normal
from torch.nn.functional import binary_cross_entropy_with_logits

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.choosing import chosen
from genbench.diffusion.likelihood import bits_per_dim, gaussian_kl, logistic_level
from genbench.errors import UserError
from genbench.medium import Images
from genbench.methods.base import GenerativeMethod
from genbench.methods.optimisation import Loss, MakeOptimizer
from genbench.networks.autoencoder import Autoencoder
from genbench.randomness import Noise

Decoder = Literal["logistic", "bernoulli"]

_LEAST_LOG_SCALE = -7.0
"""Lower bound on the logistic decoder's log scale: a standard deviation of a fifth of a level, practically certain."""


class VAE(GenerativeMethod):
    """A convolutional VAE.

    Args:
        autoencoder: builds the network from `image_shape`, `latent_dim`, `condition` and `outputs`.
        image_shape: (C, H, W) of the data.
        condition: of the data; None where it has none.
        latent_dim: length of z.
        decoder: p(x | z): "logistic", discretised to the image's 256 levels, with a scale for each pixel; or
            "bernoulli", for which a pixel's brightness is the probability of white.
        beta: weight of the KL divergence (Higgins et al. 2017).
        optimizer: maps parameters to an optimizer.
        conditional: whether encoder and decoder are conditioned on the data's condition.
        likelihood_draws: latents per image for the likelihood's bound; the more, the tighter (Burda et al. 2016).
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range, or the data has no condition.
    """

    def __init__(
        self,
        autoencoder: Callable[..., Autoencoder],
        image_shape: Sequence[int],
        condition: Condition | None = None,
        *,
        latent_dim: int = 64,
        decoder: Decoder = "logistic",
        beta: float = 1.0,
        optimizer: MakeOptimizer,
        conditional: bool = False,
        likelihood_draws: int = 16,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        for name, value, least in (("latent_dim", latent_dim, 1), ("likelihood_draws", likelihood_draws, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, not {value}")
        if beta < 0:
            raise ValueError(f"beta must be at least 0, not {beta}")
        if decoder not in ("logistic", "bernoulli"):
            raise ValueError(f"decoder must be logistic or bernoulli, not {decoder!r}")
        self.medium = Images(image_shape)
        self.condition = chosen(conditional, condition)
        self.autoencoder = autoencoder(
            image_shape=image_shape,
            latent_dim=latent_dim,
            condition=self.condition,
            outputs=2 if decoder == "logistic" else 1,
        )
        self.average = self.averaged(self.autoencoder)
        self.latent_dim = latent_dim
        self.latent_shape = (latent_dim,)
        self.decoder = decoder
        self.beta = beta
        self.likelihood_draws = likelihood_draws
        self.embedding_dim = latent_dim
        levels = "256 levels" if decoder == "logistic" else "images made black and white at random"
        self.likelihood = f"variational bound of {likelihood_draws} latents, of {levels}"
        self.optimise("autoencoder", self.autoencoder, optimizer, average=self.average, loss="bound")

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the network and its average."""
        self.take_step("autoencoder", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the negative ELBO of a batch, in nats per image, and its terms."""
        x = batch.x
        distortion, rate = self.terms(self.autoencoder, x, self.condition_of(batch))
        figures = {}
        if self.measures:
            bits = bits_per_dim((distortion + rate).detach().mean(), x[0].numel())
            terms = {"distortion": distortion, "rate": rate, "bits_per_dim": bits}
            figures = {f"loss/{name}": value.detach().mean() for name, value in terms.items()}
        return (distortion + self.beta * rate).mean(), figures

    def terms(self, network: Autoencoder, x: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return -log p(x | z) for one z ~ q(z | x), and KL(q(z | x) || p(z)), nats (B,) each."""
        mean, log_variance = network.encode(x, y)
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        zero = torch.zeros_like(mean)
        return -self.log_likelihood(network.decode(z, y), x), gaussian_kl(mean, log_variance, zero, zero).sum(1)

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        """Return log p(x | z) (B,) of images (B, C, H, W) under the decoder's output (B, outputs * C, H, W)."""
        if self.decoder == "bernoulli":
            nats = -binary_cross_entropy_with_logits(decoded, (x + 1) / 2, reduction="none")
        else:
            mean, log_scale = decoded.chunk(2, dim=1)
            nats = logistic_level(x, mean, log_scale.clamp_min(_LEAST_LOG_SCALE))
        return nats.flatten(1).sum(1)

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, C, H, W) of latents from the prior, see `decode`."""
        return self.decode(noise.normal(count, self.latent_dim).to(self.device), condition)

    def encode(
        self, x: Tensor, condition: Tensor | None = None, *, draw: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """Return latents (B, latent_dim) of images x (B, C, H, W) in [-1, 1]: the means of q(z | x), or draws from it.

        Args:
            x: images.
            condition: rows of the condition, of a conditional method.
            draw: returns normal noise like a tensor; None for the means.

        Raises:
            ValueError: the condition is missing, given to an unconditional method, or invalid.
        """
        mean, log_variance = self._averaged.encode(x.to(self.device), self.check_condition(condition, len(x)))
        return mean if draw is None else mean + (log_variance / 2).exp() * draw(mean)

    def embed_images(self, x: Tensor) -> Tensor:
        """Return `encode` of images (B, C, H, W) in [-1, 1].

        Raises:
            UserError: the method is conditional.
        """
        if self.condition is not None:
            raise UserError("a conditional VAE embeds no image by itself: take one with method.conditional=false")
        return self.encode(x)

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the means of p(x | z), without its pixel noise, for latents (B, latent_dim).

        Raises:
            ValueError: the condition is missing, given to an unconditional method, or invalid.
        """
        decoded = self._averaged.decode(z, self.check_condition(condition, len(z)))
        if self.decoder == "bernoulli":
            return decoded.sigmoid() * 2 - 1
        return decoded.chunk(2, dim=1)[0].clamp(-1, 1)

    @torch.no_grad()
    def bits_per_dim(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return -log(1 / K sum_k p(x, z_k) / q(z_k | x)) (B,), z_k ~ q, in bits per dimension; see `HasLikelihood`."""
        x, y = x.to(self.device), self.check_condition(condition, len(x))
        if self.decoder == "bernoulli":
            x = (noise.uniform(len(x), *self.medium.shape).to(x) < (x + 1) / 2).to(x) * 2 - 1
        mean, log_variance = self._averaged.encode(x, y)
        posterior = Normal(mean, (log_variance / 2).exp())
        weights = []
        for _ in range(self.likelihood_draws):
            z = mean + posterior.scale * noise.normal(len(x), self.latent_dim).to(mean)
            prior = Normal(torch.zeros_like(z), torch.ones_like(z))
            ratio = (prior.log_prob(z) - posterior.log_prob(z)).sum(1)
            weights.append(self.log_likelihood(self._averaged.decode(z, y), x) + ratio)
        log_likelihood = torch.stack(weights).logsumexp(0) - math.log(self.likelihood_draws)
        return -bits_per_dim(log_likelihood, x[0].numel())

    @property
    def _averaged(self) -> Autoencoder:
        return cast(Autoencoder, self.average.module)
