"""Where CLIP's towers see what matters."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from genbench.networks.clip_resnet import CLIPResNet
from genbench.networks.clip_small_resnet import SmallResNet
from genbench.networks.clip_transformer import Attention
from genbench.networks.clip_vit import VisionTransformer
from genbench.networks.relevance import relevance_of_maps
from tests.methods.contrastive.test_clip import clip

TOWERS: dict[str, Any] = {
    "vit": lambda: VisionTransformer(16, embedding_dim=6, width=8, layers=2, heads=2, patch=4),
    "small_resnet": lambda: SmallResNet(16, embedding_dim=6, width=8, levels=2),
    "resnet": lambda: CLIPResNet(32, embedding_dim=6, width=8, layers=[1, 1, 1, 1]),
}


@pytest.mark.parametrize("kind", TOWERS)
def test_relevance_is_of_each_image_and_leaves_no_trace(kind: str) -> None:
    torch.manual_seed(0)
    tower = TOWERS[kind]().eval().requires_grad_(False)
    x = torch.randn(3, 3, tower.side, tower.side)
    before = tower(x)
    relevance = tower.relevance(x, lambda embedded: embedded[:, 0])
    assert relevance.shape[0] == 3
    assert relevance.ndim == 3
    assert float(relevance.min()) >= 0
    assert not relevance.requires_grad
    # That of an image does not depend on the others.
    torch.testing.assert_close(tower.relevance(x[1:2], lambda embedded: embedded[:, 0])[0], relevance[1])
    torch.testing.assert_close(tower(x), before)
    # A score that depends on nothing makes nothing relevant.
    assert float(tower.relevance(x, lambda embedded: 0 * embedded[:, 0]).max()) == 0
    places = tower.places(x)
    assert places.ndim == 3
    assert places.shape[0] == 3


def test_watched_attention_is_the_attention() -> None:
    torch.manual_seed(0)
    attention = Attention(8, 2, causal=False)
    x = torch.randn(2, 5, 8)
    out, weights = attention.watched(x)
    torch.testing.assert_close(out, attention(x))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 5))
    with pytest.raises(ValueError, match="causal"):
        Attention(8, 2, causal=True).watched(x)


def test_the_relevance_of_maps_in_closed_form() -> None:
    # The embedding is the mean of each channel, so the gradient of channel 0 is 1 / places everywhere.
    maps = torch.randn(2, 3, 4, 4)
    relevance = relevance_of_maps(maps, lambda each: each.mean((2, 3)), lambda embedded: embedded[:, 0])
    torch.testing.assert_close(relevance, (maps[:, 0] / 16).clamp_min(0))


class Bright(nn.Module):
    """A tower that sees brightness, by what is relevant for a text."""

    def places(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).transpose(1, 2)

    def relevance(self, x: torch.Tensor, score: Any) -> torch.Tensor:
        return relevance_of_maps(x, lambda maps: maps.mean((2, 3)), score)


def test_a_clip_scales_relevance_from_0_to_1() -> None:
    method = clip().eval()
    method.average.module.image = Bright()  # type: ignore[union-attr]
    x = torch.zeros(1, 3, 8, 8)
    x[:, :, 2:4, 2:4] = 1
    texts = normalize(torch.ones(1, 3), dim=1)
    # The embedding is along the text already: nothing could bring it nearer.
    assert float(method.relevance(x, texts).max()) <= 1
    red = torch.zeros(1, 3, 8, 8)
    red[:, 0, 2:4, 2:4] = 1
    relevance = method.relevance(red, torch.tensor([[1.0, 0.0, 0.0]]))
    assert relevance.shape == (1, 8, 8)
    assert relevance.dtype == torch.float32
    assert float(relevance.min()) == 0
