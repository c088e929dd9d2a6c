"""Networks that attend to the states of a frozen text encoder in the place of a caption's tokens."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from genbench.abilities import EncodesTexts
from genbench.conditions.base import Condition
from genbench.conditions.captions import Captions
from genbench.conditions.text_states import TextStates
from genbench.errors import UserError
from genbench.methods.denoising.remembered import Remembered


class FrozenText:
    """Turns captions into states, for one method.

    Args:
        encoder: a frozen text encoder.
        captions: what the tokens of the method's condition mean.
    """

    def __init__(self, encoder: EncodesTexts, captions: Captions) -> None:
        self.encoder = encoder
        self.captions = captions
        self.condition = TextStates(encoder.encode_texts([""])[0].cpu())
        self.remembered = Remembered(self.encode)

    def __call__(self, tokens: Tensor) -> Tensor:
        """Return the states (B, L, D) of captions (B, L), on their device; those of the last ones are remembered.

        Raises:
            UserError: a caption is longer than the encoder takes.
        """
        return self.remembered(tokens)

    def encode(self, tokens: Tensor) -> Tensor:
        """Return the states (B, L, D) of captions (B, L), on their device.

        Raises:
            UserError: a caption is longer than the encoder takes.
        """
        try:
            states, _ = self.encoder.encode_texts(self.captions.describe(tokens))
        except ValueError as error:
            raise UserError(f"parts.text_encoder: {error}") from error
        return states.to(tokens.device)

    def network(self, denoiser: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        """Return a builder of the same network that is conditioned on states."""

        def of_states(shape: Any, condition: Condition | None, **settings: Any) -> nn.Module:
            return denoiser(shape=shape, condition=self.condition, **settings)

        return of_states
