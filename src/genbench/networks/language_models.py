"""Language models as transformers has them, whose last states networks attend to.

BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805), of which MiniLM is a small one, and the encoder of T5
(Raffel et al. 2020, https://arxiv.org/abs/1910.10683), Imagen's. Counts of parameters: all-MiniLM-L6-v2 22,565,376
(without its pooler), t5-small 35,330,816, t5-v1.1-xxl 4,762,310,656.

Example:
    >>> T5()(torch.tensor([[71, 1]])).shape  # t5-small
    torch.Size([1, 2, 512])
"""

from typing import Any, Literal

from torch import Tensor, nn

from genbench.choices import expect_choice
from genbench.errors import UserError

Activation = Literal["relu", "gated_gelu"]


class Bert(nn.Module):
    """BERT without its pooler.

    Args:
        vocabulary: how many tokens there are.
        width: length of a state.
        layers: of the transformer.
        heads: attention heads of each.
        hidden: width within a layer's feed-forward network.
        longest: tokens of a text at most, each of which has a position of its own.
        segments: kinds of segments; a text is all of the first.
        norm_eps: epsilon of each LayerNorm.

    Raises:
        UserError: the package `transformers` is missing.
        ValueError: the width is not divisible into the heads.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 30522,
        width: int = 384,
        layers: int = 6,
        heads: int = 12,
        hidden: int = 1536,
        longest: int = 512,
        segments: int = 2,
        norm_eps: float = 1e-12,
    ) -> None:
        super().__init__()
        transformers = _transformers()
        self.width = width
        self.longest = longest
        config = transformers.BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=hidden,
            max_position_embeddings=longest,
            type_vocab_size=segments,
            layer_norm_eps=norm_eps,
        )
        self.model = transformers.BertModel(config, add_pooling_layer=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the last states (B, L, width) of texts of the same length, (B, L)."""
        states: Tensor = self.model(input_ids=tokens).last_hidden_state
        return states


class T5(nn.Module):
    """The encoder of T5; the defaults are those of t5-small.

    Args:
        vocabulary: how many tokens there are.
        width: length of a state.
        layers: of the transformer.
        heads: attention heads of each.
        head_channels: of each head.
        hidden: width within a layer's feed-forward network.
        activation: "relu", or "gated_gelu" as in T5 1.1.
        buckets: of relative positions.
        distance: from which on all positions are in one bucket.
        longest: tokens of a text at most; T5 was trained on 512.
        norm_eps: epsilon of each normalisation.

    Raises:
        UserError: the package `transformers` is missing.
        ValueError: there is no such activation.
    """

    def __init__(
        self,
        *,
        vocabulary: int = 32128,
        width: int = 512,
        layers: int = 6,
        heads: int = 8,
        head_channels: int = 64,
        hidden: int = 2048,
        activation: Activation = "relu",
        buckets: int = 32,
        distance: int = 128,
        longest: int = 512,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        expect_choice("activation", activation, Activation)
        transformers = _transformers()
        self.width = width
        self.longest = longest
        config = transformers.T5Config(
            vocab_size=vocabulary,
            d_model=width,
            d_kv=head_channels,
            d_ff=hidden,
            num_layers=layers,
            num_heads=heads,
            relative_attention_num_buckets=buckets,
            relative_attention_max_distance=distance,
            layer_norm_epsilon=norm_eps,
            feed_forward_proj=activation.replace("_", "-"),
            dropout_rate=0.0,
            use_cache=False,
        )
        # The model around it has the embeddings under a second name.
        self.model = transformers.T5EncoderModel(config).encoder

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the last states (B, L, width) of texts of the same length, (B, L)."""
        states: Tensor = self.model(input_ids=tokens).last_hidden_state
        return states


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise UserError("a language model takes transformers: pip install 'genbench[language]'") from error
    return transformers
