"""The monitored score of a run, which a search over settings looks at."""

import math
import os
from pathlib import Path

from omegaconf import DictConfig

from genbench.figures.charts import read_csv
from genbench.runs.folder import RunFolder
from genbench.score_names import better, find_score

RESULT = "GENBENCH_RESULT"
"""The file that a run of a sweep in a process of its own writes its score to."""


def monitored_score(folder: RunFolder, config: DictConfig) -> float | None:
    """Return the best value of `callbacks.checkpoints.monitor` in a run, which is that of `best.ckpt`; None if none."""
    node = config.callbacks.get("checkpoints")
    file = folder.path / "metrics.csv"
    if node is None or not file.is_file():
        return None
    rows = read_csv(file)
    name = find_score(str(node.monitor), rows[0] if rows else ())
    values = [float(row[name]) for row in rows if name is not None and row.get(name)]
    values = [value for value in values if math.isfinite(value)]
    if not values:
        return None
    return max(values) if better(str(node.monitor).removeprefix("score/")) == "max" else min(values)


def leave_result(score: float | None) -> None:
    """Write the score where the process of a sweep waits for it, if one does."""
    if score is not None and RESULT in os.environ:
        Path(os.environ[RESULT]).write_text(repr(score))
