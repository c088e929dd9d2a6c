"""Checkpoints of StyleGAN2 by rosinality: https://github.com/rosinality/stylegan2-pytorch."""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.networks import is_weights, tensor_of
from genbench.published.source import Archive, Published, Source, Weights, without_prefix
from genbench.published.stylegan_names import architecture_of, images_of, in_float32, without_discriminator

_LAYER = {
    "conv.weight": "convolution.weight",
    "conv.modulation.weight": "style.weight",
    "conv.modulation.bias": "style.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
    "bias": "bias",
}
_PARTS = {
    "conv1.0.weight": "layer.weight",
    "conv1.1.bias": "layer.bias",
    "conv2.1.weight": "halving.weight",
    "conv2.2.bias": "halving.bias",
    "skip.1.weight": "skip.weight",
}
_LAST = {
    "convs.0.0.weight": "from_image.weight",
    "convs.0.1.bias": "from_image.bias",
    "final_conv.0.weight": "layer.weight",
    "final_conv.1.bias": "layer.bias",
    "final_linear.0.weight": "connected.weight",
    "final_linear.0.bias": "connected.bias",
    "final_linear.1.weight": "output.weight",
    "final_linear.1.bias": "output.bias",
}


class StyleGAN2Rosinality(Source):
    """g_ema, g and d of a `.pt`, of any resolution, also of those converted from NVIDIA's."""

    title = "StyleGAN2's checkpoints of rosinality/stylegan2-pytorch"

    def recognises(self, archive: Archive) -> bool:
        """Return whether an archive holds a generator under this code's names."""
        return {"input.input", "conv1.conv.modulation.weight"} <= {*_network(archive, "g_ema")}

    def convert(self, archive: Archive) -> Published:
        """Return an archive of this kind in GenBench's words.

        Raises:
            UserError: a tensor is missing or has no counterpart.
        """
        mean = archive.content.get("latent_avg") if isinstance(archive.content, Mapping) else None
        if not isinstance(mean, Tensor):
            raise UserError(f"{archive.path} lacks latent_avg, the mean w, to which truncation leads")
        own = _generator(_network(archive, "g_ema"), mean)
        current, d = _network(archive, "g"), _network(archive, "d")
        discriminator = _discriminator(d) if d else None
        side, channels = images_of(own)
        networks = {"generator": _generator(current, mean) if current else own, "discriminator": discriminator}
        weights = {name: network for name, network in networks.items() if network is not None}
        settings = {
            **architecture_of(own, discriminator),
            "network.generator.clamp": None,
            "network.discriminator.clamp": None,
            "method.latent_dim": own["mapping.layers.0.weight"].shape[1],
            "data.size": side,
            "data.channels": channels,
        }
        notes = ("samples have the fixed noise of the file", *without_discriminator(discriminator))
        return Published("stylegan_folder1024", settings, weights, averages={"generator": own}, notes=notes)


def _network(archive: Archive, name: str) -> Weights:
    content: Any = archive.content
    network = content.get(name) if isinstance(content, Mapping) else None
    return without_prefix(network) if is_weights(network) else {}


def _generator(weights: Weights, mean: Tensor) -> dict[str, Tensor]:
    found = {"mean_style": mean.flatten()}
    for name, tensor in weights.items():
        if name.endswith(".kernel"):
            continue
        if name == "input.input":
            found["blocks.0.start"] = tensor[0]
        elif match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
            # The first is the normalisation of z.
            found[f"mapping.layers.{int(match[1]) - 1}.{match[2]}"] = tensor
        elif match := re.fullmatch(r"noises\.noise_(\d+)", name):
            found[f"{_layer(int(match[1]))}.fixed_noise"] = tensor[0, 0]
        elif match := re.fullmatch(r"(conv1|convs\.(\d+))\.(.+)", name):
            place = _layer(0 if match[2] is None else int(match[2]) + 1)
            found[f"{place}.{_named(match[3], name)}"] = _plain(tensor)
        elif match := re.fullmatch(r"(to_rgb1|to_rgbs\.(\d+))\.(.+)", name):
            place = f"blocks.{0 if match[2] is None else int(match[2]) + 1}.to_image"
            found[f"{place}.{_named(match[3], name)}"] = _plain(tensor)
        else:
            raise UserError(f"the tensor {name} {tuple(tensor.shape)} of g has no counterpart in this model")
    return in_float32(found)


def _discriminator(weights: Weights) -> dict[str, Tensor]:
    found = {}
    for name, tensor in weights.items():
        if name.endswith(".kernel"):
            continue
        match = re.fullmatch(r"convs\.(\d+)\.(.+)", name)
        if name in _LAST:
            found[_LAST[name]] = tensor
        elif match and match[2] in _PARTS:
            found[f"blocks.{int(match[1]) - 1}.{_PARTS[match[2]]}"] = tensor
        else:
            raise UserError(f"the tensor {name} {tuple(tensor.shape)} of d has no counterpart in this model")
    tensor_of(found, "from_image.weight")
    return in_float32(found)


def _layer(number: int) -> str:
    """Return the place of the generator's layer of a number, 0 the one of 4 pixels."""
    return f"blocks.{(number + 1) // 2}.{'doubling' if number % 2 else 'layer'}"


def _named(name: str, whole_name: str) -> str:
    if name not in _LAYER:
        raise UserError(f"the tensor {whole_name} of g has no counterpart in this model")
    return _LAYER[name]


def _plain(tensor: Tensor) -> Tensor:
    """Return a tensor without the axes of length 1 that broadcasting needs there."""
    if tensor.ndim == 5:
        return tensor[0]
    if tensor.ndim == 4:
        return tensor.flatten()
    return tensor.squeeze() if tensor.numel() == 1 else tensor
