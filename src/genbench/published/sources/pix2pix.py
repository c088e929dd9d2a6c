"""pix2pix's published models (Isola et al. 2017): `latest_net_G.pth` and, if it is there, `latest_net_D.pth`.

On 2026-11-26 the U-Net of 256 pixels (54,413,955 parameters) was 5e-7 from one of the authors' layout, with the same
dropout, and the PatchGAN (2,768,705) 3e-6.
"""

from genbench.errors import UserError
from genbench.published import translators
from genbench.published.networks import networks_of
from genbench.published.source import Archive, Published, Source


class Pix2Pix(Source):
    """A file of the U-Net generator, or a folder with that of the PatchGAN too."""

    title = "pix2pix of pytorch-CycleGAN-and-pix2pix"
    files = translators.FILES

    def recognises(self, archive: Archive) -> bool:
        """Return whether a U-Net generator is among the networks."""
        return any(translators.is_unet(weights) for weights in networks_of(archive, self.files).values())

    def convert(self, archive: Archive) -> Published:
        """Return the generator, and the discriminator if there is one.

        Raises:
            UserError: there is not one U-Net generator, it changes the number of channels, or a tensor has no
                counterpart.
        """
        networks = networks_of(archive, self.files)
        generators = [weights for weights in networks.values() if translators.is_unet(weights)]
        if len(generators) != 1:
            raise UserError(
                f"{archive.path} has {len(generators)} U-Net generators: give latest_net_G.pth, or its folder"
            )
        (generator,) = generators
        first, last = generator["model.model.0.weight"], generator["model.model.3.weight"]
        if first.shape[1] != last.shape[1]:
            raise UserError(
                f"{archive.path} translates {first.shape[1]} channels to {last.shape[1]}, and data sets have one number"
            )
        settings = {
            "data.size": 2 ** translators.unet_levels(generator),
            "data.channels": first.shape[1],
            "network.generator.width": first.shape[0],
            "network.generator.dropout_layers": "pytorch_code",
            "network.generator.norm": translators.norm_of(generator),
        }
        found = {"generator": translators.unet_weights(generator)}
        if "D" in networks:
            settings |= translators.discriminator_settings(networks["D"])
            found["discriminator"] = translators.patchgan_weights(networks["D"])
        return Published("pix2pix_folder", settings, found)
