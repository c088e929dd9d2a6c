"""OpenAI's files: their published layouts fit our networks, and their order of heads and of time features is ours."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.networks.unet_blocks import Given
from genbench.published.source import Archive
from genbench.published.sources import make, names
from tests.published.building import built, count
from tests.published.layouts import filled, openai

BLIND, LOW = [False, False, False, False], [False, True, True, False]
IMAGENET_64 = ((1, 2, 3, 4), 3, [False, True, True, True])
AT_256 = (1, 1, 2, 2, 4, 4)
UPSAMPLER: dict[str, Any] = {
    "width": 192,
    "multipliers": AT_256,
    "blocks": 2,
    "outputs": 6,
    "resamples": True,
    "classes": 1000,
    "channels_in": 6,
}

FILES: dict[str, tuple[str, dict[str, Any], int, str, int]] = {
    "cifar10_uncond_50M_500K.pt": (
        "improved_diffusion",
        {"width": 128, "multipliers": (1, 2, 2, 2), "blocks": 3, "attends": LOW, "outputs": 6},
        52_546_438,
        "improved_ddpm_cifar10",
        32,
    ),
    "imagenet64_uncond_100M_1500K.pt": (
        "improved_diffusion",
        {"width": 128, "multipliers": (1, 2, 3, 4), "blocks": 3, "attends": [False, False, True, True], "outputs": 6},
        121_063_942,
        "improved_ddpm_imagenet64",
        64,
    ),
    "lsun_uncond_100M_1200K_bs128.pt": (
        "improved_diffusion",
        {
            "width": 128,
            "multipliers": AT_256,
            "blocks": 2,
            "attends": [False] * 4 + [True, False],
            "outputs": 6,
            "adaptive": False,
        },
        113_676_678,
        "improved_ddpm_lsun",
        256,
    ),
    "lsun_bedroom.pt": (
        "guided_diffusion",
        {
            "width": 256,
            "multipliers": AT_256,
            "blocks": 2,
            "attends": [False] * 3 + [True] * 3,
            "outputs": 6,
            "resamples": True,
        },
        552_814_086,
        "adm_lsun",
        256,
    ),
    "64x64_diffusion.pt": (
        "guided_diffusion",
        {
            "width": 192,
            "multipliers": (1, 2, 3, 4),
            "blocks": 3,
            "attends": [False, True, True, True],
            "outputs": 6,
            "resamples": True,
            "classes": 1000,
        },
        295_904_454,
        "adm_imagenet64",
        64,
    ),
    "512x512_diffusion.pt": (
        "guided_diffusion",
        {
            "width": 256,
            "multipliers": (0.5, 1, 1, 2, 2, 4, 4),
            "blocks": 2,
            "attends": [False] * 4 + [True] * 3,
            "outputs": 6,
            "resamples": True,
            "classes": 1000,
        },
        558_997_638,
        "adm_imagenet64",
        512,
    ),
    "64_256_upsampler.pt": (
        "guided_diffusion",
        UPSAMPLER | {"attends": [False] * 3 + [True] * 3},
        311_795_910,
        "adm_upsampler_imagenet256",
        256,
    ),
    "128_512_upsampler.pt": (
        "guided_diffusion",
        UPSAMPLER | {"attends": [False] * 4 + [True] * 2},
        308_835_270,
        "adm_upsampler_imagenet256",
        512,
    ),
    "64x64_classifier.pt": (
        "guided_diffusion",
        {
            "width": 128,
            "multipliers": (1, 2, 3, 4),
            "blocks": 4,
            "attends": [False, True, True, True],
            "outputs": None,
            "resamples": True,
            "classifies": 1000,
            "side": 8,
        },
        65_438_568,
        "noisy_classifier_imagenet64",
        64,
    ),
}
"""The published files: source, layout, number of weights, experiment, side in pixels."""


@pytest.mark.parametrize("name", FILES)
def test_a_published_layout_is_a_network_of_ours(name: str) -> None:
    kind, layout, parameters, experiment, side = FILES[name]
    content = filled(openai(**layout), "meta")
    assert count(content) == parameters
    archive = Archive(Path(name), content)
    recognised = [one for one in names() if make(one).recognises(archive)]
    assert recognised == [kind]
    published = make(kind).convert(archive)
    assert (published.experiment, published.settings["data.size"]) == (experiment, side)
    assert (published.condition is not None) == bool(layout.get("classes") or layout.get("classifies"))
    # Loading is strict: all names and shapes are ours.
    method = built(published, device="meta")
    (network,) = published.weights
    ours = sum(parameter.numel() for parameter in method.get_submodule(network).parameters())
    # A class-conditional network of ours has a row for no class too.
    assert ours - parameters == (4 * layout["width"] if layout.get("classes") else 0)


def small(**changes: Any) -> dict[str, Any]:
    return {"width": 32, "multipliers": (1, 2, 2, 2), "blocks": 1, "attends": LOW, "outputs": 6} | changes


def test_q_k_and_v_are_ordered_by_head() -> None:
    content = filled(openai(**small()))
    method = built(make("improved_diffusion").convert(Archive(Path("x"), content)))
    layer = method.denoiser.middle[1]
    assert layer.heads == 4
    x = torch.randn(2, 64, 3, 3)
    with torch.no_grad():
        there = torch.einsum("oc,bcl->bol", content["middle_block.1.qkv.weight"][..., 0], layer.norm(x).flatten(2))
        there = there + content["middle_block.1.qkv.bias"][:, None]
        seen = []
        # Each head has its 16 rows of q, then of k, then of v.
        for head in there.chunk(4, dim=1):
            q, k, v = head.chunk(3, dim=1)
            seen.append(v @ (q.transpose(1, 2) @ k / 4).softmax(2).transpose(1, 2))
        projected = torch.einsum("oc,bcl->bol", content["middle_block.1.proj_out.weight"][..., 0], torch.cat(seen, 1))
        expected = x + (projected + content["middle_block.1.proj_out.bias"][:, None]).view_as(x)
        torch.testing.assert_close(layer(x, Given(torch.zeros(2, 1))), expected)


def test_at_64_pixels_guided_diffusion_orders_them_as_ours() -> None:
    layout = small(multipliers=(1, 2, 3, 4), attends=[False, False, False, True], width=64, resamples=True)
    content = filled(openai(**layout))
    published = make("guided_diffusion").convert(Archive(Path("x"), content))
    for name in ("weight", "bias"):
        theirs = content[f"middle_block.1.qkv.{name}"].flatten()
        assert published.weights["denoiser"][f"middle.1.to_qkv.{name}"].flatten().equal(theirs)


@pytest.mark.parametrize(("classes", "scale"), [(0, 1000), (5, 4000)])
def test_time_is_given_as_cosines_before_sines(classes: int, scale: int) -> None:
    content = filled(openai(**small(classes=classes)))
    published = make("improved_diffusion").convert(Archive(Path("x"), content))
    if classes:
        # Four levels of another network, whose chain is not rescaled to 1,000.
        published = make("improved_diffusion").convert(
            Archive(Path("x"), filled(openai(**small(classes=classes, multipliers=(1, 2, 3, 4)))))
        )
        content = filled(openai(**small(classes=classes, multipliers=(1, 2, 3, 4))))
    method = built(published)
    assert method.process.steps == 4000
    for index in (0, 1, 3999):
        angles = [index * scale / 4000 * 10_000 ** (-place / 16) for place in range(16)]
        features = torch.tensor([math.cos(angle) for angle in angles] + [math.sin(angle) for angle in angles])
        expected = content["time_embed.0.weight"] @ features + content["time_embed.0.bias"]
        with torch.no_grad():
            given = method.process.network_time(torch.tensor([(index + 1) / 4000]))
            found = method.denoiser.embed_time[:2](given)[0]
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-4)


def test_no_class_adds_nothing_to_the_time() -> None:
    content = filled(openai(**small(classes=5, multipliers=(1, 2, 3, 4), width=64, resamples=True)))
    method = built(make("guided_diffusion").convert(Archive(Path("x"), content)))
    embeddings: Tensor = method.denoiser.embed_condition.embedding.weight
    assert embeddings[:5].equal(content["label_emb.weight"])
    assert not embeddings[5].any()
    assert method.condition.names == ["0", "1", "2", "3", "4"]
    assert method.condition_dropout == 0


@pytest.mark.parametrize(
    ("source", "layout", "message"),
    [
        ("improved_diffusion", small(multipliers=(1, 2, 4, 8)), r"multipliers=\[1, 2, 4, 8\]"),
        ("improved_diffusion", small(outputs=3), "no learned variance"),
        ("guided_diffusion", small(resamples=True), r"multipliers=\[1, 2, 2, 2\]"),
    ],
)
def test_other_networks_are_refused(source: str, layout: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(source).convert(Archive(Path("x"), filled(openai(**layout), "meta")))


def test_an_upsampler_and_a_file_that_is_cut_short_are_refused() -> None:
    content = filled(openai(**small()), "meta")
    with pytest.raises(UserError, match="takes 6 channels"):
        make("improved_diffusion").convert(
            Archive(Path("x"), content | {"input_blocks.0.0.weight": torch.empty(32, 6, 3, 3, device="meta")})
        )
    with pytest.raises(UserError, match=r"cut short|has no counterpart"):
        make("improved_diffusion").convert(
            Archive(Path("x"), {name: tensor for name, tensor in content.items() if "output_blocks.7" not in name})
        )
    assert not make("improved_diffusion").recognises(Archive(Path("x"), [content]))
    assert not make("guided_diffusion").recognises(Archive(Path("x"), {"a": torch.zeros(1)}))
