"""The process of one part: it says which rows there are, and each row's figures as soon as it has them.

    python -m tests.benchmarks.accelerator.part steps --tiny

A line of JSON each: `{"rows": [...]}`, `{"begin": row}`, `{"row": row, "figures": {...}}` or `{"row": row, "failed":
message}`.
"""

import argparse
import gc
import importlib
import json
import os
import sys
import time
import traceback
from math import isfinite
from typing import Any

import torch

from genbench.commands.processes import end_with_parent
from genbench.commands.train import quieten
from genbench.errors import first_line
from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.plan import BY_NAME
from tests.benchmarks.turns import DEVICE


def main() -> int:
    """Measure the rows of a part; status 3 if the device is of no more use to this process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=list(BY_NAME))
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--images")
    parser.add_argument("--out", default=".")
    parser.add_argument("--skip", type=json.loads, default=[])
    arguments = parser.parse_args()
    # What libraries print goes to the log; the parent reads this.
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # Its parent may be killed, and whoever holds the card then would measure beside this.
    end_with_parent()
    quieten()
    if arguments.tiny:
        # Too small to gain from a second thread.
        torch.set_num_threads(1)
    form = Form(arguments.tiny, time.monotonic() + arguments.seconds, arguments.images, arguments.out)
    rows = importlib.import_module(f"tests.benchmarks.accelerator.{arguments.part}").rows(form)

    def say(**what: Any) -> None:
        print(json.dumps(what), file=wire, flush=True)

    say(rows=list(rows))
    for name, measure in rows.items():
        if name in arguments.skip:
            continue
        say(begin=name)
        try:
            said = {"figures": _plain(measure())}
        except Exception as error:
            traceback.print_exc()
            said = {"failed": f"{type(error).__name__}: {first_line(error)}"}
        say(row=name, **said)
        if not _is_well():
            return 3
    return 0


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    """Return figures as JSON has them; what is not a number is said in words."""
    plain = {key: value.item() if hasattr(value, "item") else value for key, value in figures.items()}
    return {
        key: str(value) if isinstance(value, float) and not isfinite(value) else value for key, value in plain.items()
    }


def _is_well() -> bool:
    """Free what a row left, and see whether the device still works: some errors stay with a process."""
    gc.collect()
    if DEVICE.type == "cuda":
        try:
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
        except RuntimeError:
            return False
    torch.compiler.reset()
    return True


if __name__ == "__main__":
    sys.exit(main())
