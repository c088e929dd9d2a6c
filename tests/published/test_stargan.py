"""StarGAN's published models: the authors' names and counts lead to the networks of here, which compute the same."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genbench.conditions.attributes import Attributes
from genbench.conditions.classes import Classes
from genbench.conditions.target_domain import TargetDomain
from genbench.errors import UserError
from genbench.networks.stargan import StarGANDiscriminator, StarGANGenerator
from genbench.networks.stargan_v2 import (
    StarGANv2Discriminator,
    StarGANv2Generator,
    StarGANv2Mapping,
    StarGANv2StyleEncoder,
)
from genbench.published import sources
from genbench.published.source import Archive, Published
from genbench.randomness import Noise
from tests.published.building import built, count, lively


def converted(content: Any, source: str, path: str = "folder") -> Published:
    archive = Archive(Path(path), content)
    assert [name for name in sources.names() if sources.make(name).recognises(archive)] == [source]
    return sources.make(source).convert(archive)


def theirs(network: nn.Module, *rules: tuple[str, str]) -> dict[str, Tensor]:
    """Return the weights of a network of ours under the authors' names."""
    found = {}
    for name, tensor in network.state_dict().items():
        for pattern, replacement in rules:
            if re.fullmatch(pattern, name):
                found[re.sub(pattern, replacement, name)] = tensor
                break
        else:
            raise AssertionError(name)
    return found


def v1(side: int = 32, domains: int = 5, **widths: int) -> tuple[nn.Module, nn.Module, dict[str, dict[str, Tensor]]]:
    """Return a generator, a discriminator, and files of them."""
    shape, width = (3, side, side), widths.get("width", 4)
    generator = StarGANGenerator(shape, domains, width, blocks=widths.get("blocks", 2))
    discriminator = StarGANDiscriminator(shape, domains, width, layers=widths.get("layers", 3))
    g = theirs(
        generator, (r"layers\.(\d+)\.layers\.(\d+\.\w+)", r"main.\1.main.\2"), (r"layers\.(\d+\.\w+)", r"main.\1")
    )
    # InstanceNorm that keeps statistics, which nobody uses.
    for name in [name for name, tensor in g.items() if name.endswith("weight") and tensor.ndim == 1]:
        stem = name.removesuffix("weight")
        g |= {f"{stem}running_mean": torch.ones_like(g[name]), f"{stem}running_var": torch.ones_like(g[name])}
        g[f"{stem}num_batches_tracked"] = torch.tensor(7)
    d = theirs(
        discriminator,
        (r"blocks\.(\d+\.\w+)", r"main.\1"), (r"to_output\.(\w+)", r"conv1.\1"), (r"to_domain\.(\w+)", r"conv2.\1"),
    )  # fmt: skip
    return generator, discriminator, {"200000-G": g, "200000-D": d}


def test_stargan_has_the_published_size_and_both_networks_fit() -> None:
    with torch.device("meta"):
        _, _, files = v1(128, width=64, blocks=6, layers=6)
    published = converted(files, "stargan")
    assert published.experiment == "stargan_celeba"
    assert [count(published.weights[name]) for name in ("generator", "discriminator")] == [8_430_528, 44_762_048]
    assert not any("running" in name for name in published.weights["generator"])
    assert published.settings["data.attributes"] == ["Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young"]
    method = built(published, device="meta")
    assert method.medium.shape == (3, 128, 128)
    assert isinstance(method.condition.domains, Attributes)
    assert method.derives_condition


def test_stargan_translates_as_its_networks_do() -> None:
    generator, discriminator, files = v1()
    lively(generator), lively(discriminator)
    published = converted(files, "stargan")
    method = built(published)
    method.average.module.load_state_dict(published.weights["generator"])
    images, domains = torch.rand(2, 3, 32, 32) * 2 - 1, torch.tensor([[1.0, 0, 0, 1, 1], [0.0, 1, 0, 0, 1]])
    rows = method.condition.pack(domains, images)
    with torch.no_grad():
        torch.testing.assert_close(method.sample(2, rows, noise=Noise(0)), generator(images, domains))
        for found, expected in zip(method.discriminator(images), discriminator(images), strict=True):
            torch.testing.assert_close(found, expected)


def test_a_generator_alone_and_one_of_other_attributes() -> None:
    _, _, files = v1(domains=3)
    published = converted(files["200000-G"], "stargan", "200000-G.ckpt")
    assert published.weights.keys() == {"generator"}
    assert published.settings["data.size"] == 128
    assert any("attributes 0 to 2" in note for note in published.notes)
    assert any("not trained on" in note for note in published.notes)
    # Of CelebA and RaFD at once the generator also has a mask.
    two = {"200000-G": v1(domains=15)[2]["200000-G"], "200000-D": v1(domains=13)[2]["200000-D"]}
    with pytest.raises(UserError, match="two data sets at once"):
        converted(two, "stargan")


_BLOCK = (
    (r"\.convolution_(\d)", r".conv\1"), (r"\.norm_(\d)\.affine", r".norm\1.fc"), (r"\.norm_(\d)", r".norm\1"),
    (r"\.skip", ".conv1x1"),
)  # fmt: skip


