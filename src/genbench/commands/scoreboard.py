"""Print and keep scores: `scores.json` and the small table at the end of a command."""

import csv
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from genbench.data.base import ImageData
from genbench.files import write_json
from genbench.metrics.difference import random_halves
from genbench.metrics.evaluator import COMPARABLE_COUNT, Evaluator, Scores
from genbench.metrics.features import FeatureSet
from genbench.vocabulary import is_deviation

_HALVES = 20
_OF_METHODS_ALONE = ("mae", "ssim", "target_", "in_target_", "domain_", "cycle_", "bits_")
"""Scores of translations and of likelihood, which real images don't have."""


def score_real(evaluator: Evaluator, data: ImageData, device: torch.device, *, by_class: bool = False) -> Scores | None:
    """Score the test split, see `Evaluator.score_split`, or return None where there is none."""
    if "test" not in data.splits:
        return None
    return evaluator.score_split(data, "test", device, by_class=by_class)


def publish(scores: Scores, real: Scores | None, path: Path, **facts: Any) -> None:
    """Write scores with their protocol and print them beside those of real images that the method never saw.

    Args:
        scores: of the generated images.
        real: of the test split, under the same protocol; None where there is none.
        path: the `scores.json` to write.
        facts: what else belongs to the scores, such as the step.
    """
    write_json({**facts, **asdict(scores), "real_test_images": None if real is None else asdict(real)}, path)
    table = Table(title=_title(scores.protocol), title_justify="left")
    table.add_column("score")
    table.add_column("generated", justify="right")
    if real is not None:
        table.add_column(f"{real.protocol['count']:,} real test images", justify="right")
    for name in scores.values:
        if is_deviation(name, scores.values):
            continue
        table.add_row(name, *(_shown(name, row.values) for row in (scores, real) if row is not None))
    console = Console()
    console.print(table)
    _warn_of_few(scores, console)
    print(f"scores: {path}")


def compare(
    evaluator: Evaluator,
    first: tuple[FeatureSet, dict[str, Any]],
    second: tuple[FeatureSet, dict[str, Any]],
    names: tuple[str, str],
    path: Path,
) -> None:
    """Write and print two runs' scores with the difference of each and its 95 % interval."""
    scores = [evaluator.score(*drawn) for drawn in (first, second)]
    halves = [random_halves(drawn, _HALVES) for drawn, _ in (first, second)]
    spread: dict[str, list[float]] = {}
    for one, other in zip(*halves, strict=True):
        a, b = (evaluator.score(half, {}).values for half in (one, other))
        for name in a:
            spread.setdefault(name, []).append(a[name] - b[name])
    table = Table(
        title=_title(scores[0].protocol), title_justify="left", caption=f"first: {names[0]}\nsecond: {names[1]}"
    )
    for heading in ("score", "first", "second", "difference", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "score" else "right")
    rows: dict[str, Any] = {}
    for name, value in scores[0].values.items():
        if is_deviation(name, scores[0].values):
            continue
        difference = value - scores[1].values[name]
        margin = 1.96 * float(torch.tensor(spread[name], dtype=torch.float64).std())
        rows[name] = {
            "first": value,
            "second": scores[1].values[name],
            "difference": difference,
            "interval": [difference - margin, difference + margin],
        }
        table.add_row(
            name,
            f"{value:.4g}",
            f"{scores[1].values[name]:.4g}",
            f"{difference:+.3g}",
            f"{difference - margin:+.3g} to {difference + margin:+.3g}",
        )
    write_json({"first": names[0], "second": names[1], "scores": rows, "protocol": scores[0].protocol}, path)
    console = Console()
    console.print(table)
    _warn_of_few(scores[0], console)
    print(f"comparison: {path}")


def write_curve(rows: list[dict[str, Any]], path: Path) -> None:
    """Write and print the scores of a run's checkpoints."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    table = Table()
    for name in rows[0]:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    Console().print(table)
    print(f"curve: {path}")


def _title(protocol: dict[str, Any]) -> str:
    return (
        f"{protocol['count']:,} images against the {protocol['reference_count']:,} of {protocol['reference']} "
        f"{protocol['reference_split']}, by the {protocol['extractor']}"
    )


def _shown(name: str, values: dict[str, float]) -> str:
    if name not in values:
        return "" if name.startswith(_OF_METHODS_ALONE) else "too few"
    deviation = values.get(f"{name}_std")
    return f"{values[name]:.4g}" + ("" if deviation is None else f" +- {deviation:.2g}")


def _warn_of_few(scores: Scores, console: Console) -> None:
    if "fid" in scores.values and scores.protocol["count"] < COMPARABLE_COUNT:
        console.print(
            f"fewer than {COMPARABLE_COUNT:,} images: FID is biased upwards, compare only under this same protocol",
            style="yellow",
        )
