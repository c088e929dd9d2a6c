"""CLIP's vision transformer (Radford et al. 2021; Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929).

It differs from the original: LayerNorm also before the blocks, no bias of the patches, and a projection without bias.
Of noisy images there is a learnt first token for each step of their chain, as in GLIDE's code (Nichol et al. 2022).
"""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from genbench.networks.clip_transformer import Biases, Block, Gelu, make_blocks


class VisionTransformer(nn.Module):
    """Map images (B, 3, side, side) to embeddings (B, embedding_dim).

    Args:
        side: of the images in pixels, a multiple of `patch`.
        embedding_dim: numbers of an embedding.
        width: of the tokens.
        layers: blocks.
        heads: of each attention; OpenAI's have 64 channels each.
        patch: side of a patch in pixels.
        gelu: whose activation, see `clip_transformer.GELU`.
        biases: whose attention, see `clip_transformer.Attention`.
        steps: of the chain whose noisy images it takes, with their times; None for images without noise.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        side: int,
        *,
        embedding_dim: int,
        width: int,
        layers: int,
        heads: int,
        patch: int,
        gelu: Gelu = "openai",
        biases: Biases = "openai",
        steps: int | None = None,
    ) -> None:
        super().__init__()
        if patch < 1 or side % patch:
            raise ValueError(f"data.size={side}, or method.image_size, must be a multiple of patch={patch} pixels")
        self.side, self.embedding_dim, self.patch = side, embedding_dim, patch
        self.patches = nn.Conv2d(3, width, patch, patch, bias=False)
        self.steps = steps
        self.first = nn.Parameter(torch.empty(width) if steps is None else torch.empty(steps, width))
        self.positions = nn.Parameter(torch.empty((side // patch) ** 2 + 1, width))
        self.norm_before = nn.LayerNorm(width)
        self.blocks = make_blocks(width, layers, heads, causal=False, gelu=gelu, biases=biases)
        self.norm_after = nn.LayerNorm(width)
        self.project = nn.Linear(width, embedding_dim, bias=False)
        for weight in (self.first, self.positions, self.project.weight):
            nn.init.normal_(weight, std=width**-0.5)

    def forward(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        """Return the embeddings, which are read at a learnt token before the patches.

        Args:
            x: images.
            t: of noisy images their times (B,), i / steps for step i, which is counted from 0.
        """
        return self._read(self.blocks(self._tokens(x, t)))

    def places(self, x: Tensor) -> Tensor:
        """Return the tokens (B, L, width) before the last block, that which is read first (Bar-Tal et al. 2022)."""
        tokens: Tensor = self.blocks[:-1](self._tokens(x))
        return tokens

    def relevance(self, x: Tensor, score: Callable[[Tensor], Tensor]) -> Tensor:
        """Return how relevant each patch is for a score of embeddings, at least 0, (B, side / patch, side / patch).

        The mean over heads of the last block's attention times its gradient, where that is above 0, at the token that
        is read (Chefer et al. 2021, https://arxiv.org/abs/2103.15679, section 3.2, by one block as Bar-Tal et al.).

        Args:
            x: images.
            score: returns a number (B,) of embeddings (B, embedding_dim).
        """
        with torch.no_grad():
            tokens = self.places(x)
        with torch.enable_grad():
            # Weights may be frozen: what follows from this has a graph.
            last, weights = cast(Block, self.blocks[-1]).watched(tokens.detach().requires_grad_())
            (gradient,) = torch.autograd.grad(score(self._read(last)).sum(), weights)
        seen = (gradient * weights).clamp_min(0).mean(1)[:, 0, 1:]
        side = self.side // self.patch
        return seen.detach().unflatten(1, (side, side))

    def _tokens(self, x: Tensor, t: Tensor | None = None) -> Tensor:
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens: Tensor = self.norm_before(
            torch.cat([self._first(t).expand(len(x), 1, -1), patches], dim=1) + self.positions
        )
        return tokens

    def _read(self, tokens: Tensor) -> Tensor:
        out: Tensor = self.project(self.norm_after(tokens[:, 0]))
        return out

    def _first(self, t: Tensor | None) -> Tensor:
        if self.steps is None or t is None:
            return self.first
        # Where steps are counted from 1, the last two have one token.
        return self.first[(t * self.steps).round().long().clamp(0, self.steps - 1)][:, None]
