"""OpenAI's guided-diffusion `.pt` files: ADM and its classifiers (Dhariwal and Nichol 2021).

https://arxiv.org/abs/2105.05233. The tensors don't say how attention is divided into heads, nor in which order its q, k
and v are: the README's flags do, for each kind of network.
"""

from math import isqrt
from typing import Any

from genbench.errors import UserError
from genbench.published.openai_unet import CLASSIFIER_END, IMAGE_END, Shape, converted, has_strides, is_openai, shape_of
from genbench.published.source import Archive, Published, Source, numbered_classes

_SIDES: dict[tuple[float, ...], int] = {
    (1, 2, 3, 4): 64,
    (1, 1, 2, 3, 4): 128,
    (1, 1, 2, 2, 4, 4): 256,
    # Its first convolution has half of the width that is said of it.
    (1, 2, 2, 4, 4, 8, 8): 512,
}
"""Sides in pixels, by the multipliers."""

_HEADS_AT_128 = 4
_HEAD_CHANNELS = 64


class GuidedDiffusion(Source):
    """Plain state dictionaries of denoisers, class-conditional or not, and of classifiers of noisy images."""

    title = "OpenAI's guided-diffusion, and its classifiers"

    def recognises(self, archive: Archive) -> bool:
        """Return whether it is one of OpenAI's U-Nets whose residual blocks resample, or a classifier."""
        content = archive.content
        if not is_openai(content):
            return False
        return "out.2.positional_embedding" in content or ("out.2.weight" in content and not has_strides(content))

    def convert(self, archive: Archive) -> Published:
        """Return the network with the shape that its tensors say."""
        shape = shape_of(archive.content)
        if "out.2.positional_embedding" in archive.content:
            return _classifier(archive, shape)
        side = _SIDES.get(shape.multipliers)
        if side is None or shape.channels != 3:
            raise UserError(
                f"{archive.path} takes {shape.channels} channels and has multipliers={list(shape.multipliers)}: only "
                "guided-diffusion's denoisers of 64, 128, 256 and 512 pixels are known, not its upsamplers"
            )
        if len(archive.content["out.2.weight"]) != 2 * shape.channels:
            raise UserError(f"{archive.path} has no learned variance, as guided-diffusion's published models have")
        heads, head_channels = (_HEADS_AT_128, None) if side == 128 else (None, _HEAD_CHANNELS)
        # At 64 q, k and v are ordered as ours are, and elsewhere by head.
        order = (None, None) if side == 64 else (heads, head_channels)
        network = shape.settings(side) | {
            "heads": heads,
            "head_channels": head_channels,
            "time_width": _time_width(shape),
        }
        method: dict[str, Any] = {
            "process.schedule": "cosine" if side == 64 else "linear",
            "conditional": bool(shape.classes),
            "condition_dropout": 0.0 if shape.classes else 0.1,
        }
        return Published(
            "adm_imagenet64" if shape.classes else "adm_lsun",
            {"data.size": side, **_keyed("network.denoiser", network), **_keyed("method", method)},
            {"denoiser": converted(archive.content, IMAGE_END, *order)},
            condition=numbered_classes(shape.classes),
        )


def _classifier(archive: Archive, shape: Shape) -> Published:
    content = archive.content
    # Beside the places there is their mean.
    lowest = isqrt(content["out.2.positional_embedding"].shape[1] - 1)
    side = lowest * 2 ** (len(shape.multipliers) - 1)
    network = shape.settings(side) | {"head_channels": _HEAD_CHANNELS, "time_width": _time_width(shape)}
    return Published(
        "noisy_classifier_imagenet64",
        {
            "data.size": side,
            "method.process.schedule": "cosine" if side == 64 else "linear",
            **_keyed("network.classifier", network),
        },
        {"classifier": converted(content, CLASSIFIER_END, None, _HEAD_CHANNELS)},
        condition=numbered_classes(len(content["out.2.c_proj.weight"])),
    )


def _time_width(shape: Shape) -> int | None:
    return None if shape.time_width == shape.width else shape.time_width


def _keyed(node: str, settings: dict[str, Any]) -> dict[str, Any]:
    return {f"{node}.{key}": value for key, value in settings.items()}
