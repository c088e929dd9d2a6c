"""Lists of names that were pickled, such as StackGAN's `filenames.pickle`: read without running what a pickle names."""

import pickle
from pathlib import Path
from typing import Any

from genbench.errors import UserError


class _TextsOnly(pickle.Unpickler):
    """Unpickle texts and lists, which take no class."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse."""
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no list of names needs; it was not run")


def read_name_list(path: Path) -> list[str]:
    """Return a pickled list of texts.

    Raises:
        UserError: it is something else.
    """
    try:
        with path.open("rb") as file:
            names = _TextsOnly(file, encoding="utf-8").load()
    except OSError as error:
        raise UserError(f"{path} can't be read: {error}") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise UserError(f"{path} is not a pickled list of names: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path} is not a pickled list of names")
    return names
