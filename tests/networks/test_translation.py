"""Networks of image translation: the papers' parameter counts, the receptive field, borders of what they take."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from genbench.networks.patchgan import PatchGAN
from genbench.networks.resnet_translation import ResNetTranslator
from genbench.networks.unet_translation import UNetTranslator


def millions(network: nn.Module) -> float:
    return round(sum(parameter.numel() for parameter in network.parameters()) / 1e6, 3)


def test_parameters_are_the_published_code_s() -> None:
    """As pytorch-CycleGAN-and-pix2pix prints them."""
    colour, pair = (3, 256, 256), (6, 256, 256)
    assert millions(UNetTranslator(colour)) == 54.414
    assert millions(PatchGAN(pair)) == 2.769
    assert millions(ResNetTranslator(colour)) == 11.378
    assert millions(PatchGAN(colour, norm="instance")) == 2.765


@pytest.mark.parametrize("make", [UNetTranslator, lambda shape: ResNetTranslator(shape, width=8, blocks=2)])
@pytest.mark.parametrize("side", [16, 32, 64])
def test_translations_have_the_targets_shape_and_range(make: type[nn.Module], side: int) -> None:
    images = make((1, side, side))(torch.randn(2, 1, side, side))
    assert images.shape == (2, 1, side, side)
    assert images.abs().max() <= 1


def test_a_patch_is_seventy_pixels_wide() -> None:
    network = PatchGAN((1, 256, 256), width=4, norm="instance").double()
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            # Its statistics see the whole map; the patch is a matter of the convolutions.
            module.forward = lambda x: x  # type: ignore[method-assign]
    images = torch.randn(1, 1, 256, 256, dtype=torch.float64, requires_grad=True)
    logits = network(images)
    assert logits.shape == (1, 1, 30, 30)
    logits[0, 0, 15, 15].backward()
    rows, columns = images.grad[0, 0].nonzero(as_tuple=True)  # type: ignore[index]
    assert int(rows.max() - rows.min()) + 1 == 70
    assert int(columns.max() - columns.min()) + 1 == 70


def test_dropout_is_the_generators_noise_also_in_evaluation_mode() -> None:
    network = UNetTranslator((1, 64, 64), width=8).eval()
    source = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        assert not torch.equal(network(source), network(source))
    still = UNetTranslator((1, 64, 64), width=8, dropout=0.0).eval()
    with torch.no_grad():
        assert torch.equal(still(source), still(source))


def test_sources_may_have_other_channels() -> None:
    for make in (UNetTranslator, ResNetTranslator):
        network = make((3, 16, 16), source_shape=(1, 16, 16), width=8)
        assert network(torch.randn(2, 1, 16, 16)).shape == (2, 3, 16, 16)


def test_sides_that_do_not_do() -> None:
    for make, side in [(UNetTranslator, 48), (UNetTranslator, 4), (ResNetTranslator, 30), (PatchGAN, 16)]:
        with pytest.raises(ValueError, match=str(side)):
            make((1, side, side))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "make",
    [
        lambda: ResNetTranslator((1, 8, 8), width=4, blocks=1),
        lambda: UNetTranslator((1, 16, 16), width=4, norm="instance"),
        lambda: PatchGAN((1, 16, 16), width=4, layers=1, norm="instance"),
    ],
)
def test_gradients_are_the_same_in_either_memory_format(make: Callable[[], nn.Module], count: int) -> None:
    """Also of a single image, as in the papers: there torch's InstanceNorm passes on wrong ones in channels-last."""
    torch.manual_seed(0)
    network = make().double().eval()
    images = torch.randn(count, 1, 16, 16, dtype=torch.float64)
    gradients = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        network.to(memory_format=memory_format).zero_grad()
        # The U-Net's dropout.
        torch.manual_seed(1)
        outputs = network(images)
        (outputs * torch.linspace(0, 1, outputs[0].numel()).view_as(outputs[0])).sum().backward()
        gradients.append([parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)
