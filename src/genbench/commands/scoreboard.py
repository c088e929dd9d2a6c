"""Print and keep scores: `scores.json` and the small table at the end of a command."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table

from genbench.commands.protocols import protocol_title
from genbench.config.words import DRAWN_BY
from genbench.errors import UserError
from genbench.files import written_whole
from genbench.metrics.evaluator import COMPARABLE_COUNT, Evaluator, Scores
from genbench.metrics.material import Material
from genbench.runs.score_file import add_comparison, add_scores
from genbench.score_names import in_order, is_deviation

_HALVES = 20


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Say of scores that could not be saved that they were printed.

    Raises:
        UserError: they could not be saved.
    """
    try:
        yield
    except OSError as error:
        raise UserError(f"the scores above could not be saved: {path}: {error.strerror}") from error


def score_real(
    evaluator: Evaluator, data: Any, device: torch.device, *, by_class: bool = False, split: str | None = None
) -> Scores | None:
    """Score a split, "test" if None, see `Evaluator.score_split`; None where there is none or no score of it."""
    split = split or "test"
    if split not in data.splits:
        return None
    return evaluator.score_split(data, split, device, by_class=by_class)


def way_of_drawing(settings: DictConfig, *, conditional: bool) -> dict[str, Any]:
    """Return what a run's configuration adds to the protocol of its scores: how samples are drawn."""
    way = {key: settings.method[key] for key in DRAWN_BY if key in settings.method}
    if not conditional:
        way.pop("guidance", None)
    if settings.get("sampler") is not None:
        way["sampler"] = OmegaConf.to_container(settings.sampler, resolve=True)
    return way


def publish(scores: Scores, real: Scores | None, path: Path, **facts: Any) -> None:
    """Print scores beside those of real images that the method never saw, and write them with their protocol.

    Args:
        scores: of the generated images.
        real: of the test split or the protocol's, under the same protocol; None where there is none.
        path: the `scores.json` to add them to.
        facts: what else belongs to the scores, such as the step.

    Raises:
        OSError: they can't be written; they have been printed.
    """
    table = Table(title=protocol_title(scores.protocol), title_justify="left")
    table.add_column("score")
    table.add_column("generated" if "count" in scores.protocol else "run", justify="right")
    if real is not None:
        split = scores.protocol.get("split", "test")
        table.add_column(f"{real.protocol['count']:,} real {split} images", justify="right")
    for name in in_order(scores.values):
        if is_deviation(name, scores.values):
            continue
        table.add_row(name, *(_shown(name, row) for row in (scores, real) if row is not None))
    console = Console()
    console.print(table)
    for name, reason in scores.left_out.items():
        console.print(f"left out: {name}: {reason}", style="yellow")
    _warn_of_few(scores, console)
    add_scores(path, {**facts, **_row(scores), "real_test_images": None if real is None else _row(real)})
    print(f"scores: {path}")


def compare(
    evaluator: Evaluator,
    first: tuple[Material, dict[str, Any]],
    second: tuple[Material, dict[str, Any]],
    names: tuple[str, str],
    path: Path,
) -> None:
    """Print two runs' scores with the difference of each and its 95 % interval, and write them.

    Raises:
        OSError: they can't be written; they have been printed.
    """
    scores = [evaluator.score(*drawn) for drawn in (first, second)]
    halves = [drawn.halves(_HALVES) for drawn, _ in (first, second)]
    spread: dict[str, list[float]] = {}
    for one, other in zip(*halves, strict=True):
        # Half of a small set may be too small for a score, which then has no interval.
        a, b = (evaluator.score(half, {}, strict=False).values for half in (one, other))
        for name in a.keys() & b.keys():
            spread.setdefault(name, []).append(a[name] - b[name])
    table = Table(
        title=protocol_title(scores[0].protocol), title_justify="left", caption=f"first: {names[0]}\nsecond: {names[1]}"
    )
    for heading in ("score", "first", "second", "difference", "95 % interval"):
        table.add_column(heading, justify="left" if heading == "score" else "right")
    rows: dict[str, Any] = {}
    for name in in_order(scores[0].values):
        # Scores of classes are known of conditional methods alone.
        if is_deviation(name, scores[0].values) or name not in scores[1].values:
            continue
        row = rows[name] = _difference(scores[0].values[name], scores[1].values[name], spread.get(name, []))
        low, high = row["interval"] or (None, None)
        table.add_row(
            name,
            f"{row['first']:.4g}",
            f"{row['second']:.4g}",
            f"{row['difference']:+.3g}",
            "too few" if low is None else f"{low:+.3g} to {high:+.3g}",
        )
    console = Console()
    console.print(table)
    for reasons, name in zip((scores[0].left_out, scores[1].left_out), names, strict=True):
        for score, reason in reasons.items():
            console.print(f"left out of {name}: {score}: {reason}", style="yellow")
    _warn_of_few(scores[0], console)
    protocols = {"protocol": scores[0].protocol, "second_protocol": scores[1].protocol}
    better = {name: end for name, end in scores[0].better.items() if name in rows}
    add_comparison(path, {"first": names[0], "second": names[1], "scores": rows, "better": better, **protocols})
    print(f"comparison: {path}")


def _difference(first: float, second: float, spread: list[float]) -> dict[str, Any]:
    """Return two scores with their difference and its interval, None where it is not known."""
    difference = first - second
    found: dict[str, Any] = {"first": first, "second": second, "difference": difference, "interval": None}
    if len(spread) > 1:
        margin = 1.96 * float(torch.tensor(spread, dtype=torch.float64).std())
        found["interval"] = [difference - margin, difference + margin]
    return found


def write_curve(curve: list[tuple[int, str, Scores]], path: Path, beside: Path | None) -> None:
    """Print and write the scores of a run's checkpoints.

    Args:
        curve: step, checkpoint and scores of each.
        path: a table of them.
        beside: the `scores.json` to which they are added with their protocol; None for none.

    Raises:
        OSError: they can't be written; they have been printed.
    """
    rows = [{"step": step, **scores.values} for step, _, scores in curve]
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = Table()
    for name in names:
        table.add_column(name, justify="right")
    for row in rows:
        shown = (row.get(name, "") for name in names)
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in shown))
    Console().print(table)
    with written_whole(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    if beside is not None:
        # The table says no protocol, and the next curve replaces it.
        for step, checkpoint, scores in curve:
            add_scores(beside, {"step": step, "checkpoint": checkpoint, **_row(scores)})
    print(f"curve: {path}")


def _row(scores: Scores) -> dict[str, Any]:
    """Return scores as a file of scores has them."""
    optional = {"left_out": scores.left_out, "better": scores.better}
    return {"values": scores.values, "protocol": scores.protocol} | {key: one for key, one in optional.items() if one}


def _shown(name: str, scores: Scores) -> str:
    if name not in scores.values:
        return "too few" if name in scores.absent else ""
    deviation = scores.values.get(f"{name}_std")
    return f"{scores.values[name]:.4g}" + ("" if deviation is None else f" +- {deviation:.2g}")


def _warn_of_few(scores: Scores, console: Console) -> None:
    if "fid" in scores.values and scores.protocol["count"] < COMPARABLE_COUNT:
        console.print(
            f"fewer than {COMPARABLE_COUNT:,} images: FID is biased upwards, compare only under this same protocol",
            style="yellow",
        )
