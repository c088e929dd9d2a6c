"""What the authors' PyTorch code of pix2pix and CycleGAN calls its networks' tensors.

Files are `latest_net_G.pth`, `latest_net_D.pth` and, of CycleGAN, `latest_net_G_A.pth` and so on. Running statistics of
norms are left out: sampling there uses those of the image, as `norm: batch_of_one` and `instance` do.
"""

from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.networks import last_index, rules_of
from genbench.published.source import Weights, renamed

FILES = r"(?:(?P<epoch>latest|\d+)_)?net_?(?P<network>[GD](?:_[AB])?)"
"""Names of the files."""

_STATISTICS = (r".*\.(running_mean|running_var|num_batches_tracked)", "")


def is_unet(weights: Weights) -> bool:
    """Return whether these are the weights of a U-Net generator."""
    return "model.model.0.weight" in weights and "model.model.3.weight" in weights


def is_resnet(weights: Weights) -> bool:
    """Return whether these are the weights of a residual generator."""
    return "model.1.weight" in weights and any(".conv_block." in name for name in weights)


def is_patchgan(weights: Weights) -> bool:
    """Return whether these are the weights of a PatchGAN of at least one strided layer after the first."""
    return "model.0.weight" in weights and "model.2.weight" in weights


def norm_of(weights: Weights) -> str:
    """Return the norm of a network: those of BatchNorm alone have weights, one number a channel."""
    has_scales = any(name.endswith(".weight") and tensor.ndim == 1 for name, tensor in weights.items())
    return "batch_of_one" if has_scales else "instance"


def unet_levels(weights: Weights) -> int:
    """Return how often a U-Net generator halves the side: once for each module within the other, and the outermost."""
    prefix, levels = "model.model.1.model.", 2
    while f"{prefix}3.model.1.weight" in weights:
        prefix, levels = f"{prefix}3.model.", levels + 1
    return levels


def unet_weights(weights: Weights) -> dict[str, Tensor]:
    """Return the weights of a U-Net generator under our names.

    Each level's module holds the next one: leaky ReLU, convolution, norm, the inner module, ReLU, transposed
    convolution, norm. The innermost has neither an inner module nor a norm before it.

    Raises:
        UserError: a tensor has no counterpart.
    """
    levels = unet_levels(weights)
    places = {"model.model.0": "down.0.0", "model.model.3": "to_image.1"}
    prefix = "model.model.1.model."
    for level in range(1, levels - 1):
        up = levels - 1 - level
        ours = (f"down.{level}.1", f"down.{level}.2", f"up.{up}.1", f"up.{up}.2")
        places |= {f"{prefix}{index}": name for index, name in zip((1, 2, 5, 6), ours, strict=True)}
        prefix += "3.model."
    places |= {f"{prefix}1": f"down.{levels - 1}.1", f"{prefix}3": "up.0.1", f"{prefix}4": "up.0.2"}
    return renamed(weights, [_STATISTICS, *rules_of(places)])


def resnet_blocks(weights: Weights) -> int:
    """Return how many residual blocks a residual generator has."""
    return len({name.split(".")[1] for name in weights if ".conv_block." in name})


def resnet_weights(weights: Weights) -> dict[str, Tensor]:
    """Return the weights of a residual generator, whose layers are numbered as ours are, under our names.

    Raises:
        UserError: a tensor has no counterpart, or the blocks have dropout, which sampling there keeps.
    """
    if any(".conv_block.6.weight" in name and tensor.ndim > 1 for name, tensor in weights.items()):
        raise UserError("this residual generator has dropout in its blocks, which ours has not")
    block = (r"model\.(\d+)\.conv_block\.(\d+\.\w+)", r"layers.\1.layers.\2")
    return renamed(weights, [_STATISTICS, block, (r"model\.(\d+\.\w+)", r"layers.\1")])


def patchgan_layers(weights: Weights) -> int:
    """Return the strided convolutions of a PatchGAN: three modules for each after the first, two more at the end."""
    return (last_index(weights, "model") - 2) // 3


def patchgan_weights(weights: Weights) -> dict[str, Tensor]:
    """Return the weights of a PatchGAN, whose layers are numbered as ours are up to the last, under our names."""
    last = (rf"model\.{last_index(weights, 'model')}\.(\w+)", r"to_logits.\1")
    return renamed(weights, [_STATISTICS, last, (r"model\.(\d+\.\w+)", r"blocks.\1")])


def discriminator_settings(weights: Weights) -> dict[str, Any]:
    """Return the settings of a PatchGAN, by dotted keys of the configuration."""
    return {
        "network.discriminator.width": weights["model.0.weight"].shape[0],
        "network.discriminator.layers": patchgan_layers(weights),
        "network.discriminator.norm": norm_of(weights),
    }
