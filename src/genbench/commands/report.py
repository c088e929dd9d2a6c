"""`report`: one page that shows many runs."""

import json
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, ListConfig

from genbench.commands.run_records import RunRecord, find_runs, read_run
from genbench.errors import UserError
from genbench.figures import report
from genbench.files import written_whole
from genbench.vocabulary import better, is_deviation, plain_score

_PICTURES = {
    "grid": "samples, from fixed noise",
    "interpolation": "walks between latents",
    "nearest": "samples, below each its nearest training images",
}
_OF_THE_METHOD = ("versions", "sampler", "guidance", "conditions")
"""Parts of a protocol that say how a method drew, or on what, and leave the scale of a score as it is."""

_FIRST_COLUMNS = ("fid", "is", "kid", "precision", "recall", "density", "coverage", "classes", "smallest_class")


def main(config: DictConfig) -> None:
    """Write the page.

    Raises:
        UserError: there is no run, or the page can't be written.
    """
    patterns = list(config.runs) if isinstance(config.runs, ListConfig) else str(config.runs)
    records, damaged = read_all(find_runs(patterns))
    page = report.render(*describe(records, damaged))
    file = Path(config.out) / "index.html"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(file) as beside:
            beside.write_text(page)
    except OSError as error:
        raise UserError(f"out={config.out} can't be written: {error.strerror}") from error
    for problem in damaged:
        print(f"left out: {problem['path']}: {problem['why']}")
    print(f"{len(records)} run{'' if len(records) == 1 else 's'}: {file}")


def read_all(paths: Iterable[Path]) -> tuple[list[tuple[RunRecord, dict[str, Any]]], list[dict[str, str]]]:
    """Return the runs that can be read, each with its pictures, and what is wrong with the others."""
    records, damaged = [], []
    for path in paths:
        try:
            record = read_run(path)
            pictures = {name: report.embed(file) for name, file in record.pictures.items()}
        except (UserError, OSError) as error:
            damaged.append({"path": str(path), "why": str(error)})
        else:
            records.append((record, pictures))
    return records, damaged


