"""Base of data sets that are decoded, cropped and resized once, and then read from shards."""

import hashlib
import json
import os
from abc import abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from genbench.data.base import USUAL_SPLITS, DataSet, Split, part_facts
from genbench.data.decoding import CHUNK, Pixels
from genbench.data.preparation import Crop, Filter, Preparation, Square
from genbench.data.prepare import OnError, Plan, prepare
from genbench.data.prepare_progress import say
from genbench.data.shards import MANIFEST, Shards, read_conditions, read_manifest
from genbench.data.sources import CONTENT_HASH, Origin
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images


class MissingDataError(UserError):
    """The files of a data set are missing; a store prepared from them may be used instead."""


class Records(NamedTuple):
    """The encoded images of a split.

    Attributes:
        origin: where they are.
        conditions: their rows, (N, ...), or None.
        facts: further facts for the manifest, such as the names of the classes.
    """

    origin: Origin
    conditions: np.ndarray | None = None
    facts: dict[str, Any] = {}


class Located(NamedTuple):
    """A part of the data.

    Attributes:
        store: the folder of its store, which may not exist yet.
        source: facts that identify the content of the source.
        facts: further facts of its manifest, such as the names of the classes.
        records: the records to prepare; None if the store exists.
    """

    store: Path
    source: dict[str, Any]
    facts: dict[str, Any]
    records: Records | None


