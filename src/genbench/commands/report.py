"""`report`: one page that shows many runs."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig

from genbench.commands.edit_records import EditRecord
from genbench.commands.leaderboard import Rows, finite, recorded_ends, score_table
from genbench.commands.protocols import by_protocol, how_drawn
from genbench.commands.run_records import RunRecord, find_runs, read_run
from genbench.errors import UserError
from genbench.figures import report
from genbench.files import check_can_write, written_whole
from genbench.runs.score_file import Row
from genbench.score_names import better, is_deviation

_PICTURES = {
    "grid": "samples, from fixed noise",
    "interpolation": "interpolations between latents",
    "nearest": "samples, below each its nearest training images",
}


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
                    pictures["strip"] = report.strip(file)
            except OSError as error:
                record.problems.append(f"{file} can't be read as a picture: {error}")
        pictures["edits"] = [shown for edit in record.edits if (shown := _edit(edit, record.problems))]
        damaged += [{"path": str(path), "why": problem, "shown": True} for problem in record.problems]
        records.append((record, pictures))
    return records, damaged


def describe(
    records: list[tuple[RunRecord, dict[str, Any]]], damaged: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the page shows and what its script knows, see `genbench.figures.report.render`."""
    runs = [record for record, _ in records]
    rows = Rows(runs, {run.path: pictures.get("strip") for run, pictures in records})
    protocols = by_protocol(runs)
    tables = list(protocols.values())
    first = tables[0][0][1]["protocol"] if tables else {}
    groups = [score_table(members, rows, first) for members in tables]
    methods, datasets = sorted({run.method for run in runs}), sorted({run.data for run in runs})
    content = {
        "runs": [_card(run, pictures, rows) for run, pictures in records],
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
            rows.of(run) | {"why": run.why or "; ".join(run.problems), "last_score": _last_score(run)}
            for run in runs
            if not run.scores
        ],
    }
    names = {name for run in runs for row in run.scores for name in row["values"]}
    ends = recorded_ends(row for run in runs for row in run.scores)
    charts = {
        "tables": [group["title"] for group in groups],
        "runs": [_for_script(run, tables, rows) for run in runs],
        "better": {name: better(name, ends) for name in names},
    }
    return content, charts


def _card(run: RunRecord, pictures: dict[str, Any], rows: Rows) -> dict[str, Any]:
    return rows.of(run) | {
        "planned": run.planned, "seed": run.seed, "why": run.why, "command": run.command, "config": run.config,
        "path": str(run.path), "made_by": _made_by(run), "problems": run.problems,
        "pictures": [{"label": label, **pictures[name]} for name, label in _PICTURES.items() if name in pictures],
        "edits": pictures["edits"],
    }  # fmt: skip


def _edit(edit: EditRecord, problems: list[str]) -> dict[str, Any] | None:
    """Return what the page shows of an edit; None if its grid is damaged, which is reported."""
    labels = {edit.grid: "what was given beside what came of it"}
    if edit.animation is not None:
        labels = {edit.grid: "step by step", edit.animation: "the same as an animation"}
    shown = []
    for file, label in labels.items():
        try:
            shown.append({"label": label, **report.embed(file)})
        except OSError as error:
            problems.append(f"{file} can't be read as a picture: {error}")
    facts = {"name": edit.name, "command": edit.command, "settings": edit.settings, "scores": edit.scores}
    return {**facts, "pictures": shown} if shown else None


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


def _for_script(run: RunRecord, tables: list[list[tuple[RunRecord, Row]]], rows: Rows) -> dict[str, Any]:
    row = rows.of(run)
    scores = [
        {
            "table": place,
            "label": ", ".join(filter(None, [row["label"], how_drawn(run, one)])),
            "values": {
                name: value
                for name, value in one["values"].items()
                if not is_deviation(name, one["values"]) and finite(value) is not None
            },
            "seconds_per_image": finite(one.get("seconds_per_image")),
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
