"""`report`: one page that shows many runs."""

import json
import math
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig

from genbench.commands.protocols import by_protocol, how_drawn, protocol_difference, protocol_title
from genbench.commands.run_records import RunRecord, find_runs, read_run
from genbench.errors import UserError
from genbench.figures import report
from genbench.files import check_can_write, written_whole
from genbench.score_file import Row
from genbench.vocabulary import better, is_deviation, plain_score

_PICTURES = {
    "grid": "samples, from fixed noise",
    "interpolation": "walks between latents",
    "nearest": "samples, below each its nearest training images",
}
_FIRST_COLUMNS = ("fid", "is", "kid", "precision", "recall", "density", "coverage", "classes", "smallest_class")
_SHOWN_COLUMNS = 4
"""Scores that a table shows at once; the others come when they are asked for."""


def main(config: DictConfig) -> None:
    """Write the page.

    Raises:
        UserError: there is no run that can be read, or the page can't be written.
    """
    patterns = list(config.runs) if isinstance(config.runs, ListConfig) else str(config.runs)
    file = Path(config.out) / "index.html"
    check_can_write(file.parent, "out")
    records, damaged = read_all(find_runs(patterns))
    if not records:
        why = "; ".join(problem["why"] for problem in damaged)
        raise UserError(f"none of the {len(damaged)} run folders can be read, so no page is written: {why}")
    page = report.render(*describe(records, damaged))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(file) as beside:
            beside.write_text(page)
    except OSError as error:
        raise UserError(f"out={config.out} can't be written: {error.strerror}") from error
    for problem in damaged:
        print(f"{'read in part' if problem['shown'] else 'left out'}: {problem['path']}: {problem['why']}")
    print(f"{len(records)} run{'' if len(records) == 1 else 's'}: {file}")


def read_all(paths: Iterable[Path]) -> tuple[list[tuple[RunRecord, dict[str, Any]]], list[dict[str, Any]]]:
    """Return the runs that can be read, each with its pictures, and what is wrong with them and with the others."""
    records, damaged = [], []
    for path in paths:
        try:
            record = read_run(path)
        except (UserError, OSError) as error:
            damaged.append({"path": str(path), "why": str(error), "shown": False})
            continue
        pictures: dict[str, Any] = {}
        for name, file in record.pictures.items():
            try:
                pictures[name] = report.embed(file)
                if name == "grid":
                    pictures["strip"] = report.strip(file, _cell(record))
            except OSError as error:
                record.problems.append(f"{file} can't be read as a picture: {error}")
        damaged += [{"path": str(path), "why": problem, "shown": True} for problem in record.problems]
        records.append((record, pictures))
    return records, damaged


def _cell(run: RunRecord) -> tuple[int, int] | None:
    """Return the height and width of an image of the run; None if the folder doesn't say."""
    shape = (run.manifest.get("data") or {}).get("image_shape")
    return (int(shape[1]), int(shape[2])) if isinstance(shape, list) and len(shape) == 3 else None


