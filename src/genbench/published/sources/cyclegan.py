"""CycleGAN's published models (Zhu et al. 2017): `latest_net_G_A.pth`, `_G_B`, `_D_A`, `_D_B`, or `latest_net_G.pth`.

The published ones, such as horse2zebra, are a generator of one direction alone: it is imported as a translator without
its way back. On 2026-11-26 the generator of 9 blocks (11,378,179 parameters) was 1e-5 from one of the authors' layout,
and the PatchGAN (2,764,737) 5e-6.
"""

from pathlib import Path
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published import translators
from genbench.published.networks import networks_of, tensor_of
from genbench.published.source import Archive, Published, Source, Weights

_DISCRIMINATORS = {"D_A": "y", "D_B": "x"}
"""Theirs are called after the generator whose images they look at, ours after the domain."""


class CycleGAN(Source):
    """A file of a residual generator, or a folder with those of both directions."""

    title = "CycleGAN of pytorch-CycleGAN-and-pix2pix"
    files = translators.FILES

    def recognises(self, archive: Archive) -> bool:
        """Return whether a residual generator is among the networks."""
        return any(translators.is_resnet(weights) for weights in networks_of(archive, self.files).values())

    def convert(self, archive: Archive) -> Published:
        """Return both generators, and the discriminators if they are there; or one generator without its way back.

        Raises:
            UserError: there is no residual generator, it changes the number of channels, or a tensor is
                missing or has no counterpart.
        """
        networks = networks_of(archive, self.files)
        generators = {name: each for name, each in networks.items() if translators.is_resnet(each)}
        if not generators:
            raise UserError(f"{archive.path} has no residual generator, which latest_net_G.pth holds")
        settings = _settings(archive.path, next(iter(generators.values())))
        if len(generators) == 1:
            (generator,) = generators.values()
            return Published("translator_folder", settings, {"generator": translators.resnet_weights(generator)})
        ours = {"G_A": "forth", "G_B": "back"}
        if generators.keys() != ours.keys():
            raise UserError(f"{archive.path} has the generators {', '.join(generators)}, not G_A and G_B")
        found = {"generator": _joined({ours[name]: translators.resnet_weights(generators[name]) for name in ours})}
        if all(name in networks for name in _DISCRIMINATORS):
            settings |= translators.discriminator_settings(networks["D_A"])
            found["discriminator"] = _joined(
                {ours: translators.patchgan_weights(networks[theirs]) for theirs, ours in _DISCRIMINATORS.items()}
            )
        return Published("cyclegan_folder", settings, found)


def _settings(path: Path, generator: Weights) -> dict[str, Any]:
    first, blocks = generator["model.1.weight"], translators.resnet_blocks(generator)
    last = tensor_of(generator, f"model.{17 + blocks}.weight")
    if first.shape[1] != last.shape[0]:
        raise UserError(
            f"{path} translates {first.shape[1]} channels to {last.shape[0]}, and data sets have one number"
        )
    return {
        "data.channels": first.shape[1],
        "network.generator.width": first.shape[0],
        "network.generator.blocks": blocks,
        "network.generator.norm": translators.norm_of(generator),
    }


def _joined(parts: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{part}.{name}": tensor for part, weights in parts.items() for name, tensor in weights.items()}
