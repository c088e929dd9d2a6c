"""What methods can be asked for: small protocols, so that whoever needs an ability asks for it, never for a class."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from genbench.batch import Batch
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.classes import Classes
from genbench.conditions.derived import LowResolution
from genbench.diffusion.estimates import Denoise
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
class Autoencodes(Protocol):
    """The ability to map an image to latents and back, as the first stage of a latent model must."""

    medium: Medium

    latent_shape: tuple[int, ...]
    """Of the latents of an image: (D, S', S') of a map."""

    def encode(self, x: Tensor, *, draw: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return latents (B, *latent_shape) of images (B, C, S, S) in [-1, 1], from the averaged weights.

        Args:
            x: images.
            draw: returns normal noise like a tensor, by which latents are drawn that are random; None for their means.
        """
        ...

    def decode(self, z: Tensor) -> Tensor:
        """Return images (B, C, S, S) in [-1, 1] of latents (B, *latent_shape), from the averaged weights."""
        ...


@runtime_checkable
class Codes(Autoencodes, Protocol):
    """The ability to map an image to a map of whole numbers and back, as a model of such sequences needs."""

    codes: int
    """How many different numbers there are."""

    def encode_codes(self, x: Tensor) -> Tensor:
        """Return codes int64 (B, S', S') of images (B, C, S, S) in [-1, 1]."""
        ...

    def decode_codes(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [-1, 1] of codes (B, H', W'), also of other sizes than those of training."""
        ...


@runtime_checkable
class EmbedsImages(Protocol):
    """The ability to map an image to a feature vector, in which images can be compared."""

    medium: Medium
    embedding_dim: int

    def embed_images(self, x: Tensor) -> Tensor:
        """Return features (B, embedding_dim) of images (B, C, H, W) in [-1, 1], from the averaged weights."""
        ...


@runtime_checkable
class EmbedsTexts(EmbedsImages, Protocol):
    """The ability to embed images and texts in one space.

    `embed_images` takes images (B, 1 or 3, H, W) of any size, which it resizes, crops and normalises itself,
    differentiably. Embeddings of either kind are not normalised: whoever compares them divides by their norms.
    """

    condition: Captions
    """How texts become rows."""

    @property
    def logit_scale(self) -> float:
        """The factor of cosines in logits, exp of the learnt log-scale."""
        ...

    def embed_texts(self, rows: Tensor) -> Tensor:
        """Return features (B, embedding_dim) of rows (B, L) of its captions, from the averaged weights."""
        ...


@runtime_checkable
class EmbedsTokens(EmbedsTexts, Protocol):
    """The ability to embed images and texts in one space, and to say what it makes of each token of a text."""

    state_width: int
    """Numbers of the state of a token."""

    def encode_tokens(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, embedding_dim) of rows (B, L) of its captions, and states (B, L, state_width) of tokens.

        The features are those of `embed_texts`. States of what follows a text mean nothing.
        """
        ...


@runtime_checkable
class EncodesTexts(Protocol):
    """The ability to encode a text as a sequence of states, which a network attends to."""

    width: int
    """Length of a state."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the states of each text, float32 (B, L, width), and which of them are of the text, bool (B, L).

        L is the length of the longest; states of shorter texts are followed by zeros. The states of a text do not
        depend on the other texts.

        Raises:
            ValueError: a text is too long; the message names it.
        """
        ...


@runtime_checkable
class Denoises(Protocol):
    """The ability to denoise samples of a forward process, which samplers need."""

    medium: Medium
    condition: Condition | None
    process: Process

    def denoise_with(self, y: Tensor | None, *, guidance: float = 0.0) -> Denoise:
        """Return the averaged network as a denoiser for samplers, differentiable with respect to x_t."""
        ...


@runtime_checkable
class ClassifiesNoisy(Protocol):
    """The ability to classify noisy images of a forward process."""

    medium: Medium
    process: Process
    classes: Classes

    def classify(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return logits (B, K) of x_t (B, C, H, W) at times (B,) in [0, 1], from the averaged weights."""
        ...


@runtime_checkable
class EmbedsNoisy(Protocol):
    """The ability to embed noisy images of a forward process, and texts, in one space.

    Embeddings are not normalised: whoever compares them divides by their norms.
    """

    medium: Medium
    process: Process
    condition: Captions
    """How texts become rows."""

    @property
    def logit_scale(self) -> float:
        """The factor of cosines in logits, exp of the learnt log-scale."""
        ...

    def embed_texts(self, rows: Tensor) -> Tensor:
        """Return features (B, D) of rows (B, L) of its captions, from the averaged weights."""
        ...

    def embed_noisy(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Return features (B, D) of x_t (B, C, H, W) at times (B,) in [0, 1], from the averaged weights."""
        ...


@runtime_checkable
class TranslatesBack(Protocol):
    """The ability of a method of two domains to translate in both directions."""

    def sample_back(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images `condition`, (count, C, H, W), translated back to the source domain."""
        ...


@runtime_checkable
class DrawsEmbeddings(Generative, Protocol):
    """The ability to draw embeddings of images that a caption may be of."""

    condition: Captions

    embeddings: str
    """What is done to CLIP's, "unit" or "raw"."""

    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return embeddings (count, D) from the averaged weights."""
        ...

    def embed_captions(self, rows: Tensor) -> Tensor:
        """Return embeddings (B, D) of rows (B, L) of its captions, in the same space."""
        ...


@runtime_checkable
class DecodesEmbeddings(Generative, Protocol):
    """The ability to draw images of an embedding, and to find the noise that an image may come from."""

    embedding_dim: int

    def embed(self, x: Tensor) -> Tensor:
        """Return embeddings (B, embedding_dim) of images (B, C, H, W) in [-1, 1]."""
        ...

    def invert(self, x: Tensor, z: Tensor, *, steps: int) -> Tensor:
        """Return the noise (B, ...) from which images x with embeddings z come, found in a number of steps."""
        ...

    def fresh_start(self, count: int, *, noise: Noise) -> Tensor:
        """Return fresh noise (count, ...) that sampling may begin with."""
        ...

    def decode_embeddings(self, z: Tensor, *, noise: Noise, start: Tensor | None = None) -> Tensor:
        """Return images (B, C, H, W) of embeddings (B, embedding_dim).

        Args:
            z: the embeddings.
            noise: source of random numbers.
            start: the noise (B, ...) that sampling begins with, as `invert` returns it; None for fresh noise.
        """
        ...


@runtime_checkable
class DecodesBoth(DecodesEmbeddings, Protocol):
    """The ability to draw images of CLIP's embedding and, if there is one, of a caption."""

    embeddings: str
    """What is done to CLIP's, "unit" or "raw"."""

    captions: Captions
    """What an image may show besides."""

    def decode_embeddings(
        self, z: Tensor, *, noise: Noise, start: Tensor | None = None, tokens: Tensor | None = None
    ) -> Tensor:
        """Return images of embeddings, see `DecodesEmbeddings`, and of `tokens`, captions (B, L), unless None."""
        ...


@runtime_checkable
class FollowsTexts(DecodesEmbeddings, Protocol):
    """The ability to draw images of an embedding, and to embed captions in the same space."""

    condition: Captions

    def embed_captions(self, rows: Tensor) -> Tensor:
        """Return embeddings (B, embedding_dim) of rows (B, L) of its captions."""
        ...


@runtime_checkable
class FillsIn(Generative, Protocol):
    """The ability to fill in what is missing of images."""

    def inpaint(self, known: Tensor, mask: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images whose masked-out part is filled in.

        Args:
            known: images (B, C, H, W) in [-1, 1].
            mask: 1 where they are known and 0 where they are not, (H, W) or, for each image its own, (B, 1, H, W).
            condition: rows of its condition; None to do without, also if the method is conditional.
            noise: source of random numbers.
        """
        ...


@runtime_checkable
class FillsInByHints(FillsIn, Protocol):
    """The ability to fill in what is missing by a network that is given what is known."""

    inpainting: bool
    """Whether its network is given that."""


@runtime_checkable
class Upsamples(Protocol):
    """The ability to enlarge images, of captions or not."""

    medium: Medium
    """The large images."""

    shrink: LowResolution
    """What made the small images of its training from large ones."""

    shown: Condition | None
    """What it is conditioned on besides the small images; None for nothing."""

    inpainting: bool
    """Whether it can be given known pixels of the large images."""

    augments: bool
    """Whether it was trained on noisy small images, and so can be given such."""

    level: float
    """Of the noise that it adds to small images, in [0, 1]."""

    process: Process
    """By which it adds it."""

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
        """Return images (B, *medium.shape) of small ones.

        Args:
            low: small images, (B, C, H, W) in [-1, 1].
            condition: rows of what it is conditioned on besides; None for nothing.
            noise: source of random numbers.
            level: of the noise of small images; None for its own.
            is_noisy: whether they have that noise already.
            until: the time at which sampling ends, so that images are as noisy as there; None for images.
            known: large images whose known pixels the result has, if it can be given such.
            mask: 1 where they are known and 0 where they are not, (B, 1, H, W).
        """
        ...


@runtime_checkable
class DrawsPartly(Generative, Protocol):
    """The ability to end sampling early, at images that are still noisy."""

    process: Process

    def sample_until(self, until: float, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return images (count, ...) that are as noisy as at a time in (0, 1)."""
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


@runtime_checkable
class HasLikelihood(Protocol):
    """The ability to compute or bound the likelihood of images."""

    likelihood: str
    """What the number is, in a few words: a bound or exact, and of what."""

    def bits_per_dim(self, x: Tensor, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return bits per dimension (B,) of images (B, C, H, W) of 256 levels in [-1, 1], by the averaged weights.

        Args:
            x: images.
            condition: rows of its condition, of a conditional method.
            noise: source of random numbers.
        """
        ...


@runtime_checkable
class HasCodeLikelihood(Protocol):
    """The ability to compute the likelihood of the codes of images."""

    code_likelihood: str
    """What the number is, in a few words."""

    def bits_per_code(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return bits per code (B,) of images (B, C, H, W) in [-1, 1], by the averaged weights.

        Args:
            x: images.
            condition: rows of its condition, of a conditional method.
        """
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
