"""The copies of the models that a run is built on: `RUN/parts/<name>/`, each a small run folder by itself.

    config.yaml   manifest.json   condition.json   weights.safetensors   parts/

Whatever becomes of the folders that they were copied from, the run is whole.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from genbench.errors import UserError
from genbench.runs.folder import UNKNOWN, RunFolder, Unknown

if TYPE_CHECKING:
    # They import torch, without which a misspelt folder is answered.
    from genbench.conditions.base import Condition


@dataclass(frozen=True)
class Part:
    """A model that another one is built on.

    Attributes:
        model: a method with its weights.
        folder: the run that it comes from, or the copy of it.
        settings: the configuration of that run.
        condition: that it was built for.
        step: of its weights.
        checkpoint: that they are.
        sha256: of its weights and of those of its own parts.
        parts: its own.
    """

    model: Any
    folder: RunFolder
    settings: DictConfig
    condition: "Condition | Unknown | None"
    step: int
    checkpoint: str
    sha256: str
    parts: Mapping[str, "Part"]

    def describe(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        return {"run": str(self.folder.path), "checkpoint": self.checkpoint, "step": self.step, "sha256": self.sha256}


def write_parts(folder: RunFolder, parts: Mapping[str, Part]) -> None:
    """Copy parts into a run folder; what is there already stays.

    Raises:
        OSError: they can't be written.
    """
    for name, part in parts.items():
        if (folder.parts / name).is_dir():
            continue
        beside = RunFolder(folder.parts / f"{name}.part")
        shutil.rmtree(beside.path, ignore_errors=True)
        write_copy(beside, part)
        os.replace(beside.path, folder.parts / name)


def write_copy(folder: RunFolder, part: Part) -> None:
    """Write a model's weights as safetensors, and what else makes it a run, into a new folder.

    Raises:
        OSError: it can't be written.
    """
    folder.create(part.settings)
    _write_weights(folder, part)
    if part.condition is not UNKNOWN:
        folder.write_condition(part.condition)
    folder.add_to_manifest(**part.describe(), data=part.folder.read_data(), steps=part.step)
    write_parts(folder, part.parts)


def _write_weights(folder: RunFolder, part: Part) -> None:
    import torch
    from safetensors.torch import save_file

    # Copies, since the format refuses tensors that share their memory, as tied weights do.
    weights = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in part.model.state_dict().items()
    }
    save_file(weights, folder.weights_file, {"step": str(part.step)})


def check_unchanged(folder: RunFolder, name: str, part: Part) -> None:
    """Compare the copy of a part with what the manifest of its run says of it.

    Raises:
        UserError: the weights are others.
    """
    noted = folder.read_manifest().get("parts") or {}
    entry = noted.get(name) if isinstance(noted, dict) else None
    expected = entry.get("sha256") if isinstance(entry, dict) else None
    if expected is not None and expected != part.sha256:
        raise UserError(
            f"{part.folder.path} is not the part that {folder.path} began with: its weights have another hash "
            f"({part.sha256}, and the manifest has {expected})"
        )
