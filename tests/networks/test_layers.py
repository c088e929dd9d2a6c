"""Layer by layer the networks are those of their papers, here at small sizes."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from genbench.networks.autoencoder import Autoencoder
from genbench.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from genbench.networks.doubling_resnet import DoublingResNetCritic, DoublingResNetGenerator
from genbench.networks.mlp import MLPDiscriminator, MLPGenerator
from genbench.networks.patchgan import PatchGAN
from genbench.networks.resnet import ResNetCritic, ResNetGenerator
from genbench.networks.resnet_translation import ResNetTranslator
from genbench.networks.unet import UNet
from genbench.networks.unet_blocks import group_norm
from genbench.networks.unet_translation import UNetTranslator
from tests.kinds import classes


def words_of(module: nn.Module) -> str:
    """Return what a layer does: "conv 3>8 4/2 pad 1" has 4 x 4 kernels and a stride of 2."""
    match module:
        case nn.Conv2d() | nn.ConvTranspose2d():
            kind = "conv" if isinstance(module, nn.Conv2d) else "up"
            size = f"{module.kernel_size[0]}/{module.stride[0]} pad {module.padding[0]}"
            odd = "" if module.output_padding[0] == 0 else f"+{module.output_padding[0]}"
            bias = "" if module.bias is not None else ", no bias"
            return f"{kind} {module.in_channels}>{module.out_channels} {size}{odd}{bias}"
        case nn.Linear():
            return f"linear {module.in_features}>{module.out_features}" + (
                "" if module.bias is not None else ", no bias"
            )
        case nn.GroupNorm():
            return f"group norm {module.num_groups}/{module.num_channels} eps {module.eps}"
        case nn.BatchNorm2d():
            return f"batch norm {module.num_features}"
        case nn.InstanceNorm2d():
            return f"instance norm {module.num_features}"
        case nn.LeakyReLU():
            return f"leaky {module.negative_slope}"
        case nn.ReflectionPad2d():
            return f"reflect {module.padding[0]}"
        case nn.Dropout():
            return f"dropout {module.p}"
        case nn.Embedding():
            return f"embedding {module.num_embeddings}>{module.embedding_dim}"
        case nn.Unflatten():
            return f"to {'x'.join(map(str, module.unflattened_size))}"
        case nn.Flatten():
            return f"flat from {module.start_dim}"
    return type(module).__name__


def layers(network: nn.Module) -> Iterator[str]:
    """Yield the words of all layers that hold no others, in the order in which they are registered."""
    for module in network.modules():
        if not list(module.children()) and not isinstance(module, nn.Identity):
            yield words_of(module)


def test_dcgan() -> None:
    assert list(layers(DCGANGenerator(5, (3, 16, 16), width=4))) == [
        "to 5x1x1", "up 5>8 4/1 pad 0, no bias", "batch norm 8", "ReLU",
        "up 8>4 4/2 pad 1, no bias", "batch norm 4", "ReLU", "up 4>3 4/2 pad 1", "Tanh",
    ]  # fmt: skip
    assert list(layers(DCGANDiscriminator((3, 28, 28), width=4))) == [
        "conv 3>4 4/2 pad 1", "leaky 0.2", "conv 4>8 4/2 pad 1, no bias", "batch norm 8", "leaky 0.2",
        "conv 8>1 7/1 pad 0", "flat from 0",
    ]  # fmt: skip
    assert "conv 4>8 4/2 pad 1" in list(layers(DCGANDiscriminator((3, 28, 28), width=4, norm="none")))
    assert words_of(DCGANGenerator(5, (1, 8, 8)).to_image[0]) == "up 128>1 4/2 pad 1"
    assert words_of(DCGANDiscriminator((1, 8, 8)).features[0]) == "conv 1>128 4/2 pad 1"


def test_mlp() -> None:
    assert list(layers(MLPGenerator(5, (1, 2, 3), (7, 9)))) == [
        "linear 5>7", "ReLU", "linear 7>9", "ReLU", "linear 9>6", "Tanh", "to 1x2x3"
    ]  # fmt: skip
    assert list(layers(MLPDiscriminator((1, 2, 3), (7, 9)))) == [
        "flat from 1", "linear 6>7", "leaky 0.2", "linear 7>9", "leaky 0.2", "linear 9>1", "flat from 0"
    ]  # fmt: skip
    assert [words for words in layers(MLPGenerator(5, (1, 2, 3))) if "linear" in words] == [
        "linear 5>256", "linear 256>512", "linear 512>6"
    ]  # fmt: skip
    assert [words for words in layers(MLPDiscriminator((1, 2, 3))) if "linear" in words] == [
        "linear 6>512", "linear 512>256", "linear 256>1"
    ]  # fmt: skip


def test_patchgan() -> None:
    assert list(layers(PatchGAN((2, 48, 48), width=4, layers=4))) == [
        "conv 2>4 4/2 pad 1", "leaky 0.2",
        "conv 4>8 4/2 pad 1, no bias", "batch norm 8", "leaky 0.2",
        "conv 8>16 4/2 pad 1, no bias", "batch norm 16", "leaky 0.2",
        "conv 16>32 4/2 pad 1, no bias", "batch norm 32", "leaky 0.2",
        # Channels grow to eight times the first map's.
        "conv 32>32 4/1 pad 1, no bias", "batch norm 32", "leaky 0.2",
        "conv 32>1 4/1 pad 1",
    ]  # fmt: skip
    assert words_of(PatchGAN((2, 24, 24), width=4, norm="instance").blocks[2]) == "conv 4>8 4/2 pad 1"
    with pytest.raises(ValueError, match="3 strided layers takes at least 24 pixels, not 23"):
        PatchGAN((2, 23, 23))


def test_resnet_of_wgan_gp() -> None:
    block = ["batch norm 4", "ReLU", "conv 4>4 3/1 pad 1", "batch norm 4", "ReLU", "conv 4>4 3/1 pad 1"]
    assert list(layers(ResNetGenerator(5, (3, 16, 16), width=4))) == [
        "linear 5>64", "to 4x4x4", *2 * [*block, "conv 4>4 1/1 pad 0"], "batch norm 4", "ReLU", "conv 4>3 3/1 pad 1",
        "Tanh",
    ]  # fmt: skip
    block = ["ReLU", "conv 4>4 3/1 pad 1", "ReLU", "conv 4>4 3/1 pad 1"]
    end = [*2 * block, "ReLU", "AdaptiveAvgPool2d", "flat from 1", "linear 4>1", "flat from 0"]
    halving = [*block, "conv 4>4 1/1 pad 0"]
    assert list(layers(ResNetCritic((3, 32, 32), width=4))) == [
        "conv 3>4 3/1 pad 1", "conv 4>4 3/1 pad 1", "conv 3>4 1/1 pad 0", *halving, *end
    ]  # fmt: skip
    first = ["conv 3>4 3/1 pad 1"]
    assert list(layers(ResNetCritic((3, 32, 32), width=4, first_block="convolution"))) == [*first, *2 * halving, *end]
    # As the paper's critic for 32 pixels, one of 8 halves the side at least once.
    assert len(ResNetCritic((3, 8, 8), width=4).features) == len(ResNetCritic((3, 16, 16), width=4).features)
    for network in (ResNetGenerator(5, (3, 8, 8)), ResNetCritic((3, 8, 8))):
        assert {words_of(each)[:12] for each in network.modules() if isinstance(each, nn.Conv2d)} >= {"conv 128>128"}


def test_resnet_of_wgan_gp_for_64_pixels() -> None:
    def block(a: int, b: int, norm: str) -> list[str]:
        between = a if norm == "group norm" else b
        ends = [f"1/{a} eps 1e-05", f"1/{between} eps 1e-05"] if norm == "group norm" else [str(a), str(between)]
        return [
            f"{norm} {ends[0]}", "ReLU", f"conv {a}>{between} 3/1 pad 1, no bias",
            f"{norm} {ends[1]}", "ReLU", f"conv {between}>{b} 3/1 pad 1", f"conv {a}>{b} 1/1 pad 0",
        ]  # fmt: skip

    up = [line for a, b in ((32, 32), (32, 16), (16, 8), (8, 4)) for line in block(a, b, "batch norm")]
    down = [line for a, b in ((4, 8), (8, 16), (16, 32), (32, 32)) for line in block(a, b, "group norm")]
    assert list(layers(DoublingResNetGenerator(5, (3, 64, 64), width=4))) == [
        "linear 5>512", "to 32x4x4", *up, "batch norm 4", "ReLU", "conv 4>3 3/1 pad 1", "Tanh"
    ]  # fmt: skip
    assert list(layers(DoublingResNetCritic((3, 64, 64), width=4))) == [
        "conv 3>4 3/1 pad 1", *down, "flat from 1", "linear 512>1", "flat from 0"
    ]  # fmt: skip


def test_cyclegans_translator() -> None:
    def block(channels: int) -> list[str]:
        half = ["reflect 1", f"conv {channels}>{channels} 3/1 pad 0", f"instance norm {channels}"]
        return [*half, "ReLU", *half]

    assert list(layers(ResNetTranslator((3, 8, 8), (1, 8, 8), width=2, blocks=2))) == [
        "reflect 3", "conv 1>2 7/1 pad 0", "instance norm 2", "ReLU",
        "conv 2>4 3/2 pad 1", "instance norm 4", "ReLU", "conv 4>8 3/2 pad 1", "instance norm 8", "ReLU",
        *2 * block(8),
        "up 8>4 3/2 pad 1+1", "instance norm 4", "ReLU", "up 4>2 3/2 pad 1+1", "instance norm 2", "ReLU",
        "reflect 3", "conv 2>3 7/1 pad 0", "Tanh",
    ]  # fmt: skip
    biases = [
        words for words in layers(ResNetTranslator((3, 8, 8), width=2, blocks=1, norm="batch")) if "no bias" in words
    ]
    assert len(biases) == 1 + 2 + 2 + 2


def test_pix2pixs_translator() -> None:
    assert list(layers(UNetTranslator((3, 32, 32), (1, 32, 32), width=2))) == [
        "conv 1>2 4/2 pad 1, no bias",
        "leaky 0.2", "conv 2>4 4/2 pad 1, no bias", "batch norm 4",
        "leaky 0.2", "conv 4>8 4/2 pad 1, no bias", "batch norm 8",
        "leaky 0.2", "conv 8>16 4/2 pad 1, no bias", "batch norm 16",
        "leaky 0.2", "conv 16>16 4/2 pad 1, no bias",
        "ReLU", "up 16>16 4/2 pad 1, no bias", "batch norm 16",
        "ReLU", "up 32>8 4/2 pad 1, no bias", "batch norm 8",
        "ReLU", "up 16>4 4/2 pad 1, no bias", "batch norm 4",
        "ReLU", "up 8>2 4/2 pad 1, no bias", "batch norm 2",
        "ReLU", "up 4>3 4/2 pad 1", "Tanh",
    ]  # fmt: skip
    # At 256 pixels the three that make 512 channels, but for the innermost.
    assert [list(UNetTranslator((1, side, side), width=1).dropped) for side in (8, 32, 64, 128, 256)] == [
        [1], [1], [1], [1, 2], [1, 2, 3]
    ]  # fmt: skip


def test_autoencoder() -> None:
    network = Autoencoder((3, 16, 16), 5, classes(2), outputs=2, width=4)
    assert list(layers(network)) == [
        "conv 5>4 3/1 pad 1", "SiLU",
        "conv 4>8 4/2 pad 1", "group norm 4/8 eps 1e-05", "SiLU",
        "conv 8>16 4/2 pad 1", "group norm 8/16 eps 1e-05", "SiLU", "flat from 1", "linear 256>10",
        "linear 7>256", "SiLU", "to 16x4x4",
        "up 16>8 4/2 pad 1", "group norm 4/8 eps 1e-05", "SiLU",
        "up 8>4 4/2 pad 1", "group norm 2/4 eps 1e-05", "SiLU", "conv 4>6 3/1 pad 1",
    ]  # fmt: skip
    x, y = torch.randn(3, 3, 16, 16), torch.tensor([0, 1, 0])
    mean, log_variance = network.encode(x, y)
    assert mean.shape == log_variance.shape == (3, 5)
    assert network(x, y).equal(network.decode(mean, y))
    other = 1 - y
    assert not network.encode(x, other)[0].equal(mean)
    assert not network.decode(mean, other).equal(network.decode(mean, y))
    # The last class need not be there.
    assert network(x, torch.zeros(3)).shape == (3, 6, 16, 16)
    with pytest.raises(ValueError, match="condition is missing"):
        network.encode(x)
    for shape in ((1, 7, 7), (1, 6, 6), (1, 8, 16)):
        with pytest.raises(ValueError, match=f"not {shape[1]} x {shape[2]}"):
            Autoencoder(shape, 5)
    assert Autoencoder((1, 8, 8), 5)(torch.randn(2, 1, 8, 8)).shape == (2, 1, 8, 8)
    assert words_of(Autoencoder((1, 8, 8), 5).to_latent[0]) == "conv 1>32 3/1 pad 1"


def test_unet() -> None:
    def norm(channels: int) -> str:
        return f"group norm {channels // 2}/{channels} eps 1e-06"

    def block(channels_in: int, channels: int) -> list[str]:
        shortcut = [] if channels_in == channels else [f"conv {channels_in}>{channels} 1/1 pad 0"]
        return [
            norm(channels_in), "SiLU", f"conv {channels_in}>{channels} 3/1 pad 1", "SiLU", f"linear 16>{channels}",
            norm(channels), "SiLU", "dropout 0.3", f"conv {channels}>{channels} 3/1 pad 1", *shortcut,
        ]  # fmt: skip

    def attention(channels: int) -> list[str]:
        return [norm(channels), f"conv {channels}>{3 * channels} 1/1 pad 0", f"conv {channels}>{channels} 1/1 pad 0"]

    network = UNet((1, 8, 8), classes(3), outputs=2, width=4, multipliers=(1, 2), blocks=1, attention=(4,), dropout=0.3)
    assert list(layers(network)) == [
        "Sinusoids", "linear 4>16", "SiLU", "linear 16>16", "embedding 4>16", "conv 1>4 3/1 pad 1",
        *block(4, 4), "conv 4>4 3/2 pad 0", *block(4, 8), *attention(8),
        *block(8, 8), *attention(8), *block(8, 8),
        # Upwards with what was kept of the way down: 8 of the last, then 4 of each.
        *block(16, 8), *attention(8), *block(12, 8), *attention(8), "conv 8>8 3/1 pad 1",
        *block(12, 4), *block(8, 4),
        norm(4), "SiLU", "conv 4>2 3/1 pad 1",
    ]  # fmt: skip
    adaptive = UNet((1, 8, 8), width=4, multipliers=(1,), blocks=1, attention=(), latent_dim=3, adaptive=True)
    assert list(layers(adaptive))[4:10] == ["RMSNorm", "linear 3>16", "SiLU", "linear 16>16", "SiLU", "linear 16>16"]
    assert "linear 16>8" in list(layers(adaptive))
    assert "dropout 0.1" in list(layers(adaptive))


def test_groups_are_of_two_channels_at_least_and_as_many_as_divide() -> None:
    assert [group_norm(channels).num_groups for channels in (1, 2, 3, 4, 6, 10, 48, 64, 128, 96)] == [
        1, 1, 1, 2, 3, 5, 24, 32, 32, 32
    ]  # fmt: skip
