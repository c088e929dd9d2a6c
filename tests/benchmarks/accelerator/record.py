"""The figures so far, in a JSON file that is whole at any time: `docs/accelerator.json`."""

import json
import os
import sys
from datetime import date
from pathlib import Path
from typing import Any


class Record:
    """Figures of several machines.

    A row that has figures is done; one that failed has a message and is tried again by a later call.

    Args:
        path: the file.
        machine: whose figures are added.
        facts: of this machine: device, driver, versions.
    """

    def __init__(self, path: Path, machine: str, facts: dict[str, Any]) -> None:
        self._path = path
        self.content = _read(path)
        own = self.content["machines"].setdefault(machine, {"parts": {}})
        own["facts"] = facts
        self._revision = facts.get("revision")
        self._parts: dict[str, Any] = own["parts"]

    def forget(self) -> None:
        """Forget this machine's figures."""
        self._parts.clear()

    def done(self, part: str) -> list[str]:
        """Return the rows of a part that have figures."""
        rows = self._parts.get(part, {}).get("rows", {})
        return [name for name, row in rows.items() if "figures" in row]

    def is_done(self, part: str) -> bool:
        """Whether it is known which rows a part has, and all of them have figures."""
        rows = self._parts.get(part, {}).get("rows", {})
        return bool(rows) and "missed" not in self._parts[part] and len(self.done(part)) == len(rows)

    def miss(self, part: str) -> None:
        """Note that there was no time to begin a part."""
        self._parts.setdefault(part, {"rows": {}})["missed"] = True
        self.save()

    def plan(self, part: str, rows: list[str]) -> None:
        """Note which rows a part has, in their order; rows that exist no more are dropped."""
        old = self._parts.get(part, {}).get("rows", {})
        self._parts[part] = {"rows": {name: old.get(name, {}) for name in rows}}
        self.save()

    def add(self, part: str, row: str, **content: Any) -> None:
        """Add a row's `figures`, or the message with which it `failed`."""
        content |= {"date": str(date.today()), "revision": self._revision}
        self._parts.setdefault(part, {"rows": {}})["rows"][row] = content
        self.save()

    def fail(self, part: str, message: str) -> None:
        """Note that a part could not even say which rows it has."""
        self._parts.setdefault(part, {"rows": {}})["failed"] = message
        self.save()

    def save(self) -> None:
        """Write the file: the old one is there until the new one is whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".partial")
        beside.write_text(json.dumps(self.content, indent=1, allow_nan=False) + "\n")
        os.replace(beside, self._path)


def _read(path: Path) -> dict[str, Any]:
    """Return the content of the file; one that is damaged is put aside."""
    if not path.is_file():
        return {"machines": {}}
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        if not isinstance(content["machines"], dict):
            raise ValueError("it has no machines")
    except (ValueError, KeyError, TypeError) as error:
        aside = path.with_suffix(".damaged")
        os.replace(path, aside)
        print(
            f"accelerator: {path} is damaged ({error}): it is kept as {aside}, and all is measured anew",
            file=sys.stderr,
        )
        return {"machines": {}}
    return content
