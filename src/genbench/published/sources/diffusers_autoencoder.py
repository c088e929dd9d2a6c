"""diffusers' `AutoencoderKL` and `VQModel`: a pipeline's folder `vae/` or `vqvae/`, as `save_pretrained` writes it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genbench.errors import UserError
from genbench.published.autoencoder_names import DIFFUSERS
from genbench.published.autoencoders import published_autoencoder
from genbench.published.diffusers_folder import CONFIG, model_folder, read_model
from genbench.published.diffusers_names import todays_names
from genbench.published.networks import is_weights
from genbench.published.source import Archive, Published, Source

_ONLY: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu",),
    "norm_num_groups": (32,),
    "use_quant_conv": (True,),
    "use_post_quant_conv": (True,),
    "mid_block_add_attention": (True,),
    "norm_type": ("group",),
    "lookup_from_codebook": (False,),
}
"""Settings, and the values of them that our network can hold."""


class DiffusersAutoencoder(Source):
    """A folder with `config.json` and the weights."""

    title = "diffusers' AutoencoderKL and VQModel"

    def read(self, path: Path) -> Archive:
        """Return the weights and the configuration.

        Raises:
            UserError: it is no folder, or a file is missing or can't be read.
        """
        weights, config = read_model(model_folder(path))
        return Archive(path, weights, {CONFIG: config})

    def recognises(self, archive: Archive) -> bool:
        """Return whether the tensors are those of an autoencoder."""
        content = archive.content
        return isinstance(content, Mapping) and "encoder.mid_block.resnets.0.norm1.weight" in content

    def convert(self, archive: Archive) -> Published:
        """Return the autoencoder with the shape that its tensors say."""
        config = archive.settings[CONFIG]
        for key, values in _ONLY.items():
            if config.get(key, values[0]) not in values:
                held = " or ".join(map(repr, values))
                raise UserError(f"{CONFIG}.json says {key}={config[key]!r}, which can't be held here: only {held}")
        if not is_weights(archive.content):
            raise UserError(f"{archive.path} holds no weights")
        weights = todays_names(archive.content)
        side = config.get("sample_size", 256)
        levels = len(config.get("block_out_channels", [0]))
        if not isinstance(side, int) or side < 2**levels:
            # Some files have the smallest side that works, in place of that of their images.
            side = 256
        return published_autoencoder(weights, DIFFUSERS, side)
