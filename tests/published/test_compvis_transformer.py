"""VQGAN's transformers in taming-transformers' layout: the same logits by its formulas, written anew."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, linear

from genbench.errors import UserError
from genbench.networks.gpt import GPT
from genbench.published.source import Archive
from genbench.published.sources import make, names

CODES, WIDTH = 20, 64


def layout(layers: int, length: int = 512, codes: int = CODES) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return 0.3 * torch.randn(*shape, generator=generator)

    found = {"tok_emb.weight": draw(codes, WIDTH), "pos_emb": draw(1, length, WIDTH), "head.weight": draw(codes, WIDTH)}
    for number in range(layers):
        for name in ("key", "query", "value", "proj"):
            found |= {
                f"blocks.{number}.attn.{name}.weight": draw(WIDTH, WIDTH),
                f"blocks.{number}.attn.{name}.bias": draw(WIDTH),
            }
        found |= {f"blocks.{number}.attn.mask": torch.ones(1, 1, length, length)} if length < 600 else {}
        for name, shape in (("mlp.0", (4 * WIDTH, WIDTH)), ("mlp.2", (WIDTH, 4 * WIDTH))):
            found |= {f"blocks.{number}.{name}.weight": draw(*shape), f"blocks.{number}.{name}.bias": draw(shape[0])}
        for name in ("ln1", "ln2"):
            found |= {f"blocks.{number}.{name}.weight": draw(WIDTH), f"blocks.{number}.{name}.bias": draw(WIDTH)}
    found |= {"ln_f.weight": draw(WIDTH), "ln_f.bias": draw(WIDTH)}
    return {f"transformer.{name}": each for name, each in found.items()}


def theirs(weights: dict[str, Tensor], tokens: Tensor, layers: int) -> Tensor:
    """Return logits by the formulas, of one head."""

    def at(name: str) -> Tensor:
        return weights[f"transformer.{name}"]

    def layer(name: str, x: Tensor) -> Tensor:
        return linear(x, at(f"{name}.weight"), at(f"{name}.bias"))

    def norm(name: str, x: Tensor) -> Tensor:
        return layer_norm(x, (WIDTH,), at(f"{name}.weight"), at(f"{name}.bias"))

    count = tokens.shape[1]
    x = at("tok_emb.weight")[tokens] + at("pos_emb")[:, :count]
    for number in range(layers):
        h = norm(f"blocks.{number}.ln1", x)
        q, k, v = (layer(f"blocks.{number}.attn.{name}", h) for name in ("query", "key", "value"))
        scores = (q @ k.transpose(1, 2)) / WIDTH**0.5
        scores = scores.masked_fill(torch.ones(count, count).triu(1).bool(), -torch.inf)
        x = x + layer(f"blocks.{number}.attn.proj", scores.softmax(-1) @ v)
        h = layer(f"blocks.{number}.mlp.0", norm(f"blocks.{number}.ln2", x))
        x = x + layer(f"blocks.{number}.mlp.2", gelu(h))
    return norm("ln_f", x) @ at("head.weight").T


def archive_of(weights: dict[str, Tensor]) -> Archive:
    return Archive(Path("net2net.ckpt"), {"state_dict": weights | {"first_stage_model.quantize.x": torch.zeros(1)}}, {})


@pytest.mark.parametrize("classes", [0, 1000])
def test_logits_are_theirs(classes: int) -> None:
    layers, codes = (48, 1200) if classes else (2, CODES)
    weights = layout(layers, 256 if classes else 512, codes)
    archive = archive_of(weights)
    assert [one for one in names() if make(one).recognises(archive)] == ["compvis_transformer"]
    published = make("compvis_transformer").convert(archive)
    settings = {key.rpartition(".")[2]: value for key, value in published.settings.items() if "transformer." in key}
    network = GPT(codes + (classes + 1 if classes else 1), codes, 257, **settings).eval()
    network.load_state_dict(published.weights["transformer"])
    first = 7 if classes else 0
    sequence = torch.tensor([[first, 3, 19, 0, 4]])
    expected = theirs(weights, sequence, layers)
    ours = sequence.clone()
    ours[:, 0] += codes
    torch.testing.assert_close(network(ours), expected, atol=1e-3, rtol=1e-3)


def test_a_transformer_of_shorter_sequences_is_refused() -> None:
    with pytest.raises(UserError, match="has room for 100 tokens"):
        make("compvis_transformer").convert(archive_of(layout(1, 100)))


def test_published_models_have_the_published_sizes() -> None:
    any_settings: dict[str, Any] = {"width": 1024, "layers": 24, "heads": 16}
    with torch.device("meta"):
        network = GPT(1024, 1024, 512, **any_settings)
    # 256 positions fewer, and a row for what begins an image.
    with torch.device("meta"):
        ours = GPT(1025, 1024, 257, **any_settings)
    difference = sum(each.numel() for each in network.parameters()) - sum(each.numel() for each in ours.parameters())
    assert difference == (512 - 257 - 1) * 1024
