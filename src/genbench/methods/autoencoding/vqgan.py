"""VQGAN: an autoencoder whose latents are codes of a learnt codebook (Esser et al. 2021, https://arxiv.org/abs/2012.09841).

Each vector of the encoder's map is replaced by the nearest of K codes; gradients pass straight through to the encoder.
Images are reconstructed as `first_stage` says, and codes and vectors are pulled to each other:

    L_VQ = |sg(z) - e|^2 + beta |z - sg(e)|^2

An image is then a short sequence of whole numbers, which `vqgan_transformer` models.

Example:
    python -m genbench experiment=vqgan_scenes
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from genbench.clamping import clamp_with_gradient
from genbench.methods.autoencoding.first_stage import FirstStage
from genbench.networks.map_autoencoder import MapAutoencoder
from genbench.networks.quantiser import BetaForm, VectorQuantiser
from genbench.perplexity import perplexity

_DEAD = 0.01
"""Uses of a code in a batch, on average, below which it is called dead: less than one in a hundred batches."""


class VQGAN(FirstStage):
    """A vector-quantised autoencoder.

    Args:
        autoencoder: see `FirstStage`.
        discriminator: see `FirstStage`.
        image_shape: see `FirstStage`.
        codes: K, size of the codebook.
        codebook_weight: of L_VQ in the loss.
        beta: see `VectorQuantiser`, as all that follow.
        beta_form: `form` there.
        codebook_decay: `decay` there.
        restart_below: uses of a code in a batch below which it is replaced.
        normalised: whether codes have length 1.
        settings: those of `FirstStage`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        autoencoder: Callable[..., MapAutoencoder],
        discriminator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        codes: int = 1024,
        codebook_weight: float = 1.0,
        beta: float = 0.25,
        beta_form: BetaForm = "paper",
        codebook_decay: float = 0.0,
        restart_below: float = 0.0,
        normalised: bool = False,
        **settings: Any,
    ) -> None:
        if codebook_weight <= 0:
            raise ValueError(f"codebook_weight must be positive, not {codebook_weight}")
        quantiser = partial(
            VectorQuantiser,
            codes,
            beta=beta,
            form=beta_form,
            decay=codebook_decay,
            restart_below=restart_below,
            normalised=normalised,
        )
        network = autoencoder(image_shape=image_shape, quantiser=quantiser)
        super().__init__(network, discriminator, image_shape, **settings)
        self.codes = codes
        self.codebook_weight = codebook_weight

    def reconstruct(self, x: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return reconstructions of images through their codes, L_VQ, and how the codebook is used."""
        z_q, _, loss = _quantiser(self.autoencoder)(self.autoencoder.encode(x))
        figures = {"loss/codebook": loss}
        if self.measures:
            usage = _quantiser(self.autoencoder).usage
            figures["latents/perplexity"] = perplexity(usage).float()
            figures["latents/dead"] = (usage < _DEAD).float().mean()
        return self.autoencoder.decode(z_q), self.codebook_weight * loss, figures

    def after_autoencoder(self) -> None:
        """Let the codebook take in what codes the step used."""
        _quantiser(self.autoencoder).settle()

    def encode(self, x: Tensor, *, draw: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return latents (B, D, S', S') of images (B, C, S, S), before they are quantised, which are not random."""
        return self._averaged.encode(x.to(self.device))

    def decode(self, z: Tensor) -> Tensor:
        """Return images (B, C, S, S) in [-1, 1] of latents, which are quantised first (Rombach et al. 2022)."""
        z_q, *_ = _quantiser(self._averaged)(z)
        return clamp_with_gradient(self._averaged.decode(z_q), -1, 1)

    @property
    def codebook(self) -> Tensor:
        """The codes as they are decoded, (K, D), from the averaged weights."""
        return _quantiser(self._averaged).table.detach()

    @torch.no_grad()
    def encode_codes(self, x: Tensor) -> Tensor:
        """Return the codes int64 (B, S', S') of images (B, C, S, S) in [-1, 1]."""
        codes: Tensor = _quantiser(self._averaged)(self.encode(x)).codes
        return codes

    @torch.no_grad()
    def decode_codes(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [-1, 1] of codes (B, H', W'), also of other sizes than in training.

        Raises:
            ValueError: a code is none of the codebook's.
        """
        z_q = _quantiser(self._averaged).look_up(codes.to(self.device))
        return self._averaged.decode(z_q).clamp(-1, 1)


def _quantiser(network: MapAutoencoder) -> VectorQuantiser:
    return cast(VectorQuantiser, network.quantiser)
