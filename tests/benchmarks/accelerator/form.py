"""In which size things are measured: at a GPU's, or tiny, to see that they work; and how commands are run."""

import io
import os
import sys
import time
from contextlib import redirect_stderr
from dataclasses import dataclass

import torch

from genbench.__main__ import main


@dataclass(frozen=True)
class Form:
    """What the rows of a part need to know.

    Attributes:
        tiny: whether sizes are tiny.
        deadline: when the part ends, in seconds of the monotonic clock.
        images: folder of photographs to train on; None if there is none.
        out: folder of the page, for pictures.
    """

    tiny: bool
    deadline: float
    images: str | None
    out: str

    def seconds_left(self) -> float:
        """Return how many seconds the part has left."""
        return self.deadline - time.monotonic()


def environment() -> dict[str, str]:
    """Return the environment of a process that shall compute with as many threads as this one: sums depend on it.

    A job of SLURM around all of this is not the processes' own.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    return inherited | {"OMP_NUM_THREADS": str(torch.get_num_threads())}


def run_here(words: list[str]) -> None:
    """Run a command of GenBench in this process.

    Raises:
        RuntimeError: it failed, with what it said last.
    """
    said = io.StringIO()
    with redirect_stderr(said):
        status = main(words)
    sys.stderr.write(said.getvalue())
    if status:
        raise RuntimeError((said.getvalue().strip() or f"status {status}").splitlines()[-1])
