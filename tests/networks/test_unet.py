"""The U-Net against the published count, and what it depends on."""

import pytest
import torch

from genbench.networks.unet import UNet
from tests.kinds import classes

SMALL = {"width": 8, "multipliers": (1, 2), "blocks": 1, "attention": (4,), "dropout": 0.0}


def awake(network: torch.nn.Module) -> torch.nn.Module:
    """Draw all weights anew: at first the network is zero by design."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network


def test_parameters_are_ddpms_for_cifar10() -> None:
    assert sum(p.numel() for p in UNet((3, 32, 32)).parameters()) == 35_746_307


@pytest.mark.parametrize(("side", "outputs", "time"), [(8, 1, "sinusoids"), (16, 2, "fourier")])
def test_predictions_have_the_images_shape(side: int, outputs: int, time: str) -> None:
    network = UNet((3, side, side), outputs=outputs, time=time, **SMALL)  # type: ignore[arg-type]
    x_t = torch.randn(2, 3, side, side)
    assert network(x_t, torch.rand(2)).shape == (2, 3 * outputs, side, side)
    assert not network(x_t, torch.rand(2)).any()


def test_every_parameter_matters_and_time_and_class_do() -> None:
    network = awake(UNet((1, 8, 8), classes(3), **SMALL))  # type: ignore[arg-type]
    x_t, t, y = torch.randn(4, 1, 8, 8), torch.tensor([0.1, 0.1, 0.9, 0.1]), torch.tensor([0, 0, 0, 2])
    x_t = x_t[:1].expand(4, -1, -1, -1)
    out = network(x_t, t, y)
    torch.testing.assert_close(out[0], out[1])
    assert not torch.allclose(out[0], out[2], atol=1e-3)
    assert not torch.allclose(out[0], out[3], atol=1e-3)
    # No class is a class of its own.
    torch.testing.assert_close(network(x_t, t), network(x_t, t, torch.full((4,), 3)))
    network(torch.randn(8, 1, 8, 8), torch.rand(8), torch.arange(8) % 4).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_sides_and_heads_that_do_not_do() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        UNet((3, 28, 28))
    with pytest.raises(ValueError, match="heads=3"):
        UNet((3, 32, 32), heads=3)
    with pytest.raises(ValueError, match="sinusoids, sinusoids_openai, fourier"):
        UNet((3, 32, 32), time="clock")  # type: ignore[arg-type]


def test_patches_become_channels_and_further_channels_reach_every_pixel() -> None:
    network = awake(UNet((3, 8, 8), patch=2, extra_channels=2, **SMALL))  # type: ignore[arg-type]
    assert network.from_image.in_channels == 4 * (3 + 2)  # type: ignore[union-attr]
    x_t, t, extra = torch.randn(2, 3, 8, 8), torch.rand(2), torch.randn(2, 2, 8, 8, requires_grad=True)
    out = network(x_t, t, extra=extra)
    assert out.shape == x_t.shape
    out.square().sum().backward()
    assert extra.grad is not None
    assert extra.grad.abs().amin() > 0
    with pytest.raises(ValueError, match="patch=3"):
        UNet((3, 8, 8), patch=3, **SMALL)  # type: ignore[arg-type]


def test_a_patch_of_one_is_none() -> None:
    torch.manual_seed(0)
    one = UNet((3, 8, 8), **SMALL)  # type: ignore[arg-type]
    torch.manual_seed(0)
    other = UNet((3, 8, 8), patch=1, **SMALL)  # type: ignore[arg-type]
    assert {name: p.shape for name, p in one.named_parameters()} == {n: p.shape for n, p in other.named_parameters()}
    awake(one)
    other.load_state_dict(one.state_dict())
    x_t, t = torch.randn(1, 3, 8, 8), torch.rand(1)
    assert torch.equal(one(x_t, t), other(x_t, t))
