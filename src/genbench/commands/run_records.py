"""Run folders as plain data, for whatever shows many of them: nothing is built, no weights are read."""

import csv
import glob
import math
import os
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from omegaconf import OmegaConf

from genbench.commands.edit_records import EditRecord, find_edits, is_edit, read_edits
from genbench.config import short_name, tags_of
from genbench.errors import UserError, first_line
from genbench.figures.charts import read_csv
from genbench.logs.vocabulary import AXES
from genbench.runs.folder import RunFolder
from genbench.runs.lock import is_held
from genbench.runs.score_file import Row, read_scores

_SIGNS = ("config.yaml", "manifest.json", "metrics.csv", "checkpoints")
_ITSELF = ("run", "output", "sweep", "seed", "data.seed", "data.root", "data.prepared", "data.workers")
_CURVES = ("score/", "loss/", "adversary/", "gradient/", "speed/")
_POINTS = 400
_T = TypeVar("_T")


@dataclass(frozen=True)
class RunRecord:
    """What a run folder says of itself.

    Attributes:
        path: the folder.
        method: the method's short name, such as wgan_gp.
        data: the data set's name with the side of its images, such as mnist 16.
        experiment: the name that it runs under.
        tags: experiment and sweep.
        seed: of the run.
        state: finished, running, stopped or failed.
        why: why it is not finished.
        steps: finished ones.
        planned: steps that were requested.
        seconds: of training; None before the first figure.
        command: that makes it again.
        settings: the configuration, `a.b.c` with its value, each once; what is built stands there by its short name.
        config: the same as YAML.
        manifest: revision, versions, machine.
        scores: what scores.json holds, see `read_scores`; the newest first.
        curves: figures by name, each as long as the axes `step`, `images` and `seconds`; None where there is no value.
        edits: what was done with the run by `edit`.
        pictures: the last grid, interpolation and nearest images, as far as there are any.
        problems: what in the folder could not be read; the rest is shown all the same.
    """

    path: Path
    method: str
    data: str
    experiment: str
    tags: list[str]
    seed: int
    state: str
    why: str
    steps: int
    planned: int
    seconds: float | None
    command: str
    settings: dict[str, Any]
    config: str
    manifest: dict[str, Any]
    scores: list[Row]
    curves: dict[str, list[float | None]]
    edits: list[EditRecord] = field(default_factory=list)
    pictures: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def family(self) -> str:
        """What runs that differ in their seed alone have in common: their settings, and the images that they saw."""
        kept = {
            key: value for key, value in self.settings.items() if key not in _ITSELF and not key.startswith("logger.")
        }
        described = self.manifest.get("data")
        seen = described.get("sha256") if isinstance(described, dict) else None
        return yaml.safe_dump(kept | {"data.sha256": seen})


def find_runs(patterns: str | Iterable[str]) -> list[Path]:
    """Return the run folders that patterns name, or that lie beneath the folders they name.

    A folder with a part of what makes a run is one too: it may be damaged, which whoever opens it will see.

    Raises:
        UserError: a pattern names nothing.
    """
    found: dict[Path, None] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        # A folder may have a name that a pattern would be.
        there = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern))
        runs = [run for path in there for run in _runs_beneath(Path(path))]
        if not runs:
            raise UserError(f"runs={pattern} names no run folder: there is none at or beneath it")
        found |= dict.fromkeys(runs)
    return list(found)


