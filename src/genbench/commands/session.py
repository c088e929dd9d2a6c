"""One session of a run: what it goes on from, and what it writes down once nothing can be refused any more."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from omegaconf import DictConfig

from genbench.conditions.base import Condition
from genbench.data.base import DataSet
from genbench.data.description import differences
from genbench.methods.base import Method
from genbench.runs.folder import UNKNOWN, RunFolder, Unknown, describe_session
from genbench.runs.part_files import Part, write_parts


class Session:
    """A session that is about to begin.

    A new run's configuration and manifest are written as its first step begins: the devices are there then, the
    batches were made. Those of a run that goes on are replaced with its first new checkpoint: until then whatever was
    asked for may turn out not to work, such as more devices, and the run is left as it was.

    Args:
        config: the run's.
        folder: the run's, which is read.
        data: the run's.
        method: the run's.
        overrides: the words of the command line.
        parts: what the method is built on.

    Raises:
        UserError: the run has done more steps than requested, or its checkpoints are damaged.
    """

    def __init__(
        self,
        config: DictConfig,
        folder: RunFolder,
        data: DataSet,
        method: Method,
        overrides: list[str],
        parts: Mapping[str, Part] | None = None,
    ) -> None:
        self._parts = parts or {}
        self.facts: dict[str, Any] = {}
        """What else the manifest is to say."""
        self._condition: Condition | Unknown | None = getattr(method, "condition", UNKNOWN)
        self._config, self._folder, self._data, self._overrides = config, folder, data, overrides
        self.goes_on = folder.config_file.is_file()
        self.checkpoint: Path | None = folder.resume_point(config.steps) if self.goes_on else None
        self.run_id: str = folder.read_manifest().get("id") or secrets.token_hex(4)
        self.has_begun = self.is_written = False
        self.opening = LambdaCallback(on_train_start=self._begin, on_save_checkpoint=self._save)
        """The callback that begins it, which comes first."""

    def describe(self) -> dict[str, Any]:
        """Return the manifest as it will be."""
        manifest, now = self._folder.read_manifest(), self._data.describe()
        facts = {**describe_session(), "id": self.run_id, "seed": self._config.seed, "ended": None, "data": now}
        facts |= self.facts
        if self._parts and not self.goes_on:
            facts["parts"] = {name: part.describe() for name, part in self._parts.items()}
        if differences(before := self._folder.read_data(), now):
            # The user has accepted these.
            facts["data_changed"] = [*manifest.get("data_changed", []), before]
        return manifest | facts | {"resumed_with" if self.goes_on else "overrides": self._overrides}

    def write(self) -> None:
        """Write configuration and manifest, once."""
        if not self.is_written:
            manifest = self.describe()
            # What it is built on comes first: a folder with a configuration is a run, and a run is whole.
            write_parts(self._folder, self._parts)
            self._folder.create(self._config)
            if self._condition is not UNKNOWN:
                self._folder.write_condition(self._condition)
            self._folder.add_to_manifest(**manifest)
            self.is_written = True

    def _begin(self, trainer: Trainer, method: LightningModule) -> None:
        self.has_begun = True
        if not trainer.is_global_zero:
            return
        if self.goes_on:
            print(
                f"goes on from {self.checkpoint}" if self.checkpoint else "no checkpoint was written yet: begins anew"
            )
        else:
            self.write()
        print(f"run folder: {self._folder.path}", flush=True)

    def _save(self, trainer: Trainer, method: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.is_global_zero:
            self.write()
