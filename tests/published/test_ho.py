"""Ho's converted files: their published layouts fit our networks, tensor by tensor."""

from pathlib import Path

import pytest
import torch
from torch.nn.functional import silu

from genbench.errors import UserError
from genbench.networks.unet_blocks import Given
from genbench.published.source import Archive
from genbench.published.sources import make, names
from tests.published.building import built, composed, count
from tests.published.layouts import filled, ho

CIFAR10, LSUN = ((1, 2, 2, 2), [False, True, False, False]), ((1, 1, 2, 2, 4, 4), [False] * 4 + [True, False])


@pytest.mark.parametrize(
    ("layout", "parameters", "experiment"), [(CIFAR10, 35_746_307, "ddpm_cifar10"), (LSUN, 113_673_219, "ddpm_lsun")]
)
def test_a_published_layout_is_the_network_of_its_experiment(
    layout: tuple[tuple[int, ...], list[bool]], parameters: int, experiment: str
) -> None:
    content = filled(ho(128, *layout), "meta")
    assert count(content) == parameters
    archive = Archive(Path("model-790000.ckpt"), content)
    published = make("ho").convert(archive)
    assert published.experiment == experiment
    built(published, device="meta")
    # Nothing is said that the experiment does not say, but for groups that narrow networks would have fewer of.
    plain = composed(type(published)(experiment, {}, {})).network.denoiser
    found = composed(published).network.denoiser
    assert {key for key, value in found.items() if value != plain[key]} == {"groups"}


def test_each_tensor_is_where_it_belongs() -> None:
    content = filled(ho(32, *CIFAR10))
    archive = Archive(Path("x"), content)
    assert [name for name in names() if make(name).recognises(archive)] == ["ho"]
    network = built(make("ho").convert(archive)).denoiser
    x, embedding = torch.randn(1, 128, 16, 16), torch.randn(1, 128)
    # The first block at 16 pixels on the way up, which takes 64 channels from below and 64 beside.
    block, there = network.up[6][0], "up.1.block.0"

    def convolved(name: str, x: torch.Tensor, padding: int) -> torch.Tensor:
        return torch.nn.functional.conv2d(x, content[f"{name}.weight"], content[f"{name}.bias"], padding=padding)

    def normalised(name: str, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.group_norm(x, 32, content[f"{name}.weight"], content[f"{name}.bias"], eps=1e-6)

    with torch.no_grad():
        hidden = convolved(f"{there}.conv1", silu(normalised(f"{there}.norm1", x)), 1)
        hidden = hidden + (
            content[f"{there}.temb_proj.weight"] @ silu(embedding[0]) + content[f"{there}.temb_proj.bias"]
        ).view(1, -1, 1, 1)
        hidden = convolved(f"{there}.conv2", silu(normalised(f"{there}.norm2", hidden)), 1)
        expected = convolved(f"{there}.nin_shortcut", x, 0) + hidden
        torch.testing.assert_close(block(x, Given(embedding)), expected)
        # Right and below.
        padded = torch.nn.functional.pad(x[:, :32], (0, 1, 0, 1))
        name = "down.0.downsample.conv"
        strided = torch.nn.functional.conv2d(padded, content[f"{name}.weight"], content[f"{name}.bias"], stride=2)
        torch.testing.assert_close(network.down[2](x[:, :32], Given(embedding)), strided)
    assert network.down[4][1].to_qkv.weight[64:128].flatten().equal(content["down.1.attn.1.k.weight"].flatten())


def test_what_is_no_such_network_is_refused() -> None:
    content = filled(ho(32, *CIFAR10), "meta")
    for changed, message in (
        ({name: tensor for name, tensor in content.items() if name != "up.2.block.1.conv2.bias"}, "is missing"),
        (content | {"up.2.attn.0.q.weight": torch.empty(64, 64, 1, 1, device="meta")}, "has no counterpart"),
        (filled(ho(32, (1, 2), [True, True]), "meta"), "one resolution with self-attention"),
        (filled(ho(32, (1, 2, 2), [False, False, True]), "meta"), "for 64 pixels"),
    ):
        with pytest.raises(UserError, match=message):
            make("ho").convert(Archive(Path("x"), changed))
