"""OpenAI's improved-diffusion `.pt` files (Nichol and Dhariwal 2021, https://arxiv.org/abs/2102.09672).

The tensors don't say how many heads attention has, nor what the time is scaled to: the README's flags do, for each kind
of network.
"""

from typing import Any

from genbench.errors import UserError
from genbench.published.openai_unet import IMAGE_END, Shape, converted, has_strides, is_openai, shape_of
from genbench.published.source import Archive, Published, Source, numbered_classes

_SIDES: dict[tuple[float, ...], int] = {(1, 2, 2, 2): 32, (1, 2, 3, 4): 64, (1, 1, 2, 2, 4, 4): 256}
"""Sides in pixels, by the multipliers."""

_EXPERIMENTS = {32: "improved_ddpm_cifar10", 64: "improved_ddpm_imagenet64", 256: "improved_ddpm_lsun"}

_COSINE_STEPS, _LINEAR_STEPS = 4000, 1000


class ImprovedDiffusion(Source):
    """Plain state dictionaries, of the averaged weights (`ema_...`) or of the last ones."""

    title = "OpenAI's improved-diffusion"

    def recognises(self, archive: Archive) -> bool:
        """Return whether it is one of OpenAI's U-Nets whose sizes change by convolutions."""
        content = archive.content
        return is_openai(content) and "out.2.weight" in content and has_strides(content)

    def convert(self, archive: Archive) -> Published:
        """Return the network with the shape that its tensors say."""
        shape = shape_of(archive.content)
        side = _SIDES.get(shape.multipliers)
        if side is None or shape.channels != 3:
            raise UserError(
                f"{archive.path} takes {shape.channels} channels and has multipliers={list(shape.multipliers)}: only "
                "improved-diffusion's denoisers of 32, 64 and 256 pixels are known, not its upsamplers"
            )
        if len(archive.content["out.2.weight"]) != 2 * shape.channels:
            raise UserError(f"{archive.path} has no learned variance, as improved-diffusion's published models have")
        heads = 4 if shape.adaptive else 1
        network = shape.settings(side) | {"heads": heads} | _time_of(shape)
        settings = {"data.size": side, **{f"network.denoiser.{key}": value for key, value in network.items()}}
        settings |= {f"method.{key}": value for key, value in _method_of(shape).items()}
        return Published(
            _EXPERIMENTS[side],
            settings,
            {"denoiser": converted(archive.content, IMAGE_END, heads, None)},
            condition=numbered_classes(shape.classes),
        )


def _time_of(shape: Shape) -> dict[str, Any]:
    """Return what t = 1 is scaled to: the class-conditional models don't rescale the index of their 4,000 steps."""
    return {"time_scale": float(_COSINE_STEPS) if shape.classes else 1000.0}


def _method_of(shape: Shape) -> dict[str, Any]:
    """Return the chain of each kind: LSUN's, which are not adaptive, are linear."""
    chain = (
        {"process.schedule": "cosine", "process.steps": _COSINE_STEPS}
        if shape.adaptive
        else {"process.schedule": "linear", "process.steps": _LINEAR_STEPS}
    )
    return chain | {"conditional": bool(shape.classes), "condition_dropout": 0.0 if shape.classes else 0.1}
