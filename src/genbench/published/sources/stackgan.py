"""StackGAN-Pytorch's first stage (Zhang et al. 2017): `netG_epoch_*.pth`, by itself or within the second stage's file.

Its networks for COCO have 20,020,832 parameters here as there.
"""

from genbench.published.networks import state_of, tensor_of
from genbench.published.source import Archive, Published, Source, without_prefix
from genbench.published.stackgan_layout import (
    NOTES,
    STAGE_ONE,
    augmentation_settings,
    condition_of,
    doublings,
    stage_one_weights,
)


class StackGAN(Source):
    """A file of the generator."""

    title = "StackGAN-Pytorch's first stage, also within the second's file"

    def recognises(self, archive: Archive) -> bool:
        """Return whether there is a fully connected layer of noise and of what a caption says."""
        weights = without_prefix(state_of(archive.content))
        return any(
            {f"{prefix}ca_net.fc.weight", f"{prefix}fc.0.weight"} <= weights.keys() for prefix in ("", STAGE_ONE)
        )

    def convert(self, archive: Archive) -> Published:
        """Return the generator with the sizes that its tensors say.

        Raises:
            UserError: a tensor has no counterpart.
        """
        weights = without_prefix(state_of(archive.content))
        inner = {name.removeprefix(STAGE_ONE): each for name, each in weights.items() if name.startswith(STAGE_ONE)}
        weights = inner or weights
        augmentation = augmentation_settings(weights)
        settings = {
            "data.size": 4 * 2 ** doublings(weights),
            "method.latent_dim": tensor_of(weights, "fc.0.weight").shape[1]
            - augmentation["network.generator.caption_dim"],
            "network.generator.width": 2 * tensor_of(weights, "img.0.weight").shape[1],
        }
        return Published(
            "stackgan_coco",
            settings | augmentation,
            {"generator": stage_one_weights(weights)},
            condition=condition_of(weights),
            notes=NOTES,
        )
