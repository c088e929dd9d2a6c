"""Condition encoders: rows of a condition become a vector, a sequence or channels, whatever the rows mean.

A vector is added to the time embedding, a sequence is attended to, and channels are concatenated to the sample's.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, one_hot, pad, scaled_dot_product_attention

from genbench.conditions.base import (
    Channels,
    Condition,
    Form,
    Index,
    States,
    StatesAndVectors,
    Tokens,
    TokensAndVector,
    Vector,
)

_HEADS, _LAYERS = 4, 2
"""Attention heads and layers of the token encoder; the attention that pools states has as many heads."""

EXTRA_TOKENS = 4
"""Tokens that the embedding of an image becomes."""


class Encoded(NamedTuple):
    """A condition in the form a network takes; a part that the condition does not have is None.

    Attributes:
        vector: (B, width).
        sequence: (B, L, width).
        mask: True for tokens, False for padding, bool (B, L).
        channels: (B, C, H, W).
        values: what attention to each of the sequence yields, (B, L, width); None for the sequence itself.
    """

    vector: Tensor | None = None
    sequence: Tensor | None = None
    mask: Tensor | None = None
    channels: Tensor | None = None
    values: Tensor | None = None


class ConditionEncoder(nn.Module):
    """Encode rows of a condition.

    Attributes:
        context: width of the sequence that it returns; 0 for none.
        learnt: learnt tokens of the sequence, which precede those of the rows.
        channels: how many channels it returns; 0 for none.
    """

    context = 0
    learnt = 0
    channels = 0
    null: Tensor

    def forward(self, rows: Tensor) -> Encoded:
        """Return the encoded rows (B, ...)."""
        raise NotImplementedError

    def rows_or_null(self, rows: Tensor | None, count: int) -> Tensor:
        """Return rows, or the null condition `count` times if there are none."""
        return self.null.expand(count, *self.null.shape[1:]) if rows is None else rows


class EmbeddedIndex(ConditionEncoder):
    """A learnt embedding for each index, and one for the null condition.

    Args:
        form: of the rows.
        width: length of the vector.
    """

    def __init__(self, form: Index, width: int, *, with_null: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(form.size + int(with_null), width)

    def forward(self, rows: Tensor) -> Encoded:
        """Return the embeddings of indices (B,)."""
        return Encoded(vector=self.embedding(rows))


class EmbeddedVector(ConditionEncoder):
    """A learnt linear map of the rows.

    Args:
        form: of the rows.
        width: length of the result.
    """

    def __init__(self, form: Vector, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(form.length, width)

    def forward(self, rows: Tensor) -> Encoded:
        """Return vectors of rows (B, length)."""
        return Encoded(vector=self.linear(rows))


class EmbeddedTokens(ConditionEncoder):
    """A small transformer over token and position embeddings, as in GLIDE (Nichol et al. 2022, section 3).

    A learnt token precedes the text, so that an empty text still has something to attend to. The sequence is the last
    layer's output; the vector is the output at the learnt token.

    Args:
        form: of the rows.
        width: of the sequence and the vector; a multiple of four, the number of heads.
    """

    learnt = 1

    def __init__(self, form: Tokens, width: int) -> None:
        super().__init__()
        if width % _HEADS:
            raise ValueError(
                f"captions are embedded by {_HEADS} heads: the embedding's length must divide by it, not {width}"
            )
        self._form = form
        self.context = width
        self.tokens = nn.Embedding(form.vocabulary, width)
        self.first = nn.Parameter(0.02 * torch.randn(width))
        self.positions = nn.Parameter(0.02 * torch.randn(form.length + 1, width))
        nn.init.normal_(self.tokens.weight, std=0.02)
        layer = nn.TransformerEncoderLayer(
            width, _HEADS, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, _LAYERS, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, rows: Tensor) -> Encoded:
        """Return sequences and vectors of tokens (B, L); what follows a text is masked out."""
        words = self.tokens(rows)
        x = torch.cat([self.first.expand(len(rows), 1, -1), words], dim=1) + self.positions
        mask = torch.cat([torch.ones_like(rows[:, :1], dtype=torch.bool), self._form.mask(rows)], dim=1)
        x = self.transformer(x, src_key_padding_mask=~mask)
        return Encoded(vector=x[:, 0], sequence=x, mask=mask)


class AttendedStates(ConditionEncoder):
    """The states of a frozen text encoder, as in Imagen (Saharia et al. 2022, section 2.3 and appendix B.1).

    The sequence is the states after a LayerNorm; the vector is what a learnt query attends to among them.

    Args:
        form: of the rows.
        width: length of the vector.
    """

    def __init__(self, form: States, width: int) -> None:
        super().__init__()
        self._form = form
        self.context = form.width
        self.norm = nn.LayerNorm(form.width)
        self.pool = AttentionPool(form.width)
        self.to_vector = nn.Linear(form.width, width)

    def forward(self, rows: Tensor) -> Encoded:
        """Return sequences and vectors of states (B, L, width); padding is masked out."""
        mask = self._form.mask(rows)
        # Attending to nothing at all would be undefined.
        mask = mask | ~mask.any(1, keepdim=True)
        sequence = self.norm(rows)
        return Encoded(vector=self.to_vector(self.pool(sequence, mask)), sequence=sequence, mask=mask)


class PassedStates(ConditionEncoder):
    """The states of a frozen text encoder as they are, as in Stable Diffusion (Rombach et al. 2022).

    Args:
        form: of the rows.
        width: of no use: there is no vector.
    """

    def __init__(self, form: States, width: int) -> None:
        super().__init__()
        self._form = form
        self.context = form.width

    def forward(self, rows: Tensor) -> Encoded:
        """Return sequences of states (B, L, width); padding is masked out."""
        return Encoded(sequence=rows, mask=self._form.mask(rows))


class AttentionPool(nn.Module):
    """Attend to a sequence by a learnt query.

    Args:
        width: of the sequence.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = _HEADS if width % _HEADS == 0 else 1
        self.query = nn.Parameter(torch.randn(self.heads, 1, width // self.heads))
        self.to_kv = nn.Linear(width, 2 * width)

    def forward(self, sequence: Tensor, mask: Tensor) -> Tensor:
        """Return vectors (B, width) of sequences (B, L, width), of which `mask` (B, L) says what to attend to."""
        count, length, _ = sequence.shape
        k, v = self.to_kv(sequence).view(count, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        query = self.query.to(k).expand(count, -1, -1, -1)
        return scaled_dot_product_attention(query, k, v, attn_mask=mask[:, None, None]).flatten(1)


class EmbeddedImage(ConditionEncoder):
    """The embedding of an image beside a caption, as in unCLIP's decoder (Ramesh et al. 2022, section 2.1).

    A linear map of it is added to the caption's vector, and another makes four tokens of it, which precede the
    caption's.

    Args:
        form: of the rows.
        width: length of the vector.
        caption: encodes the caption.
    """

    def __init__(self, form: TokensAndVector, width: int, caption: ConditionEncoder) -> None:
        super().__init__()
        self._form = form
        self.caption = caption
        self.context = caption.context
        self.learnt = EXTRA_TOKENS + caption.learnt
        self.to_vector = nn.Linear(form.vector.length, width)
        self.to_tokens = nn.Linear(form.vector.length, EXTRA_TOKENS * self.context)
        self.nothing = nn.Parameter(torch.zeros(form.vector.length))

    def forward(self, rows: Tensor) -> Encoded:
        """Return the sequences and vectors of rows (B, L + D); what stands for no embedding is learnt."""
        tokens, image = self._form.split(rows)
        image = torch.where(image.any(1, keepdim=True), image, self.nothing)
        of_caption = self.caption(tokens)
        assert of_caption.vector is not None
        assert of_caption.sequence is not None
        assert of_caption.mask is not None
        extra = self.to_tokens(image).unflatten(1, (EXTRA_TOKENS, self.context))
        return Encoded(
            vector=self.to_vector(image) + of_caption.vector,
            sequence=torch.cat([extra, of_caption.sequence], dim=1),
            mask=pad(of_caption.mask, (EXTRA_TOKENS, 0), value=True),
        )


class PassedChannels(ConditionEncoder):
    """The image itself, resized to the samples that it is concatenated to.

    Args:
        form: of the rows.
        side: (H, W) of the samples.
    """

    def __init__(self, form: Channels, side: tuple[int, int]) -> None:
        super().__init__()
        self.channels = form.shape[0]
        self.side = side

    def forward(self, rows: Tensor) -> Encoded:
        """Return images (B, C, H, W)."""
        if tuple(rows.shape[2:]) != self.side:
            rows = interpolate(rows, self.side, mode="bicubic", align_corners=False)
        return Encoded(channels=rows)


def encoder_of(
    condition: Condition,
    width: int,
    shape: tuple[int, ...],
    *,
    with_null: bool = True,
    text: Callable[..., ConditionEncoder] | None = None,
    passes_states: bool = False,
) -> ConditionEncoder:
    """Return the encoder of a condition's rows.

    Args:
        condition: whose rows.
        width: of vectors and sequences.
        shape: of the samples.
        with_null: whether rows may hold the null condition.
        text: builds the encoder of captions from their form and the width of vectors; None for `EmbeddedTokens`.
        passes_states: whether states of a text encoder are attended to as they are, see `PassedStates`.

    Raises:
        ValueError: the condition is an image, but the samples are not.
    """
    encoder = _encoder_of(condition.form, width, shape, with_null, text, passes_states)
    # Where the network is, so that no call waits for a copy.
    encoder.register_buffer("null", condition.null(1), persistent=False)
    return encoder


def _encoder_of(
    form: Form,
    width: int,
    shape: tuple[int, ...],
    with_null: bool,
    text: Callable[..., ConditionEncoder] | None,
    passes_states: bool = False,
) -> ConditionEncoder:
    match form:
        case Index():
            return EmbeddedIndex(form, width, with_null=with_null)
        case Vector():
            return EmbeddedVector(form, width)
        case Tokens():
            # By position: an encoder's own setting `width` may be that of its tokens.
            return EmbeddedTokens(form, width) if text is None else text(form, width)
        case States():
            return PassedStates(form, width) if passes_states else AttendedStates(form, width)
        case TokensAndVector():
            return EmbeddedImage(form, width, _encoder_of(form.tokens, width, shape, with_null, text))
        case StatesAndVectors():
            if text is None:
                raise ValueError(
                    "a network that is given CLIP's states takes network.denoiser.text, an encoder of them"
                )
            return text(form, width)
    if len(shape) != 3:
        raise ValueError(f"source images condition images, not samples of shape {tuple(shape)}")
    return PassedChannels(form, (shape[1], shape[2]))


def plain_vector(form: Form, rows: Tensor) -> Tensor:
    """Return rows as vectors (B, n) without learnt parameters: one-hot for indices.

    Raises:
        ValueError: the rows are sequences or images.
    """
    length = plain_length(form)
    return one_hot(rows.long(), length).float() if isinstance(form, Index) else rows


def plain_length(form: Form) -> int:
    """Return the length of the vectors from `plain_vector`.

    Raises:
        ValueError: the rows are sequences or images.
    """
    match form:
        case Index(size):
            return size
        case Vector(length):
            return length
    raise ValueError(f"this network takes classes, attributes or embeddings, not {type(form).__name__.lower()}")
