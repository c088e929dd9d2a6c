"""Reference sets in feature space, kept under a key of all that they depend on."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from genbench.metrics.features import FeatureSet

_NAMES = ("mean", "covariance", "features", "logits", "labels")


def load_or_make(
    folder: Path,
    facts: dict[str, Any],
    make: Callable[[], FeatureSet],
    *,
    writes: bool,
    everyone: Callable[[bool], bool] = bool,
) -> FeatureSet:
    """Return the reference set of these facts, from its file if there is one.

    Args:
        folder: where the files are.
        facts: what the set depends on: images, preparation, extractor, weights.
        make: computes it.
        writes: whether this process keeps what was computed.
        everyone: tells whether something holds for all processes that call `make` together. It is computed anew unless
            all found it: those of other machines may not see the file.
    """
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{facts['reference']}-{facts['reference_split']}-{key}.safetensors"
    found = _load(path)
    if everyone(found is not None) and found is not None:
        return found
    made = make()
    if writes:
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        tensors = {name: getattr(made, name).contiguous() for name in _NAMES if getattr(made, name) is not None}
        save_file(tensors, part, {"count": str(made.count), "facts": json.dumps(facts)})
        part.replace(path)
    return made


def _load(path: Path) -> FeatureSet | None:
    """Return what a file holds, or None if it is not there yet or was written by something else."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in _NAMES if name in file.keys()}  # noqa: SIM118
            return FeatureSet(**tensors, count=int(file.metadata()["count"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