def v2(side: int, domains: int, *, shortcuts: bool = True, **widths: int) -> tuple[dict[str, nn.Module], Any]:
    """Return the networks under our names, and the content of a file under the authors'."""
    shape, hidden = (3, side, side), widths.pop("hidden", 512)
    networks: dict[str, nn.Module] = {
        "generator": StarGANv2Generator(shape, 64, shortcuts=shortcuts, **widths),
        "mapping_network": StarGANv2Mapping(16, 64, domains, hidden),
        "style_encoder": StarGANv2StyleEncoder(shape, 64, domains, **widths),
        "discriminator": StarGANv2Discriminator(shape, domains, **widths),
    }
    first = {
        "generator": (("encoder", "encode"), ("decoder", "decode"), ("from_image", "from_rgb"), ("to_image", "to_rgb")),
        "mapping_network": (("heads", "unshared"),),
        "style_encoder": (("features", "shared"), ("heads", "unshared")),
        "discriminator": (("features", "main"), ("to_logits", f"main.{len(networks['discriminator'].features)}")),  # type: ignore[arg-type]
    }
    content: dict[str, dict[str, Tensor]] = {}
    for name, network in networks.items():
        content[name] = {}
        for ours, tensor in network.state_dict().items():
            head, _, rest = ours.partition(".")
            renamed = f".{rest}"
            for pattern, replacement in _BLOCK:
                renamed = re.sub(pattern, replacement, renamed)
            content[name][dict(first[name]).get(head, head) + renamed] = tensor
    if not shortcuts:
        content["generator"]["hpf.filter"] = torch.zeros(3, 3)
    return networks, content | {"fan": {"conv1.weight": torch.zeros(2)}}


@pytest.mark.parametrize(
    ("domains", "shortcuts", "counts"),
    [
        (3, True, (33_892_995, 3_259_072, 20_949_760, 20_852_803)),
        (2, False, (43_467_395, 2_438_272, 20_916_928, 20_852_290)),
    ],
    ids=["AFHQ", "CelebA-HQ"],
)
def test_stargan_v2_has_the_published_size_and_all_networks_fit(
    domains: int, shortcuts: bool, counts: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        _, content = v2(256, domains, shortcuts=shortcuts)
    published = converted(content, "stargan_v2")
    names = ("generator", "mapping", "style_encoder", "discriminator")
    assert tuple(count(published.weights[name]) for name in names) == counts
    method = built(published, device="meta")
    assert method.medium.shape == (3, 256, 256)
    assert isinstance(method.condition.domains, Classes)
    assert method.condition.domains.names == (["cat", "dog", "wild"] if shortcuts else ["female", "male"])
    assert any("landmarks" in note for note in published.notes) == (not shortcuts)


def test_stargan_v2_translates_as_its_networks_do() -> None:
    networks, content = v2(64, 3, most=32, hidden=16)
    for network in networks.values():
        lively(network)
    published = converted(content, "stargan_v2", "nets.ckpt")
    settings = {f"network.{name}.most": 32 for name in ("generator", "style_encoder", "discriminator")}
    method = built(Published(published.experiment, {**published.settings, **settings}, published.weights,
                             condition=published.condition))  # fmt: skip
    for name, average in (
        ("generator", method.average), ("mapping", method.average_mapping), ("style_encoder", method.average_encoder),
    ):  # fmt: skip
        average.module.load_state_dict(published.weights[name])
    images, domains = torch.rand(2, 3, 64, 64) * 2 - 1, torch.tensor([2, 0])
    rows = method.condition.pack(domains, images)
    with torch.no_grad():
        style = networks["mapping_network"](Noise(5).normal(2, 16), domains)
        expected = networks["generator"](images, style).clamp(-1, 1)
        torch.testing.assert_close(method.sample(2, rows, noise=Noise(5)), expected)
        found = method.discriminator(images, domains)
        torch.testing.assert_close(found, networks["discriminator"](images, domains))


def test_averaged_files_have_no_discriminator_and_what_does_not_fit_is_one_message() -> None:
    _, content = v2(32, 3, most=16, width=256, hidden=8)
    content.pop("discriminator")
    published = converted(content, "stargan_v2")
    assert "discriminator" not in published.weights
    assert any("not trained on" in note for note in published.notes)
    make = sources.make("stargan_v2")
    with pytest.raises(UserError, match=r"extra\.layer\.weight \(2,\) has no counterpart"):
        make.convert(
            Archive(Path("a"), {**content, "generator": content["generator"] | {"extra.layer.weight": torch.zeros(2)}})
        )
    content.pop("mapping_network")
    with pytest.raises(UserError, match="has no mapping_network"):
        make.convert(Archive(Path("a"), content))
    for source in ("stargan", "stargan_v2"):
        for other in ({}, {"epoch": 3}, {"weight": torch.zeros(2)}, [1], None):
            assert not sources.make(source).recognises(Archive(Path("a.ckpt"), other))
            with pytest.raises(UserError, match=r"a\.ckpt"):
                sources.make(source).convert(Archive(Path("a.ckpt"), other))
    _, _, files = v1()
    files["200000-G"]["extra.layer.weight"] = torch.zeros(2)
    with pytest.raises(UserError, match=r"extra\.layer\.weight \(2,\) has no counterpart"):
        sources.make("stargan").convert(Archive(Path("a"), files))


def test_conditions_of_both_are_kept_with_the_run() -> None:
    _, content = v2(32, 3, most=16, width=256, hidden=8)
    condition = converted(content, "stargan_v2").condition
    assert isinstance(condition, TargetDomain)
    assert TargetDomain.from_dict(condition.to_dict()).drawn
