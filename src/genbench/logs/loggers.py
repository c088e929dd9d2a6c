"""Logging of a training's figures to all loggers, and the run folder's own table."""

import csv
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from lightning import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from genbench.errors import first_line
from genbench.files import set_aside, written_whole
from genbench.images import save_image
from genbench.logs.vocabulary import SECTIONS

_PAUSE = 5.0
"""Seconds between two writes of a table, which is rewritten completely and may have 100,000 rows."""


@runtime_checkable
class KeepsAxes(Protocol):
    """A callback that provides further axes beside the step."""

    def axes(self, trainer: Trainer) -> dict[str, float]:
        """Return `images` and `seconds` since the run began."""
        ...


@runtime_checkable
class ShowsPictures(Protocol):
    """A logger that accepts pictures and summary figures of a run."""

    def log_picture(self, key: str, file: Path, step: int) -> None:
        """Log a picture of a step."""
        ...

    def summarize(self, figures: Mapping[str, float]) -> None:
        """Set figures of the whole run."""
        ...


@runtime_checkable
class KeepsRows(Protocol):
    """A logger that buffers rows, which must be written before a checkpoint: they are not computed again."""

    def write(self) -> None:
        """Write the buffered rows."""
        ...


def log_figures(trainer: Trainer, figures: Mapping[str, Tensor | float]) -> None:
    """Pass figures of the step that has just finished to all loggers immediately, with the axes.

    (Lightning's own `log_dict` passes them on only after the callbacks, so a checkpoint of a step would be written
    before the step's row: if the run were killed in between and resumed, the row would be missing.)

    Raises:
        ValueError: a key's section is not in the vocabulary.
    """
    for name in figures:
        if name.partition("/")[0] not in SECTIONS:
            raise ValueError(f"{name} must begin with one of the sections {', '.join(SECTIONS)}")
    tensors = {name: value for name, value in figures.items() if isinstance(value, Tensor)}
    values = {name: float(value) for name, value in figures.items() if name not in tensors}
    if tensors:
        # One GPU synchronisation, not one per figure.
        read = torch.stack([value.detach().float() for value in tensors.values()]).tolist()
        values |= dict(zip(tensors, read, strict=True))
    trainer.callback_metrics.update(values)  # type: ignore[arg-type]
    axes = _axes(trainer)
    for logger in trainer.loggers:
        logger.log_metrics(axes | {name: values[name] for name in figures}, step=trainer.global_step)


def log_picture(trainer: Trainer, key: str, image: Tensor, stem: str) -> None:
    """Write a picture of the step that has just finished into the run folder, and pass it to loggers of pictures.

    Args:
        trainer: whose run folder it is written to, as `samples/<stem>_<step>.png`.
        key: its key in the loggers, `samples/...`.
        image: uint8 (C, H, W), C 1 or 3.
        stem: beginning of its file name.
    """
    step = trainer.global_step
    file = Path(trainer.default_root_dir) / "samples" / f"{stem}_{step:07d}.png"
    save_image(image, file)
    for logger in trainer.loggers:
        if isinstance(logger, ShowsPictures):
            logger.log_metrics(_axes(trainer), step)
            logger.log_picture(key, file, step)
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image(key, image, step)


def summarize(trainer: Trainer, figures: Mapping[str, float]) -> None:
    """Set summary figures of the run, such as its best score, in the loggers that have them."""
    for logger in trainer.loggers:
        if isinstance(logger, ShowsPictures):
            logger.summarize(figures)


def seconds_of(trainer: Trainer) -> float | None:
    """Return the seconds since the run began, over all its sessions; None if no callback counts them."""
    return _axes(trainer).get("seconds")


def _axes(trainer: Trainer) -> dict[str, float]:
    keeper = next((one for one in trainer.callbacks if isinstance(one, KeepsAxes)), None)  # type: ignore[attr-defined]
    return keeper.axes(trainer) if keeper is not None else {}


class CSVTable(Logger):
    """Write `metrics.csv`: a row per step, a column per figure.

    A resumed run appends to its table, after dropping the rows of steps that are repeated. (Lightning's CSVLogger
    deletes the table of an earlier session.)

    Args:
        save_dir: the run folder.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__()
        self.path = Path(save_dir) / "metrics.csv"
        self._columns: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._opened = False
        self._written_at: float | None = None

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
        row = {"step": step} | metrics
        if self._rows and int(self._rows[-1]["step"]) == step:
            self._rows[-1] |= row
        else:
            self._rows.append(row)
        new_columns = [name for name in row if name not in self._columns]
        self._columns += sorted(new_columns)
        if self._written_at is None or time.monotonic() - self._written_at > _PAUSE:
            self.write()

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The run folder holds `config.yaml`; there is nothing to add."""

    @rank_zero_only
    def write(self) -> None:
        """Write the whole table.

        Raises:
            OSError: it can't be written.
        """
        if not self._rows:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(self.path) as beside, beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=self._columns)
            writer.writeheader()
            writer.writerows(self._rows)
        self._written_at = time.monotonic()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the remaining rows."""
        self.write()

    def _reopen(self, step: int) -> None:
        self._opened = True
        self._columns = ["step"]
        if not self.path.exists():
            return
        try:
            with self.path.open(newline="") as file:
                reader = csv.DictReader(file)
                rows = [row for row in reader if int(row["step"]) < step]
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            set_aside(self.path, f"{self.path} is damaged ({first_line(error)})")
            return
        self._columns, self._rows = list(reader.fieldnames or ["step"]), rows
