"""Checkpoints of score_sde_pytorch: their layout, filled with random numbers, becomes our NCSN++ and DDPM++.

Checked against the authors' networks on 2026-11-26, with equal random weights: outputs of unit scale differ by 5e-6
(DDPM++ cont.), 6e-6 (NCSN++ cont.), 4e-6 (NCSN++ on CelebA) and, a quarter as wide at 256 pixels, 2.5e-5 (NCSN++ with
both pyramids), where the phases of the random Fourier features round differently.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published import sources
from genbench.published.source import Archive, Published
from tests.published.building import built, composed, count
from tests.published.ncsnpp_files import ncsnpp, parallel

FULL: dict[str, Any] = {"width": 128, "multipliers": (1, 2, 2, 2), "blocks": 4}
LSUN: dict[str, Any] = {
    "width": 8, "multipliers": (1, 1, 2, 2, 2, 2, 2), "blocks": 2, "attended": 4, "pyramid": "sum", "sums": True,
    "fourier": True,
}  # fmt: skip


def archive(weights: dict[str, Tensor], path: str = "vp/cifar10_ddpmpp_continuous/checkpoint_8.pth") -> Archive:
    """Return a checkpoint whose average is twice its weights, with the buffer and the frequencies as they are there."""
    averaged = [2 * tensor for name, tensor in weights.items() if not name.endswith(".W") or "NIN" in name]
    sigmas = torch.linspace(math.log(90), math.log(0.01), 500, dtype=torch.float64, device="cpu").exp()
    model = parallel({"sigmas": sigmas, **weights})
    content = {"optimizer": {}, "model": model, "ema": {"decay": 0.999, "shadow_params": averaged}, "step": 80}
    return Archive(Path(path), content)


def convert(weights: dict[str, Tensor], path: str = "checkpoint_8.pth") -> Published:
    source, found = sources.make("score_sde"), archive(weights, path)
    assert source.recognises(found)
    return source.convert(found)


@pytest.mark.parametrize(
    ("layout", "path", "experiment", "network_time", "parameters"),
    [
        ({}, "vp/a.pth", "score_sde_cifar10", "t", 61_804_419),
        ({"pyramid": "residual", "fourier": True}, "a.pth", "score_sde_ve_cifar10", "log_sigma", 62_758_787),
        ({"pyramid": "residual"}, "ve/a.pth", "score_sde_ve_cifar10", "t", 62_693_251),
        ({"pyramid": "residual", "attended": 2}, "ve/a.pth", "score_sde_celeba", "t", 62_693_251),
    ],
)
def test_published_networks_fit_their_experiments(
    layout: dict[str, Any], path: str, experiment: str, network_time: str, parameters: int
) -> None:
    with torch.device("meta"):
        weights = ncsnpp(**FULL | layout)
        published = convert(weights, path)
    frequencies = 128 if layout.get("fourier") else 0
    assert count(weights) == parameters + frequencies
    method = built(published, device="meta")
    assert (published.experiment, published.step) == (experiment, 80)
    assert sum(p.numel() for p in method.denoiser.parameters()) == parameters
    assert method.network_time == network_time
    # Discrete levels, known by their number, where there are no random features of sigma; how many, the file says.
    assert method.levels == (500 if "ve/" in path else None)
    if experiment != "score_sde_cifar10":
        # There they are of images in [0, 1].
        assert (method.process.sigma_max, method.process.sigma_min) == (180, 0.02)


def test_a_network_with_both_pyramids_fits_lsun() -> None:
    published = convert(ncsnpp(**LSUN))
    assert published.experiment == "score_sde_lsun"
    network = built(published).denoiser
    assert network(torch.randn(1, 3, 256, 256), torch.zeros(1)).shape == (1, 3, 256, 256)


def test_sub_vp_is_known_by_its_folder() -> None:
    config = composed(convert(ncsnpp(multipliers=(1, 2)), "subvp/cifar10_ddpmpp_continuous/checkpoint_8.pth"))
    assert config.method.process._target_.endswith("SubVariancePreserving")
    assert config.method.input_scale == "none"


def test_tensors_find_their_place_and_averages_theirs() -> None:
    weights = ncsnpp(pyramid="residual", fourier=True)
    published = convert(weights, "ve/a.pth")
    own, averaged = published.weights["denoiser"], published.averages["denoiser"]
    # Fourier features, two linear layers, the first convolution, a block at 32, the one that halves, the pyramid,
    # then a block at 16 and its attention.
    expected = {
        "embed_time.1.weight": "1.weight",
        "from_image.weight": "3.weight",
        "down.0.blocks.0.block.first_norm.weight": "4.GroupNorm_0.weight",
        "down.0.blocks.0.block.from_embedding.bias": "4.Dense_0.bias",
        "down.1.halving.shortcut.weight": "5.Conv_2.weight",
        "down.1.pyramid.convolution.weight": "6.Conv2d_0.weight",
        "down.1.blocks.0.block.second.weight": "7.Conv_1.weight",
        "middle.0.block.first.weight": "9.Conv_0.weight",
    }
    for ours, theirs in expected.items():
        torch.testing.assert_close(own[ours], weights[f"all_modules.{theirs}"])
        torch.testing.assert_close(averaged[ours], 2 * weights[f"all_modules.{theirs}"])
    torch.testing.assert_close(own["embed_time.0.frequencies"], weights["all_modules.0.W"] * 2 * torch.pi)
    # Frequencies are not trained: the average repeats them, and doesn't double them.
    torch.testing.assert_close(averaged["embed_time.0.frequencies"], own["embed_time.0.frequencies"])
    # There a vector is multiplied by a matrix from the left.
    q, k, v = own["down.1.blocks.0.attention.to_qkv.weight"][:, :, 0, 0].chunk(3)
    for index, part in enumerate((q, k, v)):
        torch.testing.assert_close(part, weights[f"all_modules.8.NIN_{index}.W"].T)
    # A variance exploding network predicts the negative of the noise.
    last = max((name for name in weights), key=lambda name: int(name.split(".")[1])).split(".")[1]
    torch.testing.assert_close(own["up.1.to_image.2.weight"], -weights[f"all_modules.{last}.weight"])
    vp = convert(weights_vp := ncsnpp(), "vp/a.pth").weights["denoiser"]
    last = max((name for name in weights_vp), key=lambda name: int(name.split(".")[1])).split(".")[1]
    torch.testing.assert_close(vp["up.1.to_image.2.weight"], weights_vp[f"all_modules.{last}.weight"])


def test_attention_is_the_authors_formula() -> None:
    weights = ncsnpp()
    network = built(convert(weights)).denoiser
    h = torch.randn(2, 16, 4, 4)
    part = {name.removeprefix("all_modules.6."): tensor for name, tensor in weights.items() if ".6." in name}
    normal = torch.nn.functional.group_norm(h, 4, part["GroupNorm_0.weight"], part["GroupNorm_0.bias"], eps=1e-6)
    places = normal.flatten(2).transpose(1, 2)
    q, k, v = (places @ part[f"NIN_{index}.W"] + part[f"NIN_{index}.b"] for index in range(3))
    seen = (q @ k.transpose(1, 2) / 16**0.5).softmax(2) @ v @ part["NIN_3.W"] + part["NIN_3.b"]
    expected = (h + seen.transpose(1, 2).view_as(h)) / 2**0.5
    torch.testing.assert_close(network.down[1].blocks[0].attention(h), expected, rtol=1e-4, atol=1e-5)


def test_what_is_not_whole_is_refused() -> None:
    source = sources.make("score_sde")
    assert not source.recognises(Archive(Path("a.pth"), {"model": {}}))
    assert not source.recognises(Archive(Path("a.pth"), [1, 2]))
    whole = ncsnpp()
    cut = {name: tensor for name, tensor in whole.items() if int(name.split(".")[1]) < 7}
    with pytest.raises(UserError, match="not whole"):
        source.convert(archive(cut))
    cut = {name: tensor for name, tensor in whole.items() if int(name.split(".")[1]) < 13}
    with pytest.raises(UserError, match=r"all_modules\.13 should be the"):
        source.convert(archive(cut))
    more = whole | {f"all_modules.99.{part}": torch.ones(3) for part in ("weight", "bias")}
    assert source.convert(archive(whole)).weights.keys() == {"denoiser"}
    with pytest.raises(UserError, match=r"all_modules\.99 is one layer too many"):
        source.convert(archive(more))
    short = archive(whole)
    short.content["ema"]["shadow_params"].pop()
    with pytest.raises(UserError, match="average has"):
        source.convert(short)
    with pytest.raises(UserError, match="128 pixels"):
        source.convert(archive(ncsnpp(multipliers=(1, 1, 2, 2), attended=3)))
