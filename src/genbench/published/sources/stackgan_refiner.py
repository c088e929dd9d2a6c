"""StackGAN-Pytorch's second stage (Zhang et al. 2017): `netG_epoch_90.pth`, whose file holds the first stage, too.

The first stage is imported before, from the same file (`source=stackgan`), and is the part. The network for COCO has
37,130,480 parameters here as there, without it.
"""

from genbench.published.networks import state_of, tensor_of
from genbench.published.source import Archive, Published, Source, without_prefix
from genbench.published.stackgan_layout import (
    NOTES,
    STAGE_ONE,
    augmentation_settings,
    blocks,
    condition_of,
    doublings,
    stage_two_weights,
)


class StackGANRefiner(Source):
    """A file of the generator."""

    title = "StackGAN-Pytorch's second stage, with parts.stage_one=RUN"

    def recognises(self, archive: Archive) -> bool:
        """Return whether captions are joined to the maps of small images."""
        weights = without_prefix(state_of(archive.content))
        return {"ca_net.fc.weight", "hr_joint.0.weight"} <= weights.keys()

    def convert(self, archive: Archive) -> Published:
        """Return the generator with the sizes that its tensors say.

        Raises:
            UserError: a tensor has no counterpart.
        """
        weights = {
            name: each
            for name, each in without_prefix(state_of(archive.content)).items()
            if not name.startswith(STAGE_ONE)
        }
        settings = {
            "data.size": 16 * 2 ** doublings(weights),
            "network.generator.width": tensor_of(weights, "encoder.0.weight").shape[0],
            "network.generator.blocks": blocks(weights),
        }
        return Published(
            "stackgan_coco256",
            settings | augmentation_settings(weights),
            {"generator": stage_two_weights(weights)},
            condition=condition_of(weights),
            notes=NOTES,
        )
