"""Kinds of published files, one each, chosen by the name of the file: `source=diffusers` is `diffusers.py`."""

import importlib

from genbench.errors import UserError, near
from genbench.published.source import Source
from genbench.signatures import class_of, modules_of


def names() -> list[str]:
    """Return the sources that can be chosen."""
    return modules_of(__name__)


def make(name: str) -> Source:
    """Return a source by its name.

    Raises:
        UserError: there is no such source.
    """
    if name not in names():
        raise UserError(f"source={name}: there is no such source{near(name, names())}")
    module = f"{__name__}.{name}"
    _, _, kind = (class_of(module) or "").rpartition(".")
    source: Source = getattr(importlib.import_module(module), kind)()
    return source
