"""The long form: many kills, a long training. Writes what it found into docs/soak.md.

make soak
"""

import os
import platform
import tempfile
import time
from pathlib import Path

import torch

from tests.soak.growth import Sample, watch_training
from tests.soak.kills import RUNS, Killed, kill_and_resume

PAGE = Path(__file__).parents[2] / "docs" / "soak.md"
KILLS, KILLED_STEPS, LONG_STEPS = 20, 6000, 10_000


def main() -> None:
    """Do it all, then write the page.

    Raises:
        SystemExit: something was lost.
    """
    begun = time.monotonic()
    killed: dict[str, Killed] = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind in RUNS:
            place = Path(folder) / kind
            place.mkdir()
            killed[kind] = kill_and_resume(kind, place, kills=KILLS, steps=KILLED_STEPS)
            print(kind, killed[kind], flush=True)
        samples = watch_training(Path(folder) / "long", steps=LONG_STEPS)
    PAGE.write_text(_page(killed, samples, time.monotonic() - begun))
    print(f"written: {PAGE}")
    lost = [f"{kind}: {each}" for kind, result in killed.items() for each in result.differences]
    if lost:
        raise SystemExit("\n".join(lost))


def _page(killed: dict[str, Killed], samples: list[Sample], seconds: float) -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, no GPU, torch {torch.__version__.split('+')[0]}"
    rows = [
        f"| {kind} | {one.kills} | {one.in_writing} | {one.before_any} | {', '.join(one.differences) or 'none'} |"
        for kind, one in killed.items()
    ]
    marks = [
        samples[min(len(samples) - 1, round(share * (len(samples) - 1)))] for share in (0, 0.1, 0.25, 0.5, 0.75, 1)
    ]
    growth = [f"| {one.step:,} | {one.megabytes:.0f} | {one.open_files} | {one.threads} |" for one in marks]
    return "\n".join(
        [
            "# Soaked",
            "",
            f"`make soak`, {machine}, {time.strftime('%Y-%m-%d')}, {seconds / 60:.0f} minutes.",
            "`make test` keeps short forms.",
            "",
            "## Killed at random moments",
            "",
            f"Tiny runs of {KILLED_STEPS:,} steps with a checkpoint every 10, killed with SIGKILL at random moments",
            "and resumed by `train run=FOLDER` each time; then compared with an undisturbed run: weights, averaged",
            "weights, optimizer states and `metrics.csv` (but for its seconds and speed), to the bit.",
            "",
            "| run | kills | of these while a file was written | before the first checkpoint | differences |",
            "| --- | ---: | ---: | ---: | --- |",
            *rows,
            "",
            "## A long training in fast motion",
            "",
            f"{LONG_STEPS:,} steps of a tiny GAN, with a score, a grid and a checkpoint every 50, seen from outside:",
            "",
            "| step | memory, MB | open files | threads |",
            "| ---: | ---: | ---: | ---: |",
            *growth,
            "",
        ]
    )


if __name__ == "__main__":
    main()
