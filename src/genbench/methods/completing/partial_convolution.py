"""Inpainting by partial convolutions (Liu et al. 2018, https://arxiv.org/abs/1804.07723).

A U-Net whose layers see only what is known fills in holes of any shape, without a discriminator. Of an image x with its
mask m, 1 where it is known, of the network's x' and of x'' = m x + (1 - m) x', what is kept,

    L = 1 |m (x' - x)| + 6 |(1 - m)(x' - x)| + 0.1 TV(x'')
        + 0.05 sum_p (|f_p(x') - f_p(x)| + |f_p(x'') - f_p(x)|)
        + 120 sum_p (|G_p(x') - G_p(x)| + |G_p(x'') - G_p(x)|)

with |.| the mean over all numbers, TV(x) the mean |difference| of neighbours in both directions, f_p the maps after the
first three poolings of VGG-16 and G_p their products, f_p f_p^T / (C H W). The last two terms need VGG's weights on
this machine, and are left out without them (`features=none`).

For the end of a training the paper fixes the statistics of the encoder's BatchNorm and takes a smaller rate:
`method.freeze_norm=true method.optimizer.lr=5e-5 init=RUN`. With holes in them the statistics of batches are not those
of whole images.

Example:
    python -m genbench experiment=partial_convolution_digits
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, max_pool2d

from genbench.batch import Batch
from genbench.choices import expect_choice
from genbench.conditions.masked_images import MaskedImages, MaskKind
from genbench.lpips import Lpips, load_lpips
from genbench.medium import Images
from genbench.methods.completing.base import CompletingMethod
from genbench.methods.optimisation import Loss, MakeOptimizer

Features = Literal["none", "vgg"]

_POOLINGS = 3
"""Of VGG-16, after which maps are compared."""


class PartialConvolution(CompletingMethod):
    """Fill in images by a network that is given their masks.

    Args:
        generator: builds the network from `image_shape`; it maps images and their masks to whole images.
        image_shape: (C, H, W) of the data.
        masks: which part is hidden in training: a "random" one, or the "center".
        valid_weight: of the error where pixels are known.
        hole_weight: of the error where they are hidden.
        variation_weight: of the total variation of what is kept.
        features: by which images are compared besides: "vgg", as in the paper, by VGG-16, whose weights lie on this
            machine, or "none".
        perceptual_weight: of the difference of its maps.
        style_weight: of the difference of their products.
        freeze_norm: whether the statistics of the encoder's BatchNorm stay as they are.
        optimizer: maps parameters to an optimizer.
        settings: those of `Method`.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        generator: Callable[..., nn.Module],
        image_shape: Sequence[int],
        *,
        masks: MaskKind = "random",
        valid_weight: float = 1.0,
        hole_weight: float = 6.0,
        variation_weight: float = 0.1,
        features: Features = "none",
        perceptual_weight: float = 0.05,
        style_weight: float = 120.0,
        freeze_norm: bool = False,
        optimizer: MakeOptimizer,
        **settings: Any,
    ) -> None:
        expect_choice("masks", masks, MaskKind)
        expect_choice("features", features, Features)
        for name, value in (
            ("valid_weight", valid_weight), ("hole_weight", hole_weight), ("variation_weight", variation_weight),
            ("perceptual_weight", perceptual_weight), ("style_weight", style_weight),
        ):  # fmt: skip
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        super().__init__(**settings)
        self.medium = Images(image_shape)
        self.condition = MaskedImages(image_shape)
        self.masks: MaskKind = masks
        self.valid_weight, self.hole_weight, self.variation_weight = valid_weight, hole_weight, variation_weight
        self.features: Features = features
        self.perceptual_weight, self.style_weight = perceptual_weight, style_weight
        self.freeze_norm = freeze_norm
        self.generator = generator(image_shape=image_shape)
        self.average = self.averaged(self.generator)
        self._vgg: list[Lpips] = []
        self.optimise("generator", self.generator, optimizer, average=self.average)

    def train(self, mode: bool = True) -> Self:
        """Choose the mode of all networks; the encoder's BatchNorm stays in evaluation mode if it is frozen."""
        super().train(mode)
        if self.freeze_norm:
            self.generator.encoder_norms.eval()  # type: ignore[union-attr]
        return self

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Update the network and its average."""
        self.take_step("generator", self.loss, batch)
        return self.finish_step()

    def loss(self, batch: Batch) -> Loss:
        """Return the sum of all terms of a batch with fresh masks."""
        x, mask = batch.x, self.fresh_masks(batch.x)
        out = self.complete(self.generator, x, mask)
        kept = torch.where(mask.bool(), x, out)
        terms = {
            "valid": self.valid_weight * l1_loss(mask * out, mask * x),
            "hole": self.hole_weight * l1_loss((1 - mask) * out, (1 - mask) * x),
            "variation": self.variation_weight * total_variation(kept),
        }
        if self.features == "vgg":
            terms |= self._by_features(out, kept, x)
        return torch.stack([*terms.values()]).sum(), {f"loss/{name}": term for name, term in terms.items()}

    def complete(self, network: Callable[..., Tensor], known: Tensor, mask: Tensor) -> Tensor:
        """Return a network's whole images of known pixels and their masks."""
        return network(known * mask, mask)

    def _by_features(self, out: Tensor, kept: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Return the terms by VGG's maps.

        Raises:
            UserError: its weights are not on this machine.
        """
        if not self._vgg:
            # No module of this one: whoever samples a run needs no VGG, and no checkpoint repeats it.
            self._vgg.append(load_lpips("vgg").to(self.device))

        def maps(images: Tensor) -> list[Tensor]:
            return [max_pool2d(each, 2) for each in self._vgg[0].maps(images)[:_POOLINGS]]

        with torch.no_grad():
            of_x = maps(x)
        perceptual, style = x.new_zeros(()), x.new_zeros(())
        for images in (out, kept):
            for found, wanted in zip(maps(images), of_x, strict=True):
                perceptual = perceptual + l1_loss(found, wanted)
                style = style + l1_loss(products(found), products(wanted))
        return {"perceptual": self.perceptual_weight * perceptual, "style": self.style_weight * style}


def total_variation(images: Tensor) -> Tensor:
    """Return the mean |difference| of neighbours down, plus that of neighbours across, of images (B, C, H, W)."""
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()


def products(maps: Tensor) -> Tensor:
    """Return the products (B, C, C) of the channels of maps (B, C, H, W), f f^T / (C H W) (Gatys et al. 2015)."""
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / flat[0].numel()
