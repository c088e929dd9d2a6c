"""WGAN-GP for CIFAR-10 as mimicry publishes it (Lee and Town 2020, https://arxiv.org/abs/2005.02494): `netG.pth`.

The authors' code has no published weights; mimicry's ResNets are theirs, with bilinear upsampling. Its table gives
FID 22.29 and IS 7.33 for 50,000 samples of the generator with 256 channels (4,276,739 parameters), whose outputs were
the same as ours on 2026-11-26.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genbench.errors import UserError
from genbench.published.networks import is_weights, rules_of, tensor_of
from genbench.published.source import Archive, Published, Source, Weights, renamed, without_prefix

_LAYERS = {"c1": "first", "c2": "second", "c_sc": "shortcut", "b1": "before.0", "b2": "between.0"}
_ENDS = {"l1": "project.0", "b5": "to_image.0", "c5": "to_image.2"}
_CRITIC_STEPS = 5
"""To one of the generator, by which mimicry counts."""


class WGANGP(Source):
    """A checkpoint of the generator; the critic's weights are not published."""

    title = "WGAN-GP of mimicry for CIFAR-10"

    def recognises(self, archive: Archive) -> bool:
        """Return whether it is a generator with residual blocks and a linear layer under mimicry's names."""
        weights = _weights(archive)
        return all(name in weights for name in ("l1.weight", "block2.b1.weight", "block4.c_sc.weight", "c5.weight"))

    def convert(self, archive: Archive) -> Published:
        """Return the generator.

        Raises:
            UserError: it is not one of 32 pixels, or a tensor has no counterpart.
        """
        weights = _weights(archive)
        if not self.recognises(archive):
            raise UserError(f"{archive.path} is not {self.title}, whose generator has l1, block2 to block4, b5 and c5")
        widths = {tensor_of(weights, f"block{number}.c1.weight").shape[0] for number in (2, 3, 4)}
        width, latent_dim = min(widths), weights["l1.weight"].shape[1]
        if widths != {width} or len(weights["l1.weight"]) != 16 * width:
            raise UserError(f"{archive.path} is a generator of mimicry for another size: this reads those of 32 pixels")
        content: Any = archive.content
        settings = {
            "method.latent_dim": latent_dim,
            "network.generator.width": width,
            "network.generator.upsampling": "bilinear",
        }
        step = _CRITIC_STEPS * int(content.get("global_step", 0))
        return Published("wgan_gp_cifar10", settings, {"generator": _generator(weights)}, step=step)


def _generator(weights: Weights) -> dict[str, Tensor]:
    places = {
        f"block{number}.{theirs}": f"blocks.{number - 2}.{ours}"
        for number in (2, 3, 4)
        for theirs, ours in _LAYERS.items()
    }
    return renamed(weights, rules_of(places | _ENDS))


def _weights(archive: Archive) -> Weights:
    content = archive.content
    inner = content.get("model_state_dict", content) if isinstance(content, Mapping) else None
    return without_prefix(inner) if is_weights(inner) else {}
