"""Descriptions from `DataSet.describe` in words: a summary of a data set, and the differences between two."""

from collections.abc import Sequence
from typing import Any

_SHOWN = 8
"""Names of a long list that are shown before the ellipsis."""


def shortened(names: Sequence[str]) -> str:
    """Return names as a readable list, whose middle is left out if there are many."""
    if len(names) <= 2 * _SHOWN:
        return ", ".join(names)
    return f"{', '.join(names[:_SHOWN])}, ... {', '.join(names[-2:])} ({len(names):,} in all)"


def summary(described: dict[str, Any]) -> list[str]:
    """Return lines with the parts, their numbers of images, and the classes by number."""
    parts = []
    for part, facts in described["parts"].items():
        count = "images in an archive" if "images" not in facts else f"{facts['images']:,} images"
        parts.append(f"{part} {count}" + (f" ({facts['from']})" if "from" in facts else ""))
    lines = [f"data: {described['name']}: {', '.join(parts)}"]
    if "classes" in described:
        columns = [facts["by_class"] for facts in described["parts"].values() if "by_class" in facts]
        counts = [f" ({' + '.join(f'{count:,}' for count in row)})" for row in zip(*columns, strict=True)]
        names = described["classes"]
        known = [name if name == str(number) else f"{number}: {name}" for number, name in enumerate(names)]
        classes = [name + count for name, count in zip(known, counts, strict=True)]
        lines.append(f"classes: {shortened(classes)}")
    return lines


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return how today's images differ from those that a run began with; [] if they don't.

    Args:
        before: from the run's manifest. Manifests of earlier versions hold too little to compare.
        now: the current description.
    """
    if "sha256" not in before or before["sha256"] == now["sha256"]:
        return []
    found, known = [], before.get("parts")
    known = known if isinstance(known, dict) and all(isinstance(facts, dict) for facts in known.values()) else {}
    for part in [*known, *(part for part in now["parts"] if part not in known)]:
        one, other = known.get(part), now["parts"].get(part)
        if one is None or other is None:
            found.append(f"there {'was' if one is None else 'is'} no {part} part")
        elif one.get("images") != other.get("images"):
            found.append(f"{part} had {_count(one)} images and has {_count(other)}")
        elif one.get("sha256") != other.get("sha256"):
            found.append(f"{part} still has {_count(one)} images, but their content differs ({one.get('sha256')} "
                         f"before, {other.get('sha256')} now)")  # fmt: skip
    old, new = (facts if isinstance(facts, list) else [] for facts in (before.get("classes"), now.get("classes")))
    if old != new:
        gone, added = ([name for name in one if name not in other] for one, other in ((old, new), (new, old)))
        words = [f"{word} {shortened(names)}" for word, names in (("without", gone), ("with", added)) if names]
        found.append(f"{len(old):,} classes became {len(new):,}" + (f", {' and '.join(words)}" if words else ""))
    return found


def _count(facts: dict[str, Any]) -> str:
    return f"{facts['images']:,}" if isinstance(facts.get("images"), int) else "an unknown number of"
