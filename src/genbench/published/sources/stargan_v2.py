"""StarGAN v2's published models (Choi et al. 2020): `100000_nets_ema.ckpt` of clovaai/stargan-v2, or `_nets.ckpt`.

A file has the generator, the mapping network and the style encoder, all averaged, or raw beside the discriminator.
Those of faces (`w_hpf=1`) also have a landmark network, `fan`, by which they carry high frequencies of a face past the
decoder: it is left out, and with it these details. On 2026-11-27 all networks gave the same outputs as that code, run
with equal weights and without masks; images of the generator to 5e-5 of their deviation.
"""

from collections.abc import Mapping

from torch import Tensor

from genbench.conditions.classes import Classes
from genbench.conditions.target_domain import TargetDomain
from genbench.errors import UserError
from genbench.published.networks import is_weights, last_index, tensor_of
from genbench.published.source import Archive, Published, Source, Weights, renamed, without_prefix

_PARTS = ("generator", "mapping_network", "style_encoder")
_NAMES = {2: ("female", "male"), 3: ("cat", "dog", "wild")}
"""Domains of the authors' models, of CelebA-HQ and AFHQ, in the order of their folders."""

_PIXELS = 2**14
"""Channels of maps of one pixel, from which those of larger ones follow."""

_BLOCK = {"conv1": "convolution_1", "conv2": "convolution_2", "norm1": "norm_1", "norm2": "norm_2", "conv1x1": "skip"}


class StarGANv2(Source):
    """The networks of a checkpoint."""

    title = "StarGAN v2 of clovaai/stargan-v2"

    def recognises(self, archive: Archive) -> bool:
        """Return whether an archive has the three networks, by the names of their first tensors."""
        networks = _networks(archive)
        return all(name in networks for name in _PARTS) and "from_rgb.weight" in networks["generator"]

    def convert(self, archive: Archive) -> Published:
        """Return the networks in GenBench's words.

        Raises:
            UserError: a network or a tensor is missing or has no counterpart.
        """
        networks = _networks(archive)
        missing = [name for name in _PARTS if name not in networks]
        if missing:
            raise UserError(f"{archive.path} has no {', '.join(missing)}, which 100000_nets_ema.ckpt holds")
        generator, mapping, encoder = (networks[name] for name in _PARTS)
        domains = last_index(mapping, "unshared") + 1
        width, channels = tensor_of(generator, "from_rgb.weight").shape[:2]
        side, shortcuts = _PIXELS // width, "hpf.filter" not in generator
        weights = {
            "generator": _generator_weights(generator),
            "mapping": renamed(mapping, [(r"shared\.(.+)", r"shared.\1"), (r"unshared\.(.+)", r"heads.\1")]),
            "style_encoder": _features(encoder, "shared", (r"unshared\.(\d+\.\w+)", r"heads.\1")),
        }
        if "discriminator" in networks:
            found = networks["discriminator"]
            last = last_index(found, "main")
            weights["discriminator"] = _features(found, "main", (rf"main\.{last}\.(\w+)", r"to_logits.\1"))
        names = _NAMES.get(domains) or tuple(map(str, range(domains)))
        settings = {
            "network.generator.shortcuts": shortcuts,
            "network.mapping.width": tensor_of(mapping, "shared.0.weight").shape[0],
            "method.latent_dim": tensor_of(mapping, "shared.0.weight").shape[1],
            "method.style_dim": tensor_of(encoder, "unshared.0.weight").shape[0],
            "data.size": side,
            "data.channels": channels,
        }
        condition = TargetDomain(Classes(names), (channels, side, side), drawn=True)
        notes = [f"the file does not name its {domains} domains: taken for {', '.join(names)}"]
        if not shortcuts:
            notes.append(
                "the file is of faces (w_hpf=1): its skip connections, which a network of landmarks masks, are left "
                "out, and translations lack details that the authors' have"
            )
        if "discriminator" not in weights:
            notes.append("the file has no discriminator: it can be sampled and edited, and not trained on")
        return Published("stargan_v2_afhq", settings, weights, condition=condition, notes=tuple(notes))


def _networks(archive: Archive) -> dict[str, Weights]:
    content = archive.content
    if not isinstance(content, Mapping):
        return {}
    return {str(name): without_prefix(each) for name, each in content.items() if is_weights(each)}


def _generator_weights(weights: Weights) -> dict[str, Tensor]:
    rules = [(r"hpf\.filter", ""), (r"from_rgb\.(\w+)", r"from_image.\1"), (r"to_rgb\.(\d+\.\w+)", r"to_image.\1")]
    rules += [(r"decode\.(\d+)\.norm([12])\.fc\.(\w+)", r"decoder.\1.norm_\2.affine.\3")]
    for theirs, ours in _BLOCK.items():
        rules += [(rf"(en|de)code\.(\d+)\.{theirs}\.(\w+)", rf"\1coder.\2.{ours}.\3")]
    return renamed(weights, rules)


def _features(weights: Weights, prefix: str, head: tuple[str, str]) -> dict[str, Tensor]:
    """Return the weights of the style encoder or of the discriminator, whose layers are numbered as ours are."""
    rules = [head, (rf"{prefix}\.(\d+\.(?:weight|bias))", r"features.\1")]
    rules += [(rf"{prefix}\.(\d+)\.{theirs}\.(\w+)", rf"features.\1.{ours}.\2") for theirs, ours in _BLOCK.items()]
    return renamed(weights, rules)
