"""OpenAI's guided-diffusion `.pt` files: ADM and its classifiers (Dhariwal and Nichol 2021).

https://arxiv.org/abs/2105.05233. The tensors don't say how attention is divided into heads, nor in which order its q, k
and v are: the README's flags do, for each kind of network.
"""

from math import isqrt
from typing import Any

from genbench.errors import UserError
from genbench.published.openai_unet import CLASSIFIER_END, IMAGE_END, Shape, converted, has_strides, is_openai, shape_of
from genbench.published.source import Archive, Published, Source, numbered_classes

_COLOURS = 3

_SIDES: dict[tuple[float, ...], int] = {
    (1, 2, 3, 4): 64,
    (1, 1, 2, 3, 4): 128,
    (1, 1, 2, 2, 4, 4): 256,
    # Its first convolution has half of the width that is said of it.
    (1, 2, 2, 4, 4, 8, 8): 512,
}
"""Sides in pixels, by the multipliers."""

_UPSAMPLER = (1, 1, 2, 2, 4, 4)
"""Multipliers of both upsamplers."""

_SIDES_OF_UPSAMPLERS = {3: 256, 2: 512}
"""Sides in pixels of what they make, by the resolutions at which they attend, the lowest."""

_HEADS_AT_128 = 4
_HEADS_OF_UPSAMPLER_TO_256 = 4
_HEAD_CHANNELS = 64


class GuidedDiffusion(Source):
    """Plain state dictionaries of denoisers, class-conditional or not, of upsamplers, and of noisy classifiers."""

    title = "OpenAI's guided-diffusion, its upsamplers and its classifiers"

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
        if len(archive.content["out.2.weight"]) != 2 * _COLOURS:
            raise UserError(f"{archive.path} has no learned variance, as guided-diffusion's published models have")
        if shape.channels == 2 * _COLOURS and shape.multipliers == _UPSAMPLER and shape.classes:
            return _upsampler(archive, shape)
        side = _SIDES.get(shape.multipliers)
        if side is None or shape.channels != _COLOURS:
            raise UserError(
                f"{archive.path} takes {shape.channels} channels and has multipliers={list(shape.multipliers)}: only "
                "guided-diffusion's denoisers of 64, 128, 256 and 512 pixels are known, and its upsamplers to 256 and "
                "512, of classes"
            )
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


def _upsampler(archive: Archive, shape: Shape) -> Published:
    side = _SIDES_OF_UPSAMPLERS.get(sum(shape.attention))
    if side is None:
        raise UserError(
            f"{archive.path} attends at {sum(shape.attention)} resolutions, and guided-diffusion's upsamplers at 3 or 2"
        )
    heads, head_channels = (_HEADS_OF_UPSAMPLER_TO_256, None) if side == 256 else (None, _HEAD_CHANNELS)
    network = shape.settings(side) | {
        "heads": heads,
        "head_channels": head_channels,
        "time_width": _time_width(shape),
    }
    return Published(
        "adm_upsampler_imagenet256",
        {"data.size": side, **_keyed("network.denoiser", network)},
        {"denoiser": converted(archive.content, IMAGE_END, heads, head_channels)},
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
