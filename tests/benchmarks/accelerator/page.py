"""The page of all figures: `docs/accelerator.md`."""

from collections.abc import Iterator
from typing import Any

from tests.benchmarks.accelerator.plan import PARTS

_HEAD = """# On an accelerator

    make accelerator                    # nine minutes at most on one GPU; a second call goes on where the first ended
    make accelerator IMAGES=DIR         # the real training on DIR/train.zip or DIR/train, folders of classes
    make accelerator AGAIN=1            # all figures anew

Each ratio is of two things that ran in turns on the same machine. The benchmarks of a CPU are in [speed](speed.md).
"""


def render(content: dict[str, Any]) -> str:
    """Return the page; machines with an accelerator come first."""
    machines = sorted(content["machines"].items(), key=lambda machine: machine[1]["facts"].get("form") == "tiny")
    return "\n".join([_HEAD, *(line for name, machine in machines for line in _machine(name, machine))])


def _machine(name: str, machine: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    facts = dict(machine["facts"])
    if facts.pop("form", None) == "tiny":
        yield "**The tiny form, on a CPU: it shows that each part runs. Its figures mean nothing.**\n"
    for key, value in facts.items():
        yield f"- {key}: {value}"
    yield ""
    for part in PARTS:
        if part.name in machine["parts"]:
            yield from _part(part.title, part.text, machine["parts"][part.name])


def _part(title: str, text: str, part: dict[str, Any]) -> Iterator[str]:
    yield f"### {title}\n"
    yield f"{text}\n"
    rows: dict[str, dict[str, Any]] = part["rows"]
    measured = {name: row["figures"] for name, row in rows.items() if "figures" in row}
    pictures = {name: figures["picture"] for name, figures in measured.items() if "picture" in figures}
    columns = list(dict.fromkeys(key for figures in measured.values() for key in figures if key != "picture"))
    if measured:
        yield "| | " + " | ".join(columns) + " |"
        yield "| --- |" + " ---: |" * len(columns)
        for name, figures in measured.items():
            yield f"| {name} | " + " | ".join(cell(figures.get(column)) for column in columns) + " |"
        yield ""
    for name, picture in pictures.items():
        yield f"![{name}]({picture})\n"
    failed = {name: row["failed"] for name, row in rows.items() if "failed" in row}
    for name, message in failed.items():
        yield f"- **{name} failed**: {cell(message)}"
    missing = [name for name in rows if name not in measured and name not in failed]
    if missing:
        yield f"- not reached in the time that there was: {'; '.join(missing)}"
    if "failed" in part:
        yield f"- **this part failed**: {cell(part['failed'])}"
    if "missed" in part:
        yield "- there was no time for this part"
    if failed or missing or "failed" in part or "missed" in part:
        yield ""
    older = sorted(
        {f"{row['date']} at {row['revision']}" for row in rows.values() if row.get("revision") and row.get("date")}
    )
    if len(older) > 1:
        yield f"Measured on {'; '.join(older)}.\n"


def cell(value: Any) -> str:
    """Return a figure as it is shown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
    # A bar would end the cell, and a browser would take what is in angles for its own.
    return str(value).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
