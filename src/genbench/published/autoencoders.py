"""Published autoencoders of VQGAN and latent diffusion in GenBench's words, whoever saved them."""

import torch
from torch import Tensor

from genbench.published.autoencoder_names import Implementation, imported, shape_of
from genbench.published.networks import tensor_of
from genbench.published.source import Published, Weights

CODEBOOK = "quantize.embedding.weight"


def published_autoencoder(weights: Weights, implementation: Implementation, side: int) -> Published:
    """Return an autoencoder with the shape that its tensors say.

    Args:
        weights: its tensors, by the implementation's names.
        implementation: whose names they are.
        side: pixels of an image, which the tensors don't say: other sizes work as well.

    Raises:
        UserError: a tensor is missing, or one has no counterpart.
    """
    floats = {name: each.float() for name, each in weights.items() if each.is_floating_point()}
    shape = shape_of(floats, implementation)
    converted: dict[str, Tensor] = imported(floats, shape, implementation)
    settings = {
        "data.size": side,
        # The discriminator is of no use to who draws.
        "method.discriminator_weight": 0.0,
        "method.perceptual": "none",
        **{f"network.autoencoder.{key}": value for key, value in shape.settings(side).items()},
    }
    if shape.moments == 2:
        return Published("kl_f8_folder256", settings, {"autoencoder": converted})
    codebook = tensor_of(floats, CODEBOOK)
    converted |= {"quantiser.embedding.weight": codebook, "quantiser.usage": torch.ones(len(codebook))}
    return Published("vqgan_faces256", settings | {"method.codes": len(codebook)}, {"autoencoder": converted})
