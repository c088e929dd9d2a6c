"""Checkpoints on disk: whole or not at all, and the one before the last kept beside it."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from genbench.errors import TrainingError
from genbench.files import written_whole
from genbench.runs.folder import PREVIOUS
from genbench.runs.moved import translate_weights


class CheckpointFiles(TorchCheckpointIO):
    """Write `last.ckpt` beside the old one, which becomes `previous.ckpt`, then move it into place.

    Lightning's own writer collects the file in memory and passes it through the machine's temporary folder, which may
    be another disk, and a small one.
    """

    def load_checkpoint(self, path: Any, *args: Any, **options: Any) -> dict[str, Any]:
        """Read a checkpoint, of an earlier version too."""
        content: dict[str, Any] = super().load_checkpoint(path, *args, **options)
        return content | {"state_dict": translate_weights(content["state_dict"])}

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint.

        Raises:
            TrainingError: the disk is full, or the folder can't be written to; the older files are as they were.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            previous = path.with_name(f"{PREVIOUS}.ckpt") if path.name == "last.ckpt" else None
            with written_whole(path, previous=previous) as beside, beside.open("wb") as file:
                torch.save(checkpoint, file)
        # torch's writer turns what the file system says into a RuntimeError of its own.
        except (OSError, RuntimeError) as error:
            causes = (error, error.__context__, error.__cause__)
            reason = next((cause.strerror for cause in causes if isinstance(cause, OSError)), None)
            raise TrainingError(f"{path} can't be written: {reason or error}") from error
