"""Captions as a frozen CLIP reads them, for the prior and the decoder of unCLIP."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from genbench.abilities import EmbedsTokens
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions, reread
from genbench.conditions.clip_captions import ClipCaptions
from genbench.methods.denoising.remembered import Remembered

Convention = Literal["unit", "raw"]


class ReadByClip:
    """Embeds images and captions, for one method.

    Args:
        embedder: a frozen CLIP.
        captions: of the method; CLIP reads them as texts, so its tokenizer may be another.
        embeddings: "unit", divided by their norm outside of networks, and multiplied by sqrt D for them; or "raw", as
            CLIP makes them, as in Karlo.

    Raises:
        ValueError: `embeddings` is neither.
    """

    def __init__(self, embedder: EmbedsTokens, captions: Captions, embeddings: Convention) -> None:
        expect_choice("embeddings", embeddings, Convention)
        self.embedder = embedder
        self.captions = captions
        self.is_raw = embeddings == "raw"
        self.remembered = Remembered(self.encode)
        self.scale = 1.0 if self.is_raw else embedder.embedding_dim**0.5
        """By which embeddings are multiplied for networks."""

    def normal(self, embeddings: Tensor) -> Tensor:
        """Return embeddings (B, D) as they are outside of networks."""
        return embeddings.float() if self.is_raw else normalize(embeddings.float(), dim=1)

    @torch.no_grad()
    def images(self, x: Tensor) -> Tensor:
        """Return embeddings (B, D) of images (B, C, H, W) in [-1, 1]."""
        return self.normal(self.embedder.embed_images(x))

    @torch.no_grad()
    def texts(self, rows: Tensor) -> Tensor:
        """Return embeddings (B, D) of captions (B, L)."""
        return self.normal(self.embedder.embed_texts(self.read(rows)))

    def tokens(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return captions (B, L) as CLIP has them, (B, L'), their embeddings (B, D), and states (B, L', W).

        States of what follows a text are zeros. In sampling those of the last captions are remembered.
        """
        return self.remembered(rows)

    @torch.no_grad()
    def encode(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `tokens` does, made anew."""
        own = self.read(rows)
        text, states = self.embedder.encode_tokens(own)
        is_text = self.embedder.condition.form.mask(own).unsqueeze(-1)
        return own, self.normal(text), states.float() * is_text

    def read(self, rows: Tensor) -> Tensor:
        """Return captions (B, L) as CLIP's tokenizer has them.

        Raises:
            UserError: it does not know a word of a caption, or has no room for it.
        """
        return reread(rows, self.captions, self.embedder.condition, "parts.embedder")

    def pack(self, rows: Tensor, z: Tensor) -> Tensor:
        """Return rows of `ClipCaptions` of captions (B, L) and of images' embeddings (B, D), as networks have them."""
        _, text, states = self.tokens(rows)
        return torch.cat([states.flatten(1), self.scale * text, z], dim=1)

    def network(self, denoiser: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        """Return a builder of the same network that is conditioned on what `pack` returns."""
        dim = self.embedder.embedding_dim
        empty = self.pack(self.captions.null(1), torch.zeros(1, dim)).cpu()
        own = ClipCaptions(empty, self.embedder.condition.length, self.embedder.state_width, dim)

        def of_clip(shape: Any, condition: Condition | None = None, **settings: Any) -> nn.Module:
            return denoiser(shape=shape, condition=own, **settings)

        return of_clip
