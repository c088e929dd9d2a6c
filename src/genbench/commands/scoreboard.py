"""Print and keep scores: `scores.json` and the small table at the end of a command."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from genbench.metrics.evaluator import Scores
from genbench.runs import write_json


def publish(scores: Scores, real: Scores, path: Path, **facts: Any) -> None:
    """Write scores with their protocol and print them beside those of real images that the method never saw.

    Args:
        scores: of the generated images.
        real: of the test split, under the same protocol.
        path: the `scores.json` to write.
        facts: what else belongs to the scores, such as the step.
    """
    write_json({**facts, **asdict(scores), "real_test_images": asdict(real)}, path)
    protocol = scores.protocol
    table = Table(
        title=f"{protocol['count']:,} images against the {protocol['reference_count']:,} of {protocol['reference']} "
        f"{protocol['reference_split']}, by the {protocol['extractor']}",
        title_justify="left",
    )
    for heading in ("score", "generated", f"{real.protocol['count']:,} real test images"):
        table.add_column(heading, justify="left" if heading == "score" else "right")
    for name, value in scores.values.items():
        table.add_row(name, f"{value:.4g}", f"{real.values[name]:.4g}")
    Console().print(table)
