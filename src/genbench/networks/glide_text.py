"""GLIDE's text encoder: a transformer trained with the U-Net (Nichol et al. 2022, https://arxiv.org/abs/2112.10741).

Example:
    >>> encoder = GlideText(Tokens(vocabulary=50_257, length=128), 768)  # the published models': 76.7 M parameters
    >>> encoder(torch.zeros(2, 128, dtype=torch.long)).vector.shape
    torch.Size([2, 768])
"""

import torch
from torch import Tensor, nn

from genbench.conditions.base import Tokens
from genbench.networks.clip_transformer import make_blocks
from genbench.networks.conditioning import ConditionEncoder, Encoded


class GlideText(ConditionEncoder):
    """Encode captions by a bidirectional pre-LN transformer, as the authors' code does.

    In places after the end of a text there is a learnt embedding of the place instead of a token's: padding is attended
    to, not masked out, by the transformer and by the U-Net alike. What number the padding has is of no importance. The
    vector is a linear map of the last place's output.

    Args:
        form: of the rows.
        vector: length of the vector.
        width: of the sequence.
        layers: of the transformer.
        heads: of each attention; the authors' have 64 channels each.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(self, form: Tokens, vector: int, *, width: int = 512, layers: int = 16, heads: int = 8) -> None:
        super().__init__()
        self._form = form
        self.context = width
        self.tokens = nn.Embedding(form.vocabulary, width)
        self.positions = nn.Parameter(0.01 * torch.randn(form.length, width))
        self.padding = nn.Parameter(0.01 * torch.randn(form.length, width))
        self.blocks = make_blocks(width, layers, heads, causal=False, gelu="open_clip")
        self.norm_after = nn.LayerNorm(width)
        self.to_vector = nn.Linear(width, vector)
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, rows: Tensor) -> Encoded:
        """Return sequences (B, L, width) and vectors of tokens (B, L); the mask is True everywhere."""
        is_text = self._form.mask(rows).unsqueeze(-1)
        x = torch.where(is_text, self.tokens(rows) + self.positions, self.padding)
        x = self.norm_after(self.blocks(x))
        return Encoded(vector=self.to_vector(x[:, -1]), sequence=x, mask=torch.ones_like(rows, dtype=torch.bool))
