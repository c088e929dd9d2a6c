"""Super-resolution by diffusion for cascades: CDM's, and with captions GLIDE's and Imagen's upsamplers.

The network sees the low-resolution image, enlarged, beside x_t, and the caption, if there is one (Nichol et al. 2022,
section 4.1; Saharia et al. 2022, section 2.4). Noise-conditioning augmentation (Ho et al. 2022, https://arxiv.org/abs/2106.15282,
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
from genbench.conditions.classes import Classes
from genbench.conditions.derived import LowResolution
from genbench.conditions.joint import Joint
from genbench.conditions.source_images import SourceImages
from genbench.diffusion.estimates import Denoise
from genbench.diffusion.processes import DiscreteProcess
from genbench.errors import UserError
from genbench.images import to_float, to_uint8
from genbench.medium import Medium
from genbench.methods.denoising.frozen_text import FrozenText
from genbench.methods.denoising.hints import fill, hinted_at_random, unhinted, with_room
from genbench.methods.denoising.improved_ddpm import ImprovedDDPM, Objective
from genbench.methods.denoising.running import sample_until
from genbench.methods.optimisation import Loss
from genbench.parts import Frozen
from genbench.randomness import Noise

Augmentation = Literal["imagen", "none"]

_NOTHING = Captions([], 1)
"""What a row of images alone says of them."""


class Upsampler(ImprovedDDPM):
    """Learn to enlarge images, of captions or not, by a whole factor.

    Args:
        denoiser: builds the network; it is called with `extra`, the enlarged low-resolution image, and with `level`,
            its level of noise, if there is augmentation.
        medium: what a sample is; images.
        condition: of the data, captions or classes; or what a run folder keeps, `Joint` or `SourceImages`.
        process: a chain of T steps; of the augmentation, too.
        conditional: whether the network is given the captions or classes beside the low-resolution image.
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

    condition: Joint | SourceImages

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        conditional: bool = True,
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
        shown = None
        if conditional:
            # A run folder keeps the method's own condition.
            given = condition.shown if isinstance(condition, Joint) else condition
            if not isinstance(given, Captions | Classes):
                raise ValueError(
                    "an upsampler takes data with captions or classes, such as data=scenes, or method.conditional=false"
                )
            shown = given
        elif settings.get("guidance"):
            raise ValueError("guidance is by captions or classes: with method.conditional=false set guidance=0")
        if text_encoder is not None and not isinstance(shown, Captions):
            raise ValueError("a text encoder encodes captions, which this upsampler is not given")
        shrink = LowResolution(factor)
        joint = Joint(shown or _NOTHING, shrink.condition(medium).shape)
        if crop is not None and not (0 < crop <= min(medium.shape[1:]) and crop % factor == 0):
            raise ValueError(f"crop={crop} must be a multiple of factor={factor} and at most the side of an image")
        text = FrozenText(text_encoder, shown) if text_encoder is not None and isinstance(shown, Captions) else None
        network = _of_shown(denoiser, shown) if text is None else text.network(denoiser)
        augments = augmentation == "imagen"
        super().__init__(
            partial(
                network, extra_channels=(2 if inpainting else 1) * medium.shape[0] + inpainting, with_level=augments
            ),
            medium,
            joint.images if shown is None else joint,
            process=process,
            objective=objective,
            conditional=True,
            **settings,
        )
        self.derives_condition = True
        self.shown = shown
        self.joint = joint
        self.text_encoder = text_encoder
        self.text = text
        self.shrink = shrink
        self.augments = augments
        self.level = level
        self.crop = crop
        self.inpainting = inpainting

    def condition_of(self, batch: Batch) -> Tensor:
        """Return the images of a batch in low resolution, with what they show, see `Joint`, if it is given that."""
        low = self.shrink(batch.x)
        return low if self.shown is None else self.joint.pack(batch.pair()[1], low)

    def unconditioned(self, y: Tensor) -> Tensor:
        """Return rows that do not say what is shown; the image is always given."""
        return y if self.shown is None else self.joint.without(y)

    def loss(self, batch: Batch) -> Loss:
        """Return the loss of a batch, or of a random square of each image, see `DenoisingMethod.loss`."""
        return super().loss(batch if self.crop is None else Batch(self._cropped(batch.x, self.crop), batch.condition))

    def losses(self, x_0: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the losses (B,), each of a low-resolution image with a level of noise of its own."""
        assert y is not None
        y = self._packed(y)
        if not self.augments:
            return super().losses(x_0, t, self._at_level(y, y.new_zeros(len(y))))
        level = torch.rand(len(y), device=y.device)
        return super().losses(x_0, t, self._at_level(y, level, torch.randn_like(self.joint.split(y)[1])))

    def trained_network(self, x_0: Tensor) -> Callable[..., Tensor]:
        """Return the network; for inpainting with the hints of random masks."""
        network = super().trained_network(x_0)
        return hinted_at_random(network, x_0) if self.inpainting else network

    def for_sampling(self, y: Tensor | None, noise: Noise) -> Tensor | None:
        """Return rows whose low-resolution image has noise of the level that is set."""
        return y if y is None else self._noisy(y, self.level, noise)

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
        y = None if y is None else self._packed(y)
        if y is not None and y.shape[1] == self.joint.form.length:
            y = self._at_level(y, y.new_zeros(len(y)))
        return super().denoise_by(network, y, guidance=guidance)

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for x_t at times (B,), of rows that end with the level of noise."""
        if y is None:
            y = self._at_level(self._packed(self.null), self.null.new_zeros(1)).expand(len(x_t), -1)
        shown, low = self.joint.split(y[:, :-1])
        given = {"extra": enlarged(low, x_t)}
        if self.augments:
            given["level"] = y[:, -1]
        seen = shown if self.text is None else self.text(shown)
        condition = () if self.shown is None else (seen,)
        predicted: Tensor = network(x_t, self.process.network_time(t), *condition, **given)
        return predicted

    @torch.no_grad()
    def upsample(
        self,
        low: Tensor,
        condition: Tensor | None,
        *,
        noise: Noise,
        level: float | None = None,
        is_noisy: bool = False,
        until: float | None = None,
        known: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return images (B, *medium.shape) of images (B, C, H, W) in low resolution, see `Upsamples`.

        Images without noise are rounded to 256 levels first, as in training, as if they came from files.
        """
        level = self.level if level is None else level
        images = low if is_noisy else to_float(to_uint8(low))
        y = self._packed(images if condition is None else self.joint.pack(condition, images))
        if is_noisy:
            y = self._at_level(y, y.new_full((len(y),), level))
        else:
            y = self._noisy(self.joint.check(y, len(y)).to(self.device), level, noise)
        if known is not None and mask is not None:
            return fill(self, known, mask, y, noise)
        denoise, draw = self.denoise_with(y, guidance=self.guidance), self.draw_from(noise, len(low))
        if until is None:
            return self.sample_by(denoise, draw)
        return sample_until(until, self.sampler, denoise, self.process, draw)

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

    def _packed(self, y: Tensor) -> Tensor:
        """Return rows of the condition as rows of `Joint`, of nothing shown where there are only images."""
        return self.joint.pack(_NOTHING.null(len(y)).to(y.device), y) if y.ndim == len(self.medium.shape) + 1 else y

    def _noisy(self, y: Tensor, level: float, noise: Noise) -> Tensor:
        """Return rows whose images have been given noise of a level; rows as they are if it is 0."""
        if not level:
            return y
        eps = noise.normal(len(y), *self.joint.images.shape).to(y)
        return self._at_level(self._packed(y), y.new_full((len(y),), level), eps)

    def _at_level(self, y: Tensor, level: Tensor, eps: Tensor | None = None) -> Tensor:
        """Return rows with their images diffused to levels (B,) by noise, and with the levels at their end."""
        shown, low = self.joint.split(y)
        if eps is not None:
            low = self.process.diffuse(low, level, eps)
        return torch.cat([self.joint.pack(shown, low), level[:, None]], dim=1)

    def _cropped(self, x: Tensor, side: int) -> Tensor:
        """Return a random square of each image, at a multiple of the factor from its corner."""
        places = [torch.randint((length - side) // self.shrink.factor + 1, (len(x),)) for length in x.shape[2:]]
        corners = (self.shrink.factor * torch.stack(places, 1)).tolist()
        return torch.stack([one[:, i : i + side, j : j + side] for one, (i, j) in zip(x, corners, strict=True)])


def enlarged(low: Tensor, x_t: Tensor) -> Tensor:
    """Return low-resolution images (B, C, H, W) bilinearly enlarged to the size of x_t, as in GLIDE's code."""
    return interpolate(low, x_t.shape[2:], mode="bilinear", align_corners=False)


def _of_shown(denoiser: Callable[..., nn.Module], shown: Condition | None) -> Callable[..., nn.Module]:
    """Return a builder of the same network that is conditioned on what is shown alone, or on nothing."""

    def build(shape: Any, condition: Condition | None, **settings: Any) -> nn.Module:
        return denoiser(shape=shape, condition=shown, **settings)

    return build
