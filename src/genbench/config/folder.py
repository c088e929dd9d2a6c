"""The folders of configurations, `conf/`: their groups, what each offers, and what the files say of themselves."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from genbench.errors import UserError
from genbench.errors import first_line as first_line_of
from genbench.plugins import conf_folders
from genbench.signatures import first_line

_PACKAGED = Path(__file__).parents[1] / "conf"
CONF = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "conf"
"""The folder: within an installed package, or at the top of the checkout."""


def folders() -> list[Path]:
    """Return the folders of configurations: GenBench's own, then those of plug-ins."""
    return [CONF, *conf_folders()]


def options(group: str) -> list[str]:
    """Return the names that a group offers, sorted."""
    return sorted({path.stem for folder in folders() for path in (folder / group).glob("*.yaml")})


def groups() -> list[str]:
    """Return the groups, sorted."""
    names = {path.name for folder in folders() for path in folder.iterdir() if path.is_dir()}
    return sorted(name for name in names if options(name))


def check_shadows() -> None:
    """Check that no plug-in has an option of a name that is taken, which would be ignored, or one that can't be read.

    Raises:
        UserError: one has.
    """
    seen: dict[Path, Path] = {}
    for folder in folders():
        for path in sorted(folder.rglob("*.yaml")):
            other = seen.setdefault(path.relative_to(folder), path)
            if other != path:
                raise UserError(f"{path} has the name of {other}: give it another")
            if folder != CONF:
                _content(path)


def find(group: str, name: str) -> Path | None:
    """Return the file of a group's option; None where there is none."""
    paths = (folder / group / f"{name}.yaml" for folder in folders())
    return next((path for path in paths if path.is_file()), None)


def describe(group: str, name: str) -> str:
    """Return the comment that opens a configuration or else the first line of the module that its target lies in."""
    path = find(group, name)
    text = "" if path is None else path.read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            return line.lstrip("# ")
    target = re.search(r"^_target_:\s*(\S+)\.\w+\s*$", text, re.MULTILINE)
    return first_line(target[1]) if target else ""


def own_content(group: str, name: str) -> dict[str, Any]:
    """Return what the file of a group's option says itself; {} where there is no such file."""
    path = find(group, name)
    return {} if path is None else _content(path)


@cache
def _content(path: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError as error:
        raise UserError(f"{path} can't be read: {first_line_of(error)}") from error


def bases(group: str, name: str) -> list[str]:
    """Return an option and what else its file begins with in its group: `improved_ddpm`, `ddpm`, `shared/chain`."""
    entries = own_content(group, name).get("defaults", [])
    own = [entry.partition("@")[0] for entry in entries if isinstance(entry, str)]
    return [name, *(base for entry in own for base in bases(group, entry))]
