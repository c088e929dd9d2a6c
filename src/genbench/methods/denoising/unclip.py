"""unCLIP, or DALL-E 2: images of captions by way of CLIP's embedding (Ramesh et al. 2022).

https://arxiv.org/abs/2204.06125: the prior draws the embedding z_i of an image that a caption y may be of, the decoder
an image of that embedding, and an upsampler enlarges it,

    P(x | y) = P(x | z_i, y) P(z_i | y)

The models are trained apart, each with its own sampler and guidance, and together they are one method, without
training. The decoder's may be replaced.

Example:
    python -m genbench experiment=unclip_scenes parts.prior=RUN parts.decoder=RUN
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from genbench.abilities import DecodesBoth, DrawsEmbeddings, Upsamples
from genbench.conditions.captions import Captions, reread
from genbench.methods.assembled import Assembled
from genbench.methods.denoising.cascade import check_size, shown_to
from genbench.parts import Frozen, hashes_in
from genbench.randomness import Noise


class UnCLIP(Assembled):
    """Draw images of captions in two or three stages.

    Args:
        prior: draws embeddings of captions.
        decoder: draws images of embeddings.
        upsampler: enlarges them; None to do without.
        sampler: of the decoder, one of `diffusion.samplers`; None for its own.
        guidance: guidance scale of the decoder; None for its own.

    Raises:
        ValueError: the parts do not go together.
    """

    condition: Captions

    def __init__(
        self,
        prior: Frozen[DrawsEmbeddings],
        decoder: Frozen[DecodesBoth],
        upsampler: Frozen[Upsamples] | None = None,
        *,
        sampler: Callable[..., Tensor] | None = None,
        guidance: float | None = None,
    ) -> None:
        super().__init__()
        if guidance is not None and guidance < 0:
            raise ValueError(f"guidance must be at least 0, not {guidance}")
        models: tuple[Any, ...] = prior, decoder
        if len({hashes_in(each).get("embedder") for each in models}) > 1:
            raise ValueError("parts.prior and parts.decoder must be of the same CLIP, parts.embedder")
        if prior.embeddings != decoder.embeddings:
            raise ValueError("parts.prior and parts.decoder must have the same method.embeddings")
        if sampler is not None:
            decoder.sampler = sampler
        if guidance is not None:
            decoder.guidance = guidance
        self.prior = prior
        self.decoder = decoder
        self.upsampler = upsampler
        self.condition = self.captions = prior.condition
        self.embedding_dim = decoder.embedding_dim
        self.embeddings = decoder.embeddings
        self.medium = decoder.medium
        if upsampler is not None:
            check_size("upsampler", upsampler, self.medium)
            if not isinstance(upsampler.shown, Captions | None):
                raise ValueError("parts.upsampler is conditioned on classes, and there are captions alone")
            self.medium = upsampler.medium

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, *medium.shape) of captions (count, L).

        Raises:
            ValueError: the captions are missing or invalid.
            UserError: a part can't read a caption, or a sampler's settings do not suit its process.
        """
        rows = self.check_condition(condition, count)
        assert rows is not None
        return self.decode_embeddings(self.prior.sample(count, rows, noise=noise), noise=noise, tokens=rows)

    def embed(self, x: Tensor) -> Tensor:
        """Return embeddings (B, embedding_dim) of images (B, C, H, W) in [-1, 1], of any size."""
        return self.decoder.embed(x)

    def invert(self, x: Tensor, z: Tensor, *, steps: int) -> Tensor:
        """Return the noise from which the decoder makes images, see `DecodesEmbeddings`."""
        factor = self.medium.shape[-1] // self.decoder.medium.shape[-1]
        return self.decoder.invert(x if factor == 1 else avg_pool2d(x, factor), z, steps=steps)

    def fresh_start(self, count: int, *, noise: Noise) -> Tensor:
        """Return fresh noise that the decoder's sampling may begin with."""
        return self.decoder.fresh_start(count, noise=noise)

    def decode_embeddings(
        self, z: Tensor, *, noise: Noise, start: Tensor | None = None, tokens: Tensor | None = None
    ) -> Tensor:
        """Return images (B, C, H, W) of embeddings (B, embedding_dim), see `DecodesEmbeddings`."""
        own = None if tokens is None else reread(tokens, self.condition, self.decoder.captions, "parts.decoder")
        images = self.decoder.decode_embeddings(z, noise=noise, start=start, tokens=own)
        if self.upsampler is None:
            return images
        given = (self.condition.null(len(z)) if tokens is None else tokens).to(images.device)
        return self.upsampler.upsample(
            images, shown_to("upsampler", self.upsampler, given, self.condition), noise=noise
        )

    @torch.no_grad()
    def embed_captions(self, rows: Tensor) -> Tensor:
        """Return embeddings (B, embedding_dim) of captions (B, L)."""
        return self.prior.embed_captions(rows)
