"""The leaderboard: a table a protocol, a row a run, and what the columns are."""

import math
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from genbench.commands.protocols import how_drawn, protocol_difference, protocol_title
from genbench.commands.run_records import RunRecord
from genbench.figures import report
from genbench.runs.score_file import Row
from genbench.score_names import Better, better, in_order, is_deviation, plain_score

_SHOWN_COLUMNS = 4
"""Scores that a table shows at once; the others come when they are asked for."""


class Rows:
    """How runs are named on the page, and what every table says of them.

    Args:
        runs: all of the page.
        strips: of each a picture of a few samples, as far as there is one.
    """

    def __init__(self, runs: list[RunRecord], strips: dict[Path, Any]) -> None:
        self.labels = _labels(runs)
        self.ids = {run.path: f"run-{index}" for index, run in enumerate(runs)}
        self._strips = strips

    def of(self, run: RunRecord, scores: Row | None = None) -> dict[str, Any]:
        """Return the beginning of a row, of these scores or of the run as such."""
        drawn = "" if scores is None else how_drawn(run, scores)
        return {
            "id": self.ids[run.path], "label": self.labels[run.path], "drawn": drawn, "method": run.method,
            "data": run.data, "state": run.state, "seconds": run.seconds, "strip": self._strips.get(run.path),
            "step": run.steps if scores is None else scores.get("step", run.steps),
            "seconds_per_image": None if scores is None else scores.get("seconds_per_image"),
        }  # fmt: skip


def score_table(members: list[tuple[RunRecord, Row]], named: Rows, first: dict[str, Any]) -> dict[str, Any]:
    """Return what the page shows of the scores of one protocol.

    Args:
        members: runs with their scores.
        named: what every table says of a run.
        first: the protocol of the first table, from which this one may differ.
    """
    run, newest = members[0]
    facts = newest["protocol"]
    names = _columns([row["values"] for _, row in members])
    ends = {name: better(name, recorded_ends(row for _, row in members)) for name in names}
    best = {name: _best([finite(row["values"].get(name)) for _, row in members], ends[name]) for name in names}
    papers = yaml.safe_load((Path(report.__file__).parent / "papers.yaml").read_text())
    rows = [
        named.of(run, row)
        | {
            "cells": [_cell_of(row["values"], name, best[name]) for name in names],
            "paper": _paper(papers.get(run.experiment)),
        }
        for run, row in members
    ]
    differs = protocol_difference(first, facts) if facts is not first else ""
    return {
        "title": protocol_title(facts, _side(run, facts)),
        "differs": differs,
        "few": facts.get("count", 10_000) < 10_000 and any(plain_score(name) == "fid" for name in names),
        "columns": [
            {"label": _heading(name, names), "better": ends[name] or "", "rare": place >= _SHOWN_COLUMNS}
            for place, name in enumerate(names)
        ],
        "rows": sorted(rows, key=lambda row: _order(row["cells"], names, ends)),
        "papers": any(row["paper"] for row in rows),
        "real": _real([row for _, row in members], names),
        "families": _families(members, names, ends),
    }


def _side(run: RunRecord, facts: dict[str, Any]) -> int | None:
    """Return the side of the images in pixels, as far as a protocol or its run says it."""
    identity = facts.get("reference_identity")
    identity = identity if isinstance(identity, dict) else {}
    shape, preparation = identity.get("image_shape"), identity.get("preparation")
    if isinstance(shape, list) and shape:
        return int(shape[-1])
    if isinstance(preparation, dict) and "size" in preparation:
        return int(preparation["size"])
    described = (run.manifest.get("data") or {}).get("image_shape")
    return int(described[-1]) if isinstance(described, list) and described else None


def _columns(values: list[dict[str, float]]) -> list[str]:
    return in_order({name for row in values for name in row if not is_deviation(name, row)})


def recorded_ends(rows: Iterable[Row]) -> dict[str, Better]:
    """Return which end of each figure is better as far as it stands beside scores."""
    found: dict[str, Better] = {}
    for row in rows:
        found |= row.get("better") or {}
    return found


def _heading(name: str, names: list[str]) -> str:
    """Return a score's name without its extractor, which the table's title says, unless two would have one name."""
    plain = plain_score(name)
    return plain.replace("_", " ") if [plain_score(other) for other in names].count(plain) == 1 else name


def finite(value: float | None) -> float | None:
    """Return a figure, or None if it is infinite or not a number."""
    return value if value is not None and math.isfinite(value) else None


def _order(cells: list[dict[str, Any]], names: list[str], ends: Mapping[str, str | None]) -> tuple[bool, float]:
    value = cells[0]["value"] if cells else None
    if value is None:
        return (True, 0.0)
    return (False, -value if ends[names[0]] == "max" else value)


def _best(values: list[float | None], end: str | None) -> float | None:
    there = [value for value in values if value is not None]
    if end is None or len(set(there)) < 2:
        return None
    return min(there) if end == "min" else max(there)


def _cell_of(values: dict[str, float], name: str, best: float | None) -> dict[str, Any]:
    value, deviation = finite(values.get(name)), finite(values.get(f"{name}_std"))
    text = report.show_figure(value) + ("" if value is None or deviation is None else f" ± {deviation:.2g}")
    return {"value": value, "text": text, "best": value is not None and value == best}


def _real(rows: list[Row], names: list[str]) -> dict[str, Any] | None:
    real = next((row["real_test_images"] for row in rows if row.get("real_test_images")), None)
    if real is None:
        return None
    count = real["protocol"].get("count")
    note = f"{count:,} images that no method saw" if isinstance(count, int) else "images that no method saw"
    return {"note": note, "cells": [_cell_of(real["values"], name, None) for name in names]}


def _families(
    members: list[tuple[RunRecord, Row]], names: list[str], ends: Mapping[str, str | None]
) -> list[dict[str, Any]]:
    """Return means over the runs that differ in their seed alone, where there are two or more of them."""
    families: dict[tuple[str, str], list[tuple[RunRecord, Row]]] = {}
    for run, row in members:
        families.setdefault((run.family, how_drawn(run, row)), []).append((run, row))
    rows = []
    for (_, drawn), alike in families.items():
        if len({run.seed for run, _ in alike}) < 2:
            continue
        figures: dict[str, float] = {}
        for name in names:
            found = [value for _, row in alike if (value := finite(row["values"].get(name))) is not None]
            if len(found) > 1:
                figures |= {name: statistics.fmean(found), f"{name}_std": statistics.stdev(found)}
        rows.append((alike, drawn, figures))
    best = {name: _best([figures.get(name) for *_, figures in rows], ends[name]) for name in names}
    shown = [
        {
            "label": ", ".join(filter(None, [alike[0][0].experiment, drawn])),
            "method": alike[0][0].method,
            "seeds": len(alike),
            "cells": [_cell_of(figures, name, best[name]) for name in names],
        }
        for alike, drawn, figures in rows
    ]
    return sorted(shown, key=lambda row: _order(row["cells"], names, ends))


def _paper(known: dict[str, Any] | None) -> dict[str, str] | None:
    if known is None:
        return None
    figures = ", ".join(f"{name} {value}" for name, value in known["scores"].items())
    return {"text": figures, "source": known["source"], "url": known["url"]}


def _labels(runs: list[RunRecord]) -> dict[Path, str]:
    """Name runs by experiment and seed, and by their folder as well where that is not enough."""
    plain = {run.path: f"{run.experiment}, seed {run.seed}" for run in runs}
    counts = {label: list(plain.values()).count(label) for label in plain.values()}
    return {path: label if counts[label] == 1 else f"{label} ({path.name})" for path, label in plain.items()}
