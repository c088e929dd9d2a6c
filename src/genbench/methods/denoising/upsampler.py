"""Text-conditional super-resolution by diffusion: GLIDE's and Imagen's upsamplers.

The network sees the low-resolution image, enlarged, beside x_t, and the caption (Nichol et al. 2022, section 4.1;
Saharia et al. 2022, section 2.4). Noise-conditioning augmentation (Ho et al. 2022, https://arxiv.org/abs/2106.15282,
section 4.2) makes it robust to what a base model gets wrong: in training the low-resolution image is diffused to a
level s ~ U(0, 1), which the network is given,

    L = E_{x_0, eps, t, s, z} |eps - eps_theta(x_t, t, y, alpha_s low(x_0) + sigma_s z, s)|^2

and in sampling to a fixed level. At s = 1 nothing is left of the low-resolution image.

Example:
    python -m genbench experiment=upsampler_scenes
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from genbench.abilities import EncodesTexts
from genbench.batch import Batch
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.choosing import expect
from genbench.conditions.derived import LowResolution
from genbench.conditions.joint import Joint
from genbench.diffusion.estimates import Denoise
from genbench.diffusion.processes import DiscreteProcess
from genbench.errors import UserError
from genbench.images import to_float, to_uint8
from genbench.medium import Medium
from genbench.methods.denoising.frozen_text import FrozenText
from genbench.methods.denoising.hints import fill, hinted_at_random, unhinted, with_room
from genbench.methods.denoising.improved_ddpm import ImprovedDDPM, Objective
from genbench.methods.optimisation import Loss
from genbench.parts import Frozen
from genbench.randomness import Noise

Augmentation = Literal["imagen", "none"]


class Upsampler(ImprovedDDPM):
    """Learn to enlarge images of captions by a whole factor.

    Args:
        denoiser: builds the network; it is called with `extra`, the enlarged low-resolution image, and with `level`,
            its level of noise, if there is augmentation.
        medium: what a sample is; images.
        condition: of the data, which must be captions; or `Joint`, as a run folder keeps it.
        process: a chain of T steps; of the augmentation, too.
        text_encoder: encodes the captions; None for a text encoder that the network trains.
        factor: by which an image is enlarged; its sides are whole multiples of it.
        augmentation: "imagen", the low-resolution image is diffused to a random level in training; or "none", as in
            GLIDE.
        level: of the low-resolution image's noise in sampling, in [0, 1]; 0 for none.
        crop: side in pixels of the random squares of an image that are trained on; None for whole images.
        inpainting: whether the network is given the known part of the large image, too, see `hints`; in training the
            masks are random.
        objective: see `ImprovedDDPM`: "simple", as in Imagen, or "hybrid", as in GLIDE.
        settings: those of `ImprovedDDPM`.

    Raises:
        ValueError: an argument is out of range, or the data has no captions or no images.
    """

    condition: Joint

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        text_encoder: Frozen[EncodesTexts] | None = None,
        factor: int = 4,
        augmentation: Augmentation = "imagen",
        level: float = 0.2,
        crop: int | None = None,
        inpainting: bool = False,
        objective: Objective = "simple",
        **settings: Any,
    ) -> None:
        expect_choice("augmentation", augmentation, Augmentation)
        if not 0 <= level <= 1:
            raise ValueError(f"level must be in [0, 1], not {level}")
        if augmentation == "none" and level:
            raise ValueError("level is of the augmentation: without it, set level=0")
        # A run folder keeps the method's own condition.
        given = condition.captions if isinstance(condition, Joint) else condition
        captions = expect(given, Captions, "an upsampler takes data with captions, such as data=scenes")
        shrink = LowResolution(factor)
        joint = Joint(captions, shrink.condition(medium).shape)
        if crop is not None and not (0 < crop <= min(medium.shape[1:]) and crop % factor == 0):
            raise ValueError(f"crop={crop} must be a multiple of factor={factor} and at most the side of an image")
        text = None if text_encoder is None else FrozenText(text_encoder, captions)
        network = _of_captions(denoiser, captions) if text is None else text.network(denoiser)
        augments = augmentation == "imagen"
        super().__init__(
            partial(
                network, extra_channels=(2 if inpainting else 1) * medium.shape[0] + inpainting, with_level=augments
            ),
            medium,
            joint,
            process=process,
            objective=objective,
            conditional=True,
            **settings,
        )
        self.derives_condition = True
        self.captions = captions
        self.text_encoder = text_encoder
        self.text = text
        self.shrink = shrink
        self.augments = augments
        self.level = level
        self.crop = crop
        self.inpainting = inpainting

    def condition_of(self, batch: Batch) -> Tensor:
        """Return the captions of a batch with its images in low resolution, see `Joint`."""
        x, tokens = batch.pair()
        return self.condition.pack(tokens, self.shrink(x))

    def unconditioned(self, y: Tensor) -> Tensor:
        """Return rows with the empty caption; the image is always given."""
        return self.condition.without_caption(y)

    def loss(self, batch: Batch) -> Loss:
        """Return the loss of a batch, or of a random square of each image, see `DenoisingMethod.loss`."""
        return super().loss(batch if self.crop is None else Batch(self._cropped(batch.x, self.crop), batch.condition))

    def losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the losses (B,), each of a low-resolution image with a level of noise of its own."""
        assert y is not None
        if not self.augments:
            return super().losses(x_0, t, self._at_level(y, y.new_zeros(len(y))))
        level = torch.rand(len(y), device=y.device)
        return super().losses(x_0, t, self._at_level(y, level, torch.randn_like(self.condition.split(y)[1])))

    def trained_network(self, x_0: Tensor) -> Callable[..., Tensor]:
        """Return the network; for inpainting with the hints of random masks."""
        network = super().trained_network(x_0)
        return hinted_at_random(network, x_0) if self.inpainting else network

    def for_sampling(self, y: Tensor | None, noise: Noise) -> Tensor | None:
        """Return rows whose low-resolution image has noise of the level that is set."""
        if y is None or not self.level:
            return y
        eps = noise.normal(len(y), *self.condition.images.shape).to(y)
        return self._at_level(y, y.new_full((len(y),), self.level), eps)

    def denoise_with(self, y: Tensor | None, *, guidance: float = 0.0) -> Denoise:
        """Return the averaged network as a denoiser, see `DenoisingMethod`.

        Args:
            y: rows of the condition, whose images have no noise, or those of `for_sampling`.
            guidance: the guidance scale w.
        """
        network = self.average.module
        return self.denoise_by(unhinted(network) if self.inpainting else network, y, guidance=guidance)

    def denoise_by(self, network: Callable[..., Tensor], y: Tensor | None, *, guidance: float) -> Denoise:
        """Return a network as a denoiser, see `denoise_with`."""
        if y is not None and y.shape[1] == self.condition.form.length:
            y = self._at_level(y, y.new_zeros(len(y)))
        return super().denoise_by(network, y, guidance=guidance)

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for x_t at times (B,), of rows that end with the level of noise."""
        if y is None:
            y = self._at_level(self.null, self.null.new_zeros(1)).expand(len(x_t), -1)
        tokens, low = self.condition.split(y[:, :-1])
        given = {"extra": enlarged(low, x_t)}
        if self.augments:
            given["level"] = y[:, -1]
        seen = tokens if self.text is None else self.text(tokens)
        predicted: Tensor = network(x_t, self.process.network_time(t), seen, **given)
        return predicted

    def upsample(
        self, low: Tensor, condition: Tensor, *, noise: Noise, known: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Return images (B, *medium.shape) of images (B, C, H, W) in low resolution, as a file would have them.

        Args:
            low: in [-1, 1]; rounded to 256 levels, as in training.
            condition: captions (B, L).
            noise: source of random numbers.
            known: large images whose known pixels the result has, of an upsampler that is trained for inpainting.
            mask: 1 where they are known and 0 where they are not, (B, 1, H, W).
        """
        rows = self.condition.pack(condition, to_float(to_uint8(low)))
        if known is None or mask is None:
            return self.sample(len(low), rows, noise=noise)
        return fill(self, known, mask, self.for_sampling(self.check_condition(rows, len(low)), noise), noise)

    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Refuse: what is filled in is drawn small and then enlarged.

        Raises:
            UserError: always.
        """
        raise UserError("an upsampler fills in images as a part of a cascade (method=cascade)")

    def adapted(self, name: str, value: Tensor, shape: torch.Size) -> Tensor | None:
        """Return the first layer of an upsampler without hints with weights of zero for them, see `Method.adapted`."""
        if not self.inpainting:
            return super().adapted(name, value, shape)
        return with_room(name, value, shape, self.medium.shape[0])

    def _at_level(self, y: Tensor, level: Tensor, eps: Tensor | None = None) -> Tensor:
        """Return rows with their images diffused to levels (B,) by noise, and with the levels at their end."""
        tokens, low = self.condition.split(y)
        if eps is not None:
            low = self.process.diffuse(low, level, eps)
        return torch.cat([self.condition.pack(tokens, low), level[:, None]], dim=1)

    def _cropped(self, x: Tensor, side: int) -> Tensor:
        """Return a random square of each image, at a multiple of the factor from its corner."""
        places = [torch.randint((length - side) // self.shrink.factor + 1, (len(x),)) for length in x.shape[2:]]
        corners = (self.shrink.factor * torch.stack(places, 1)).tolist()
        return torch.stack([one[:, i : i + side, j : j + side] for one, (i, j) in zip(x, corners, strict=True)])


def enlarged(low: Tensor, x_t: Tensor) -> Tensor:
    """Return low-resolution images (B, C, H, W) bilinearly enlarged to the size of x_t, as in GLIDE's code."""
    return interpolate(low, x_t.shape[2:], mode="bilinear", align_corners=False)


def _of_captions(denoiser: Callable[..., nn.Module], captions: Captions) -> Callable[..., nn.Module]:
    """Return a builder of the same network that is conditioned on the captions alone."""

    def build(shape: Any, condition: Condition | None, **settings: Any) -> nn.Module:
        return denoiser(shape=shape, condition=captions, **settings)

    return build
