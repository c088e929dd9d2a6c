"""EDM's pickles: the layout of a SongUNet, filled with random numbers, becomes our network in EDM's preconditioning.

Checked against the authors' networks in pickles that their code wrote, on 2026-11-26, with equal random weights and a
quarter of the width: outputs of the network, of unit scale, differ by 3e-6 (EDM with DDPM++, with and without classes,
and with NCSN++), 4e-6 (baseline VE), 6e-6 (both pyramids) and 1.1e-4 (baseline VP at sigma = 70, where single precision
rounds 999 t).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published import sources
from genbench.published.source import Archive, Published
from tests.kinds import classes
from tests.published.building import built, count
from tests.published.ncsnpp_files import convolution, inside, linear, norm, rand

DDPMPP: dict[str, Any] = {"embedding_type": "positional", "encoder_type": "standard", "resample_filter": [1, 1]}
NCSNPP: dict[str, Any] = {
    "embedding_type": "fourier", "encoder_type": "residual", "resample_filter": [1, 3, 3, 1], "channel_mult_noise": 2,
}  # fmt: skip


def song_unet(
    *,
    side: int = 32,
    width: int = 8,
    mult: Sequence[int] = (1, 2),
    blocks: int = 1,
    labels: int = 0,
    fourier: bool = False,
) -> dict[str, Tensor]:
    """Return a state dictionary of a SongUNet, NCSN++ if it has Fourier features and DDPM++ if not."""
    side = 32
    noise, embedding = (2 if fourier else 1) * width, 4 * width
    found = inside("map_layer0", linear(noise, embedding)) | inside("map_layer1", linear(embedding, embedding))
    found |= inside("map_augment", {"weight": rand(noise, 9)})
    found |= {"map_noise.freqs": rand(noise // 2)} if fourier else {}
    found |= inside("map_label", linear(labels, noise)) if labels else {}
    found |= inside(f"enc.{side}x{side}_conv", convolution(3, width))
    at, joined, skips = width, 3, [width]
    for level, multiplier in enumerate(mult):
        size = f"enc.{side >> level}x{side >> level}"
        if level:
            found |= inside(f"{size}_down", block(at, at, embedding, changes=True))
            if fourier:
                found |= inside(f"{size}_aux_residual", convolution(joined, at))
                joined = at
            skips.append(at)
        for index in range(blocks):
            found |= inside(f"{size}_block{index}", block(at, width * multiplier, embedding, side >> level == 16))
            at = width * multiplier
            skips.append(at)
    for level, multiplier in reversed(list(enumerate(mult))):
        size = f"dec.{side >> level}x{side >> level}"
        if level == len(mult) - 1:
            found |= inside(f"{size}_in0", block(at, at, embedding, True))
            found |= inside(f"{size}_in1", block(at, at, embedding))
        else:
            found |= inside(f"{size}_up", block(at, at, embedding, changes=True))
        for index in range(blocks + 1):
            attends = index == blocks and side >> level == 16
            found |= inside(f"{size}_block{index}", block(at + skips.pop(), width * multiplier, embedding, attends))
            at = width * multiplier
    found |= inside(f"dec.{side}x{side}_aux_norm", norm(at)) | inside(f"dec.{side}x{side}_aux_conv", convolution(at, 3))
    return found


def block(given: int, made: int, embedding: int, attends: bool = False, *, changes: bool = False) -> dict[str, Tensor]:
    """Return the tensors of a UNetBlock, the filter of one that changes the size among them."""
    found = inside("norm0", norm(given)) | inside("conv0", convolution(given, made))
    found |= inside("affine", linear(embedding, made)) | inside("norm1", norm(made))
    found |= inside("conv1", convolution(made, made))
    found |= {"conv0.resample_filter": rand(1, 1, 2, 2), "skip.resample_filter": rand(1, 1, 2, 2)} if changes else {}
    found |= inside("skip", convolution(given, made, 1)) if changes or given != made else {}
    if attends:
        found |= inside("norm2", norm(made)) | inside("qkv", convolution(made, 3 * made, 1))
        found |= inside("proj", convolution(made, made, 1))
    return found


def archive(tensors: dict[str, Tensor], kind: str = "EDMPrecond", **given: Any) -> Archive:
    """Return what `read` finds in a pickle: modules in modules, with what they were made from."""
    network: dict[str, Any] = {}
    for name, tensor in tensors.items():
        *path, last = name.split(".")
        module = network
        for part in path:
            module = module.setdefault("_modules", {}).setdefault(part, {})
        module.setdefault("_buffers" if "filter" in last or "freqs" in last else "_parameters", {})[last] = tensor
    kwargs = {"img_resolution": 32, "img_channels": 3, "label_dim": 0, "model_type": "SongUNet"} | given
    top = {"class_name": kind, "_init_args": (), "_init_kwargs": kwargs, "_modules": {"model": network}}
    return Archive(Path("edm.pkl"), {"ema": top, "loss_fn": None, "augment_pipe": None})


def convert(tensors: dict[str, Tensor], kind: str = "EDMPrecond", **given: Any) -> Published:
    source, found = sources.make("edm"), archive(tensors, kind, **given)
    assert source.recognises(found)
    return source.convert(found)


@pytest.mark.parametrize("labels", [0, 10])
@pytest.mark.parametrize(("kind", "settings"), [("EDMPrecond", DDPMPP), ("VPPrecond", DDPMPP), ("VEPrecond", NCSNPP)])
def test_published_networks_fit_their_experiment(kind: str, settings: dict[str, Any], labels: int) -> None:
    fourier = settings is NCSNPP
    with torch.device("meta"):
        tensors = song_unet(width=128, mult=(2, 2, 2), blocks=4, labels=labels, fourier=fourier)
        published = convert(tensors, kind, label_dim=labels, augment_dim=9, channel_mult=[2, 2, 2], **settings)
    assert published.experiment == "edm_cifar10"
    method = built(published, condition=classes(labels) if labels else None, device="meta")
    left_out = {
        name: tensor for name, tensor in tensors.items() if "filter" in name or "freqs" in name or "augment" in name
    }
    # An embedding of the null class stands for the bias.
    own = sum(p.numel() for p in method.denoiser.parameters())
    assert own == count(tensors) - count(left_out)
    if not fourier and not labels:
        assert own == 55_732_739
    assert method.precondition == kind.removesuffix("Precond").lower()


def test_classes_are_the_rows_of_their_matrix() -> None:
    tensors = song_unet(labels=10)
    published = convert(tensors, label_dim=10, channel_mult=[1, 2], model_channels=8, num_blocks=1)
    network = built(published, condition=classes(10)).denoiser
    one_hot = torch.eye(10) * 10**0.5
    expected = one_hot @ tensors["map_label.weight"].T + tensors["map_label.bias"]
    torch.testing.assert_close(network.embed_condition(torch.arange(10)).vector, expected)
    torch.testing.assert_close(network.embed_condition(torch.tensor([10])).vector[0], tensors["map_label.bias"])


def test_attention_is_the_authors_formula() -> None:
    tensors = song_unet()
    network = built(convert(tensors, channel_mult=[1, 2], model_channels=8, num_blocks=1)).denoiser
    part = {
        name.removeprefix("enc.16x16_block0."): t for name, t in tensors.items() if name.startswith("enc.16x16_block0")
    }
    h = torch.randn(2, 16, 4, 4)
    normal = torch.nn.functional.group_norm(h, 4, part["norm2.weight"], part["norm2.bias"], eps=1e-6)
    qkv = torch.nn.functional.conv2d(normal, part["qkv.weight"], part["qkv.bias"])
    # Queries, keys and values of a channel lie side by side.
    q, k, v = qkv.reshape(2, 16, 3, 16).unbind(2)
    seen = (v @ (q.transpose(1, 2) @ k / 4).softmax(2).transpose(1, 2)).view_as(h)
    expected = (h + torch.nn.functional.conv2d(seen, part["proj.weight"], part["proj.bias"])) / 2**0.5
    torch.testing.assert_close(network.down[1].blocks[0].attention(h), expected, rtol=1e-4, atol=1e-5)


def test_what_has_no_counterpart_is_refused() -> None:
    source = sources.make("edm")
    assert not source.recognises(Archive(Path("a.pkl"), {"G_ema": {"class_name": "Generator"}}))
    assert not source.recognises(Archive(Path("a.pkl"), None))
    for kind, given, message in (
        ("EDMPrecond", {"model_type": "DhariwalUNet"}, "DhariwalUNet in EDMPrecond"),
        ("iDDPMPrecond", {}, "SongUNet in iDDPMPrecond"),
        ("EDMPrecond", {"label_dim": 1000}, "32 pixels and 1000 classes"),
        ("EDMPrecond", {"channel_mult_noise": 2}, "embeds the noise level"),
    ):
        with pytest.raises(UserError, match=message):
            source.convert(archive(song_unet(), kind, **given))
    with pytest.raises(UserError, match="no counterpart"):
        convert(song_unet() | {"enc.8x8_conv.weight": torch.ones(3)}, channel_mult=[1, 2])
