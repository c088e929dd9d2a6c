"""The two ranges an image lives in: uint8 on disk and in scores, float32 in [-1, 1] in networks."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from genbench.files import written_whole


def to_float(images: Tensor) -> Tensor:
    """Map uint8 in [0, 255] to float32 in [-1, 1]; any shape.

    Raises:
        TypeError: the images are not uint8, so their range is unknown.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"expected uint8 images, got {images.dtype}")
    return images.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Map float in [-1, 1] to uint8, rounding to the nearest level and clipping what lies outside; any shape.

    It is the exact inverse of `to_float` on every level. Scores are computed from what it returns, because these
    are the images that a person would save and look at.

    Raises:
        TypeError: the images are not floating point.
    """
    if not images.is_floating_point():
        raise TypeError(f"expected floating-point images in [-1, 1], got {images.dtype}")
    return images.to(torch.float32).add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def save_image(image: Tensor, path: Path) -> None:
    """Write a uint8 image (C, H, W), C 1 or 3, as a whole PNG; folders are made as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = image.permute(1, 2, 0).cpu().numpy()
    with written_whole(path) as beside:
        Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(beside, format="PNG")


def first_of_each(images: Tensor) -> Tensor:
    """Return the places (M,) of images (N, ...) that no earlier one equals, in their order."""
    seen: dict[bytes, int] = {}
    for place, image in enumerate(images.cpu()):
        seen.setdefault(image.numpy().tobytes(), place)
    return torch.tensor(list(seen.values()), dtype=torch.long)
