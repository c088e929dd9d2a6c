"""The run folder's own table of figures."""

import csv
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only


class CSVTable(Logger):
    """Write `metrics.csv`: a row a step, a column a figure.

    A run that goes on appends to its table, after dropping the rows of steps that are done again. (Lightning's
    CSVLogger deletes the table of an earlier session.)

    Args:
        save_dir: the run folder.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir) / "metrics.csv"
        self._columns: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._opened = False

    @property
    def name(self) -> str:
        """Name of the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """A run has one table."""
        return ""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Add figures to the row of a step."""
        if step is None:
            raise ValueError("a row of metrics.csv needs its step")
        if not self._opened:
            self._reopen(step)
        row = {"step": step} | {name: float(value) for name, value in metrics.items() if name != "epoch"}
        if self._rows and int(self._rows[-1]["step"]) == step:
            self._rows[-1] |= row
        else:
            self._rows.append(row)
        new_columns = [name for name in row if name not in self._columns]
        self._columns += sorted(new_columns)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The run folder holds `config.yaml`; there is nothing to add."""

    @rank_zero_only
    def save(self) -> None:
        """Write the table beside the old one and move it into place."""
        if not self._rows:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.path.with_suffix(".csv.part")
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=self._columns)
            writer.writeheader()
            writer.writerows(self._rows)
        os.replace(beside, self.path)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left."""
        self.save()

    def _reopen(self, step: int) -> None:
        self._opened = True
        self._columns = ["step"]
        if self.path.exists():
            with self.path.open(newline="") as file:
                reader = csv.DictReader(file)
                self._columns = list(reader.fieldnames or ["step"])
                self._rows = [row for row in reader if int(row["step"]) < step]
