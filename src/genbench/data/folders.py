"""Which files of a folder are images."""

import os
from pathlib import Path

IMAGE_ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


def list_images(folder: Path) -> tuple[list[str], int]:
    """Return the paths of all images under a folder, sorted, and how many other files there are.

    Links are followed; hidden files and folders, such as macOS leaves, count as neither.
    """
    images, others, visited = [], 0, set()
    for place, folders, files in os.walk(folder, followlinks=True):
        # A link may lead back to where it lies.
        visited.add(os.path.realpath(place))
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name != "__MACOSX" and os.path.realpath(Path(place, name)) not in visited
        ]
        for name in files:
            if name.startswith("."):
                continue
            if Path(name).suffix.lower() in IMAGE_ENDINGS:
                images.append(Path(place, name).relative_to(folder).as_posix())
            else:
                others += 1
    return sorted(images), others
