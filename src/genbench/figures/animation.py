"""Animations of pictures."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from genbench.files import written_whole

_FORMATS = {".gif": "GIF", ".webp": "WEBP"}


def save_animation(frames: Sequence[Tensor], path: Path, seconds: float = 0.06) -> None:
    """Write images uint8 (C, H, W), C 1 or 3, as a looping animation.

    Args:
        frames: at least one.
        path: a whole file is written; GIF or WebP by its suffix. Folders are created as needed.
        seconds: that a frame is shown.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [frame.permute(1, 2, 0).cpu().numpy() for frame in frames]
    pictures = [Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array) for array in arrays]
    with written_whole(path) as beside:
        pictures[0].save(
            beside, format=_FORMATS[path.suffix], save_all=True, append_images=pictures[1:],
            duration=round(1000 * seconds), loop=0,
        )  # fmt: skip
