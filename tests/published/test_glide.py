"""GLIDE's files: their layouts are networks of ours, and theirs are the orders of heads and the number of padding."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.networks.unet_blocks import Given
from genbench.published.source import Archive
from genbench.published.sources import make, names
from tests.published.building import built, count, lively
from tests.published.layouts import filled, layer, openai

ATTENDS = [False, True, True, True]


def glide(
    channels: int = 3,
    width: int = 192,
    multipliers: Sequence[int] = (1, 2, 3, 4),
    blocks: int = 3,
    attends: Sequence[bool] = ATTENDS,
    text: tuple[int, int, int] = (512, 16, 128),
    device: str = "cpu",
) -> dict[str, Tensor]:
    """Return random weights of GLIDE's layout: a U-Net and a transformer of (width, layers, L)."""
    found = filled(openai(width, multipliers, blocks, attends, 6, resamples=True), device)
    found["input_blocks.0.0.weight"] = torch.randn(width, channels, 3, 3, device=device)
    across, layers, length = text

    def encoder() -> Any:
        for name in [name for name in found if name.endswith(".qkv.weight")]:
            wide = found[name].shape[1]
            yield from layer(name.replace(".qkv.weight", ".encoder_kv"), 2 * wide, across, 1)
        yield "positional_embedding", (length, across)
        yield "padding_embedding", (length, across)
        yield "token_embedding.weight", (50_257, across)
        for number in range(layers):
            block = f"transformer.resblocks.{number}"
            yield from layer(f"{block}.attn.c_qkv", 3 * across, across)
            yield from layer(f"{block}.attn.c_proj", across, across)
            yield from layer(f"{block}.ln_1", across)
            yield from layer(f"{block}.mlp.c_fc", 4 * across, across)
            yield from layer(f"{block}.mlp.c_proj", across, 4 * across)
            yield from layer(f"{block}.ln_2", across)
        yield from layer("final_ln", across)
        yield from layer("transformer_proj", 4 * width, across)

    return found | filled(encoder(), device)


SMALL: dict[str, Any] = {"width": 64, "blocks": 1, "attends": [False, False, False, True], "text": (128, 1, 6)}


def convert(content: dict[str, Tensor], path: str = "x.pt") -> Any:
    return make("glide").convert(Archive(Path(path), content))


@pytest.mark.parametrize(
    ("channels", "parameters", "experiment"), [(3, 385_030_726, "glide_64"), (7, 385_037_638, "glide_64_inpaint")]
)
def test_a_published_layout_is_a_network_of_ours(channels: int, parameters: int, experiment: str) -> None:
    content = glide(channels, device="meta")
    assert count(content) == parameters
    archive = Archive(Path("base.pt"), content)
    assert [one for one in names() if make(one).recognises(archive)] == ["glide"]
    published = make("glide").convert(archive)
    assert published.experiment == experiment
    method = built(published, device="meta")
    assert sum(p.numel() for p in method.denoiser.parameters()) == parameters
    assert method.inpainting == (channels == 7)
    assert (method.condition_dropout, method.guidance) == (0.2, 2.0 if channels == 3 else 4.0)


UPSAMPLER: dict[str, Any] = {"multipliers": (1, 1, 2, 2, 4, 4), "blocks": 2, "attends": [False] * 3 + [True] * 3}


@pytest.mark.parametrize(
    ("channels", "parameters", "experiment"), [(6, 398_361_286, "glide_256"), (10, 398_368_198, "glide_256_inpaint")]
)
def test_an_upsampler_is_a_network_of_ours(channels: int, parameters: int, experiment: str) -> None:
    content = glide(channels, device="meta", **UPSAMPLER)
    assert count(content) == parameters
    archive = Archive(Path("upsample.pt"), content)
    assert [one for one in names() if make(one).recognises(archive)] == ["glide"]
    published = make("glide").convert(archive)
    assert (published.experiment, published.settings["data.size"]) == (experiment, 256)
    method = built(published, device="meta")
    assert sum(p.numel() for p in method.denoiser.parameters()) == parameters
    assert (method.shrink.factor, method.augments, method.objective) == (4, False, "hybrid")
    assert method.inpainting == (channels == 10)


