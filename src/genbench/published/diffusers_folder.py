"""A model's folder as diffusers' `save_pretrained` writes it: `config.json` and the weights."""

from pathlib import Path
from typing import Any

from genbench.errors import UserError
from genbench.published.reading import read, read_settings

CONFIG = "config"
WEIGHTS = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
"""Names of files with weights, the preferred one first."""


def read_model(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Return the weights of a folder, and what `config.json` says.

    Raises:
        UserError: a file is missing or can't be read.
    """
    file = folder / f"{CONFIG}.json"
    if not file.is_file():
        raise UserError(f"{file} is missing: it says the network's settings")
    settings = read_settings(file)
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        raise UserError(f"{folder} has neither {' nor '.join(WEIGHTS)}")
    return read(weights), settings


def model_folder(path: Path) -> Path:
    """Return the folder that a path names, by itself or by its file of weights.

    Raises:
        UserError: it is neither.
    """
    if path.name in WEIGHTS and (path.parent / f"{CONFIG}.json").is_file():
        return path.parent
    if not path.is_dir():
        raise UserError(f"{path} is no folder: this source takes a folder with {CONFIG}.json and {WEIGHTS[0]}")
    return path