class PreparedData(DataSet):
    """A data set that is prepared once; its own file defines where its `records` are.

    A store's name has a key of the source's content, split and preparation, so other settings create another store, and
    a copy of the same files finds the same one. If the source is gone, a store prepared from it with the same settings
    is used.

    Args:
        root: folder of the data as distributed.
        prepared: folder of the prepared stores.
        size: side in pixels.
        crop: see `Preparation`.
        filter: Pillow's filter.
        channels: 3 for RGB, 1 for grey.
        workers: decoding processes; as many as there are cores if None.
        on_error: "stop" ends the preparation at an unreadable record, "skip" leaves it out and lists it.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.
        settings: those of `DataSet`.

    Raises:
        UserError: an argument is out of range.
    """

    preparation: Preparation

    named_by_its_source = False
    """Whether the name alone identifies the images, as "celeba" does and "image_folder" does not."""

    def __init__(
        self,
        *,
        root: str = "data",
        prepared: str = "data/prepared",
        size: int = 64,
        crop: Crop | Square = "crop_then_resize",
        filter: Filter = "bilinear",
        channels: int = 3,
        workers: int | None = None,
        on_error: OnError = "stop",
        batch_size: int = 128,
        seed: int = 0,
        **settings: Any,
    ) -> None:
        super().__init__(batch_size, seed, **settings)
        if workers is not None and workers < 1:
            raise UserError(f"data.workers must be at least 1, not {workers}")
        self.preparation = Preparation(size, crop, filter, channels)
        self.medium = Images((channels, size, size))
        self.root = Path(root).expanduser()
        self.prepared = Path(prepared).expanduser()
        self.workers = workers or _cores()
        self.on_error = on_error
        self._found: dict[str, Records | MissingDataError] = {}
        self._located: dict[str, Located] = {}

    @abstractmethod
    def records(self, part: str) -> Records:
        """Find the encoded images of a part of the data, which is a split unless `parts` says otherwise.

        Raises:
            MissingDataError: they are missing; the message says what to put where.
            UserError: they are invalid.
        """

    def parts(self, split: Split) -> tuple[str, ...]:
        """The parts, each with its own store, of a split."""
        return (split,)

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """The splits whose files or stores exist; "train" always, since its absence is an error."""
        return ("train", *(split for split in USUAL_SPLITS if split != "train" and self._has(split)))

    @property
    def pixels(self) -> Pixels:
        """The function from a record to its stored pixels."""
        return self.preparation

    def prepare_data(self) -> None:
        """Prepare the splits that training and its scores read."""
        for split in self.splits:
            if split != "val":
                self.prepare(split)

    def prepare(self, split: Split) -> list[Path]:
        """Prepare a split unless it is prepared, and return the folders of its stores.

        Raises:
            UserError: the data are missing or damaged, or the disk is too small.
        """
        return [self._prepare(part) for part in self.parts(split)]

    def load(self, split: Split) -> SampleStore:
        """Return the images of a split with their conditions."""
        (part,) = self.parts(split)
        images, conditions = self.open(part)
        return SampleStore(images, conditions)

    def open(self, part: str) -> tuple[Shards, Tensor | None]:
        """Return the images and conditions of a part, which is prepared if necessary.

        Raises:
            UserError: the store is damaged, or lacks records that `on_error` does not allow to be left out.
        """
        folder = self._prepare(part)
        images = Shards(folder)
        skipped = images.manifest["skipped"]
        if skipped and self.on_error == "stop":
            raise UserError(
                f"{folder} was prepared without {len(skipped)} records that can't be read, the first "
                f"{skipped[0]['key']}: set data.on_error=skip to use it all the same"
            )
        return images, read_conditions(folder, len(images)) if images.manifest["has_conditions"] else None

    def describe(self) -> dict[str, Any]:
        """Describe the images, with the preparation and the names of the stores."""
        stores = {part: self.locate(part).store.name for split in self._seen for part in self.parts(split)}
        return {**super().describe(), "preparation": self.preparation.describe(), "stores": stores}

    def describe_parts(self) -> dict[str, dict[str, Any]]:
        """Return the facts of each part that a run uses, from its source, without decoding."""
        return {part: self._part_facts(part) for split in self._seen for part in self.parts(split)}

    def where(self, part: str) -> str | None:
        """Return in words where the images of a part come from, if worth mentioning."""
        return None

    def identity(self, split: Split) -> dict[str, Any]:
        """Return the preparation and the stores, whose names are keys of their content."""
        stores = [self.locate(part).store.name for part in self.parts(split)]
        return {"preparation": self.preparation.describe(), "stores": stores}

    def locate(self, part: str) -> Located:
        """Return where a part is or will be prepared.

        Raises:
            MissingDataError: neither the source nor a store prepared from it exists.
            UserError: the source is invalid, or several stores match.
        """
        if part not in self._located:
            found = self._look_for(part)
            if isinstance(found, Records):
                self._located[part] = self._to_prepare(part, found)
            else:
                store = self._find(part, found)
                manifest = read_manifest(store)
                self._located[part] = Located(store, manifest["source"], manifest, None)
        return self._located[part]

    @property
    def _seen(self) -> list[Split]:
        """The splits that training and its scores read."""
        return [split for split in self.splits if split != "val"]

    def _part_facts(self, part: str) -> dict[str, Any]:
        located = self.locate(part)
        by_class = None
        if (classes := located.facts.get("classes")) and self.class_names is not None:
            records = located.records
            rows = records.conditions if records else read_conditions(located.store, located.facts["count"]).numpy()
            assert rows is not None
            by_class = np.bincount(rows, minlength=len(classes)).tolist()
        count = located.source.get("records", located.facts.get("count"))
        return part_facts(count, [located.source], by_class, self.where(part))

    def _prepare(self, part: str) -> Path:
        located = self.locate(part)
        if (records := located.records) is not None:
            if not located.store.is_dir():
                self._tell_of_earlier_stores(part, located)
            request = {**self._identity(part), "source": located.source, **located.facts}
            count = located.source.get("records", CHUNK * self.workers)
            # More processes than chunks would be idle.
            workers = min(self.workers, -(-count // CHUNK)) or 1
            prepare(
                Plan(records.origin, self.pixels, located.store, request, records.conditions, workers, self.on_error)
            )
            # Files opened for reading are closed: an LMDB can be open only once.
            self._located[part] = located._replace(facts=read_manifest(located.store), records=None)
            del self._found[part]
        return located.store

    def _look_for(self, part: str) -> Records | MissingDataError:
        if part not in self._found:
            try:
                self._found[part] = self.records(part)
            except MissingDataError as missing:
                self._found[part] = missing
        return self._found[part]

    def _has(self, split: Split) -> bool:
        if all(isinstance(self._look_for(part), Records) for part in self.parts(split)):
            return True
        return all(self._stores_of(part) for part in self.parts(split))

    def _to_prepare(self, part: str, records: Records) -> Located:
        source = records.origin.fingerprint(self.prepared / ".contents")
        if records.conditions is not None:
            source["conditions_sha256"] = hashlib.sha256(np.ascontiguousarray(records.conditions).tobytes()).hexdigest()
        request = {**self._identity(part), "source": source}
        key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()[:12]
        store = self.prepared / f"{self.name}-{part}-{self.preparation.size}-{key}"
        return Located(store, source, {"has_conditions": records.conditions is not None, **records.facts}, records)

    def _tell_of_earlier_stores(self, part: str, located: Located) -> None:
        """Report obsolete stores of the same folder, which earlier versions identified by time stamps."""
        if CONTENT_HASH in located.source:
            for store in self._stores_of(part):
                if CONTENT_HASH not in read_manifest(store)["source"]:
                    say(
                        f"{store} is of an earlier version, which identified pictures by their time stamps instead of "
                        "their content: they are prepared again, and it can be deleted"
                    )

    def _find(self, part: str, missing: MissingDataError) -> Path:
        """Return the only store prepared with these settings, if the source is gone."""
        found = self._stores_of(part)
        if len(found) == 1:
            say(f"{self.name} is not under data.root={self.root}; using the store prepared from it: {found[0]}")
            return found[0]
        if found:
            raise UserError(
                f"data.root={self.root} holds no {self.name}, and {self.prepared} holds {len(found)} stores that were "
                f"prepared with these settings: give the right data.root, or delete all but one of "
                f"{', '.join(path.name for path in found)}"
            )
        raise missing

    def _stores_of(self, part: str) -> list[Path]:
        wanted, found = self._identity(part), []
        for path in sorted(self.prepared.glob(f"{self.name}-{part}-{self.preparation.size}-*/{MANIFEST}")):
            manifest = read_manifest(path.parent)
            same = all(manifest.get(key) == wanted[key] for key in wanted)
            here = self.named_by_its_source or Path(manifest["path"]).is_relative_to(self.root.absolute())
            if same and here and path.parent.suffix != ".partial":
                found.append(path.parent)
        return found

    def _identity(self, part: str) -> dict[str, Any]:
        return {"name": self.name, "split": part, "preparation": self.preparation.describe()}


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