def test_keys_and_values_of_the_text_are_ordered_by_head() -> None:
    content = glide(**SMALL)
    # Of 1x1 convolutions the layout's weights are so large that one key alone would be attended to.
    for name in ("qkv", "encoder_kv", "proj_out"):
        content[f"middle_block.1.{name}.weight"] *= 0.05
    method = built(convert(content))
    block = method.denoiser.middle[1]
    x, states = torch.randn(2, 256, 2, 2), torch.randn(2, 6, 128)
    with torch.no_grad():
        normed = block.norm(x).flatten(2)

        def by_head(name: str, given: Tensor, kinds: int) -> Tensor:
            rows = content[f"middle_block.1.{name}.weight"][..., 0] @ given
            return (rows + content[f"middle_block.1.{name}.bias"][:, None]).view(2 * 4, kinds * 64, -1)

        q, k, v = by_head("qkv", normed, 3).split(64, dim=1)
        text_k, text_v = by_head("encoder_kv", states.transpose(1, 2), 2).split(64, dim=1)
        k, v = torch.cat([text_k, k], -1), torch.cat([text_v, v], -1)
        seen = (v @ (q.transpose(1, 2) @ k / 8).softmax(-1).transpose(1, 2)).view(2, 256, 4)
        out = content["middle_block.1.proj_out.weight"][..., 0] @ seen
        expected = x + (out + content["middle_block.1.proj_out.bias"][:, None]).view_as(x)
        given = Given(torch.zeros(2, 1), states, torch.ones(2, 6, dtype=torch.bool))
        torch.testing.assert_close(block(x, given), expected, atol=1e-4, rtol=1e-4)


def test_the_text_encoder_is_theirs() -> None:
    content = glide(**SMALL)
    method = built(convert(content))
    # The first two tokens are theirs number 4 and 50,255, one less than ours.
    rows = torch.tensor([[5, 50_256, 0, 0, 0, 0]])
    padding, places = content["padding_embedding"], content["positional_embedding"]
    x = torch.cat([content["token_embedding.weight"][[4, 50_255]] + places[:2], padding[2:]])[None]
    block = "transformer.resblocks.0"

    def linear(name: str, given: Tensor) -> Tensor:
        return given @ content[f"{name}.weight"].T + content[f"{name}.bias"]

    def norm(name: str, given: Tensor) -> Tensor:
        normed = torch.nn.functional.layer_norm(given, (128,))
        return normed * content[f"{name}.weight"] + content[f"{name}.bias"]

    qkv = linear(f"{block}.attn.c_qkv", norm(f"{block}.ln_1", x)).view(1, 6, 2, 192)
    q, k, v = (each.transpose(1, 2) for each in qkv.split(64, dim=-1))
    seen = (q @ k.transpose(-1, -2) / 8).softmax(-1) @ v
    x = x + linear(f"{block}.attn.c_proj", seen.transpose(1, 2).flatten(2))
    hidden = torch.nn.functional.gelu(linear(f"{block}.mlp.c_fc", norm(f"{block}.ln_2", x)))
    x = norm("final_ln", x + linear(f"{block}.mlp.c_proj", hidden))
    with torch.no_grad():
        encoded = method.denoiser.embed_condition(rows)
    torch.testing.assert_close(encoded.sequence, x, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(encoded.vector, linear("transformer_proj", x[:, -1]), atol=1e-4, rtol=1e-4)


def test_half_precision_becomes_single() -> None:
    content = {name: each.half() for name, each in glide(**SMALL).items()}
    weights = convert(content).weights["denoiser"]
    assert {each.dtype for each in weights.values()} == {torch.float32}


def test_damaged_files_are_refused() -> None:
    content = glide(**SMALL)
    with pytest.raises(UserError, match="49,408 tokens"):
        convert(content | {"token_embedding.weight": torch.zeros(49_408, 128)})
    with pytest.raises(UserError, match="takes 4 channels"):
        convert(glide(4, **SMALL))
    with pytest.raises(UserError, match="no learned variance"):
        convert(content | {"out.2.weight": torch.zeros(3, 64, 3, 3)})
    with pytest.raises(UserError, match="no counterpart"):
        convert(content | {"unemb.weight": torch.zeros(3, 3)})


def test_without_a_tokenizer_prompts_are_refused_with_the_remedy() -> None:
    published = convert(glide(**SMALL))
    assert "no tokenizer beside the file" in published.notes[0]
    condition = published.condition
    assert (condition.null(1) == 0).all()
    with pytest.raises(ValueError, match="beside the weights"):
        condition.parse("a cat")
    assert lively(built(published).denoiser)(torch.zeros(1, 3, 64, 64), torch.zeros(1), condition.null(1)).any()
