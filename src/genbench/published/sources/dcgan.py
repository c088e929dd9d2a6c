"""DCGAN of PyTorch's examples (after Radford et al. 2016): `netG_epoch_24.pth`, `netD_epoch_24.pth`, or one of them.

Its convolutions next to the image and to the output have no bias; ours are zero. On 2026-11-26
both networks (3,576,704 and 2,765,568 parameters) gave the same outputs as the example's.
"""

import re
from typing import Any

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published.networks import last_index, networks_of, tensor_of
from genbench.published.source import Archive, Published, Source, Weights, renamed


class DCGAN(Source):
    """A file of the generator or of the discriminator, or a folder with both."""

    title = "DCGAN of PyTorch's examples"
    files = r"net(?P<network>[GD])(?:_epoch_(?P<epoch>\d+))?"

    def recognises(self, archive: Archive) -> bool:
        """Return whether all networks are sequences of convolutions called `main`, and nothing else."""
        networks = networks_of(archive, self.files).values()
        return bool(networks) and all(map(_is_sequence, networks))

    def convert(self, archive: Archive) -> Published:
        """Return the networks that are there.

        Raises:
            UserError: it has no generator, or a tensor has no counterpart.
        """
        # Only a generator has BatchNorm after its first convolution.
        networks = {
            "generator" if "main.1.weight" in weights else "discriminator": weights
            for weights in networks_of(archive, self.files).values()
        }
        if "generator" not in networks:
            raise UserError(f"{archive.path} has no generator: give netG_epoch_*.pth, or the folder that holds it")
        weights, found = networks["generator"], {"generator": _generator(networks["generator"])}
        index = last_index(weights, "main")
        first, last = weights["main.0.weight"], tensor_of(weights, f"main.{index}.weight")
        settings: dict[str, Any] = {
            "data.size": 4 * 2 ** (index // 3),
            "data.channels": last.shape[1],
            "method.latent_dim": first.shape[0],
            "network.generator.width": last.shape[0],
        }
        if "discriminator" in networks:
            settings["network.discriminator.width"] = networks["discriminator"]["main.0.weight"].shape[0]
            found["discriminator"] = _discriminator(networks["discriminator"])
        return Published("dcgan_lsun", settings, found)


def _is_sequence(weights: Weights) -> bool:
    return "main.0.weight" in weights and all(re.fullmatch(r"main\.\d+\.\w+", name) for name in weights)


def _generator(weights: Weights) -> dict[str, Tensor]:
    """Return a generator's weights; each of its blocks is a convolution, BatchNorm and ReLU."""
    last = last_index(weights, "main")
    rules = [(r"main\.0\.(\w+)", r"project.1.\1"), (r"main\.1\.(\w+)", r"project.2.\1")]
    rules += [(rf"main\.{index + 3}\.(\w+)", rf"blocks.{index}.\1") for index in range(last - 3)]
    rules.append((rf"main\.{last}\.(\w+)", r"to_image.0.\1"))
    found = renamed(weights, rules)
    return {"to_image.0.bias": torch.zeros(found["to_image.0.weight"].shape[1]), **found}


def _discriminator(weights: Weights) -> dict[str, Tensor]:
    """Return a discriminator's weights, whose layers are numbered as ours are up to the last."""
    last = last_index(weights, "main")
    found = renamed(weights, [(rf"main\.{last}\.(\w+)", r"to_logit.0.\1"), (r"main\.(\d+\.\w+)", r"features.\1")])
    biases = {f"{name}.bias": torch.zeros(len(found[f"{name}.weight"])) for name in ("features.0", "to_logit.0")}
    return biases | found
