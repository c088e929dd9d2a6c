"""Generators of denoising diffusion GANs (Xiao et al. 2022): https://github.com/NVlabs/denoising-diffusion-gan."""

from collections.abc import Mapping

from genbench.errors import UserError
from genbench.published.ncsnpp_layout import is_ncsnpp, read_ncsnpp
from genbench.published.source import Archive, Published, Source, renamed, without_prefix

_EXPERIMENTS = {32: "ddgan_cifar10", 256: "ddgan_lsun"}
"""By the side of the images."""

_MAPPING = [(r"z_transform\.(\d+)\.(weight|bias)", r"embed_latent.\1.\2"), (r"all_modules\..*", "")]


class DDGAN(Source):
    """The averaged generator of their `netG_*.pth`, without a discriminator.

    A file doesn't say how many steps the chain has: 4 for CIFAR-10 and LSUN; for CelebA-HQ set method.process.steps=2.
    """

    title = "denoising-diffusion-gan's generators (Xiao et al. 2022)"

    def recognises(self, archive: Archive) -> bool:
        """Return whether an archive is a state dictionary of an NCSN++ with a mapping network."""
        if not isinstance(archive.content, Mapping):
            return False
        weights = without_prefix(archive.content)
        return "z_transform.1.weight" in weights and is_ncsnpp(weights)

    def convert(self, archive: Archive) -> Published:
        """Return an archive of this kind in GenBench's words.

        Raises:
            UserError: a tensor is missing, or no experiment has images of this size.
        """
        weights = without_prefix(archive.content)
        found = read_ncsnpp(weights)
        if found.side not in _EXPERIMENTS:
            raise UserError(
                f"this generator makes images of {found.side} pixels: the experiments of denoising diffusion GANs have "
                f"{' and '.join(map(str, _EXPERIMENTS))}"
            )
        mapping = renamed(weights, _MAPPING)
        latent_width, latent_dim = weights["z_transform.1.weight"].shape
        layers = sum(name.endswith(".weight") for name in mapping) - 1
        settings = found.settings | {"latent_width": latent_width, "latent_layers": layers}
        return Published(
            _EXPERIMENTS[found.side],
            {f"network.generator.{name}": value for name, value in settings.items()}
            | {"method.latent_dim": latent_dim},
            {"generator": found.weights | mapping},
        )
