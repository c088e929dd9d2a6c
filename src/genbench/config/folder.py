"""The folder of configurations, `conf/`: its groups, what each offers, and what their files say of themselves."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from genbench.signatures import first_line

_PACKAGED = Path(__file__).parents[1] / "conf"
CONF = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[3] / "conf"
"""The folder: within an installed package, or at the top of the checkout."""


def options(group: str) -> list[str]:
    """Return the names that a group of `conf/` offers, sorted."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def groups() -> list[str]:
    """Return the groups of `conf/`, sorted."""
    return sorted(path.name for path in CONF.iterdir() if path.is_dir() and options(path.name))


def describe(group: str, name: str) -> str:
    """Return the comment that opens a configuration or else the first line of the module that its target lies in."""
    text = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            return line.lstrip("# ")
    target = re.search(r"^_target_:\s*(\S+)\.\w+\s*$", text, re.MULTILINE)
    return first_line(target[1]) if target else ""


@cache
def own_content(group: str, name: str) -> dict[str, Any]:
    """Return what the file of a group's option says itself; {} where there is no such file."""
    path = CONF / group / f"{name}.yaml"
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def bases(group: str, name: str) -> list[str]:
    """Return an option and those of its own group that its file begins with: `improved_ddpm`, `ddpm`."""
    entries = own_content(group, name).get("defaults", [])
    return [name, *(base for entry in entries if isinstance(entry, str) for base in bases(group, entry))]
