"""A small encoder of captions: convolutions over neighbouring words (Kim 2014, https://arxiv.org/abs/1408.5882).

What a word says of a picture depends mostly on those beside it: blue is the digit's in "a blue three" and the
background's in "on blue". Convolutions see that from the first step on, where a transformer that is trained with a
diffusion model first has to learn to attend to neighbours (docs/glide.md has the difference).

Example:
    >>> encoder = ConvolutionalText(Tokens(vocabulary=49, length=20), 256)
    >>> encoder(torch.zeros(2, 20, dtype=torch.long)).vector.shape
    torch.Size([2, 256])
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from genbench.choices import expect_choice
from genbench.conditions.base import Tokens
from genbench.networks.conditioning import ConditionEncoder, Encoded

Values = Literal["state", "word"]


class ConvolutionalText(ConditionEncoder):
    """Encode captions by residual convolutions of three tokens; the vector is a linear map of the tokens' mean.

    To the vector a vector of each token itself is added. Adam scales the steps of a weight by all gradients that it has
    had, and in what all words share those of a word that says much of the pixels, such as a background, drown those of
    one that says little, such as a digit. A token's own weights have its own gradients alone.

    A learnt token precedes the text, so that an empty text still has something to attend to. What follows a text
    changes nothing.

    Args:
        form: of the rows.
        vector: length of the vector.
        width: of the sequence.
        layers: convolutions; a state depends on as many tokens to either side.
        with_vector: whether there is a vector, which says what is in a picture, but not where; without it all goes
            through attention.
        vector_dropout: fraction of captions whose vector is left out in training, so that attention must say all of
            it, too.
        values: what attention to a word yields: its "state", as everywhere, or the "word" itself. Then words around it
            say where it is attended to, and it alone what is drawn there, which attention maps show.

    Raises:
        ValueError: a number is out of range.
    """

    learnt = 1

    def __init__(
        self,
        form: Tokens,
        vector: int,
        *,
        width: int = 256,
        layers: int = 3,
        with_vector: bool = True,
        vector_dropout: float = 0.0,
        values: Values = "state",
    ) -> None:
        super().__init__()
        expect_choice("values", values, Values)
        if width < 1 or layers < 1:
            raise ValueError(f"width={width} and layers={layers} of a text encoder must be at least 1")
        if not 0 <= vector_dropout < 1 or (vector_dropout and not with_vector):
            raise ValueError(f"vector_dropout={vector_dropout} must be in [0, 1), and 0 without a vector")
        self._form = form
        self._vector_dropout = vector_dropout
        self._values: Values = values
        self.context = width
        self.tokens = nn.Embedding(form.vocabulary, width)
        self.first = nn.Parameter(torch.randn(width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1) for _ in range(layers))
        self.norm_after = nn.LayerNorm(width)
        self.to_vector = nn.Linear(width, vector) if with_vector else None
        self.vectors = nn.Embedding(form.vocabulary, vector) if with_vector else None

    def forward(self, rows: Tensor) -> Encoded:
        """Return sequences (B, 1 + L, width) and vectors of tokens (B, L); what follows a text is masked out."""
        is_text = self._form.mask(rows)
        mask = torch.cat([torch.ones_like(is_text[:, :1]), is_text], dim=1)
        inside = mask.unsqueeze(-1)
        words = x = torch.cat([self.first.expand(len(rows), 1, -1), self.tokens(rows)], dim=1)
        for norm, convolve in zip(self.norms, self.convolutions, strict=True):
            x = x + gelu(convolve((norm(x) * inside).transpose(1, 2)).transpose(1, 2))
        x = self.norm_after(x) * inside
        encoded = Encoded(sequence=x, mask=mask, values=words * inside if self._values == "word" else None)
        if self.to_vector is None or self.vectors is None:
            return encoded
        of_tokens = (self.vectors(rows) * is_text.unsqueeze(-1)).sum(1)
        vector = self.to_vector(x.sum(1) / inside.sum(1)) + of_tokens
        if self.training and self._vector_dropout:
            vector = vector * (torch.rand(len(rows), 1, device=rows.device) >= self._vector_dropout)
        return encoded._replace(vector=vector)
