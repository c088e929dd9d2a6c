"""Karlo's encoder of captions and images for unCLIP's decoder, by a frozen CLIP (Ramesh et al. 2022, section 2.1).

The states of the caption's tokens go through a linear layer and a LayerNorm; the caption's embedding and the image's
are added to the time's, and the image's becomes four tokens besides.

Example:
    >>> encoder = ClipCaption(StatesAndVectors(length=77, width=768, dim=768), 1280, width=1536)
"""

import torch
from torch import Tensor, nn

from genbench.conditions.base import StatesAndVectors
from genbench.networks.conditioning import EXTRA_TOKENS, ConditionEncoder, Encoded


class ClipCaption(ConditionEncoder):
    """Encode what a CLIP makes of a caption, and the embedding of an image.

    Args:
        form: of the rows.
        vector: length of the vector.
        width: of the sequence.
    """

    learnt = EXTRA_TOKENS

    def __init__(self, form: StatesAndVectors, vector: int, *, width: int) -> None:
        super().__init__()
        self._form = form
        self.context = width
        self.from_states = nn.Linear(form.width, width)
        self.norm = nn.LayerNorm(width)
        self.text_to_vector = nn.Linear(form.dim, vector)
        self.to_vector = nn.Linear(form.dim, vector)
        self.to_tokens = nn.Linear(form.dim, EXTRA_TOKENS * width)
        self.nothing = nn.Parameter(torch.zeros(form.dim))

    def forward(self, rows: Tensor) -> Encoded:
        """Return the sequences and vectors of rows (B, L * W + 2 D)."""
        states, text, image = self._form.split(rows)
        image = torch.where(image.any(1, keepdim=True), image, self.nothing)
        is_text = (states != 0).any(-1)
        extra = self.to_tokens(image).unflatten(1, (EXTRA_TOKENS, self.context))
        return Encoded(
            vector=self.to_vector(image) + self.text_to_vector(text),
            sequence=torch.cat([extra, self.norm(self.from_states(states))], dim=1),
            mask=torch.cat([torch.ones_like(extra[..., 0], dtype=torch.bool), is_text], dim=1),
        )
