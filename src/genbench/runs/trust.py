"""What a saved configuration may name and where it may lead: a run folder may come from anywhere."""

import importlib
import sys
from collections.abc import Iterator
from typing import Any

from genbench import plugins
from genbench.errors import UserError
from genbench.files import leads_out

# Classes of these modules, and nothing that they happen to import.
_TRUSTED = (
    "genbench.methods",
    "genbench.conditions",
    "genbench.networks",
    "genbench.diffusion",
    "genbench.editing",
    "genbench.data",
    "genbench.metrics",
    "genbench.callbacks",
    "genbench.logs.loggers",
    "genbench.logs.wandb_run",
    "torch.optim",
    "torch.nn",
    "lightning.pytorch.trainer",
    "lightning.pytorch.loggers",
)

_TOPS = {root.partition(".")[0] for root in _TRUSTED}

_SAMPLERS = "genbench.diffusion.samplers"
"""Its functions may be named too: they compute and do nothing else."""

_WRITERS = ("trainer", "logger", "callbacks")
"""The parts of a configuration whose classes write files, all of them into the run folder."""


def check_trusted(config: Any, where: str) -> None:
    """Check that a saved configuration names only classes of GenBench, optimizers and networks of torch.

    The name is taken apart without importing anything but trusted modules, and what it leads to must be a class that
    such a module defines: `genbench.data.mnist.gzip.open` leads elsewhere. What writes files may be given no path
    that leads out of the run folder.

    Raises:
        UserError: it names something else, leads outside, or refers to its surroundings by `${...}`.
    """
    check_names(config, where)
    _check_references(config, where)
    for part in _WRITERS:
        if isinstance(config, dict):
            _check_inside(config.get(part), part, where)


def check_names(config: Any, where: str) -> None:
    """Check that whatever is to be built, by its `_target_`, is a class that may be named.

    Raises:
        UserError: something else is named.
    """
    for key, value in _entries(config):
        if key == "_target_":
            _check_target(value, where)


def _check_references(config: Any, where: str) -> None:
    for _, value in _entries(config):
        if isinstance(value, str) and "${" in value:
            raise UserError(f"{where}: a saved configuration must not refer to anything by ${{...}}, as {value!r} does")


def _entries(config: Any) -> Iterator[tuple[Any, Any]]:
    """Yield all that a configuration holds, at any depth, each with its key, None in a list."""
    if isinstance(config, dict | list):
        for key, value in config.items() if isinstance(config, dict) else ((None, value) for value in config):
            yield key, value
            yield from _entries(value)


def _check_inside(config: Any, key: str, where: str) -> None:
    if isinstance(config, dict):
        for name, value in config.items():
            # The weights and the cache of an evaluator lie where the user put them.
            if name != "evaluator":
                _check_inside(value, f"{key}.{name}", where)
    elif isinstance(config, list):
        for value in config:
            _check_inside(value, key, where)
    elif isinstance(config, str) and (leads_out(config) or config.startswith("~")):
        raise UserError(f"{where}: {key}={config!r} leads out of the run folder, which a saved one must not")


def _check_target(target: Any, where: str) -> None:
    top = target.partition(".")[0] if isinstance(target, str) else ""
    unknown = top.isidentifier() and top not in _TOPS and top not in sys.stdlib_module_names
    own = f"; if {top} is a package of your own, add --plugin {top}" if unknown else ""
    refusal = UserError(
        f"{where}: _target_ {target!r} is not trusted: it may only name classes of {', '.join(_TRUSTED)}{own}"
    )
    if not isinstance(target, str) or not _is_trusted(target):
        raise refusal
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise refusal from error
    is_sampler = callable(found) and str(getattr(found, "__module__", "")).startswith(f"{_SAMPLERS}.")
    if not (isinstance(found, type) or is_sampler) or not _is_trusted(found.__module__):
        raise refusal


def _is_trusted(name: str) -> bool:
    return any(name == root or name.startswith(root + ".") for root in (*_TRUSTED, *plugins.admitted()))
