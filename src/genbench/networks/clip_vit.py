"""CLIP's vision transformer (Radford et al. 2021; Dosovitskiy et al. 2021, https://arxiv.org/abs/2010.11929).

It differs from the original: LayerNorm also before the blocks, no bias of the patches, and a projection without bias.
Of noisy images there is a learnt first token for each step of their chain, as in GLIDE's code (Nichol et al. 2022).
"""

import torch
from torch import Tensor, nn

from genbench.networks.clip_transformer import Biases, Gelu, make_blocks


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
        self.side, self.embedding_dim = side, embedding_dim
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
        patches = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self._first(t).expand(len(x), 1, -1), patches], dim=1) + self.positions
        x = self.blocks(self.norm_before(x))
        out: Tensor = self.project(self.norm_after(x[:, 0]))
        return out

    def _first(self, t: Tensor | None) -> Tensor:
        if self.steps is None or t is None:
            return self.first
        # Where steps are counted from 1, the last two have one token.
        return self.first[(t * self.steps).round().long().clamp(0, self.steps - 1)][:, None]
