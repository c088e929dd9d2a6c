"""First stages as taming-transformers and latent-diffusion save them (Esser et al. 2021; Rombach et al. 2022).

`.ckpt` files of Lightning, read without unpickling: VQGAN, and latent diffusion's KL and VQ models; by themselves, or
within the file of a model that is built on one, such as Stable Diffusion's or VQGAN's transformer.
"""

from genbench.published.autoencoder_names import COMPVIS
from genbench.published.autoencoders import published_autoencoder
from genbench.published.networks import state_of
from genbench.published.source import Archive, Published, Source

_SIDE = 256
"""Pixels of the images that almost all of them were trained on."""

_WITHIN = "first_stage_model."


class CompvisAutoencoder(Source):
    """A file alone."""

    title = "taming-transformers' and latent-diffusion's first stages"

    def recognises(self, archive: Archive) -> bool:
        """Return whether it is a first stage by itself."""
        return "encoder.mid.attn_1.q.weight" in state_of(archive.content)

    def convert(self, archive: Archive) -> Published:
        """Return the autoencoder with the shape that its tensors say."""
        weights = state_of(archive.content)
        inner = {name.removeprefix(_WITHIN): each for name, each in weights.items() if name.startswith(_WITHIN)}
        return published_autoencoder(inner or weights, COMPVIS, _SIDE)
