"""Which places of a picture attend to which tokens, on average over calls, layers and heads.

Tang et al. 2022, "What the DAAM" (https://arxiv.org/abs/2210.04885, equation 5).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

from genbench.networks.spatial_transformer import CrossAttention
from genbench.networks.unet_blocks import Attention


class AttentionMaps:
    """Collects the attention of a network's maps to its sequence, at each call while `watching`.

    Args:
        network: whose layers are watched.
        side: (H, W) to which all maps are enlarged.

    Raises:
        ValueError: no layer attends to a sequence.
    """

    def __init__(self, network: nn.Module, side: tuple[int, int]) -> None:
        self._layers: list[Any] = [each for each in network.modules() if _attends_to_a_sequence(each)]
        if not self._layers:
            raise ValueError("this network attends to no text")
        self._side = side
        self._sum: Tensor | None = None
        self._count = 0

    def mean(self) -> Tensor:
        """Return the mean weight of each token at each place, float32 (B, L, H, W), in [0, 1] up to resampling.

        Raises:
            ValueError: the network was not called.
        """
        if self._sum is None:
            raise ValueError("there is no mean of no calls: call the network while it is watched")
        return self._sum / self._count

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Collect the weights of all layers that attend to a sequence, at each call of the network."""
        for layer in self._layers:
            layer.watch = self._add
        try:
            yield
        finally:
            for layer in self._layers:
                layer.watch = None

    def _add(self, weights: Tensor, side: tuple[int, int]) -> None:
        """Add one layer's weights (B, heads, H * W, L) of a map of side (H, W)."""
        maps = weights.detach().float().mean(1).transpose(1, 2).unflatten(2, side)
        # A bicubic filter undershoots.
        enlarged = interpolate(maps, self._side, mode="bicubic", align_corners=False).clamp_min(0)
        self._sum = enlarged if self._sum is None else self._sum + enlarged
        self._count += 1


def _attends_to_a_sequence(layer: nn.Module) -> bool:
    if isinstance(layer, CrossAttention):
        return layer.context is not None
    return isinstance(layer, Attention) and layer.from_sequence is not None