def describe(
    records: list[tuple[RunRecord, dict[str, Any]]], damaged: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the page shows and what its script knows, see `genbench.figures.report.render`."""
    runs = [record for record, _ in records]
    shown = _Shown(runs, {run.path: pictures.get("strip") for run, pictures in records})
    protocols = by_protocol(runs)
    tables = list(protocols.values())
    first = tables[0][0][1]["protocol"] if tables else {}
    groups = [_group(members, shown, first) for members in tables]
    methods, datasets = sorted({run.method for run in runs}), sorted({run.data for run in runs})
    content = {
        "runs": [_card(run, pictures, shown) for run, pictures in records],
        "methods": methods,
        "datasets": datasets,
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "damaged": damaged,
        "filters": [
            ("method", "Method", methods),
            ("data", "Data", datasets),
            ("tags", "Tag", sorted({tag for run in runs for tag in run.tags})),
            ("state", "State", sorted({run.state for run in runs})),
        ],
        "groups": groups,
        "unscored": [
            shown.row(run) | {"why": run.why or "; ".join(run.problems), "last_score": _last_score(run)}
            for run in runs
            if not run.scores
        ],
    }
    names = {name for run in runs for row in run.scores for name in row["values"]}
    charts = {
        "tables": [group["title"] for group in groups],
        "runs": [_for_script(run, tables, shown) for run in runs],
        "better": {name: better(name) for name in names},
    }
    return content, charts


class _Shown:
    """How runs are named on the page, and what every table says of them."""

    def __init__(self, runs: list[RunRecord], strips: dict[Path, Any]) -> None:
        self.labels = _labels(runs)
        self.ids = {run.path: f"run-{index}" for index, run in enumerate(runs)}
        self._strips = strips

    def row(self, run: RunRecord, scores: Row | None = None) -> dict[str, Any]:
        drawn = "" if scores is None else how_drawn(run, scores)
        return {
            "id": self.ids[run.path], "label": self.labels[run.path], "drawn": drawn, "method": run.method,
            "data": run.data, "state": run.state, "seconds": run.seconds, "strip": self._strips.get(run.path),
            "step": run.steps if scores is None else scores.get("step", run.steps),
            "seconds_per_image": None if scores is None else scores.get("seconds_per_image"),
        }  # fmt: skip


def _card(run: RunRecord, pictures: dict[str, Any], shown: _Shown) -> dict[str, Any]:
    return shown.row(run) | {
        "planned": run.planned, "seed": run.seed, "why": run.why, "command": run.command, "config": run.config,
        "path": str(run.path), "made_by": _made_by(run), "problems": run.problems,
        "pictures": [{"label": label, **pictures[name]} for name, label in _PICTURES.items() if name in pictures],
    }  # fmt: skip


def _labels(runs: list[RunRecord]) -> dict[Path, str]:
    """Name runs by experiment and seed, and by their folder as well where that is not enough."""
    plain = {run.path: f"{run.experiment}, seed {run.seed}" for run in runs}
    counts = {label: list(plain.values()).count(label) for label in plain.values()}
    return {path: label if counts[label] == 1 else f"{label} ({path.name})" for path, label in plain.items()}


def _group(members: list[tuple[RunRecord, Row]], shown: _Shown, first: dict[str, Any]) -> dict[str, Any]:
    """Return a table: the scores of one protocol."""
    run, newest = members[0]
    facts = newest["protocol"]
    names = _columns([row["values"] for _, row in members])
    best = {name: _best([_finite(row["values"].get(name)) for _, row in members], better(name)) for name in names}
    papers = yaml.safe_load((Path(report.__file__).parent / "papers.yaml").read_text())
    rows = [
        shown.row(run, row)
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
            {"label": _heading(name, names), "better": better(name) or "", "rare": place >= _SHOWN_COLUMNS}
            for place, name in enumerate(names)
        ],
        "rows": sorted(rows, key=lambda row: _order(row["cells"], names)),
        "papers": any(row["paper"] for row in rows),
        "real": _real([row for _, row in members], names),
        "families": _families(members, names),
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
    cell = _cell(run)
    return None if cell is None else cell[1]


def _columns(values: list[dict[str, float]]) -> list[str]:
    names = {name: None for row in values for name in row if not is_deviation(name, row)}

    def rank(name: str) -> tuple[int, str]:
        plain = plain_score(name)
        return (_FIRST_COLUMNS.index(plain) if plain in _FIRST_COLUMNS else len(_FIRST_COLUMNS), name)

    return sorted(names, key=rank)


def _heading(name: str, names: list[str]) -> str:
    """Return a score's name without its extractor, which the table's title says, unless two would have one name."""
    plain = plain_score(name)
    return plain.replace("_", " ") if [plain_score(other) for other in names].count(plain) == 1 else name


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _order(cells: list[dict[str, Any]], names: list[str]) -> tuple[bool, float]:
    value = cells[0]["value"] if cells else None
    if value is None:
        return (True, 0.0)
    return (False, -value if better(names[0]) == "max" else value)


def _best(values: list[float | None], end: str | None) -> float | None:
    there = [value for value in values if value is not None]
    if end is None or len(set(there)) < 2:
        return None
    return min(there) if end == "min" else max(there)


def _cell_of(values: dict[str, float], name: str, best: float | None) -> dict[str, Any]:
    value, deviation = _finite(values.get(name)), _finite(values.get(f"{name}_std"))
    text = report.show_figure(value) + ("" if value is None or deviation is None else f" ± {deviation:.2g}")
    return {"value": value, "text": text, "best": value is not None and value == best}


def _real(rows: list[Row], names: list[str]) -> dict[str, Any] | None:
    real = next((row["real_test_images"] for row in rows if row.get("real_test_images")), None)
    if real is None:
        return None
    count = real["protocol"].get("count")
    note = f"{count:,} images that no method saw" if isinstance(count, int) else "images that no method saw"
    return {"note": note, "cells": [_cell_of(real["values"], name, None) for name in names]}


def _families(members: list[tuple[RunRecord, Row]], names: list[str]) -> list[dict[str, Any]]:
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
            found = [value for _, row in alike if (value := _finite(row["values"].get(name))) is not None]
            if len(found) > 1:
                figures |= {name: statistics.fmean(found), f"{name}_std": statistics.stdev(found)}
        rows.append((alike, drawn, figures))
    best = {name: _best([figures.get(name) for *_, figures in rows], better(name)) for name in names}
    shown = [
        {
            "label": ", ".join(filter(None, [alike[0][0].experiment, drawn])),
            "method": alike[0][0].method,
            "seeds": len(alike),
            "cells": [_cell_of(figures, name, best[name]) for name in names],
        }
        for alike, drawn, figures in rows
    ]
    return sorted(shown, key=lambda row: _order(row["cells"], names))


def _paper(known: dict[str, Any] | None) -> dict[str, str] | None:
    if known is None:
        return None
    figures = ", ".join(f"{name} {value}" for name, value in known["scores"].items())
    return {"text": figures, "source": known["source"], "url": known["url"]}


def _last_score(run: RunRecord) -> str:
    for name, values in run.curves.items():
        if name.startswith("score/fid") and not name.endswith("_std"):
            steps = run.curves["step"]
            there = [
                (step, value)
                for step, value in zip(steps, values, strict=True)
                if step is not None and value is not None
            ]
            if there:
                return f"{name.removeprefix('score/')} {there[-1][1]:.4g} at step {there[-1][0]:,.0f}"
    return ""


def _made_by(run: RunRecord) -> str:
    facts = run.manifest
    machine = facts.get("machine") or {}
    gpus = machine.get("gpus") or []
    where = f"{len(gpus)} x {gpus[0]}" if gpus else f"{machine.get('cpu_count', '?')} CPU cores"
    torch = (facts.get("versions") or {}).get("torch", "?")
    return f"{facts.get('begun', 'unknown time')}, {where}, torch {torch}, revision {facts.get('revision')}"


def _for_script(run: RunRecord, tables: list[list[tuple[RunRecord, Row]]], shown: _Shown) -> dict[str, Any]:
    row = shown.row(run)
    scores = [
        {
            "table": place,
            "label": ", ".join(filter(None, [row["label"], how_drawn(run, one)])),
            "values": {
                name: value
                for name, value in one["values"].items()
                if not is_deviation(name, one["values"]) and _finite(value) is not None
            },
            "seconds_per_image": _finite(one.get("seconds_per_image")),
        }
        for place, members in enumerate(tables)
        for other, one in members
        if other is run
    ]
    return {
        **{key: row[key] for key in ("id", "label", "method", "data", "state")},
        "tags": run.tags,
        "text": " ".join([row["label"], run.method, run.data, run.state, *run.tags, str(run.path)]).lower(),
        "scores": scores,
        "settings": {
            key: value if isinstance(value, str) else json.dumps(value) for key, value in run.settings.items()
        },
        "curves": run.curves,
    }
