"""Networks of StyleGAN2-ADA (Karras et al. 2020): https://github.com/NVlabs/stylegan2-ada-pytorch.

Their `.pkl` hold the source code of the networks, which is not run.
"""

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.reading import tensors_of
from genbench.published.source import Archive, Published, Source, Weights, numbered_classes, renamed
from genbench.published.stylegan_names import architecture_of, block_of, images_of, in_float32, without_discriminator

_LAYER = [
    (r"(.+)\.affine\.(\w+)", r"\1.style.\2"),
    (r"(.+)\.weight", r"\1.convolution.weight"),
    (r"(.+)\.noise_const", r"\1.fixed_noise"),
    (r"(.+)\.(bias|noise_strength)", r"\1.\2"),
]
_IN_BLOCK = {"conv0": "doubling", "conv1": "layer", "torgb": "to_image"}
_IN_DISCRIMINATOR_BLOCK = {"conv0": "layer", "conv1": "halving", "skip": "skip"}


class StyleGAN2ADA(Source):
    """G_ema, G and D of a `.pkl`, of any resolution, with or without classes; skip generator, residual or plain D."""

    title = "StyleGAN2-ADA's pickles (Karras et al. 2020)"

    def recognises(self, archive: Archive) -> bool:
        """Return whether an archive holds generators of this code, with modulated convolutions."""
        names = tensors_of(_network(archive, "G_ema"))
        return "synthesis.b4.const" in names and "synthesis.b4.torgb.affine.weight" in names

    def convert(self, archive: Archive) -> Published:
        """Return an archive of this kind in GenBench's words.

        Raises:
            UserError: a tensor is missing or has no counterpart.
        """
        average = _network(archive, "G_ema")
        given = dict(average.get("_init_kwargs") or {})
        own = _generator(tensors_of(average))
        current = _network(archive, "G")
        discriminator = _network(archive, "D")
        d = _discriminator(tensors_of(discriminator)) if discriminator else None
        side, channels = images_of(own)
        classes = own["mapping.embed.weight"].shape[1] if "mapping.embed.weight" in own else 0
        epilogue = dict(dict(discriminator.get("_init_kwargs") or {}).get("epilogue_kwargs") or {})
        clamp = dict(given.get("synthesis_kwargs") or {}).get("conv_clamp")
        settings = {
            **architecture_of(own, d),
            "network.generator.clamp": clamp,
            "network.discriminator.clamp": clamp,
            "network.discriminator.group": epilogue.get("mbstd_group_size", 4),
            "method.latent_dim": own["mapping.layers.0.weight"].shape[1] - (len(own["mean_style"]) if classes else 0),
            **({"method.conditional": True} if classes else {}),
        }
        experiment = "stylegan_cifar10" if (side, channels) == (32, 3) else "stylegan_folder1024"
        if experiment == "stylegan_folder1024":
            settings |= {"data.size": side, "data.channels": channels, "data.classes": bool(classes)}
        networks = {"generator": _generator(tensors_of(current)) if current else own, "discriminator": d}
        weights = {name: network for name, network in networks.items() if network is not None}
        fixed = "samples have the fixed noise of the file, as the authors' generate.py draws them"
        return Published(
            experiment, settings, weights, averages={"generator": own}, condition=numbered_classes(classes),
            notes=(fixed, *without_discriminator(d)),
        )  # fmt: skip


def _network(archive: Archive, name: str) -> Mapping[str, Any]:
    content = archive.content
    network = content.get(name) if isinstance(content, Mapping) else None
    return network if isinstance(network, Mapping) else {}


def _generator(weights: Weights) -> dict[str, Tensor]:
    found = {}
    for name, tensor in _without_filters(weights).items():
        if name == "mapping.w_avg":
            found["mean_style"] = tensor
        elif match := re.fullmatch(r"mapping\.fc(\d+)\.(\w+)", name):
            found[f"mapping.layers.{match[1]}.{match[2]}"] = tensor
        elif name.startswith("mapping.embed."):
            found[name] = tensor
        elif name == "synthesis.b4.const":
            found["blocks.0.start"] = tensor
        elif match := re.fullmatch(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.+)", name):
            place = f"blocks.{block_of(int(match[1]))}.{_IN_BLOCK[match[2]]}"
            found |= renamed({f"{place}.{match[3]}": tensor}, _LAYER)
        else:
            raise UserError(f"the tensor {name} {tuple(tensor.shape)} of G has no counterpart in this model")
    return in_float32(found)


def _discriminator(weights: Weights) -> dict[str, Tensor]:
    found = {}
    weights = _without_filters(weights)
    largest = max(int(match[1]) for name in weights if (match := re.match(r"b(\d+)\.", name)))
    for name, tensor in weights.items():
        if match := re.fullmatch(r"mapping\.fc(\d+)\.(\w+)", name):
            found[f"mapping.layers.{match[1]}.{match[2]}"] = tensor
        elif name.startswith("mapping.embed."):
            found[name] = tensor
        elif match := re.fullmatch(rf"b{largest}\.fromrgb\.(\w+)", name):
            found[f"from_image.{match[1]}"] = tensor
        elif match := re.fullmatch(r"b(\d+)\.(conv0|conv1|skip)\.(\w+)", name):
            number = block_of(largest) - block_of(int(match[1]))
            found[f"blocks.{number}.{_IN_DISCRIMINATOR_BLOCK[match[2]]}.{match[3]}"] = tensor
        elif match := re.fullmatch(r"b4\.(conv|fc|out)\.(\w+)", name):
            place = {"conv": "layer", "fc": "connected", "out": "output"}[match[1]]
            found[f"{place}.{match[2]}"] = tensor
        else:
            raise UserError(f"the tensor {name} {tuple(tensor.shape)} of D has no counterpart in this model")
    return in_float32(found)


def _without_filters(weights: Weights) -> Weights:
    """Return weights without the resampling filters, which are [1, 3, 3, 1] everywhere.

    Raises:
        UserError: one is another.
    """
    kept = {}
    for name, tensor in weights.items():
        if not name.endswith("resample_filter"):
            kept[name] = tensor
        elif tensor.shape != (4, 4) or abs(float(tensor[0, 0]) - 1 / 64) > 1e-6:
            raise UserError(f"the filter {name} {tuple(tensor.shape)} is not [1, 3, 3, 1], as networks here have it")
    return kept
