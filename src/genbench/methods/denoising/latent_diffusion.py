"""Latent diffusion: denoising in the latent space of an autoencoder (Rombach et al. 2022, https://arxiv.org/abs/2112.10752).

A frozen first stage maps images to maps of latents z_0 and back; what an image needs a large network for is left to it,
and diffusion is of what is left, with a fraction of the numbers (section 3.2):

    L = E_{x, eps, t} |eps - eps_theta(z_t, t, y)|^2,    z_0 = encode(x) / std

so that latents have the variance of the noise, whatever the first stage made of them (appendix G). `std` is measured
once, before the training, and kept with the weights; images are decode(std z_0). Conditions are as of every denoising
method; with the part `text_encoder` captions are attended to as its states, as in Stable Diffusion. To fill in images
the network is given what is known of them beside z_t, see `latent_hints`.

Example:
    python -m genbench experiment=latent_diffusion_scenes parts.first_stage=RUN
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.abilities import Autoencodes, EncodesTexts
from genbench.batch import Batch
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.choosing import expect
from genbench.diffusion.processes import DiscreteProcess
from genbench.errors import UserError
from genbench.medium import Latents, Medium
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.frozen_text import FrozenText
from genbench.methods.denoising.hints import with_room
from genbench.methods.denoising.latent_hints import LatentHints
from genbench.methods.denoising.measuring import first_batches, moments
from genbench.methods.encoding_once import EncodesOnce
from genbench.parts import Frozen
from genbench.random_masks import random_masks
from genbench.randomness import Noise

LatentKind = Literal["means", "draws"]


class LatentDiffusion(DDPM, EncodesOnce):
    """DDPM of the latents of a frozen first stage.

    Args:
        denoiser: builds the network, see `DenoisingMethod`, for maps of latents.
        medium: what a sample is; images.
        condition: of the data; None if it has none.
        process: a chain of T steps.
        first_stage: maps images to maps of latents and back.
        text_encoder: encodes captions as states; None for what the network has for captions.
        latents: which latents of an image are trained on, where the first stage's are random: their "means", or
            "draws".
        latent_std: what latents are divided by; None to measure it before the training.
        latents_in: folder in which latents of training images are kept, if those of an image are always the same; None
            to encode each batch.
        inpainting: whether the network is given the known part of images; in training the masks are random, see
            `random_masks`, and in `sample` nothing is known.
        conditional: see `DenoisingMethod`.
        settings: those of `DDPM`.

    Raises:
        ValueError: an argument is out of range, or the first stage is of other images.
    """

    encoder = "first_stage"
    encodes_to = "latents"

    latent_std: Tensor
    is_measured: Tensor

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        first_stage: Frozen[Autoencodes],
        text_encoder: Frozen[EncodesTexts] | None = None,
        latents: LatentKind = "means",
        latent_std: float | None = None,
        latents_in: str | None = "data/latents",
        inpainting: bool = False,
        conditional: bool = False,
        **settings: Any,
    ) -> None:
        expect_choice("latents", latents, LatentKind)
        if latent_std is not None and latent_std <= 0:
            raise ValueError(f"latent_std must be positive, not {latent_std}")
        self.check_images(first_stage.medium, medium)
        if len(first_stage.latent_shape) != 3:
            raise ValueError(
                f"parts.first_stage has latents of shape {first_stage.latent_shape}: take one with maps of them, such "
                "as kl_autoencoder or vqgan"
            )
        text = None
        if text_encoder is not None:
            captions = expect(condition, Captions, "parts.text_encoder takes data with captions, such as data=scenes")
            if not conditional:
                raise ValueError("parts.text_encoder has no effect without method.conditional=true")
            text = FrozenText(text_encoder, captions)
            denoiser = text.network(denoiser)
        if inpainting:
            denoiser = partial(denoiser, extra_channels=first_stage.latent_shape[0] + 1)
        super().__init__(
            denoiser,
            medium,
            condition,
            space=Latents(first_stage.latent_shape),
            process=process,
            conditional=conditional,
            **settings,
        )
        self.first_stage = first_stage
        self.text_encoder = text_encoder
        self.text = text
        self.latents: LatentKind = latents
        self.latents_in = latents_in
        self.inpainting = inpainting
        self.hints = LatentHints(self.condition, self.space.shape)
        self.register_buffer("latent_std", torch.tensor(1.0 if latent_std is None else latent_std))
        self.register_buffer("is_measured", torch.tensor(latent_std is not None))

    def on_train_start(self) -> None:
        """Measure the latents' deviation, unless that was done, or is set."""
        if not self.is_measured:
            self.measure(batch.x for batch in first_batches(self.trainer))

    def measure(self, images: Iterable[Tensor]) -> None:
        """Set the deviation from that of all numbers of the latents of batches of images."""
        _, std = moments(self.latents_of(x).reshape(-1, 1) for x in images)
        self.latent_std.copy_(std[0])
        self.is_measured.fill_(True)

    def to_space(self, x: Tensor) -> Tensor:
        """Return latents (B, *space.shape) of images, about as large as the noise."""
        return self.encode(x) / self.latent_std

    def trained_on(self, batch: Batch) -> Tensor:
        """Return latents of a batch of images, or those that it holds, about as large as the noise."""
        return self.latents_of(batch.x) / self.latent_std

    def from_space(self, x_0: Tensor) -> Tensor:
        """Return images of latents."""
        return self.first_stage.decode(self.latent_std * x_0)

    def trained_condition(self, batch: Batch) -> Tensor | None:
        """Return the rows of the condition; for inpainting with the hints of random masks."""
        y = super().trained_condition(batch)
        if not self.inpainting:
            return y
        x = batch.x
        return self.hints.pack(y, self.hints_of(x, random_masks(len(x), x.shape[2], x.shape[3], x.device)))

    def unconditioned(self, y: Tensor) -> Tensor:
        """Return rows of the null condition, as many as y, with y's hints."""
        _, hints = self.hints.split(y)
        return super().unconditioned(y) if hints is None else self.hints.pack(None, hints)

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for z_t at times (B,), with rows y (B, ...) of any condition, and hints."""
        if self.inpainting:
            y, hints = self.hints.split(y)
            network = partial(network, extra=x_t.new_zeros(len(x_t), *self.hints.shape) if hints is None else hints)
        return super().predict(network, x_t, t, y if y is None or self.text is None else self.text(y))

    def hints_of(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return hints (B, D + 1, H, W) of images x (B, C, H, W), whose mask (B, 1, H, W) is 1 where they are known."""
        return self.hints.make(lambda known: self.first_stage.encode(known) / self.latent_std, x, mask)

    @torch.no_grad()
    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images whose missing part is filled in by the sampler, see `FillsIn`.

        Raises:
            ValueError: the condition is given to an unconditional method, or invalid.
            UserError: this model was not trained with `inpainting`.
        """
        if not self.inpainting:
            self.refuse_latents("fills in images if it was trained with method.inpainting=true")
        known, mask = known.to(self.device), mask.to(self.device)
        mask = mask.expand(len(known), 1, *known.shape[2:])
        shown = None if condition is None else self.check_condition(condition, len(known))
        y = self.hints.pack(shown, self.hints_of(known, mask))
        samples = self.sample_by(self.denoise_with(y, guidance=self.guidance), self.draw_from(noise, len(known)))
        # What the first stage loses of the known part is not lost.
        return torch.where(mask.bool(), known, samples)

    def adapted(self, name: str, value: Tensor, shape: torch.Size) -> Tensor | None:
        """Return the first layer of a model without hints with weights of zero for them, see `Method.adapted`."""
        if not self.inpainting:
            return super().adapted(name, value, shape)
        return with_room(name, value, shape, self.space.shape[0])

    def attention_maps(self, count: int, condition: Tensor, *, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return samples and their attention to the tokens of captions, see `AttendsToWords`.

        Raises:
            UserError: the network attends to no captions, or to a language model's tokens.
        """
        if self.text is not None:
            raise UserError("attention maps are of the words of a caption, and these are a language model's tokens")
        return super().attention_maps(count, condition, noise=noise)

    @property
    def varies(self) -> str | None:
        """Latents that are drawn, hidden parts of images, and a condition derived from images."""
        if self.inpainting:
            return "method.inpainting=true hides parts of the images themselves"
        return "method.latents=draws draws them anew" if self.latents == "draws" else super().varies

    @torch.no_grad()
    def encode(self, x: Tensor) -> Tensor:
        """Return the first stage's latents (B, D, H, W) of images, their means or draws."""
        return self.first_stage.encode(x, draw=torch.randn_like if self.latents == "draws" else None)
