"""Published GANs: the official names and shapes, filled with random numbers, compute here what they compute there."""

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d, instance_norm, leaky_relu

from genbench.commands.assembly import build
from genbench.conditions.source_images import SourceImages
from genbench.config import check
from genbench.errors import UserError
from genbench.published import sources
from genbench.published.source import Archive, Published
from genbench.randomness import Noise

Shapes = Iterator[tuple[str, tuple[int, ...]]]

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def norm(name: str, channels: int) -> Shapes:
    yield from ((f"{name}.{each}", (channels,)) for each in ("weight", "bias", "running_mean", "running_var"))
    yield f"{name}.num_batches_tracked", ()


def statistics(name: str, channels: int) -> Shapes:
    """What InstanceNorm kept in files of before 2019."""
    yield from ((f"{name}.{each}", (channels,)) for each in ("running_mean", "running_var"))
    yield f"{name}.num_batches_tracked", ()


def conv(name: str, out: int, inn: int, side: int, bias: int = 0) -> Shapes:
    yield f"{name}.weight", (out, inn, side, side)
    if bias:
        yield f"{name}.bias", (bias,)


def unet(levels: int, ngf: int, channels: int = 3) -> Shapes:
    widths = [ngf * min(2**level, 8) for level in range(levels)]
    yield from conv("model.model.0", ngf, channels, 4)
    prefix = "model.model.1.model."
    for outer, inner in pairwise(widths[:-1]):
        yield from conv(f"{prefix}1", inner, outer, 4)
        yield from norm(f"{prefix}2", inner)
        yield from conv(f"{prefix}5", 2 * inner, outer, 4)
        yield from norm(f"{prefix}6", outer)
        prefix += "3.model."
    yield from conv(f"{prefix}1", widths[-1], widths[-2], 4)
    yield from conv(f"{prefix}3", widths[-1], widths[-2], 4)
    yield from norm(f"{prefix}4", widths[-2])
    yield from conv("model.model.3", 2 * ngf, channels, 4, bias=channels)


def patchgan(channels: int, ndf: int, batch: bool) -> Shapes:
    yield from conv("model.0", ndf, channels, 4, bias=ndf)
    for index, (a, b) in zip((2, 5, 8), ((1, 2), (2, 4), (4, 8)), strict=True):
        yield from conv(f"model.{index}", ndf * b, ndf * a, 4, bias=0 if batch else ndf * b)
        yield from (norm if batch else statistics)(f"model.{index + 1}", ndf * b)
    yield from conv("model.11", 1, 8 * ndf, 4, bias=1)


