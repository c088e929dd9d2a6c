"""Charts and tables of studies; charts need the extra `studies`, which is matplotlib."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genbench.errors import UserError


def make_chart(
    columns: int = 1, height: float = 3.2, aspect: float = 1.4, rows: int = 1, **settings: Any
) -> tuple[Any, list[Any]]:
    """Return a matplotlib figure and its panels, row by row.

    Args:
        columns: panels per row.
        height: of a panel in inches.
        aspect: width of a panel over its height.
        rows: of panels.
        settings: those of `matplotlib.figure.Figure.subplots`, such as `sharey`.

    Raises:
        UserError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("charts take matplotlib: pip install 'genbench[studies]'") from error
    figure = Figure(figsize=(aspect * height * columns, height * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **settings).flatten().tolist()
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(alpha=0.25)
    return figure, panels


def save_chart(figure: Any, path: Path) -> None:
    """Write a chart as PNG; folders are created as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Titles of panels with a fixed shape would be cut off otherwise.
    figure.savefig(path, dpi=120, bbox_inches="tight")


def write_csv(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows with the keys of the first one as header; folders are created as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file.

    Raises:
        UserError: it does not exist.
    """
    if not path.is_file():
        raise UserError(f"{path} is not there: is its folder that of a run?")
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
