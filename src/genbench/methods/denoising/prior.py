"""The diffusion prior of unCLIP (Ramesh et al. 2022, https://arxiv.org/abs/2204.06125, section 2.2).

It draws the embedding that CLIP would have of an image, of a caption alone. A causal transformer denoises the embedding
z_i, given the caption y, its tokens' states and its own embedding z_t, and predicts the embedding itself,

    L = E_{t, z_i^(t)} |f_theta(z_i^(t), t, y) - z_i|^2

Embeddings are divided by their norm and multiplied by sqrt D, so that their numbers are of the size of the noise: as
they are they would vanish in it at the first steps. Of two that are drawn the one is kept whose dot product with z_t is
larger.

Example:
    python -m genbench experiment=prior_scenes parts.embedder=RUN
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from genbench.abilities import EmbedsTokens
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.choosing import expect
from genbench.diffusion.parameterisation import Prediction
from genbench.diffusion.processes import DiscreteProcess
from genbench.medium import Embeddings, Images, Medium
from genbench.methods.denoising.ddpm import DDPM
from genbench.methods.denoising.read_by_clip import Convention, ReadByClip
from genbench.parts import Frozen
from genbench.randomness import Noise


class Prior(DDPM):
    """Diffusion of CLIP's image embeddings, conditioned on captions.

    Args:
        denoiser: builds the network from `shape`, that of an embedding, `condition`, CLIP's captions, and `states`, the
            numbers of a token's state.
        medium: of the data; images.
        condition: of the data, which must be captions. CLIP reads them as texts, so its tokenizer may be another.
        process: a chain of T steps.
        embedder: a CLIP, which embeds images and captions.
        prediction: what the network predicts, in the paper the embedding itself.
        embeddings: "unit" or "raw", see `ReadByClip`.
        candidates: embeddings drawn for each that is kept.
        bound: on the numbers of estimates in sampling, in either direction; None for none.
        settings: those of `DDPM`.

    Raises:
        ValueError: an argument is out of range, or the data has no images or no captions.
    """

    condition: Captions

    def __init__(
        self,
        denoiser: Callable[..., nn.Module],
        medium: Medium,
        condition: Condition | None = None,
        *,
        process: DiscreteProcess,
        embedder: Frozen[EmbedsTokens],
        prediction: Prediction = "x_0",
        embeddings: Convention = "unit",
        candidates: int = 2,
        bound: float | None = None,
        **settings: Any,
    ) -> None:
        if not isinstance(medium, Images):
            raise ValueError("a prior draws the embeddings of images, and the data has none")
        if candidates < 1:
            raise ValueError(f"candidates must be at least 1, not {candidates}")
        if bound is not None and bound <= 0:
            raise ValueError(f"bound must be positive, not {bound}")
        captions = expect(condition, Captions, "a prior takes data with captions, such as data=scenes")

        def of_clip(shape: Any, condition: Condition | None) -> nn.Module:
            return denoiser(shape=shape, condition=embedder.condition, states=embedder.state_width)

        drawn = Embeddings((embedder.embedding_dim,))
        super().__init__(of_clip, drawn, captions, process=process, prediction=prediction, conditional=True, **settings)
        self.bounds = None if bound is None else (-bound, bound)
        self.embedder = embedder
        self.embeddings: Convention = embeddings
        self.candidates = candidates
        self.clip_reads = ReadByClip(embedder, captions, embeddings)

    def to_space(self, x: Tensor) -> Tensor:
        """Return the embeddings (B, D) of images, of numbers of about 1."""
        mean, std = self._statistics
        return (self.clip_reads.scale * self.clip_reads.images(x) - mean) / std

    def from_space(self, x_0: Tensor) -> Tensor:
        """Return embeddings as they are outside of networks."""
        mean, std = self._statistics
        return self.clip_reads.normal((x_0 * std + mean) / self.clip_reads.scale)

    def predict(self, network: Callable[..., Tensor], x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """Return the network's prediction for embeddings x_t (B, D) at times (B,), of captions (B, L)."""
        rows, text, states = self.clip_reads.tokens(self.null.expand(len(x_t), -1) if y is None else y)
        text = self.clip_reads.scale * text
        predicted: Tensor = network(x_t, self.process.network_time(t), rows=rows, text=text, states=states)
        return predicted

    @torch.no_grad()
    def sample(self, count: int, condition: Tensor | None = None, *, noise: Noise) -> Tensor:
        """Return embeddings (count, D): of several each the one that is nearest to its caption's.

        Raises:
            ValueError: the captions are missing or invalid.
            UserError: CLIP can't read a caption, or the sampler's settings do not suit the process.
        """
        y = self.check_condition(condition, count)
        assert y is not None
        several = torch.stack([super(Prior, self).sample(count, y, noise=noise) for _ in range(self.candidates)], dim=1)
        nearest = (several @ self.embed_captions(y).unsqueeze(2)).argmax(1)[:, 0]
        return several[torch.arange(count, device=several.device), nearest]

    @property
    def _statistics(self) -> Tensor:
        network: Any = self.average.module
        statistics: Tensor = network.statistics
        return statistics

    def embed_captions(self, rows: Tensor) -> Tensor:
        """Return embeddings (B, D) of captions (B, L)."""
        return self.clip_reads.texts(rows.to(self.device))
