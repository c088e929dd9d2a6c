"""The decoder of unCLIP: it inverts CLIP's image encoder (Ramesh et al. 2022, https://arxiv.org/abs/2204.06125, 2.1).

A diffusion model of images x that is given CLIP's embedding z_i of the image, and its caption y besides,

    L = E_{x, eps, t} |eps - eps_theta(x_t, t, z_i, y)|^2

The embedding is added to that of the time, and becomes four tokens that are attended to beside the caption's. A tenth
of the embeddings and half of the captions are left out, independently of each other, so that guidance can lead away
from having neither. What the embedding does not say is up to the noise: images of one embedding are variations of each
other.

Example:
    python -m genbench experiment=unclip_decoder_scenes parts.embedder=RUN
"""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genbench.abilities import EmbedsTokens
from genbench.batch import Batch
from genbench.choices import expect_choice
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.choosing import expect
from genbench.conditions.embedded_captions import EmbeddedCaptions
from genbench.medium import Images, Medium
from genbench.methods.denoising.improved_ddpm import ImprovedDDPM, Objective
from genbench.methods.denoising.read_by_clip import Convention, ReadByClip
from genbench.parts import Frozen
from genbench.randomness import Noise

CaptionsBy = Literal["network", "embedder"]


class UnclipDecoder(ImprovedDDPM):
    """Draw images of the embeddings of images.

    Args:
        denoiser: builds the network, as for `ImprovedDDPM`.
        medium: what a sample is; images.
        condition: of the data, which must be captions; or `EmbeddedCaptions`, as a run folder keeps it.
        embedder: a CLIP, which embeds images and, if `captions_by` says so, captions.
        embeddings: "unit" or "raw", see `ReadByClip`.
        captions_by: what encodes captions: the "network", which is trained; or the "embedder", as in Karlo.
        condition_dropout: fraction of embeddings that are left out in training.
        caption_dropout: fraction of captions that are.
        objective: see `ImprovedDDPM`; the paper's is "hybrid".
        settings: those of `ImprovedDDPM`.

    Raises:
        ValueError: an argument is out of range, or the data has no images or no captions.
    """

    condition: EmbeddedCaptions

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        embedder: Frozen[EmbedsTokens],
        embeddings: Convention = "unit",
        captions_by: CaptionsBy = "network",
        condition_dropout: float = 0.1,
        caption_dropout: float = 0.5,
        objective: Objective = "simple",
        **settings: Any,
    ) -> None:
        expect_choice("captions_by", captions_by, CaptionsBy)
        if not isinstance(medium, Images):
            raise ValueError("a decoder draws images, and the data has none")
        if not 0 <= caption_dropout <= 1:
            raise ValueError(f"caption_dropout must be in [0, 1], not {caption_dropout}")
        # A run folder keeps the method's own condition.
        given = condition.captions if isinstance(condition, EmbeddedCaptions) else condition
        captions = expect(given, Captions, "a decoder of embeddings takes data with captions, such as data=scenes")
        both = EmbeddedCaptions(captions, embedder.embedding_dim)
        reads = ReadByClip(embedder, captions, embeddings)
        network = reads.network(denoiser) if captions_by == "embedder" else denoiser
        super().__init__(
            network,
            medium,
            both,
            conditional=True,
            condition_dropout=condition_dropout,
            objective=objective,
            **settings,
        )
        self.clip_reads = reads
        self.captions_by: CaptionsBy = captions_by
        self.embeddings: Convention = embeddings
        self.derives_condition = True
        self.captions = captions
        self.embedder = embedder
        self.embedding_dim = embedder.embedding_dim
        self.caption_dropout = caption_dropout

    def condition_of(self, batch: Batch) -> Tensor:
        """Return the captions of a batch with the embeddings of its images."""
        x, tokens = batch.pair()
        return self.condition.pack(tokens, self.embed(x))

    def drop_condition(self, y: Tensor) -> Tensor:
        """Return rows some of which lack the embedding, and some the caption."""
        tokens, z = self.condition.form.split(y)
        lacks_z, lacks_caption = (
            (torch.rand(len(y), device=y.device) < fraction).unsqueeze(1)
            for fraction in (self.condition_dropout, self.caption_dropout)
        )
        empty, nothing = self.condition.form.split(self.null)
        return self.condition.pack(torch.where(lacks_caption, empty, tokens), torch.where(lacks_z, nothing, z))

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for x_t at times (B,), of rows (B, L + D)."""
        tokens, z = self.condition.form.split(self.null.expand(len(x_t), -1) if y is None else y)
        z = self.clip_reads.scale * z
        by_network = self.captions_by == "network"
        rows = self.condition.pack(tokens, z) if by_network else self.clip_reads.pack(tokens, z)
        return super().predict(network, x_t, t, rows)

    def embed(self, x: Tensor) -> Tensor:
        """Return embeddings (B, embedding_dim) of images (B, C, H, W) in [-1, 1]."""
        return self.clip_reads.images(x.to(self.device))

    @torch.no_grad()
    def invert(self, x: Tensor, z: Tensor, *, steps: int) -> Tensor:
        """Return the noise from which DDIM makes images x (B, C, H, W) of their embeddings, see `DenoisingMethod`."""
        return self.encode_by_ddim(x, self.rows_of(z), steps=steps)

    def fresh_start(self, count: int, *, noise: Noise) -> Tensor:
        """Return fresh noise (count, C, H, W) that sampling may begin with."""
        return self.process.prior_std * self.draw_from(noise, count)()

    @torch.no_grad()
    def decode_embeddings(
        self, z: Tensor, *, noise: Noise, start: Tensor | None = None, tokens: Tensor | None = None
    ) -> Tensor:
        """Return images (B, C, H, W) of embeddings (B, embedding_dim), see `DecodesEmbeddings`.

        Args:
            z: the embeddings.
            noise: source of random numbers.
            start: the noise that sampling begins with; None for fresh noise.
            tokens: captions (B, L); None for none.
        """
        y = self.rows_of(z, tokens)
        denoise, draw = self.denoise_with(y, guidance=self.guidance), self.draw_from(noise, len(z))
        return self.sample_by(denoise, draw, start)

    def rows_of(self, z: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Return rows of the condition of embeddings (B, embedding_dim) and of captions (B, L), None for none."""
        z = z.to(self.device)
        empty, _ = self.condition.form.split(self.null)
        return self.condition.pack(empty.expand(len(z), -1) if tokens is None else tokens.to(self.device), z)
