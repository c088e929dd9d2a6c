"""How long it takes until something happens, in fresh processes: answers, and the first training step.

make bench
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 7

_BARE = """
import time; begun = time.perf_counter()
import lightning, torch, torchvision
from sklearn.datasets import load_digits
load_digits()
print(time.perf_counter() - begun)
"""


def seconds(command: list[str]) -> float:
    """Return how long a command takes."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


def first_step() -> float:
    """Return seconds from a command to the end of a run of one step."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["steps=1", "metrics=none", "callbacks.grid=null", "callbacks.nearest=null", f"output={folder}"]
        return seconds([sys.executable, "-m", "genbench", "experiment=gan_digits", *words])


def main() -> None:
    """Measure and print a table."""
    rounds = [
        {
            "help": seconds([sys.executable, "-m", "genbench", "--help"]),
            "list": seconds([sys.executable, "-m", "genbench", "list"]),
            "first_step": first_step(),
            "bare": seconds([sys.executable, "-c", _BARE]),
        }
        for _ in range(ROUNDS)
    ]
    median = {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}
    ratio = statistics.median(found["first_step"] / found["bare"] for found in rounds)
    print("| start, seconds | |")
    print("| --- | ---: |")
    print(f"| `--help` | {median['help']:.2f} |")
    print(f"| `list` | {median['list']:.2f} |")
    print(f"| a run of one step, from command to end | {median['first_step']:.2f} |")
    print(f"| importing Lightning and torchvision, loading the digits | {median['bare']:.2f} |")
    print(f"| ratio | {ratio:.2f} |")
    print(json.dumps({"start_speed": median | {"ratio": ratio}}))


if __name__ == "__main__":
    main()
