"""Diffusion autoencoders (Preechakul et al. 2022, https://arxiv.org/abs/2111.15640).

A diffusion model that is given a vector of the image itself, made by an encoder that is trained with it,

    z_sem = Enc(x_0),    L = E |eps - eps_theta(x_t, t, z_sem)|^2

so that z_sem says what an image shows, and the noise x_T what is left. DDIM, run backwards, finds the x_T of an image:
with both it is reconstructed almost exactly, the better the more steps (section 3.2); with z_sem and fresh noise it
comes out with other details. To draw new images, a diffusion model of z_sem is trained afterwards, `diffae_latent`.

Example:
    python -m genbench experiment=diffae_scenes
    python -m genbench edit editor=reconstruct run=RUN editor.steps=250
    python -m genbench edit editor=mix_images run=RUN editor.path=linear
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.embeddings import Embeddings
from genbench.diffusion.processes import DiscreteProcess
from genbench.medium import Images, Medium
from genbench.methods.denoising.ddpm import DDPM
from genbench.networks.semantic_encoder import SemanticEncoder
from genbench.randomness import Noise


class _Styled(nn.Module):
    """A denoiser whose style is the condition, and the encoder that makes styles of images."""

    def __init__(self, encoder: nn.Module, denoiser: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.denoiser = denoiser

    def forward(self, x_t: Tensor, t: Tensor, z: Tensor) -> Tensor:
        """Return predictions for x_t (B, C, H, W) at times (B,), of vectors z (B, D)."""
        predicted: Tensor = self.denoiser(x_t, t, style=z)
        return predicted


class DiffAE(DDPM):
    """Encode images as vectors, and draw images of them by diffusion.

    Args:
        denoiser: builds the network from `shape`, `condition` and `style_dim`, with which it is called as `style`.
        encoder: builds the encoder from `shape` and `outputs`.
        medium: what a sample is; images.
        condition: of the data, in whose place the vector is.
        process: a chain of T steps.
        embedding_dim: length of z_sem.
        settings: those of `DDPM`.

    Raises:
        ValueError: an argument is out of range, or the data has no images.
    """

    calls_inside = True

    condition: Embeddings

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        encoder: Callable[..., SemanticEncoder],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        embedding_dim: int = 512,
        **settings: Any,
    ) -> None:
        if not isinstance(medium, Images):
            raise ValueError("a diffusion autoencoder encodes images, and the data has none")

        def pair(shape: Sequence[int], condition: Any) -> nn.Module:
            # The vector is no condition of the U-Net's own: it scales the maps of its blocks.
            return _Styled(
                encoder(shape=shape, outputs=embedding_dim),
                denoiser(shape=shape, condition=None, style_dim=embedding_dim),
            )

        super().__init__(
            pair,
            medium,
            Embeddings(embedding_dim),
            process=process,
            conditional=True,
            condition_dropout=0.0,
            **settings,
        )
        self.derives_condition = True
        self.embedding_dim = embedding_dim

    def condition_of(self, batch: Batch) -> Tensor:
        """Return the vectors of the images of a batch."""
        return self.embed(batch.x)

    def trained_condition(self, batch: Batch) -> Tensor:
        """Return the same by the encoder in training."""
        z: Tensor = self.denoiser.encoder(batch.x)  # type: ignore[operator]
        return z

    def drop_condition(self, y: Tensor) -> Tensor:
        """Return the vectors: none is left out."""
        return y

    @torch.no_grad()
    def embed(self, x: Tensor) -> Tensor:
        """Return z_sem (B, embedding_dim) of images (B, C, H, W) in [-1, 1]."""
        return self.embed_images(x)

    def embed_images(self, x: Tensor) -> Tensor:
        """Return `embed`, differentiable with respect to the images."""
        z: Tensor = cast(_Styled, self.average.module).encoder(x.to(self.device))
        return z

    @torch.no_grad()
    def invert(self, x: Tensor, z: Tensor, *, steps: int) -> Tensor:
        """Return x_T from which DDIM makes images x (B, C, H, W) of vectors z, see `DenoisingMethod.encode_by_ddim`."""
        return self.encode_by_ddim(x, z.to(self.device), steps=steps)

    def fresh_start(self, count: int, *, noise: Noise) -> Tensor:
        """Return fresh noise (count, C, H, W)."""
        return self.process.prior_std * self.draw_from(noise, count)()

    @torch.no_grad()
    def decode_embeddings(self, z: Tensor, *, noise: Noise, start: Tensor | None = None) -> Tensor:
        """Return images (B, C, H, W) of vectors (B, embedding_dim), see `DecodesEmbeddings`."""
        return self.sample_by(self.denoise_with(z.to(self.device)), self.draw_from(noise, len(z)), start)
