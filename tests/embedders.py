"""A CLIP whose embeddings are known: an angle for how bright an image is, or is said to be."""

import torch
from torch import Tensor, nn

from genbench.conditions.captions import Captions
from genbench.medium import Images

CAPTIONS = Captions(["dark", "grey", "bright"], 3)
_ANGLES = {"": 0.0, "dark": -1.0, "grey": 0.0, "bright": 1.0}
"""In radians."""


class Brightness(nn.Module):
    """Embeds images of brightness b, in [-1, 1], at the angle b, and texts at the angle of their first word."""

    logit_scale = 10.0
    embedding_dim = 4
    state_width = 3

    def __init__(self, condition: Captions = CAPTIONS, side: int = 8) -> None:
        super().__init__()
        self.condition = condition
        self.medium = Images((1, side, side))
        self.weight = nn.Parameter(torch.ones(()))

    def embed_images(self, x: Tensor) -> Tensor:
        return 2 * self._at(x.flatten(1).mean(1))

    def embed_texts(self, rows: Tensor) -> Tensor:
        angles = [_ANGLES[text.partition(" ")[0]] for text in self.condition.describe(rows)]
        return 3 * self._at(torch.tensor(angles))

    def encode_tokens(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        return self.embed_texts(rows), rows.unsqueeze(2).float().expand(-1, -1, 3)

    def _at(self, angles: Tensor) -> Tensor:
        nothing = torch.zeros_like(angles)
        return self.weight * torch.stack([angles.cos(), angles.sin(), nothing, nothing], dim=1)
