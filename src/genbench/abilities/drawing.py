"""What can be asked of methods that draw."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.target_domain import TargetDomain
from genbench.diffusion.processes import Process
from genbench.medium import Medium
from genbench.randomness import Noise


@runtime_checkable
class Draws(Protocol):
    """The ability to draw samples."""

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return samples (count, ...) from the averaged weights."""
        ...


def in_words(ability: type) -> str:
    """Return what an ability is, for a message: "the ability to draw samples"."""
    said = (ability.__doc__ or ability.__qualname__).partition("\n")[0].rstrip(".")
    return said[:1].lower() + said[1:]


class Generative(Draws, Protocol):
    """All that is asked of a method that draws; see `methods.base.GenerativeMethod`, which says what each part is."""

    medium: Medium
    condition: Condition | None
    derives_condition: bool

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    def condition_of(self, batch: Batch) -> Tensor | None:
        """Return the rows of the condition that a batch goes with."""
        ...


@runtime_checkable
class DrawsAlone(Generative, Protocol):
    """The ability to draw samples of a condition, or of none."""


@runtime_checkable
class HasLatents(Generative, Protocol):
    """The ability to map a latent vector to a sample."""

    latent_dim: int

    def decode(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return samples of latents `z`, (B, latent_dim), and of rows of its condition, from the averaged weights."""
        ...


@runtime_checkable
class HasStyles(HasLatents, Protocol):
    """The ability to draw a sample of styles w, one for each layer, which are made of its latent."""

    layers: int
    style_dim: int

    @property
    def mean_style(self) -> Tensor:
        """The mean w, (style_dim,)."""
        ...

    def styles(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return w (B, layers, style_dim) of latents `z`, (B, latent_dim), and of rows of its condition, truncated."""
        ...

    def synthesise(self, w: Tensor) -> Tensor:
        """Return samples of w (B, layers, style_dim), from the averaged weights, differentiable with respect to w.

        They need not be within the medium's range, at whose bounds there would be no gradient.
        """
        ...


@runtime_checkable
class PerceivesStyled(HasStyles, Protocol):
    """The ability to draw images of styles, and to compare images by features of its own."""

    def perceive(self, images: Tensor) -> list[Tensor]:
        """Return maps (B, C', H', W') of images (B, C, H, W) in [-1, 1], at several resolutions."""
        ...


@runtime_checkable
class HasStyleSpace(PerceivesStyled, Protocol):
    """The ability to draw an image of the scales of its layers' channels, which are made of styles w."""

    def style_channels(self, w: Tensor) -> list[Tensor]:
        """Return the scales (B, C_l) of the channels of each layer, of w (B, layers, style_dim)."""
        ...

    @property
    def adds_to_image(self) -> list[bool]:
        """Of each of those layers whether it adds to the image, and nothing to what follows."""
        ...

    def synthesise_channels(self, channels: Sequence[Tensor]) -> Tensor:
        """Return samples of the scales of all channels, as `synthesise` does of w."""
        ...


@runtime_checkable
class TranslatesBack(Protocol):
    """The ability of a method of two domains to translate in both directions."""

    def sample_back(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images `condition`, (count, C, H, W), translated back to the source domain."""
        ...


@runtime_checkable
class TranslatesLike(Generative, Protocol):
    """The ability to translate images into a domain in the style of others."""

    condition: TargetDomain

    def sample_like(self, references: Tensor, condition: Tensor | None) -> Tensor:
        """Return translations in the styles of references (B, C, H, W), which are of the rows' target domains."""
        ...


@runtime_checkable
class DrawsPartly(Generative, Protocol):
    """The ability to end sampling early, at images that are still noisy."""

    process: Process

    space: Medium
    """What is noisy: the medium itself, or latents."""

    def sample_until(self, until: float, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, ...) that are as noisy as at a time in (0, 1)."""
        ...


@runtime_checkable
class DrawsLarger(Generative, Protocol):
    """The ability to draw images that are larger than those of training."""

    height: int
    """Rows of the map of an image in training."""

    width: int
    """Columns of it."""

    def sample_larger(
        self, count: int, height: int, width: int, condition: Tensor | None = None, *, noise: Noise
    ) -> Tensor:
        """Return images (count, C, H, W) in [-1, 1] of maps of a larger size.

        Args:
            count: how many.
            height: rows of their maps.
            width: columns of them.
            condition: rows of its condition; None for an unconditional method.
            noise: source of random numbers.
        """
        ...


@runtime_checkable
class AttendsToWords(Generative, Protocol):
    """The ability to attend to the words of a caption, and to say where."""

    def attention_maps(self, count: int, condition: Tensor, *, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return the samples of `sample`, and the mean attention at each place of them to each token of their captions.

        Args:
            count: how many.
            condition: rows (count, L) of its captions.
            noise: source of random numbers.

        Returns:
            Samples (count, C, H, W) and maps float32 (count, L, H, W), over all steps, layers and heads.

        Raises:
            UserError: it attends to no words.
        """
        ...
