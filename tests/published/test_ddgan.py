"""Generators of denoising diffusion GANs: their layout, filled with random numbers, becomes our generator.

Checked against the authors' generators on 2026-11-26, with equal random weights, after tanh: outputs differ by 1.3e-6
(CIFAR-10) and 2.0e-6 (LSUN and CelebA-HQ); their discriminators' outputs by 7e-7 and 1.2e-6.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published import sources
from genbench.published.source import Archive
from tests.published.building import built, count
from tests.published.ncsnpp_files import inside, linear, ncsnpp, parallel

FULL: dict[str, Any] = {"width": 128, "multipliers": (1, 2, 2, 2), "blocks": 2}
LARGE: dict[str, Any] = {"width": 64, "multipliers": (1, 1, 2, 2, 4, 4), "blocks": 2, "attended": 4}


def generator(layers: int = 4, latent: int = 256, **settings: Any) -> dict[str, Tensor]:
    """Return a state dictionary of `ncsnpp_generator_adagn.py`: an NCSN++ with a mapping network."""
    found = ncsnpp(**{"pyramid": "residual", "latent": latent} | settings)
    for index in range(layers + 1):
        found |= inside(f"z_transform.{2 * index + 1}", linear(latent if index else 100, latent))
    return found


@pytest.mark.parametrize(
    ("layout", "experiment", "parameters"),
    [(FULL, "ddgan_cifar10", 48_432_515), (LARGE | {"layers": 3}, "ddgan_lsun", 39_726_979)],
)
def test_published_generators_fit_their_experiments(layout: dict[str, Any], experiment: str, parameters: int) -> None:
    source = sources.make("ddgan")
    with torch.device("meta"):
        archive = Archive(Path("netG_1200.pth"), parallel(generator(**layout)))
        assert source.recognises(archive)
        assert not sources.make("score_sde").recognises(archive)
        published = source.convert(archive)
    assert published.experiment == experiment
    assert count(archive.content) == parameters
    method = built(published, device="meta")
    assert sum(p.numel() for p in method.generator.parameters()) == parameters
    # The step is fed as 0 ... 3.
    fed = method.process.network_time(torch.arange(1, 5) / 4)
    for network in (method.generator, method.discriminator):
        torch.testing.assert_close(network.time_scale * fed, torch.arange(4.0))


def test_a_latent_is_mapped_and_adapted_to_as_there() -> None:
    weights = generator(layers=2, latent=16)
    network = built(sources.make("ddgan").convert(Archive(Path("netG.pth"), weights))).generator
    z = torch.randn(3, 100)
    mapped = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for index in (1, 3, 5):
        mapped = torch.nn.functional.silu(
            mapped @ weights[f"z_transform.{index}.weight"].T + weights[f"z_transform.{index}.bias"]
        )
    torch.testing.assert_close(network.embed_latent(z), mapped, rtol=1e-4, atol=1e-5)
    x = torch.randn(3, 8, 4, 4)
    # The first half of a style scales, the second shifts.
    scale, shift = (
        mapped @ weights["all_modules.3.GroupNorm_0.style.weight"].T + weights["all_modules.3.GroupNorm_0.style.bias"]
    ).chunk(2, dim=1)
    normal = torch.nn.functional.group_norm(x, 2, eps=1e-6)
    expected = scale[:, :, None, None] * normal + shift[:, :, None, None]
    torch.testing.assert_close(network.down[0].blocks[0].block.first_norm(x, mapped), expected, rtol=1e-4, atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    source = sources.make("ddgan")
    assert not source.recognises(Archive(Path("netG.pth"), ncsnpp()))
    assert not source.recognises(Archive(Path("netG.pth"), None))
    with pytest.raises(UserError, match="64 pixels"):
        source.convert(Archive(Path("netG.pth"), generator(multipliers=(1, 1, 2), attended=2)))
    with pytest.raises(UserError, match="no counterpart"):
        source.convert(Archive(Path("netG.pth"), generator() | {"style.weight": torch.ones(3)}))
