"""`list`: what can be chosen, one line each."""

import re

from rich.console import Console
from rich.table import Table

from genbench.config import CONF, options
from genbench.signatures import first_line


def main() -> None:
    """Print the experiments, methods and data sets."""
    console = Console()
    for title, group in (("experiments", "experiment"), ("methods", "method"), ("data sets", "data")):
        table = Table(title=title, title_justify="left", box=None, show_header=False)
        for name in options(group):
            table.add_row(f"{group}={name}", describe(group, name))
        console.print(table)
        console.print()


def describe(group: str, name: str) -> str:
    """Return the first comment of a configuration or else the first line of the module that its target lies in."""
    text = (CONF / group / f"{name}.yaml").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("#") and not line.startswith("# @package"):
            return line.lstrip("# ")
    target = re.search(r"^_target_:\s*(\S+)\.\w+\s*$", text, re.MULTILINE)
    return first_line(target[1]) if target else ""
