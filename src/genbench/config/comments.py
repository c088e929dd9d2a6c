"""The comments of `conf/`, in which the meaning of each setting stands: the one place where it is written."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from genbench.config.folder import CONF, bases

_LINE = re.compile(r"(?P<indent> *)(?P<key>\w+):(?: +(?P<value>[^#\s][^#]*?))?(?: +# ?(?P<comment>.*))?\s*$")


class Setting(NamedTuple):
    """A line of a configuration file.

    Attributes:
        key: within the file, `optimizer.lr`.
        value: as it is written; "" of a node.
        comment: what the file says of it.
    """

    key: str
    value: str
    comment: str


def settings_of(group: str, name: str) -> dict[str, Setting]:
    """Return the settings of an option, those of the options that its file begins with among them."""
    found: dict[str, Setting] = {}
    for base in reversed(bases(group, name)):
        for key, setting in read_settings(CONF / group / f"{base}.yaml").items():
            before = found.get(key)
            found[key] = setting if setting.comment or before is None else setting._replace(comment=before.comment)
    return found


@cache
def read_settings(path: Path) -> dict[str, Setting]:
    """Return the settings of a file by their keys; its defaults and what begins with `_` are none."""
    found: dict[str, Setting] = {}
    parents: list[tuple[int, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        depth = len(match["indent"])
        while parents and parents[-1][0] >= depth:
            parents.pop()
        key = ".".join([*(name for _, name in parents), match["key"]])
        parents.append((depth, match["key"]))
        if any(part.startswith("_") or part in ("defaults", "hydra") for part in key.split(".")):
            continue
        found[key] = Setting(key, match["value"] or "", match["comment"] or "")
    return found
