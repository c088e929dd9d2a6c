"""Print and keep scores: `scores.json` and the small table at the end of a command."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from genbench.data.base import ImageData
from genbench.metrics.evaluator import Evaluator, Scores
from genbench.runs import write_json


def score_real(evaluator: Evaluator, data: ImageData) -> Scores | None:
    """Score the test split, or return None where there is none."""
    return evaluator.score_images(data.store("test").images) if "test" in data.splits else None


def publish(scores: Scores, real: Scores | None, path: Path, **facts: Any) -> None:
    """Write scores with their protocol and print them beside those of real images that the method never saw.

    Args:
        scores: of the generated images.
        real: of the test split, under the same protocol; None where there is none.
        path: the `scores.json` to write.
        facts: what else belongs to the scores, such as the step.
    """
    write_json({**facts, **asdict(scores), "real_test_images": None if real is None else asdict(real)}, path)
    protocol = scores.protocol
    table = Table(
        title=f"{protocol['count']:,} images against the {protocol['reference_count']:,} of {protocol['reference']} "
        f"{protocol['reference_split']}, by the {protocol['extractor']}",
        title_justify="left",
    )
    table.add_column("score")
    table.add_column("generated", justify="right")
    if real is not None:
        table.add_column(f"{real.protocol['count']:,} real test images", justify="right")
    for name, value in scores.values.items():
        table.add_row(name, f"{value:.4g}", *(() if real is None else (f"{real.values[name]:.4g}",)))
    Console().print(table)
