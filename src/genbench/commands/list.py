"""`list`: what can be chosen, one line each."""

import re

from genbench.config import CONF, options
from genbench.signatures import first_line


def main() -> str:
    """Return the experiments, methods and data sets, a line each."""
    lines = []
    for title, group in (("experiments", "experiment"), ("methods", "method"), ("data sets", "data")):
        names = options(group)
        width = max(map(len, names))
        lines += [f"{title}:", *(f"  {group}={name:{width}}  {describe(group, name)}" for name in names)]
    return "\n".join(lines)


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
