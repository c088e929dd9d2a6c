"""What can be asked of methods that embed images or texts, and of those that draw embeddings or images of them."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from genbench.abilities.drawing import Generative, PerceivesStyled
from genbench.conditions.captions import Captions
from genbench.medium import Medium
from genbench.randomness import Noise


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
class SeesPlaces(EmbedsTexts, Protocol):
    """The ability to embed images and texts in one space, and to say what it sees where."""

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    def places(self, x: Tensor) -> Tensor:
        """Return vectors (B, L, W) of places of images (B, 1 or 3, H, W), of some late layer, differentiable."""
        ...

    def relevance(self, x: Tensor, texts: Tensor) -> Tensor:
        """Return how relevant places of images are for texts, float32 in [0, 1], (B, H', W').

        Args:
            x: images (B, 1 or 3, H, W).
            texts: embeddings (B, D).
        """
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
class LeadsEmbeddings(Protocol):
    """The ability to change embeddings of images so that they show something else."""

    targets: Sequence[str]
    """What images can be led to show, by name."""

    @property
    def decoder(self) -> DecodesEmbeddings:
        """What embeds images, and draws images of embeddings."""
        ...

    def recognise(self, z: Tensor) -> Tensor:
        """Return the probability of each target (B, K), by embeddings (B, D)."""
        ...

    def lead(self, z: Tensor, target: int, strength: float) -> Tensor:
        """Return embeddings (B, D) led to show a target, or away from it where the strength is negative."""
        ...


@runtime_checkable
class DecodesBoth(DecodesEmbeddings, Protocol):
    """The ability to draw images of CLIP's embedding and, if there is one, of a caption."""

    embeddings: str
    """What is done to CLIP's, "unit" or "raw"."""

    captions: Captions
    """What an image may show besides."""

    sampler: Callable[..., Tensor]
    """By which it draws, one of `diffusion.samplers`."""

    guidance: float
    """The guidance scale of its drawing."""

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
class LeadsStyles(Generative, Protocol):
    """The ability to lead styles of a generator to a text."""

    generator: PerceivesStyled
    embedder: EmbedsTexts
    prompt: str

    def lead(self, w: Tensor, strength: float | None = None) -> Tensor:
        """Return styles (B, layers, style_dim) moved to the text; None for as far as in training."""
        ...
