"""Stable Diffusion v1 as CompVis saves it: `sd-v1-4.ckpt` and the like, or the same as safetensors.

Its U-Net becomes a run of `latent_diffusion`; its first stage and its text tower are imported before, from the same
file, and are the parts.
"""

from typing import Any

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published.latent_diffusion import BLOCK, STANDARD_SCALE, depth_of, of_captions
from genbench.published.networks import state_of
from genbench.published.openai_unet import IMAGE_END, converted, shape_of
from genbench.published.source import Archive, Published, Source

_UNET, _AVERAGE = "model.diffusion_model.", "model_ema."

_HEADS = 8

_RULES = [
    (r"(.+)\.proj_in\.(weight|bias)", r"\1.first.\2"),
    (r"(.+)\.proj_out\.(weight|bias)", r"\1.last.\2"),
    *(
        (
            rf"(.+)\.transformer_blocks\.(\d+)\.{theirs.replace('.', chr(92) + '.')}\.(weight|bias)",
            rf"\1.blocks.\2.{ours}.\3",
        )
        for ours, theirs in BLOCK.items()
    ),
    *IMAGE_END,
]


class StableDiffusion(Source):
    """A file alone."""

    title = "CompVis' Stable Diffusion v1"

    def recognises(self, archive: Archive) -> bool:
        """Return whether it has a U-Net that attends to a sequence by transformers."""
        return f"{_UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight" in state_of(archive.content)

    def convert(self, archive: Archive) -> Published:
        """Return the U-Net with the shape that its tensors say, and its chain."""
        tensors = {name: each.float() for name, each in state_of(archive.content).items() if each.is_floating_point()}
        weights = {name.removeprefix(_UNET): each for name, each in tensors.items() if name.startswith(_UNET)}
        shape = shape_of(weights)
        if shape.channels != 4:
            raise UserError(f"{archive.path} takes {shape.channels} channels of latents: Stable Diffusion's takes 4")
        side = 64
        settings = shape.settings(side) | {"heads": _HEADS, "transformer_depth": depth_of(weights)}
        betas = tensors.get("betas")
        process = {} if betas is None else _process(betas)
        averages = {}
        for name, each in weights.items():
            flat = f"{_AVERAGE}{_UNET.removeprefix('model.')}{name}".replace(".", "").replace("model_ema", _AVERAGE)
            averages[name] = tensors.get(flat, each)
        has_average = any(name.startswith(_AVERAGE) for name in tensors)
        return of_captions(
            converted(weights, _RULES, None, None),
            settings,
            process,
            scale=float(tensors.get("scale_factor", torch.tensor(STANDARD_SCALE))),
            side=side,
            averages=converted(averages, _RULES, None, None) if has_average else None,
            notes=("it predicts the noise, with 8 heads at each attention, as all of v1 do: the file does not say so",),
        )


def _process(betas: Tensor) -> dict[str, Any]:
    """Return the settings of a chain with these variances.

    Raises:
        UserError: they are not evenly spaced in their square roots.
    """
    steps, first, last = len(betas), float(betas[0]), float(betas[-1])
    scale = steps / 1000
    if not torch.allclose(betas.sqrt(), torch.linspace(first**0.5, last**0.5, steps), rtol=1e-4):
        raise UserError("the chain's variances are not linear in their square roots, as latent diffusion's are")
    return {"process.steps": steps, "process.beta_start": first * scale, "process.beta_end": last * scale}
