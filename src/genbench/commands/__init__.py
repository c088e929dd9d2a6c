"""One verb a file: read the configuration, assemble, run. The only room that knows all the others."""

from collections.abc import Callable
from importlib import import_module

from omegaconf import DictConfig


def load(verb: str) -> Callable[[DictConfig], None]:
    """Return the function that runs a verb on its composed configuration; this imports what the verb needs."""
    main: Callable[[DictConfig], None] = import_module(f"genbench.commands.{verb}").main
    return main
