"""What frozen text encoders have in common: each text is encoded once, by itself, and remembered."""

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.methods.base import Method

_MOST_REMEMBERED = 2 * 1024**3
"""Bytes of states that are remembered at most: of MiniLM those of 100,000 short captions."""

_TOGETHER = 64
"""Texts of a length that are encoded at once on a GPU."""

_SHOWN = 60
"""Characters of a text in a message."""


class FrozenLanguageModel(Method):
    """Encode texts as the states of a network that is not trained here.

    Args:
        network: maps tokens (B, L) to states (B, L, width).
        width: of a state.
        longest: tokens of a text at most.
    """

    def __init__(self, network: Any, width: int, longest: int) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.width = width
        self.longest = longest
        self._remembered: OrderedDict[str, Tensor] = OrderedDict()
        self._bytes = 0

    @abstractmethod
    def tokens_of(self, text: str) -> list[int]:
        """Return the tokens that the network is given for a text, of any number."""

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
            tokens = self._checked(text)
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
                    states = self.states_of(rows).float().cpu()
                found |= {text: own for (text, _), own in zip(part, states, strict=True)}
        return found

    def states_of(self, rows: Tensor) -> Tensor:
        """Return the network's states (B, L, width) of tokens (B, L)."""
        states: Tensor = self.network(rows)
        return states

    def _checked(self, text: str) -> list[int]:
        tokens = self.tokens_of(text)
        if len(tokens) > self.longest:
            shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
            raise ValueError(
                f"{shown!r} has {len(tokens)} tokens, and the text encoder takes {self.longest}: shorten it"
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