def describe(
    records: list[tuple[RunRecord, dict[str, Any]]], damaged: list[dict[str, str]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the page shows and what its script knows, see `genbench.figures.report.render`."""
    runs = [record for record, _ in records]
    labels = _labels(runs)
    ids = {run.path: f"run-{index}" for index, run in enumerate(runs)}
    protocols = _protocols(runs)
    groups = [_group(protocol, members, labels, ids, next(iter(protocols))) for protocol, members in protocols.items()]
    places = {run.path: place for place, members in enumerate(protocols.values()) for run in members}
    methods, datasets = sorted({run.method for run in runs}), sorted({run.data for run in runs})
    shown = [
        _row(run, labels, ids)
        | {
            "planned": run.planned, "seed": run.seed, "why": run.why, "command": run.command, "config": run.config,
            "path": str(run.path), "made_by": _made_by(run),
            "pictures": [{"label": _PICTURES[name], **picture} for name, picture in pictures.items()],
        }
        for run, pictures in records
    ]  # fmt: skip
    content = {
        "runs": shown,
        "methods": methods,
        "datasets": datasets or ["nothing"],
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
            _row(run, labels, ids) | {"why": run.why, "last_score": _last_score(run)} for run in runs if not run.scores
        ],
    }
    charts = {
        "runs": [_for_script(run, labels, ids, places.get(run.path)) for run in runs],
        "groups": [[ids[run.path] for run in members] for members in protocols.values()],
        "better": {name: better(name) for run in runs for name in run.scores.get("values", {})},
    }
    return content, charts


def _labels(runs: list[RunRecord]) -> dict[Path, str]:
    """Name runs by experiment and seed, and by their folder as well where that is not enough."""
    plain = {run.path: f"{run.experiment}, seed {run.seed}" for run in runs}
    counts = {label: list(plain.values()).count(label) for label in plain.values()}
    return {path: label if counts[label] == 1 else f"{label} ({path.name})" for path, label in plain.items()}


def _row(run: RunRecord, labels: dict[Path, str], ids: dict[Path, str]) -> dict[str, Any]:
    return {
        "id": ids[run.path], "label": labels[run.path], "method": run.method, "data": run.data, "state": run.state,
        "step": run.steps, "seconds": run.seconds, "seconds_per_image": run.scores.get("seconds_per_image"),
    }  # fmt: skip


def _protocols(runs: list[RunRecord]) -> dict[str, list[RunRecord]]:
    """Return the runs with scores by what their scores compare under, the largest table first."""
    found: dict[str, list[RunRecord]] = {}
    for run in runs:
        if run.scores:
            found.setdefault(_protocol_of(run), []).append(run)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _protocol_of(run: RunRecord) -> str:
    kept = {key: value for key, value in run.scores["protocol"].items() if key not in _OF_THE_METHOD}
    return json.dumps(kept, sort_keys=True)


def _group(
    protocol: str, members: list[RunRecord], labels: dict[Path, str], ids: dict[Path, str], first: str
) -> dict[str, Any]:
    facts = json.loads(protocol)
    names = _columns(members)
    best = {name: _best([run.scores["values"].get(name) for run in members], better(name)) for name in names}
    papers = yaml.safe_load((Path(report.__file__).parent / "papers.yaml").read_text())
    rows = [
        _row(run, labels, ids)
        | {
            "step": run.scores.get("step", run.steps),
            "cells": [_cell(run.scores["values"], name, best[name]) for name in names],
            "paper": _paper(papers.get(run.experiment)),
        }
        for run in members
    ]
    by_first = sorted(rows, key=lambda row: _order(row["cells"], names))
    return {
        "title": _title(facts),
        "differs": "" if protocol == first else _difference(json.loads(first), facts),
        "few": facts.get("count", 10_000) < 10_000 and any(plain_score(name) == "fid" for name in names),
        "columns": [{"label": name, "better": better(name) or ""} for name in names],
        "rows": by_first,
        "papers": any(row["paper"] for row in rows),
        "real": _real(members, names),
        "families": _families(members, names),
    }


def _columns(members: list[RunRecord]) -> list[str]:
    names = {
        name: None for run in members for name in run.scores["values"] if not is_deviation(name, run.scores["values"])
    }

    def rank(name: str) -> tuple[int, str]:
        plain = plain_score(name)
        return (_FIRST_COLUMNS.index(plain) if plain in _FIRST_COLUMNS else len(_FIRST_COLUMNS), name)

    return sorted(names, key=rank)


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


def _cell(values: dict[str, float], name: str, best: float | None) -> dict[str, Any]:
    value, deviation = values.get(name), values.get(f"{name}_std")
    text = report.show_figure(value) + ("" if value is None or deviation is None else f" ± {deviation:.2g}")
    return {"value": value, "text": text, "best": value is not None and value == best}


def _real(members: list[RunRecord], names: list[str]) -> dict[str, Any] | None:
    real = next((run.scores["real_test_images"] for run in members if run.scores.get("real_test_images")), None)
    if real is None:
        return None
    note = f"{real['protocol']['count']:,} images that no method saw"
    return {"note": note, "cells": [_cell(real["values"], name, None) for name in names]}


def _families(members: list[RunRecord], names: list[str]) -> list[dict[str, Any]]:
    """Return means over the runs that differ in their seed alone, where there are two or more of them."""
    families: dict[str, list[RunRecord]] = {}
    for run in members:
        families.setdefault(run.family, []).append(run)
    rows = []
    for runs in (runs for runs in families.values() if len({run.seed for run in runs}) > 1):
        figures: dict[str, float] = {}
        for name in names:
            values = [run.scores["values"][name] for run in runs if name in run.scores["values"]]
            if len(values) > 1:
                figures |= {name: statistics.fmean(values), f"{name}_std": statistics.stdev(values)}
        rows.append((runs, figures))
    best = {name: _best([figures.get(name) for _, figures in rows], better(name)) for name in names}
    shown = [
        {
            "label": runs[0].experiment,
            "method": runs[0].method,
            "seeds": len(runs),
            "cells": [_cell(figures, name, best[name]) for name in names],
        }
        for runs, figures in rows
    ]
    return sorted(shown, key=lambda row: _order(row["cells"], names))


def _title(facts: dict[str, Any]) -> str:
    side = facts.get("reference_identity", {}).get("image_shape", ["?"])[-1]
    return (
        f"{facts['count']:,} samples against {facts['reference_count']:,} images of {facts['reference']} "
        f"{facts['reference_split']} at {side} pixels, by the {facts['extractor']}"
    )


def _difference(first: dict[str, Any], facts: dict[str, Any]) -> str:
    different = sorted(key for key in first | facts if first.get(key) != facts.get(key))
    return "; ".join(
        f"{key.replace('_', ' ')} {_told(facts.get(key))} rather than {_told(first.get(key))}" for key in different
    )


def _told(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part}" for key, part in value.items())
    return "none" if value is None else str(value)


def _paper(known: dict[str, Any] | None) -> dict[str, str] | None:
    if known is None:
        return None
    figures = ", ".join(f"{name} {value}" for name, value in known["scores"].items())
    return {"text": figures, "source": known["source"], "url": known["url"]}


def _last_score(run: RunRecord) -> str:
    for name, values in run.curves.items():
        if name.startswith("score/fid") and not name.endswith("_std"):
            there = [(step, value) for step, value in zip(run.curves["step"], values, strict=True) if value is not None]
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


def _for_script(run: RunRecord, labels: dict[Path, str], ids: dict[Path, str], protocol: int | None) -> dict[str, Any]:
    values = run.scores.get("values", {})
    row = _row(run, labels, ids)
    return {
        **{key: row[key] for key in ("id", "label", "method", "data", "state", "seconds_per_image")},
        "tags": run.tags,
        "text": " ".join([row["label"], run.method, run.data, run.state, *run.tags, str(run.path)]).lower(),
        "scores": {name: value for name, value in values.items() if not is_deviation(name, values)},
        "protocol": protocol,
        "settings": {key: json.dumps(value) for key, value in run.settings.items()},
        "curves": run.curves,
    }
