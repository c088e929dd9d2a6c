"""Mutants that survive and may, with the reasons."""

from pathlib import Path

import yaml

_EXPLAINED = Path(__file__).with_name("explained.yaml")


def explanations() -> dict[tuple[str, str, str], tuple[str, str]]:
    """Return (kind, reason) of survivors by source, line before and line after."""
    entries = yaml.safe_load(_EXPLAINED.read_text())
    return {(one["source"], one["before"], one["after"]): (one["kind"], one["why"]) for one in entries}
