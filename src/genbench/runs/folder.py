"""A run folder: create, find, open, describe.

    config.yaml   manifest.json   condition.json   metrics.csv   scores.json   checkpoints/   parts/
    samples/      edits/          predictions/

A folder may come from anywhere, so opening one runs nothing: its configuration is plain YAML whose `_target_`s are
checked against a short list, and weights are loaded as tensors only.
"""

import os
import platform
import shutil
import subprocess
import sys
import time
import zipfile
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from omegaconf import DictConfig, OmegaConf

import genbench
from genbench.errors import UserError, first_line
from genbench.files import read_json, write_json, written_whole
from genbench.runs.moved import spelled_out, translate, translate_weights
from genbench.runs.trust import check_names, check_trusted

if TYPE_CHECKING:
    # It imports torch, without which a misspelt folder is answered.
    from genbench.conditions.base import Condition


class Unknown(Enum):
    """What stands for a condition that a run folder of an earlier version did not keep."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN

PREVIOUS = "previous"
"""The checkpoint that was "last" before the last one: there is always a whole one."""

_NEEDED, _BUILT = ("name", "seed", "steps", "callbacks", "logger"), ("data", "method", "trainer")
"""Keys without which a configuration is no run's, and those of them that are built."""


class RunFolder:
    """All that a run is.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.manifest_file = self.path / "manifest.json"
        self.condition_file = self.path / "condition.json"
        self.scores_file = self.path / "scores.json"
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self.parts = self.path / "parts"
        self.weights_file = self.path / "weights.safetensors"
        """Of a part, which has no checkpoints."""
        self.edits = self.path / "edits"
        self.predictions = self.path / "predictions"

    @classmethod
    def open(cls, path: str | Path) -> "RunFolder":
        """Return a folder that holds a run.

        Raises:
            UserError: there is none.
        """
        folder = cls(path)
        if not folder.config_file.is_file():
            raise UserError(f"run={path} is not a run folder: it has no config.yaml")
        return folder

    @classmethod
    def named(cls, path: str | Path, key: str) -> tuple["RunFolder", str]:
        """Return the run and the checkpoint that a path names: a run folder, its last one, or a checkpoint of a run.

        Args:
            path: of a run folder, or of one of its checkpoints.
            key: what it was given by, for the message.

        Raises:
            UserError: it is no run.
        """
        place, checkpoint = Path(path), "last"
        if place.suffix == ".ckpt":
            place, checkpoint = place.parent.parent, place.stem
        folder = cls(place)
        if not folder.config_file.is_file():
            raise UserError(f"{key}={path} is not a run folder: {place} has no config.yaml")
        return folder, checkpoint

    def create(self, config: DictConfig) -> None:
        """Make the folder and write its configuration, with all references resolved."""
        self.path.mkdir(parents=True, exist_ok=True)
        with written_whole(self.config_file) as beside:
            OmegaConf.save(OmegaConf.create(spelled_out(OmegaConf.to_container(config, resolve=True))), beside)

    def read_config(self) -> DictConfig:
        """Return the saved configuration, checked.

        Raises:
            UserError: it can't be read, or names what it must not.
        """
        try:
            content = yaml.safe_load(self.config_file.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{self.config_file} can't be read: {first_line(error)}") from error
        if not isinstance(content, dict):
            raise UserError(f"{self.config_file} is not a configuration")
        if any(isinstance(content.get(key), dict) and "_partial_" in content[key] for key in _BUILT):
            raise UserError(f"{self.config_file} is no configuration of a run: it builds nothing, by _partial_")
        missing = [key for key in _NEEDED if content.get(key) is None]
        missing += [key for key in _BUILT if not (isinstance(content.get(key), dict) and "_target_" in content[key])]
        if missing or not all(isinstance(content[key], int) for key in ("seed", "steps")):
            raise UserError(
                f"{self.config_file} is cut short or no configuration of a run: "
                + (f"it lacks {', '.join(missing)}" if missing else "seed and steps must be whole numbers")
            )
        current: dict[str, Any] = translate(content)
        check_trusted(current, str(self.config_file))
        return OmegaConf.create(current)

    def write_condition(self, condition: "Condition | None") -> None:
        """Keep what the method's samples are asked to show, so that drawing needs no data; None for nothing."""
        facts: dict[str, Any] | None = None
        if condition is not None:
            from genbench.conditions.stored import to_facts

            facts = to_facts(condition)
        write_json({"condition": facts}, self.condition_file)

    def read_condition(self) -> "Condition | Unknown | None":
        """Return what the method's samples are asked to show; None for nothing, UNKNOWN if it was not kept.

        Raises:
            UserError: it can't be read, or names what it must not.
        """
        if not self.condition_file.exists():
            return UNKNOWN
        facts = read_json(self.condition_file).get("condition")
        if facts is None:
            return None
        # Its texts, such as the names of classes, are data: nothing resolves them.
        check_names(facts, str(self.condition_file))
        from genbench.conditions.stored import from_facts

        try:
            return from_facts(facts)
        except (ValueError, AttributeError) as error:
            raise UserError(f"{self.condition_file} is damaged: {error}") from error

    @property
    def checkpoint_file(self) -> Path:
        """The file of the last checkpoint, which need not be there."""
        return self.checkpoints / "last.ckpt"

    def checkpoint(self, name: str = "last") -> Path:
        """Return the file of a checkpoint: "last", "best" or a kept one, "step_0001000".

        Raises:
            UserError: it does not exist.
        """
        path = self.checkpoints / f"{name}.ckpt"
        if not path.is_file() or path.parent != self.checkpoints:
            there = ", ".join(sorted(file.stem for file in self.checkpoints.glob("*.ckpt"))) or "none"
            raise UserError(f"{self.path} has no checkpoint {name!r}; it has: {there}")
        return path

    def kept_checkpoints(self) -> list[str]:
        """Return the names of the checkpoints that were kept along the way, in the order of their steps.

        Raises:
            UserError: there are none.
        """
        names = sorted(file.stem for file in self.checkpoints.glob("step_*.ckpt"))
        if not names:
            raise UserError(f"{self.path} kept no checkpoints along the way: train with callbacks.checkpoints.keep=N")
        return names

    def load_checkpoint(self, name: str = "last") -> dict[str, Any]:
        """Return a checkpoint, the method's weights under "state_dict"; nothing but tensors is unpickled.

        If "last" is damaged, it is the one before, with a warning.

        Raises:
            UserError: the file is missing, damaged or not a checkpoint.
        """
        return self.read_checkpoint(name)[1]

    def read_checkpoint(self, name: str = "last") -> tuple[Path, dict[str, Any]]:
        """Return a checkpoint as `load_checkpoint` does, and the file that it came from."""
        if self.weights_file.is_file() and name == "last":
            return self.weights_file, _read_weights(self.weights_file)
        # Between two renamings there may be no last one, only the one before.
        newest = self.newest_checkpoints() if name == "last" else []
        path = newest[0] if newest else self.checkpoint(name)
        try:
            return path, _read(path)
        except UserError as error:
            if len(newest) < 2:
                raise
            print(f"genbench: warning: {error}; {newest[1]} is used, the one before", file=sys.stderr, flush=True)
        return newest[1], _read(newest[1])

    def part(self, name: str) -> "RunFolder":
        """Return the copy of a part that this run is built on.

        Raises:
            UserError: it is not there.
        """
        path = self.parts / name
        if not (path / "config.yaml").is_file():
            raise UserError(f"{self.path} lacks its part {name}: {path} is not there or has no config.yaml")
        return RunFolder(path)

    def pictures(self, stem: str) -> list[Path]:
        """Return the pictures `<stem>_<step>.png` of the training, in the order of their steps."""
        return sorted(self.samples.glob(f"{stem}_[0-9]*.png"))

    def finished_steps(self) -> int:
        """Return the steps with which a session of this run came to its end; 0 if none did."""
        steps = self.read_manifest().get("steps", 0)
        return steps if isinstance(steps, int) else 0

    def is_finished(self, steps: int) -> bool:
        """Whether a session of this run came to its end after at least so many steps."""
        done = self.read_manifest().get("steps")
        return isinstance(done, int) and done >= steps

    def newest_checkpoints(self) -> list[Path]:
        """Return the files of the last checkpoint and of the one before, as far as there are any, the last first."""
        files = [self.checkpoints / f"{name}.ckpt" for name in ("last", PREVIOUS)]
        return [file for file in files if file.is_file()]

    def resume_point(self, steps: int) -> Path | None:
        """Return the newest whole checkpoint from which there is something left to do; None to begin anew.

        A session that was killed after its last checkpoint and before its end does its last steps again.

        Args:
            steps: with how many the run is to end.

        Raises:
            UserError: it has done more, or there are checkpoints and none of them is whole.
        """
        there = self.newest_checkpoints()
        if not there:
            return None
        path, content = self.read_checkpoint()
        done = int(content.get("global_step", 0))
        if done > steps:
            raise UserError(f"{self.path} has done {done} steps; to go on ask for more, such as steps={2 * done}")
        if done == steps and len(there) == 2:
            path, content = self.read_checkpoint(PREVIOUS)
        return path if int(content.get("global_step", 0)) < steps else None

    def add_to_manifest(self, **facts: Any) -> None:
        """Add facts to the manifest, or change them there."""
        write_json(self.read_manifest() | facts, self.manifest_file)

    def read_manifest(self) -> dict[str, Any]:
        """Return the manifest, which is empty before the first session.

        Raises:
            UserError: it can't be read.
        """
        return read_json(self.manifest_file) if self.manifest_file.exists() else {}

    def read_data(self) -> dict[str, Any]:
        """Return what the manifest says of the images, see `DataSet.describe`; {} where it says nothing.

        Raises:
            UserError: the manifest can't be read.
        """
        described = self.read_manifest().get("data")
        return described if isinstance(described, dict) else {}

    def discard(self, kept: Path) -> None:
        """Remove the folder, and those that were made for it.

        Args:
            kept: the folder above it that was there before.
        """
        shutil.rmtree(self.path, ignore_errors=True)
        for path in self.path.parents:
            if path == kept:
                return
            try:
                path.rmdir()
            except OSError:
                return


