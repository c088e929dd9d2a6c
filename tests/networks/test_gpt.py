"""The transformer over tokens: its size, that it is causal, and its cache."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from genbench.networks.gpt import GPT, Cache


def tiny(**settings: int) -> GPT:
    torch.manual_seed(0)
    return GPT(11, 7, 9, **{"width": 8, "layers": 2, "heads": 2, **settings})


# Of taming-transformers' configurations: faces, classes of ImageNet, COCO's scenes.
@pytest.mark.parametrize(
    ("count", "codes", "length", "width", "layers", "heads"),
    [
        (304_932_864, 1024, 512, 1024, 24, 16),
        (1_410_640_896, 16384, 256, 1536, 48, 24),
    ],
)
def test_it_is_as_large_as_the_authors(
    count: int, codes: int, length: int, width: int, layers: int, heads: int
) -> None:
    with torch.device("meta"):
        network = GPT(codes, codes, length, width=width, layers=layers, heads=heads)
    assert sum(each.numel() for each in network.parameters()) == count


def test_what_comes_next_does_not_change_what_came_before() -> None:
    network, tokens = tiny(), torch.randint(11, (3, 9), generator=torch.Generator().manual_seed(0))
    logits = network(tokens)
    assert logits.shape == (3, 9, 7)
    for cut in range(1, 9):
        changed = tokens.clone()
        changed[:, cut:] = 10 - changed[:, cut:]
        torch.testing.assert_close(network(changed)[:, :cut], logits[:, :cut])


@pytest.mark.parametrize("lengths", [[1] * 9, [4, 1, 1, 3], [9]])
def test_with_a_cache_the_logits_are_the_same(lengths: list[int]) -> None:
    network, tokens = tiny(), torch.randint(11, (3, 9), generator=torch.Generator().manual_seed(0))
    cache, found = Cache(), []
    for part in tokens.split(lengths, dim=1):
        found.append(network(part, cache))
    torch.testing.assert_close(torch.cat(found, dim=1), network(tokens))
    with pytest.raises(ValueError, match="at most 9 tokens, not 10"):
        network(tokens[:, :1], cache)


def test_untrained_it_knows_nothing() -> None:
    torch.manual_seed(0)
    network = GPT(512, 512, 64, width=64, layers=2, heads=4)
    tokens = torch.randint(512, (8, 65))
    loss = cross_entropy(network(tokens[:, :-1]).transpose(1, 2), tokens[:, 1:])
    assert loss.item() == pytest.approx(math.log(512), rel=0.01)


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="heads=3 must divide width=8"):
        tiny(heads=3)
    with pytest.raises(ValueError, match="layers must be at least 1, not 0"):
        tiny(layers=0)