def resnet(ngf: int, blocks: int) -> Shapes:
    yield from conv("model.1", ngf, 3, 7, bias=ngf)
    yield from statistics("model.2", ngf)
    for index, width in ((4, ngf), (7, 2 * ngf)):
        yield from conv(f"model.{index}", 2 * width, width, 3, bias=2 * width)
        yield from statistics(f"model.{index + 1}", 2 * width)
    for block in range(10, 10 + blocks):
        for index in (1, 5):
            yield from conv(f"model.{block}.conv_block.{index}", 4 * ngf, 4 * ngf, 3, bias=4 * ngf)
            yield from statistics(f"model.{block}.conv_block.{index + 1}", 4 * ngf)
    for index, width in ((10 + blocks, 4 * ngf), (13 + blocks, 2 * ngf)):
        yield from conv(f"model.{index}", width, width // 2, 3, bias=width // 2)
        yield from statistics(f"model.{index + 1}", width // 2)
    yield from conv(f"model.{17 + blocks}", 3, ngf, 7, bias=3)


def mimicry(ngf: int) -> Shapes:
    yield from (("l1.weight", (16 * ngf, 128)), ("l1.bias", (16 * ngf,)))
    for block in ("block2", "block3", "block4"):
        yield from conv(f"{block}.c1", ngf, ngf, 3, bias=ngf)
        yield from conv(f"{block}.c2", ngf, ngf, 3, bias=ngf)
        yield from (*norm(f"{block}.b1", ngf), *norm(f"{block}.b2", ngf))
        yield from conv(f"{block}.c_sc", ngf, ngf, 1, bias=ngf)
    yield from norm("b5", ngf)
    yield from conv("c5", 3, ngf, 3, bias=3)


def dcgan(player: str, width: int, latent_dim: int = 100, channels: int = 3) -> nn.Sequential:
    """The networks of PyTorch's examples, whose parameters are called main.0.weight and so on."""
    layers: list[nn.Module]
    if player == "G":
        layers = [nn.ConvTranspose2d(latent_dim, 8 * width, 4, bias=False), nn.BatchNorm2d(8 * width), nn.ReLU()]
        for factor in (4, 2, 1):
            layers += [nn.ConvTranspose2d(2 * factor * width, factor * width, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(factor * width), nn.ReLU()]
        layers += [nn.ConvTranspose2d(width, channels, 4, 2, 1, bias=False), nn.Tanh()]
    else:
        layers = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2)]
        for factor in (2, 4, 8):
            layers += [nn.Conv2d(factor * width // 2, factor * width, 4, 2, 1, bias=False)]
            layers += [nn.BatchNorm2d(factor * width), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(8 * width, 1, 4, bias=False), nn.Sigmoid()]
    return nn.Sequential(*layers)


def main_of(network: nn.Sequential) -> dict[str, Tensor]:
    return {f"main.{name}": tensor for name, tensor in network.state_dict().items()}


def filled(shapes: Shapes) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.tensor(3) if name.endswith("tracked") else torch.rand(shape, generator=generator) - 0.4
        for name, shape in shapes
    }


def empty(shapes: Shapes) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes}


def parameters(weights: dict[str, Tensor]) -> int:
    return sum(tensor.numel() for name, tensor in weights.items() if not name.endswith(_BUFFERS))


def convert(source: str, content: Any, path: str = "folder") -> Published:
    archive = Archive(Path(path), content)
    known = ("pix2pix", "cyclegan", "dcgan", "wgan_gp")
    assert [name for name in known if sources.make(name).recognises(archive)] == [source]
    return sources.make(source).convert(archive)


def method_of(published: Published, size: int | None = None) -> Any:
    """Build the experiment's method, on the device of the weights, and load them strictly."""
    settings = dict(published.settings) | ({} if size is None else {"data.size": size})
    words = [f"{key}={value}" for key, value in settings.items()]
    config = check("train", [f"experiment={published.experiment}", *words])
    shape = (config.data.get("channels", 3), config.data.size, config.data.size)
    translates = "folder" in published.experiment
    with next(iter(published.weights["generator"].values())).device:
        facts = {"image_shape": shape} | ({"condition": SourceImages(shape)} if translates else {})
        method: Any = build(config.method, "method", **facts)
    for path, weights in published.weights.items():
        method.get_submodule(path).load_state_dict(weights, assign=True)
    return method.eval()


def unet_of(weights: dict[str, Tensor], x: Tensor, prefix: str, dropped: tuple[str, ...]) -> Tensor:
    """What a module of the U-Net returns; the leaky ReLU is in place, so the skip connection is behind it."""

    def normalised(hidden: Tensor, name: str) -> Tensor:
        scale, shift = (weights[f"{name}.{each}"] for each in ("weight", "bias"))
        return batch_norm(hidden, None, None, scale, shift, training=True)

    x = leaky_relu(x, 0.2)
    hidden = conv2d(x, weights[f"{prefix}1.weight"], stride=2, padding=1)
    up = "5" if f"{prefix}5.weight" in weights else "3"
    if up == "5":
        hidden = unet_of(weights, normalised(hidden, f"{prefix}2"), f"{prefix}3.model.", dropped)
    hidden = conv_transpose2d(hidden.relu(), weights[f"{prefix}{up}.weight"], stride=2, padding=1)
    hidden = normalised(hidden, f"{prefix}{int(up) + 1}")
    return torch.cat([x, hidden * (2 if prefix in dropped else 1)], dim=1)


def test_pix2pix_has_the_published_size_and_both_networks_fit() -> None:
    files = {"latest_net_G": empty(unet(8, 64)), "latest_net_D": empty(patchgan(6, 64, batch=True))}
    assert [parameters(each) for each in files.values()] == [54_413_955, 2_768_705]
    published = convert("pix2pix", files)
    assert published.experiment == "pix2pix_folder"
    method = method_of(published)
    assert method.medium.shape == (3, 256, 256)
    assert method.generator.dropped == range(1, 4)
    assert sum(each.numel() for each in method.generator.parameters()) == 54_413_955


def test_pix2pix_translates_as_there() -> None:
    """Of 128 pixels, where two layers have dropout: here all features are kept, so they are doubled."""
    weights = filled(unet(7, 2))
    method = method_of(convert("pix2pix", weights, "latest_net_G.pth"))
    x = torch.randn(1, 3, 128, 128)
    level = "model.model.1.model."
    dropped = tuple(level + "3.model." * depth for depth in (3, 4))
    hidden = conv2d(x, weights["model.model.0.weight"], stride=2, padding=1)
    hidden = unet_of(weights, hidden, level, dropped).relu()
    expected = conv_transpose2d(hidden, weights["model.model.3.weight"], weights["model.model.3.bias"], 2, 1).tanh()
    with torch.no_grad():
        found = method.generator(x, lambda *shape: torch.ones(shape))
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_cyclegan_has_the_published_size_and_all_networks_fit() -> None:
    files = {
        **{f"latest_net_{name}": empty(resnet(64, 9)) for name in ("G_A", "G_B")},
        **{f"latest_net_{name}": empty(patchgan(3, 64, batch=False)) for name in ("D_A", "D_B")},
    }
    assert [parameters(each) for each in files.values()] == [11_378_179] * 2 + [2_764_737] * 2
    published = convert("cyclegan", files)
    assert published.experiment == "cyclegan_folder"
    # G_A translates to the domain of our images, and D_A looks at what it makes.
    assert published.weights["generator"]["forth.layers.1.weight"] is files["latest_net_G_A"]["model.1.weight"]
    assert published.weights["discriminator"]["y.to_logits.weight"] is files["latest_net_D_A"]["model.11.weight"]
    assert published.weights["discriminator"]["x.blocks.0.weight"] is files["latest_net_D_B"]["model.0.weight"]
    method_of(published)


def test_one_direction_of_cyclegan_translates_as_there() -> None:
    weights = filled(resnet(2, 3))
    published = convert("cyclegan", {f"module.{name}": tensor for name, tensor in weights.items()}, "latest_net_G.pth")
    assert published.experiment == "translator_folder"
    method = method_of(published, size=32)
    method.average.module.load_state_dict(published.weights["generator"])
    x = torch.randn(1, 3, 32, 32)

    def layer(hidden: Tensor, name: str, pad: int = 0, **settings: Any) -> Tensor:
        hidden = nn.ReflectionPad2d(pad)(hidden)
        transposed = "output_padding" in settings
        function: Callable[..., Tensor] = conv_transpose2d if transposed else conv2d
        return instance_norm(function(hidden, weights[f"{name}.weight"], weights[f"{name}.bias"], **settings))

    hidden = layer(x, "model.1", pad=3).relu()
    for index in (4, 7):
        hidden = layer(hidden, f"model.{index}", stride=2, padding=1).relu()
    for index in (10, 11, 12):
        name = f"model.{index}.conv_block"
        hidden = hidden + layer(layer(hidden, f"{name}.1", pad=1).relu(), f"{name}.5", pad=1)
    for index in (13, 16):
        hidden = layer(hidden, f"model.{index}", stride=2, padding=1, output_padding=1).relu()
    last = conv2d(nn.ReflectionPad2d(3)(hidden), weights["model.20.weight"], weights["model.20.bias"]).tanh()
    torch.testing.assert_close(method.sample(1, x, noise=Noise(0)), last, atol=1e-5, rtol=1e-5)


def test_dcgan_computes_what_pytorchs_example_does() -> None:
    torch.manual_seed(0)
    generator, discriminator = dcgan("G", 4, latent_dim=7), dcgan("D", 2)
    z, x = torch.randn(5, 7, 1, 1), torch.randn(5, 3, 64, 64)
    # Running statistics of their own.
    generator(z), discriminator(x)
    content = {"netG_epoch_24": main_of(generator), "netD_epoch_24": main_of(discriminator)}
    method = method_of(convert("dcgan", content))
    assert method.latent_dim == 7
    with torch.no_grad():
        torch.testing.assert_close(method.generator(z.flatten(1)), generator.eval()(z))
        found = method.discriminator(x).sigmoid()
        torch.testing.assert_close(found, discriminator.eval()(x).flatten())
    with torch.device("meta"):
        whole = [main_of(dcgan(player, 64)) for player in "GD"]
    assert [parameters(each) for each in whole] == [3_576_704, 2_765_568]
    # A generator alone leaves the discriminator as it begins; of a folder the newest is taken.
    assert convert("dcgan", whole[0], "netG_epoch_3.pth").weights.keys() == {"generator"}


def test_of_a_folder_the_newest_files_are_read() -> None:
    for epoch in (3, 24, 9):
        torch.save({"main.0.weight": torch.full((1,), float(epoch))}, f"netG_epoch_{epoch}.pth")
    Path("other.pth").write_text("nothing of this kind")
    content = sources.make("dcgan").read(Path()).content
    assert {name: each["main.0.weight"].item() for name, each in content.items()} == {"netG_epoch_24": 24}
    for name in ("100_net_G", "latest_net_G", "latest_net_D"):
        torch.save({"model.0.weight": torch.zeros(1)}, f"{name}.pth")
    assert sources.make("pix2pix").read(Path()).content.keys() == {"latest_net_G", "latest_net_D"}
    Path("empty").mkdir()
    for name in ("pix2pix", "cyclegan", "dcgan"):
        with pytest.raises(UserError, match=r"empty has no \.pth file"):
            sources.make(name).read(Path("empty"))


def test_mimicrys_wgan_gp_has_the_published_size_and_fits() -> None:
    weights = empty(mimicry(256))
    assert parameters(weights) == 4_276_739
    published = convert("wgan_gp", {"model_state_dict": weights, "global_step": 100_000})
    assert (published.experiment, published.step) == ("wgan_gp_cifar10", 500_000)
    method = method_of(published)
    assert {block.upsampling for block in method.generator.blocks} == {"bilinear"}
    blocks = published.weights["generator"]
    assert blocks["blocks.2.shortcut.bias"] is weights["block4.c_sc.bias"]
    assert blocks["blocks.0.between.0.running_var"] is weights["block2.b2.running_var"]
    other = dict(weights) | {"block3.c1.weight": torch.empty(8, 256, 3, 3, device="meta")}
    with pytest.raises(UserError, match="for another size"):
        sources.make("wgan_gp").convert(Archive(Path("netG.pth"), other))


@pytest.mark.parametrize(
    ("source", "shapes"),
    [("pix2pix", unet(7, 2)), ("cyclegan", resnet(2, 2)), ("dcgan", None), ("wgan_gp", mimicry(4))],
)
def test_what_does_not_fit_is_one_message(source: str, shapes: Shapes | None) -> None:
    weights = main_of(dcgan("G", 2)) if shapes is None else filled(shapes)
    make = sources.make(source)
    with pytest.raises(UserError, match=re.escape("extra.layer.weight (2,) has no counterpart")):
        make.convert(Archive(Path("netG.pth"), weights | {"extra.layer.weight": torch.zeros(2)}))
    for content in ({}, {"epoch": 3}, {0: torch.zeros(2)}, {"weight": torch.zeros(2)}, [1, 2], None):
        assert not make.recognises(Archive(Path("netG.pth"), content))
        with pytest.raises(UserError, match=r"netG\.pth"):
            make.convert(Archive(Path("netG.pth"), content))
    if source in ("pix2pix", "cyclegan"):
        with pytest.raises(UserError, match="generators"):
            make.convert(Archive(Path("folder"), {"latest_net_G": weights, "latest_net_G_B": weights}))
        last = max(name for name in weights if name.endswith("bias") and weights[name].shape == (3,))
        changed = weights | {last.replace("bias", "weight"): torch.zeros(1, 1, 1, 1)}
        with pytest.raises(UserError, match="channels to 1"):
            make.convert(Archive(Path("netG.pth"), changed))