def describe_session() -> dict[str, Any]:
    """Return what a session of a run begins with: code, versions, machine and time."""
    import torch

    packages = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "numpy")
    return {
        "genbench": genbench.__version__,
        "revision": code_revision(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "machine": {
            "system": platform.platform(),
            "cpu_count": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        },
        "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def _read(path: Path) -> dict[str, Any]:
    import torch  # heavy: a misspelt folder is answered without it

    try:
        # torch's reader does not compare the sums that its writer stores, so a flipped bit would go unseen.
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of its part {damaged} is wrong")
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or "state_dict" not in content:
            raise ValueError("it has no state_dict")
        if not all(isinstance(value, torch.Tensor) for value in content["state_dict"].values()):
            raise ValueError("its state_dict holds something else than tensors")
        if not isinstance(content.get("global_step", 0), int):
            raise ValueError("its global_step is no number")
        content["state_dict"] = translate_weights(content["state_dict"])
    except Exception as error:
        raise UserError(f"{path} is damaged or not a checkpoint of GenBench: {first_line(error)}") from error
    return content


def _read_weights(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            step = int((file.metadata() or {}).get("step", 0))
    except (OSError, SafetensorError, ValueError) as error:
        raise UserError(f"{path} is damaged: {first_line(error)}") from error
    return {"state_dict": translate_weights(weights), "global_step": step}


def code_revision() -> str | None:
    """Return the commit of the checkout that the package lies in, with "-dirty" if it was changed; else None."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
