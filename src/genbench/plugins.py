"""Packages of the user's own: methods, data sets and conditions that live outside GenBench.

Nothing of such a package is imported, and no saved configuration may name it, unless the command line says
`--plugin NAME`. Its folder `conf/`, if it has one, joins GenBench's: `mine/conf/method/gaussian.yaml` is
`method=gaussian`.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from genbench.errors import UserError

_VARIABLE = "GENBENCH_PLUGINS"
"""How the processes of a run that this one starts know of them."""

_INHERITED = tuple(filter(None, os.environ.get(_VARIABLE, "").split(":")))


def admit(names: Sequence[str]) -> None:
    """Let configurations name classes of packages, from now on and in all processes that this one starts.

    Raises:
        UserError: there is no such package here.
    """
    for name in names:
        if not name.isidentifier():
            raise UserError(f"--plugin {name}: it must be the name of a package, such as mine")
        if name in sys.stdlib_module_names:
            raise UserError(f"--plugin {name}: this is a part of Python, not a package of yours")
        if _folder(name) is None:
            raise UserError(
                f"--plugin {name}: there is no package of this name; install it, or run GenBench from the folder that "
                f"holds {name}/__init__.py"
            )
    os.environ[_VARIABLE] = ":".join(dict.fromkeys((*_INHERITED, *names)))


def admitted() -> tuple[str, ...]:
    """Return the packages that configurations may name besides GenBench's own."""
    return tuple(filter(None, os.environ.get(_VARIABLE, "").split(":")))


def conf_folders() -> list[Path]:
    """Return their folders of configurations, as far as they have one."""
    folders = (_folder(name) for name in admitted())
    return [folder / "conf" for folder in folders if folder is not None and (folder / "conf").is_dir()]


def as_words() -> list[str]:
    """Return the words of a command line that admit them."""
    return [word for name in admitted() for word in ("--plugin", name)]


def _folder(name: str) -> Path | None:
    """Return the folder of a package, which is looked up and not imported."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
