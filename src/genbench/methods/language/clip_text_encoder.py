"""CLIP's text tower as a frozen text encoder: what Stable Diffusion attends to (Rombach et al. 2022).

The states of all 77 tokens after the last LayerNorm. A text is followed by ends up to that length, whose states are
attended to like any other.

It is not trained here: its weights come from a folder in Hugging Face's layout, or from Stable Diffusion's own file.

Example:
    python -m genbench import path=stable-diffusion-v1-4/text_encoder out=outputs/published/sd_text
"""

from collections.abc import Callable

from torch import Tensor

from genbench.conditions.captions import CONTEXT, Captions
from genbench.methods.language.frozen import FrozenLanguageModel
from genbench.networks.clip_text import TextTransformer


class ClipTextEncoder(FrozenLanguageModel):
    """Encode texts as the states of CLIP's text tower.

    Args:
        network: builds the tower from `form` and `embedding_dim`.
    """

    def __init__(self, network: Callable[..., TextTransformer]) -> None:
        captions = Captions(tokenizer="clip_bpe")
        tower = network(form=captions.form, embedding_dim=None)
        super().__init__(tower, tower.width, CONTEXT)
        self.tokenizer = captions.tokenizer

    def tokens_of(self, text: str) -> list[int]:
        """Return the tokens of a text, with ends up to 77."""
        tokens: list[int] = self.tokenizer.encode(text)
        return tokens + tokens[-1:] * (CONTEXT - len(tokens))

    def states_of(self, rows: Tensor) -> Tensor:
        """Return the states (B, 77, width) of tokens (B, 77)."""
        states: Tensor = self.network.states(rows)
        return states
