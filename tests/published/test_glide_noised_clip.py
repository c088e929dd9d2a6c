"""GLIDE's published CLIP of noisy images: its two files become a run, whose embeddings are those of its formulas."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, gelu, layer_norm

from genbench.commands.import_weights import fill
from genbench.commands.published_files import find_source
from genbench.errors import UserError
from genbench.published.source import Published
from genbench.text.clip_bpe import END, START
from tests.published.building import built

WIDTH, HEADS, LAYERS, OUT = 128, 2, 2, 16
SIDE, PATCH, STEPS, LENGTH, VOCABULARY = 8, 4, 10, 12, 50_000
MEAN = torch.tensor([122.77093945, 116.74601272, 104.09373519]).view(3, 1, 1)
STD = torch.tensor([68.50053285, 66.63215831, 70.32316309]).view(3, 1, 1)


def files() -> dict[str, dict[str, Tensor]]:
    """Return random weights of both towers by the authors' names."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return 0.3 * torch.randn(*shape, generator=generator) / (shape[-1] ** 0.5 if len(shape) > 1 else 1)

    def tower(places: int) -> dict[str, Tensor]:
        found = {"blocks.input.w_pos": draw(places, WIDTH), "blocks.output.f.w": draw(OUT, WIDTH)}
        norms = ["blocks.output.ln"]
        for block in (f"blocks.block_{number}" for number in range(LAYERS)):
            norms += [f"{block}.f_attn.ln", f"{block}.f_mlp.ln"]
            found |= {f"{block}.f_attn.f_{each}.w": draw(WIDTH, WIDTH) for each in "qkvc"}
            found |= {f"{block}.f_attn.f_{each}.b": draw(WIDTH) for each in "qvc"}
            found |= {f"{block}.f_mlp.f_1.w": draw(4 * WIDTH, WIDTH), f"{block}.f_mlp.f_1.b": draw(4 * WIDTH)}
            found |= {f"{block}.f_mlp.f_2.w": draw(WIDTH, 4 * WIDTH), f"{block}.f_mlp.f_2.b": draw(WIDTH)}
        for name in norms:
            found |= {f"{name}.g": 1 + draw(WIDTH), f"{name}.b": draw(WIDTH)}
        return found

    image = {"blocks.input.patch_proj": draw(WIDTH, 3, PATCH, PATCH), "blocks.input.w_t": draw(STEPS, WIDTH)}
    image |= {"blocks.input.ln.g": 1 + draw(WIDTH), "blocks.input.ln.b": draw(WIDTH)}
    text = {"blocks.input.w_voc": draw(VOCABULARY, WIDTH)}
    return {
        "clip_image_enc.pt": image | tower((SIDE // PATCH) ** 2 + 1),
        "clip_text_enc.pt": text | tower(LENGTH),
    }


def theirs(weights: dict[str, Tensor], x: Tensor, mask: Tensor, places: Tensor) -> Tensor:
    """Return the embeddings of tokens x (B, L, WIDTH), read at places (B,), by the authors' formulas."""

    def norm(name: str, x: Tensor) -> Tensor:
        return layer_norm(x, (WIDTH,), weights[f"{name}.g"], weights[f"{name}.b"])

    for block in (f"blocks.block_{number}" for number in range(LAYERS)):
        attention, mlp = (
            {key.removeprefix(f"{block}.{part}."): value for key, value in weights.items() if f"{block}.{part}." in key}
            for part in ("f_attn", "f_mlp")
        )
        h = norm(f"{block}.f_attn.ln", x)
        q, k, v = (h @ attention[f"f_{each}.w"].T + attention.get(f"f_{each}.b", 0) for each in "qkv")
        q, k, v = (each.unflatten(-1, (HEADS, -1)) for each in (q, k, v))
        logits = torch.einsum("bqhd,bkhd->bhqk", q, k) / math.sqrt(WIDTH / HEADS) + mask
        gathered = torch.einsum("bhqk,bkhd->bqhd", logits.softmax(-1), v).flatten(2)
        x = x + gathered @ attention["f_c.w"].T + attention["f_c.b"]
        h = gelu(norm(f"{block}.f_mlp.ln", x) @ mlp["f_1.w"].T + mlp["f_1.b"])
        x = x + h @ mlp["f_2.w"].T + mlp["f_2.b"]
    return norm("blocks.output.ln", x[torch.arange(len(x)), places]) @ weights["blocks.output.f.w"].T


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("glide_model_cache")
    for name, weights in files().items():
        torch.save(weights, place / name)
    # The authors' cache has their other models too.
    (place / "base.pt").write_bytes(b"not read")
    return place


@pytest.fixture(scope="module")
def published(folder: Path) -> Published:
    name, found = find_source(None, folder)
    assert name == "glide_noised_clip"
    return found


def test_embeddings_are_those_of_the_authors_formulas(published: Published) -> None:
    method: Any = built(published)
    fill(method, published, published.experiment)
    image, text = files().values()
    x, steps = torch.rand(3, 3, SIDE, SIDE) * 4 - 2, torch.tensor([0, 4, STEPS - 1])
    patches = conv2d(((x + 1) * 127.5 - MEAN) / STD, image["blocks.input.patch_proj"], stride=PATCH)
    tokens = torch.cat([image["blocks.input.w_t"][steps][:, None], patches.flatten(2).transpose(1, 2)], dim=1)
    tokens = layer_norm(
        tokens + image["blocks.input.w_pos"], (WIDTH,), image["blocks.input.ln.g"], image["blocks.input.ln.b"]
    )
    expected = theirs(image, tokens, torch.zeros(()), torch.zeros(3, dtype=torch.long))
    with torch.no_grad():
        # Their step i, from 0 on, is ours of time (i + 1) / T.
        torch.testing.assert_close(method.embed_noisy(x, (steps + 1) / STEPS), expected, atol=1e-5, rtol=1e-5)
    rows = torch.zeros(2, LENGTH, dtype=torch.long)
    rows[0, :4], rows[1, :2] = torch.tensor([START, 320, 2368, END]), torch.tensor([START, END])
    causal = torch.full((LENGTH, LENGTH), -1e10).triu(1)
    tokens = text["blocks.input.w_voc"][rows] + text["blocks.input.w_pos"]
    expected = theirs(text, tokens, causal, torch.tensor([3, 1]))
    with torch.no_grad():
        torch.testing.assert_close(method.embed_texts(rows), expected, atol=1e-5, rtol=1e-5)
    assert method.logit_scale == pytest.approx(100.0)


def test_either_file_finds_the_other(folder: Path, published: Published, tmp_path: Path) -> None:
    _, found = find_source(None, folder / "clip_text_enc.pt")
    assert found.settings == published.settings
    alone = tmp_path / "clip_image_enc.pt"
    alone.write_bytes((folder / alone.name).read_bytes())
    with pytest.raises(UserError, match=r"lacks clip_text_enc\.pt: a CLIP of GLIDE's is two files"):
        find_source("glide_noised_clip", alone)


def test_its_settings_are_those_of_the_shapes(published: Published) -> None:
    assert published.settings == {
        "data.size": SIDE,
        "data.length": LENGTH,
        "method.process.steps": STEPS,
        "network.image_tower.patch": PATCH,
        "network.image_tower.embedding_dim": OUT,
        "network.image_tower.width": WIDTH,
        "network.image_tower.layers": LAYERS,
        "network.image_tower.heads": HEADS,
        "network.text_tower.vocabulary": VOCABULARY,
        "network.text_tower.width": WIDTH,
        "network.text_tower.layers": LAYERS,
        "network.text_tower.heads": HEADS,
    }
