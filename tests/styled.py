"""A stand-in for generators that draw images of styles."""

from collections.abc import Sequence

from genbench.medium import Images


class Styled:
    """Says what such a generator is, and draws nothing."""

    condition = None
    latent_dim = style_dim = 4
    layers = 6

    def __init__(self, shape: Sequence[int]) -> None:
        self.medium = Images(shape)
