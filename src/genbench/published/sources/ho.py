"""Ho's DDPM checkpoints as converted to PyTorch by pytorch_diffusion: names such as `down.0.block.0.conv1.weight`.

The files of CIFAR-10 and of LSUN's bedrooms, churches and cats (Ho et al. 2020, https://arxiv.org/abs/2006.11239).
"""

from collections.abc import Mapping

from torch import Tensor

from genbench.errors import UserError
from genbench.published.source import Archive, Published, Source, multipliers_of
from genbench.published.unet_names import Names, Plan, imported

_ATTENTION_SIDE = 16
"""The resolution that has self-attention, in all of these files."""

_EXPERIMENTS = {32: "ddpm_cifar10", 256: "ddpm_lsun"}

NAMES = Names(
    outer={
        "embed_time.1": "temb.dense.0",
        "embed_time.3": "temb.dense.1",
        "from_image": "conv_in",
        "to_image.0": "norm_out",
        "to_image.2": "conv_out",
    },
    down={
        "residual": "down.{level}.block.{number}",
        "attention": "down.{level}.attn.{number}",
        "resampling": "down.{level}.downsample.conv",
    },
    middle=("mid.block_1", "mid.attn_1", "mid.block_2"),
    up={
        "residual": "up.{level}.block.{number}",
        "attention": "up.{level}.attn.{number}",
        "resampling": "up.{level}.upsample.conv",
    },
    residual={
        "first.0": "norm1",
        "first.2": "conv1",
        "from_embedding.1": "temb_proj",
        "second.0": "norm2",
        "second.3": "conv2",
        "shortcut": "nin_shortcut",
    },
    attention={"norm": "norm", "to_qkv": ("q", "k", "v"), "to_out": "proj_out"},
)


class Ho(Source):
    """Plain state dictionaries, of the averaged weights (`ema_...`) or of the last ones."""

    title = "Ho's DDPM, converted by pytorch_diffusion"

    def recognises(self, archive: Archive) -> bool:
        """Return whether there are the first and last layers under these names."""
        content = archive.content
        return isinstance(content, Mapping) and {
            "temb.dense.0.weight",
            "conv_in.weight",
            "down.0.block.0.conv1.weight",
            "conv_out.weight",
        } <= set(content)

    def convert(self, archive: Archive) -> Published:
        """Return the network with the shape that its tensors say; its side follows from where it attends."""
        weights: Mapping[str, Tensor] = archive.content
        plan = _plan(weights)
        width = len(weights["conv_in.weight"])
        if plan.attention.count(True) != 1:
            raise UserError(f"{archive.path}: one resolution with self-attention was expected, as in Ho's models")
        side = _ATTENTION_SIDE * 2 ** plan.attention.index(True)
        if side not in _EXPERIMENTS:
            raise UserError(f"{archive.path} is of a U-Net for {side} pixels: Ho's models are of 32 and 256")
        maps = [len(weights[f"down.{level}.block.0.conv1.weight"]) for level in range(plan.levels)]
        settings = {
            "data.size": side,
            "network.denoiser.width": width,
            "network.denoiser.multipliers": multipliers_of(maps, width),
            "network.denoiser.blocks": plan.blocks,
            "network.denoiser.attention": [_ATTENTION_SIDE],
            "network.denoiser.groups": 32,
        }
        return Published(_EXPERIMENTS[side], settings, {"denoiser": imported(weights, plan, NAMES)})


def _plan(weights: Mapping[str, Tensor]) -> Plan:
    def count(form: str) -> int:
        number = 0
        while form.format(number) in weights:
            number += 1
        return number

    levels, blocks = count("down.{}.block.0.conv1.weight"), count("down.0.block.{}.conv1.weight")
    return Plan(levels, blocks, tuple(f"down.{level}.attn.0.q.weight" in weights for level in range(levels)))
