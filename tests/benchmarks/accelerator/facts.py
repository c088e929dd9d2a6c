"""Print a line of JSON that says on what and with what a machine would measure."""

import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

import genbench.commands.train  # noqa: F401  (whatever it can't be imported without is missing)
from genbench.runs.folder import code_revision
from tests.benchmarks.turns import DEVICE

_PACKAGES = ("lightning", "torchvision", "torchmetrics", "torch-fidelity", "diffusers", "hydra-core")


def facts(tiny: bool) -> dict[str, Any]:
    """Return the machine's name, by which its figures are kept, and the facts for the page.

    Raises:
        SystemExit: there is a card that torch can't use.
    """
    if DEVICE.type == "cpu" and not tiny and (driver := _driver()) != "unknown":
        print(
            f"there is a card (driver {driver}) that torch {torch.__version__} can't use; --tiny goes without",
            file=sys.stderr,
        )
        raise SystemExit(2)
    if DEVICE.type == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        device = f"{torch.cuda.get_device_name()}, {memory:.0f} GiB"
        software = f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, driver {_driver()}"
    else:
        device, software = _processor(), "no accelerator"
    found = {
        "device": f"{device}; {os.cpu_count()} CPU cores",
        "software": f"torch {torch.__version__}, {software}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "date": str(date.today()),
        "revision": (code_revision() or "unknown")[:12],
        "command": "make accelerator",
        "form": "tiny" if tiny or DEVICE.type == "cpu" else "full",
    }
    shape = ", tiny form" if found["form"] == "tiny" else ""
    return {"machine": f"{device}, torch {torch.__version__}{shape}", "facts": found}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _driver() -> str:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
        return names[0]
    except (OSError, IndexError):
        return platform.machine()


if __name__ == "__main__":
    print(json.dumps(facts("--tiny" in sys.argv)))
