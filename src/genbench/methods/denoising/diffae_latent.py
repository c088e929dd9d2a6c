"""The latent model of diffusion autoencoders: it draws what an image shows (Preechakul et al. 2022, section 4).

https://arxiv.org/abs/2111.15640. Trained after the autoencoder, which is frozen, it is a diffusion model of z_sem, each
number standardised by its mean and deviation over the training images,

    L = E |eps - eps_theta(z_t, t)|_1

and a sample is the autoencoder's image of a z_sem that it drew, and of fresh noise.

Example:
    python -m genbench experiment=diffae_latent_scenes parts.autoencoder=RUN
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from genbench.abilities import DecodesEmbeddings
from genbench.batch import Batch
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.diffusion.processes import DiscreteProcess
from genbench.medium import Embeddings, Medium
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.measuring import first_batches, moments
from genbench.methods.denoising.sr3 import Norm
from genbench.methods.encoding_once import EncodesOnce
from genbench.parts import Frozen
from genbench.randomness import Noise


class DiffAELatent(DDPM, EncodesOnce):
    """DDPM of the vectors of a diffusion autoencoder.

    Args:
        denoiser: builds the network for vectors.
        medium: what a sample is; images.
        condition: of the data; None if it has none.
        process: a chain of T steps.
        autoencoder: embeds images, and draws images of embeddings.
        norm: of the error in the loss, "l1", as the authors', or "l2".
        latents_in: folder in which vectors of training images are kept; None to encode each batch.
        settings: those of `DDPM`.

    Raises:
        ValueError: an argument is out of range, or the autoencoder is of other images.
    """

    encoder = "autoencoder"
    encodes_to = "vectors"

    statistics: Tensor
    """Mean and deviation of each number of z_sem, (2, D)."""

    is_measured: Tensor

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        autoencoder: Frozen[DecodesEmbeddings],
        norm: Norm = "l1",
        latents_in: str | None = "data/latents",
        **settings: Any,
    ) -> None:
        expect_choice("norm", norm, Norm)
        self.check_images(autoencoder.medium, medium)
        space = Embeddings((autoencoder.embedding_dim,))
        super().__init__(denoiser, medium, condition, space=space, process=process, **settings)
        self.autoencoder = autoencoder
        self.norm = norm
        self.latents_in = latents_in
        self.register_buffer("statistics", torch.stack([torch.zeros(space.shape), torch.ones(space.shape)]))
        self.register_buffer("is_measured", torch.tensor(False))

    def on_train_start(self) -> None:
        """Measure the vectors of training images, unless that was done."""
        if not self.is_measured:
            self.measure(batch.x for batch in first_batches(self.trainer))

    def measure(self, images: Iterable[Tensor]) -> None:
        """Set mean and deviation from those of the vectors of batches of images."""
        mean, std = moments(self.latents_of(x) for x in images)
        self.statistics.copy_(torch.stack([mean, std.clamp_min(1e-6)]))
        self.is_measured.fill_(True)

    def penalties(self, difference: Tensor) -> Tensor:
        """Return the difference's magnitude, or its square."""
        return difference.abs() if self.norm == "l1" else super().penalties(difference)

    def to_space(self, x: Tensor) -> Tensor:
        """Return the standardised vectors (B, D) of images."""
        return self._standardised(self.encode(x))

    def trained_on(self, batch: Batch) -> Tensor:
        """Return the standardised vectors of a batch of images, or of those that it holds."""
        return self._standardised(self.latents_of(batch.x))

    def encode(self, x: Tensor) -> Tensor:
        """Return the autoencoder's vectors (B, D) of images."""
        return self.autoencoder.embed(x)

    def from_space(self, x_0: Tensor) -> Tensor:
        """Return vectors as the autoencoder has them."""
        mean, std = self.statistics
        return x_0 * std + mean

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, C, H, W) of vectors that are drawn, by the autoencoder's own sampler.

        Raises:
            ValueError: the condition is missing, given to an unconditional method, or invalid.
            UserError: a sampler's settings do not suit its process.
        """
        return self.autoencoder.decode_embeddings(super().sample(count, condition, noise=noise), noise=noise)

    def _standardised(self, z_sem: Tensor) -> Tensor:
        mean, std = self.statistics
        return (z_sem - mean) / std
