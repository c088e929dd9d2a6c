"""Reference sets in feature space, cached under a key of everything they depend on."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from genbench.conditions.base import Condition
from genbench.errors import UserError
from genbench.files import written_whole
from genbench.medium import Medium
from genbench.metrics.extractor import Extractor
from genbench.metrics.features import FeatureSet, Watch, extract, unwatched

_NAMES = ("mean", "covariance", "features", "logits", "labels")


_BATCH = 64
_ROUNDING = 1e-10
"""Rounding of single-precision features, which depends on the batch: variance of equal features over their square."""


class Samples(Protocol):
    """Stored samples, such as uint8 images (N, C, H, W): a tensor, or an object on disk that is sliced like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, ...)."""

    def __len__(self) -> int:
        """Return N."""

    def __getitem__(self, index: slice) -> Tensor:
        """Return consecutive samples."""


class ReferenceStore(Protocol):
    """All samples of a split."""

    @property
    def samples(self) -> Samples:
        """The samples."""

    @property
    def conditions(self) -> Any:
        """Their conditions, or None."""


class ReferenceData(Protocol):
    """A data set whose splits serve as references."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def medium(self) -> Medium:
        """What a sample is."""

    @property
    def condition(self) -> Condition | None:
        """What the rows of conditions mean."""

    def identity(self, split: Any) -> dict[str, Any]:
        """Return facts that identify the images of a split, without reading large files."""

    def store(self, split: Any) -> ReferenceStore:
        """Return a split."""


def facts_of(data: ReferenceData, split: str) -> dict[str, Any]:
    """Return what a protocol says of a reference."""
    return {"reference": data.name, "reference_split": split, "reference_identity": data.identity(split)}


def features_of_split(
    data: ReferenceData,
    split: str,
    extractor: Extractor,
    cache: Path | None,
    device: torch.device | str,
    rank: int = 0,
    world_size: int = 1,
    watch: Watch = unwatched,
) -> FeatureSet:
    """Return a split in feature space; its images are read only if their features are not cached.

    Args:
        data: the data set.
        split: of the data set.
        extractor: on `device`.
        cache: folder of reference sets, or None.
        device: where features are extracted.
        rank: this process among `world_size`.
        world_size: processes among which the work is divided; all must call this.
        watch: shows the progress.
    """
    device = torch.device(device)
    labels = _labels(data, split)

    def make() -> FeatureSet:
        samples = data.store(split).samples
        parts, total = batches(samples, rank, world_size), len(samples)
        with watch(f"{data.name} {split}", total, rank, world_size) as advance:
            return extract(extractor, parts, total, device, shared=world_size > 1, labels=labels, advance=advance)

    def everyone(holds: bool) -> bool:
        if world_size == 1:
            return holds
        flag = torch.tensor(int(holds), device=device)
        torch.distributed.all_reduce(flag, torch.distributed.ReduceOp.MIN)
        return bool(flag)

    if cache is None:
        return make()
    facts = facts_of(data, split) | extractor.facts
    if labels is not None:
        # The same images with other classes are another reference.
        facts["labels"] = hashlib.sha256(labels.long().cpu().contiguous().numpy().tobytes()).hexdigest()[:16]
    return load_or_make(cache, facts, make, writes=rank == 0, everyone=everyone)


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
        writes: whether this process writes the result to the cache.
        everyone: returns whether a condition holds in all processes that call `make` together. The set is recomputed
            unless all found it: processes on other machines may not see the file.
    """
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    path = folder / f"{facts['reference']}-{facts['reference_split']}-{key}.safetensors"
    found = _load(path)
    if everyone(found is not None) and found is not None:
        return found
    made = make()
    if writes:
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: getattr(made, name).contiguous() for name in _NAMES if getattr(made, name) is not None}
        with written_whole(path, shared=True) as beside:
            save_file(tensors, beside, {"count": str(made.count), "facts": json.dumps(facts)})
    return made


def _load(path: Path) -> FeatureSet | None:
    """Return the content of a file, or None if it is missing or not a reference set."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in _NAMES if name in file.keys()}  # noqa: SIM118
            return FeatureSet(**tensors, count=int(file.metadata()["count"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None


def batches(images: Samples, rank: int = 0, world_size: int = 1) -> Iterator[tuple[int, Tensor]]:
    """Yield the first index and the images of this process's batches of a set."""
    for first in range(rank * _BATCH, len(images), world_size * _BATCH):
        yield first, images[first : first + _BATCH]


def refuse_one_picture(images: FeatureSet, what: str) -> None:
    """Refuse a set whose features have no variance beyond rounding.

    Raises:
        UserError: all images have the same features.
    """
    if not images.covariance.diagonal().max() > _ROUNDING * images.mean.square().max():
        raise UserError(f"all {images.count:,} images of {what} have the same features: it is one picture")


def _labels(data: ReferenceData, split: str) -> Tensor | None:
    """Return the classes of all samples of a split; None if they have none."""
    if data.condition is None:
        return None
    conditions = data.store(split).conditions
    if conditions is None or data.condition.labels(conditions[:1]) is None:
        return None
    return data.condition.labels(conditions[:])