def read_run(path: Path) -> RunRecord:
    """Read a run folder.

    Raises:
        UserError: its configuration or its manifest can't be read, or something in it leads out of it.
    """
    folder = RunFolder.open(path)
    files = [folder.config_file, folder.manifest_file, folder.scores_file, path / "metrics.csv"]
    pictures = {name: files[-1] for name in ("step", "interpolation", "nearest") if (files := folder.pictures(name))}
    edits = find_edits(folder.edits)
    _check_inside(path, [*files, *pictures.values(), *(file for edit in edits for file in edit.all())])
    config = folder.read_config()
    manifest = folder.read_manifest()
    problems: list[str] = []
    scores = _read_or_tell(read_scores, folder.scores_file, problems) or []
    curves = _read_or_tell(_curves, path / "metrics.csv", problems) or {}
    try:
        finished = int(manifest.get("steps", 0))
        steps = max(finished, *(int(step) for step in curves.get("step", [])[-1:] if step is not None), 0)
        content: Any = OmegaConf.to_container(config)
        seconds = manifest.get("seconds") or next((s for s in reversed(curves.get("seconds", [])) if s), None)
        state, why = ("finished", "") if finished >= config.steps else _state(path, manifest, steps, int(config.steps))
        return RunRecord(
            path=path,
            method=short_name(config.method),
            data=_data_name(config, manifest),
            experiment=str(config.name),
            tags=tags_of(config),
            seed=int(config.seed),
            state=state,
            why=why,
            steps=steps,
            planned=int(config.steps),
            seconds=seconds,
            command=_command(manifest, path),
            settings=_settings(content),
            config=yaml.safe_dump(content, sort_keys=False),
            manifest=manifest,
            scores=scores,
            curves=curves,
            edits=read_edits(edits, problems),
            pictures={"grid" if name == "step" else name: file for name, file in pictures.items()},
            problems=problems,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _read_or_tell(read: Callable[[Path], _T], file: Path, problems: list[str]) -> _T | None:
    """Return what a file holds, or None if it is damaged, which is reported."""
    try:
        return read(file)
    except UserError as error:
        problems.append(str(error))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        problems.append(f"{file} is damaged: {first_line(error)}")
    return None


def _runs_beneath(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    if is_edit(path):
        return []
    if any((path / sign).exists() for sign in _SIGNS):
        return [path]
    return [run for child in sorted(path.iterdir()) if not child.is_symlink() for run in _runs_beneath(child)]


def _check_inside(path: Path, files: list[Path]) -> None:
    """A page that is sent to others must hold nothing that a link of a stranger's run folder points to."""
    for file in files:
        if file.exists() and not file.resolve().is_relative_to(path.resolve()):
            raise UserError(f"{file} is a link that leads out of its run folder")


def _state(path: Path, manifest: dict[str, Any], steps: int, planned: int) -> tuple[str, str]:
    """Return in what state a run is that is not finished, and why."""
    if is_held(path):
        return "running", f"{steps:,} of {planned:,} steps"
    if isinstance(published := manifest.get("imported"), dict):
        return "published", f"imported from {published.get('source')}"
    ended = manifest.get("ended")
    if ended:
        return str(ended["how"]), str(ended["why"])
    return "stopped", f"without a word, after at least {steps:,} of {planned:,} steps"


def _data_name(config: Any, manifest: dict[str, Any]) -> str:
    described = manifest.get("data") or {}
    name = described.get("name") or short_name(config.data)
    side = described["image_shape"][-1] if "image_shape" in described else config.data.get("size")
    return f"{name} {side}" if side else str(name)


def _command(manifest: dict[str, Any], path: Path) -> str:
    if "overrides" not in manifest:
        return f"python -m genbench train run={shlex.quote(str(path))}"
    return shlex.join(["python", "-m", "genbench", *map(str, manifest["overrides"])])


def _settings(content: dict[str, Any]) -> dict[str, Any]:
    """Return each setting once, `a.b.c` with its value.

    A saved configuration holds what refers to another place, as `callbacks.scores.evaluator` to `metrics`, as a copy.
    """
    found: dict[str, Any] = {}
    built: list[dict[str, Any]] = []

    def add(node: Any, path: str) -> None:
        if path == "data.seed" and node == content.get("seed"):
            return
        if not isinstance(node, dict) or not node:
            if path != "parts":
                found[path] = node
            return
        if "_target_" in node:
            if "." in path and node in built:
                return
            built.append(node)
            found[path] = _built(str(node["_target_"]))
        for key, value in node.items():
            if key not in ("_target_", "_partial_"):
                add(value, f"{path}.{key}")

    # What others refer to comes first.
    for key in sorted(content, key=lambda key: (key in ("method", "callbacks"), key == "callbacks")):
        add(content[key], str(key))
    return found


def _built(target: str) -> str:
    """Return the short name of what is built: of a class of ours that of its file, else its own."""
    *_, module, name = ["", *target.split(".")]
    return module if target.startswith("genbench.") and name[:1].isupper() else name


def _curves(file: Path) -> dict[str, list[float | None]]:
    """Return the columns that may be drawn, thinned out where there are too many points for a chart.

    Raises:
        ValueError: it is no table of figures by steps.
    """
    if not file.is_file():
        return {}
    if b"\0" in file.read_bytes():
        raise ValueError("it holds bytes that are no text")
    rows = read_csv(file)
    names = [name for name in (rows[0] if rows else []) if name is not None]
    if rows and "step" not in names:
        raise ValueError("it has no column step")
    for row in rows:
        if None in row or None in row.values():
            raise ValueError(f"the row of step {row['step']} has more or fewer figures than there are columns")
    scores = [name for name in names if name.startswith("score/")]
    every = max(1, -(-len(rows) // _POINTS))
    kept = [row for index, row in enumerate(rows) if index % every == 0 or any(row[name] for name in scores)]
    kept += rows[-1:] if rows and kept[-1] is not rows[-1] else []
    return {name: [_number(row[name]) for row in kept] for name in names if name in AXES or name.startswith(_CURVES)}


def _number(text: str | None) -> float | None:
    value = float(text) if text else math.nan
    return float(f"{value:.5g}") if math.isfinite(value) else None
