"""Imagen's base model: diffusion conditioned on a frozen language model (Saharia et al. 2022).

https://arxiv.org/abs/2205.11487, section 2. A caption becomes the states of a pretrained text encoder that is not
trained; the network attends to all of them, and their pooled vector is added to the time embedding. The empty text
stands for no caption in classifier-free guidance,

    eps(x_t | y) + w (eps(x_t | y) - eps(x_t | ""))

whose large scales dynamic thresholding makes possible (`sampler.clamp=dynamic`, section 2.3): each estimate of x_0 is
clamped to [-s, s] and divided by s, the 99.5th percentile of its values, where that is above 1.

Example:
    python -m genbench experiment=imagen_scenes parts.text_encoder=RUN
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from genbench.abilities import EncodesTexts
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.choosing import expect
from genbench.diffusion.processes import DiscreteProcess
from genbench.errors import UserError
from genbench.medium import Medium
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.frozen_text import FrozenText
from genbench.parts import Frozen
from genbench.randomness import Noise


class Imagen(DDPM):
    """DDPM conditioned on the states of a frozen text encoder.

    Args:
        denoiser: builds the network, which is conditioned on states (B, L, D).
        medium: what a sample is.
        condition: of the data, which must be captions.
        process: a chain of T steps.
        text_encoder: encodes the captions' texts.
        settings: those of `DDPM`.

    Raises:
        ValueError: an argument is out of range, or the data has no captions.
    """

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        text_encoder: Frozen[EncodesTexts],
        **settings: Any,
    ) -> None:
        captions = expect(condition, Captions, "Imagen takes data with captions, such as data=scenes")
        text = FrozenText(text_encoder, captions)
        super().__init__(text.network(denoiser), medium, captions, process=process, conditional=True, **settings)
        self.text_encoder = text_encoder
        self.text = text

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for x_t at times (B,), of captions (B, L)."""
        return super().predict(network, x_t, t, None if y is None else self.text(y))

    def attention_maps(self, count: int, condition: Tensor, *, noise: Noise) -> tuple[Tensor, Tensor]:
        """Refuse: what is attended to are the language model's tokens, not the caption's words.

        Raises:
            UserError: always.
        """
        raise UserError("attention maps are of the words of a caption, and Imagen attends to a language model's tokens")
