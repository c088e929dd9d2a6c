"""Read published files without running anything that they hold."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from genbench.errors import UserError, first_line


def read(path: Path) -> Any:
    """Return what a file holds: tensors and plain values, in dictionaries and lists as they were saved.

    Raises:
        UserError: it can't be read, or holds something that would be run.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(f"{path} can't be read: {first_line(error)}") from error
