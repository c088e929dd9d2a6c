"""StyleGAN2's published layouts, filled with random numbers, become our networks with the same outputs.

Checked on 2026-11-27 against the authors' code on a CPU, by pickles and checkpoints that it wrote with random weights:
generators, of outputs with a deviation of 4 to 10, differ by 4e-5 at most (StyleGAN2-ADA, with and without classes,
truncated and not; rosinality by 6e-5), discriminators, of 0.02 to 0.4, by 1.3e-6. Augmentations of StyleGAN2-ADA's
pipeline, at equal draws, differ by 4e-6, but for what `warping` says of its filter.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import conv2d, leaky_relu, pad

from genbench.errors import UserError
from genbench.published import sources
from genbench.published.source import Archive, Published
from tests.kinds import classes
from tests.published.building import built

SIDES = (4, 8, 16)
CHANNELS = {4: 8, 8: 8, 16: 4}


def rand(*shape: int) -> Tensor:
    return torch.randn(shape)


def styled(given: int, made: int, side: int, kernel: int = 3) -> dict[str, Tensor]:
    """Return the tensors of a SynthesisLayer, or of a ToRGBLayer if its kernel is 1."""
    found = {
        "weight": rand(made, given, kernel, kernel), "bias": rand(made),
        "affine.weight": rand(given, 6), "affine.bias": 1 + rand(given),
    }  # fmt: skip
    if kernel == 3:
        found |= {"noise_strength": rand(), "noise_const": rand(side, side), "resample_filter": torch.tensor(FILTER)}
    return found


FILTER = [[x * y / 64 for x in (1, 3, 3, 1)] for y in (1, 3, 3, 1)]


def inside(place: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{place}.{name}": tensor for name, tensor in tensors.items()}


def mapping(given: int, made: int, labels: int, layers: int) -> dict[str, Tensor]:
    widths = [given + (made if labels else 0), *[made] * layers]
    found = {}
    for index in range(layers):
        found |= inside(f"fc{index}", {"weight": 100 * rand(made, widths[index]), "bias": rand(made)})
    return found | (inside("embed", {"weight": rand(made, labels), "bias": rand(made)}) if labels else {})


def generator(labels: int = 0) -> dict[str, Tensor]:
    """Return a state dictionary of StyleGAN2-ADA's Generator of 16 pixels, with 5 numbers of z and 6 of w."""
    found = inside("mapping", mapping(5, 6, labels, 2) | {"w_avg": rand(6)})
    for side in SIDES:
        place, given, made = f"synthesis.b{side}", CHANNELS[max(4, side // 2)], CHANNELS[side]
        if side == 4:
            found[f"{place}.const"] = rand(made, 4, 4)
        else:
            found |= inside(f"{place}.conv0", styled(given, made, side))
            found[f"{place}.resample_filter"] = torch.tensor(FILTER)
        found |= inside(f"{place}.conv1", styled(made, made, side)) | inside(f"{place}.torgb", styled(made, 3, side, 1))
    return found


def discriminator(labels: int = 0, skips: bool = True) -> dict[str, Tensor]:
    found = inside("b16.fromrgb", {"weight": rand(4, 3, 1, 1), "bias": rand(4)})
    for side in (16, 8):
        given, made = CHANNELS[side], CHANNELS[side // 2]
        found |= inside(f"b{side}.conv0", {"weight": rand(given, given, 3, 3), "bias": rand(given)})
        found |= inside(f"b{side}.conv1", {"weight": rand(made, given, 3, 3), "bias": rand(made)})
        found |= {f"b{side}.conv1.resample_filter": torch.tensor(FILTER)}
        found |= {f"b{side}.skip.weight": rand(made, given, 1, 1)} if skips else {}
    found |= inside("b4.conv", {"weight": rand(8, 9, 3, 3), "bias": rand(8)})
    found |= inside("b4.fc", {"weight": rand(8, 128), "bias": rand(8)})
    found |= inside("b4.out", {"weight": rand(8 if labels else 1, 8), "bias": rand(8 if labels else 1)})
    return found | (inside("mapping", mapping(0, 8, labels, 8)) if labels else {})


def module(tensors: dict[str, Tensor], **given: Any) -> dict[str, Any]:
    """Return what is read of a pickled module."""
    top: dict[str, Any] = {"class_name": "Generator", "_init_kwargs": given}
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        at = top
        for part in path:
            at = at.setdefault("_modules", {}).setdefault(part, {})
        is_buffer = last in ("resample_filter", "noise_const", "w_avg")
        at.setdefault("_buffers" if is_buffer else "_parameters", {})[last] = tensor
    return top


def ada(g: dict[str, Tensor], d: dict[str, Tensor] | None = None) -> Archive:
    synthesis = {"synthesis_kwargs": {"conv_clamp": 256}}
    content = {"G": module(g, **synthesis), "G_ema": module(g, **synthesis), "training_set_kwargs": {}}
    return Archive(Path("network.pkl"), content | ({} if d is None else {"D": module(d)}))


def converted(archive: Archive, name: str) -> Published:
    source = sources.make(name)
    assert source.recognises(archive)
    return source.convert(archive)


def method_of(published: Published, labels: int = 0) -> Any:
    method = built(published, condition=classes(labels) if labels else None)
    method.average.module.load_state_dict(published.averages["generator"])
    return method


def active(x: Tensor, bias: Tensor) -> Tensor:
    return leaky_relu(x + bias.view(1, -1, *[1] * (x.ndim - 2)), 0.2) * 2**0.5


def resampled(x: Tensor, up: int, padding: int) -> Tensor:
    """Return maps with zeros between their pixels and around them, filtered to keep their size."""
    zeros = x.new_zeros(*x.shape[:2], up * x.shape[2], up * x.shape[3])
    zeros[:, :, ::up, ::up] = x
    flat = pad(zeros, (padding, padding, padding, padding)).flatten(0, 1)[:, None]
    return up**2 * conv2d(flat, torch.tensor(FILTER)[None, None]).unflatten(0, x.shape[:2])[:, :, 0]


def layer(t: dict[str, Tensor], place: str, x: Tensor, w: Tensor) -> Tensor:
    """Return a layer's maps, by a kernel for each image."""
    own = {name.removeprefix(f"{place}."): tensor for name, tensor in t.items() if name.startswith(f"{place}.")}
    style = w @ own["affine.weight"].T / 6**0.5 + own["affine.bias"]
    is_color, made = "noise_const" not in own, []
    for one, scale in zip(x, style, strict=True):
        kernel = own["weight"] * scale[None, :, None, None]
        if is_color:
            made.append(conv2d(one[None], kernel / kernel.shape[1] ** 0.5)[0] + own["bias"][:, None, None])
            continue
        kernel = kernel / kernel.square().sum((1, 2, 3), keepdim=True).sqrt()
        if place.endswith("conv0"):
            large = one.new_zeros(1, len(one), 2 * one.shape[1] + 3, 2 * one.shape[2] + 3)
            large[:, :, 2:-2:2, 2:-2:2] = one
            made.append(resampled(conv2d(large, kernel.flip(2, 3)), 1, 1)[0] * 4)
        else:
            made.append(conv2d(one[None], kernel, padding=1)[0])
    y = torch.stack(made)
    return y if is_color else active(y + own["noise_strength"] * own["noise_const"], own["bias"])


def drawn(t: dict[str, Tensor], w: Tensor) -> Tensor:
    """Return the images that the paper's synthesis network draws, layer by layer."""
    x, image, at = t["synthesis.b4.const"].expand(len(w), -1, -1, -1), torch.zeros(()), 0
    for side in SIDES:
        place = f"synthesis.b{side}"
        if side > 4:
            x, at = layer(t, f"{place}.conv0", x, w[:, at]), at + 1
            # Zeros between the pixels: two of padding before, one behind.
            image = resampled(image, 2, 2)[:, :, :-1, :-1]
        x, at = layer(t, f"{place}.conv1", x, w[:, at]), at + 1
        image = image + layer(t, f"{place}.torgb", x, w[:, at])
    return image


@pytest.mark.parametrize("labels", [0, 3])
def test_a_pickles_images_are_those_of_the_paper_layer_by_layer(labels: int) -> None:
    torch.manual_seed(0)
    g = generator(labels)
    method = method_of(converted(ada(g, discriminator(labels)), "stylegan2_ada"), labels)
    w = rand(3, 6, 6)
    torch.testing.assert_close(method.average.module.synthesise(w), drawn(g, w), atol=1e-4, rtol=1e-4)
    assert method.layers == 6
    torch.testing.assert_close(method.mean_style, g["mapping.w_avg"])
    z = rand(3, 5)
    x = z / z.square().mean(1, keepdim=True).sqrt()
    if labels:
        embedded = g["mapping.embed.weight"].T[[0, 1, 2]] / 3**0.5 + g["mapping.embed.bias"]
        x = torch.cat([x, embedded / embedded.square().mean(1, keepdim=True).sqrt()], dim=1)
    for index in range(2):
        weight = g[f"mapping.fc{index}.weight"] * 0.01 / x.shape[1] ** 0.5
        x = active(x @ weight.T, 0.01 * g[f"mapping.fc{index}.bias"])
    styles = method.styles(z, torch.arange(3) if labels else None)
    torch.testing.assert_close(styles, x[:, None].expand(-1, 6, -1), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("skips", [True, False])
def test_a_pickles_logits_are_those_of_the_paper_layer_by_layer(skips: bool) -> None:
    torch.manual_seed(0)
    d = discriminator(skips=skips)
    method = method_of(converted(ada(generator(), d), "stylegan2_ada"))
    images = rand(4, 3, 16, 16)
    x = active(conv2d(images, d["b16.fromrgb.weight"] / 3**0.5), d["b16.fromrgb.bias"])
    for side in (16, 8):
        given, gain = CHANNELS[side], 0.5**0.5 if skips else 1
        y = active(conv2d(x, d[f"b{side}.conv0.weight"] / (9 * given) ** 0.5, padding=1), d[f"b{side}.conv0.bias"])
        y = conv2d(resampled(y, 1, 2), d[f"b{side}.conv1.weight"] / (9 * given) ** 0.5, stride=2)
        y = gain * active(y, d[f"b{side}.conv1.bias"])
        skip = d.get(f"b{side}.skip.weight")
        x = y if skip is None else y + gain * conv2d(resampled(x, 1, 1)[:, :, ::2, ::2], skip / given**0.5)
    deviation = (x.var(0, unbiased=False) + 1e-8).sqrt().mean().expand(4, 1, 4, 4)
    x = active(conv2d(torch.cat([x, deviation], 1), d["b4.conv.weight"] / 81**0.5, padding=1), d["b4.conv.bias"])
    x = active(x.flatten(1) @ d["b4.fc.weight"].T / 128**0.5, d["b4.fc.bias"])
    expected = (x @ d["b4.out.weight"].T / 8**0.5 + d["b4.out.bias"])[:, 0]
    torch.testing.assert_close(method.discriminator(images), expected, atol=1e-4, rtol=1e-4)


def rosinality() -> dict[str, Any]:
    """Return a checkpoint with the same weights as `generator` and `discriminator` under rosinality's names."""
    g, d = generator(), discriminator()
    names = {"weight": "conv.weight", "affine.weight": "conv.modulation.weight", "affine.bias": "conv.modulation.bias"}
    made: dict[str, Tensor] = {"input.input": g["synthesis.b4.const"][None]}
    for index in range(2):
        made |= {f"style.{index + 1}.{kind}": g[f"mapping.fc{index}.{kind}"] for kind in ("weight", "bias")}
    at = -1
    for level, side in enumerate(SIDES):
        for part in ("conv1",) if side == 4 else ("conv0", "conv1"):
            place, own = "conv1" if at < 0 else f"convs.{at}", f"synthesis.b{side}.{part}"
            for theirs, ours in names.items():
                made[f"{place}.{ours}"] = g[f"{own}.{theirs}"]
            made[f"{place}.conv.weight"] = made[f"{place}.conv.weight"][None]
            made[f"{place}.noise.weight"] = g[f"{own}.noise_strength"].view(1)
            made[f"{place}.activate.bias"] = g[f"{own}.bias"]
            made[f"noises.noise_{at + 1}"] = g[f"{own}.noise_const"][None, None]
            if part == "conv0":
                made[f"{place}.conv.blur.kernel"] = torch.tensor(FILTER)
            at += 1
        place, own = "to_rgb1" if level == 0 else f"to_rgbs.{level - 1}", f"synthesis.b{side}.torgb"
        for theirs, ours in names.items():
            made[f"{place}.{ours}"] = g[f"{own}.{theirs}"]
        made[f"{place}.conv.weight"] = made[f"{place}.conv.weight"][None]
        made[f"{place}.bias"] = g[f"{own}.bias"].view(1, 3, 1, 1)
    parts = {"conv0.weight": "conv1.0.weight", "conv0.bias": "conv1.1.bias", "conv1.weight": "conv2.1.weight",
             "conv1.bias": "conv2.2.bias", "skip.weight": "skip.1.weight"}  # fmt: skip
    seen = {"convs.0.0.weight": d["b16.fromrgb.weight"], "convs.0.1.bias": d["b16.fromrgb.bias"]}
    for level, side in enumerate((16, 8)):
        seen |= {f"convs.{level + 1}.{ours}": d[f"b{side}.{theirs}"] for theirs, ours in parts.items()}
        seen[f"convs.{level + 1}.conv2.0.kernel"] = torch.tensor(FILTER)
    seen |= {"final_conv.0.weight": d["b4.conv.weight"], "final_conv.1.bias": d["b4.conv.bias"]}
    for index, name in enumerate(("fc", "out")):
        seen |= {f"final_linear.{index}.{kind}": d[f"b4.{name}.{kind}"] for kind in ("weight", "bias")}
    return {"g": made, "g_ema": made, "d": seen, "latent_avg": g["mapping.w_avg"]}


def test_both_layouts_of_the_same_weights_are_the_same_networks() -> None:
    torch.manual_seed(0)
    one = converted(Archive(Path("network.pt"), rosinality()), "stylegan2_rosinality")
    torch.manual_seed(0)
    other = converted(ada(generator(), discriminator()), "stylegan2_ada")
    for network in ("generator", "discriminator"):
        assert one.weights[network].keys() == other.weights[network].keys()
        for name, tensor in one.weights[network].items():
            assert torch.equal(tensor, other.weights[network][name]), name
    method_of(one)


def test_a_file_without_a_discriminator_is_for_drawing() -> None:
    source = sources.make("stylegan2_ada")
    published = source.convert(ada(generator()))
    assert "discriminator" not in published.weights
    assert "not trained on" in published.notes[-1]


def test_what_has_no_counterpart_is_refused() -> None:
    other = ada(generator() | {"synthesis.b8.skip.weight": torch.ones(3)})
    with pytest.raises(UserError, match=r"synthesis\.b8\.skip"):
        sources.make("stylegan2_ada").convert(other)
    other = ada(generator() | {"synthesis.b8.resample_filter": torch.ones(12, 12)})
    with pytest.raises(UserError, match=r"is not \[1, 3, 3, 1\]"):
        sources.make("stylegan2_ada").convert(other)
    content = rosinality()
    with pytest.raises(UserError, match="latent_avg"):
        sources.make("stylegan2_rosinality").convert(Archive(Path("a.pt"), {**content, "latent_avg": None}))
    content["d"]["other.weight"] = torch.ones(2)
    with pytest.raises(UserError, match=r"other\.weight"):
        sources.make("stylegan2_rosinality").convert(Archive(Path("a.pt"), content))
    for name in ("stylegan2_ada", "stylegan2_rosinality"):
        assert not sources.make(name).recognises(Archive(Path("a.pt"), {"ema": {"class_name": "EDMPrecond"}}))
        assert not sources.make(name).recognises(Archive(Path("a.pt"), None))
