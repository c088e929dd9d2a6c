"""The files of an edit's folder, for whoever writes or reads them; nothing heavy is imported."""

from collections.abc import Iterator
from pathlib import Path


class EditFiles:
    """Where the parts of an edit are.

    Args:
        path: its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.manifest = path / "manifest.json"
        self.pictures = path / "pictures"
        self.intermediate = path / "intermediate"
        self.beside = path / "beside"
        self.grid = path / "grid.png"
        self.animation = path / "animation.gif"
        self.scores = path / "scores.json"

    def all(self) -> Iterator[Path]:
        """Yield all of them; the manifest, which says what the folder is, comes last."""
        yield from (self.pictures, self.intermediate, self.beside, self.grid, self.animation, self.scores, self.config)
        yield self.manifest
