"""A run folder: create, find, open, describe.

    config.yaml   manifest.json   metrics.csv   scores.json   checkpoints/   samples/

A folder may come from anywhere, so opening one runs nothing: its configuration is plain YAML whose `_target_`s are
checked against a short list, and weights are loaded as tensors only.
"""

import importlib
import json
import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

import genbench
from genbench.errors import UserError

# What a saved configuration may name: classes of these modules, and nothing that they happen to import.
_TRUSTED = (
    "genbench.methods",
    "genbench.networks",
    "genbench.diffusion",
    "genbench.data",
    "genbench.metrics",
    "genbench.callbacks",
    "genbench.loggers",
    "torch.optim",
    "torch.nn",
    "lightning.pytorch.trainer",
    "lightning.pytorch.loggers",
)


_SAMPLERS = "genbench.diffusion.samplers"
"""Its functions may be named too: they compute and do nothing else."""


class RunFolder:
    """All that a run is.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.manifest_file = self.path / "manifest.json"
        self.scores_file = self.path / "scores.json"
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"

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

    def create(self, config: DictConfig) -> None:
        """Make the folder and write its configuration, with all references resolved."""
        self.path.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(OmegaConf.create(OmegaConf.to_container(config, resolve=True)), self.config_file)

    def read_config(self) -> DictConfig:
        """Return the saved configuration, checked.

        Raises:
            UserError: it can't be read, or names what it must not.
        """
        try:
            content = yaml.safe_load(self.config_file.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise UserError(f"{self.config_file} can't be read: {error}") from error
        if not isinstance(content, dict):
            raise UserError(f"{self.config_file} is not a configuration")
        check_trusted(content, str(self.config_file))
        return OmegaConf.create(content)

    def checkpoint(self, name: str = "last") -> Path:
        """Return the file of a checkpoint: "last", "best" or a kept one, "step_0001000".

        Raises:
            UserError: it does not exist.
        """
        path = self.checkpoints / f"{name}.ckpt"
        if not path.is_file():
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

        Raises:
            UserError: the file is missing, damaged or not a checkpoint.
        """
        import torch  # heavy: a misspelt folder is answered without it

        path = self.checkpoint(name)
        try:
            content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(content, dict) or "state_dict" not in content:
                raise ValueError("it has no state_dict")
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{path} is damaged or not a checkpoint of GenBench: {reason}") from error
        return content

    def write_manifest(self, **facts: Any) -> None:
        """Write what a session of the run begins with: code, versions, machine and the given facts."""
        import torch

        packages = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "numpy")
        description = {
            "genbench": genbench.__version__,
            "revision": _revision(),
            "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
            "machine": {
                "system": platform.platform(),
                "cpu_count": os.cpu_count(),
                "threads": torch.get_num_threads(),
                "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
            },
            "begun": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        self.add_to_manifest(**description, **facts)

    def add_to_manifest(self, **facts: Any) -> None:
        """Add facts to the manifest, or change them there."""
        manifest = json.loads(self.manifest_file.read_text()) if self.manifest_file.is_file() else {}
        write_json(manifest | facts, self.manifest_file)


def check_trusted(config: Any, where: str) -> None:
    """Check that a saved configuration names only classes of GenBench, optimizers and networks of torch.

    The name is taken apart without importing anything but trusted modules, and what it leads to must be a class that
    such a module defines: `genbench.methods.gan.torch.load` leads elsewhere.

    Raises:
        UserError: it names something else, or refers to its surroundings by `${...}`.
    """
    if isinstance(config, dict):
        for key, value in config.items():
            if key == "_target_":
                _check_target(value, where)
            check_trusted(value, where)
    elif isinstance(config, list):
        for value in config:
            check_trusted(value, where)
    elif isinstance(config, str) and "${" in config:
        raise UserError(f"{where}: a saved configuration must not refer to anything by ${{...}}, as {config!r} does")


def _check_target(target: Any, where: str) -> None:
    refusal = UserError(
        f"{where}: _target_ {target!r} is not trusted: it may only name classes of {', '.join(_TRUSTED)}"
    )
    if not isinstance(target, str) or not _is_trusted(target):
        raise refusal
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise refusal from error
    is_sampler = getattr(found, "__module__", None) == _SAMPLERS and callable(found)
    if not (isinstance(found, type) or is_sampler) or not _is_trusted(found.__module__):
        raise refusal


def _is_trusted(name: str) -> bool:
    return any(name == root or name.startswith(root + ".") for root in _TRUSTED)


def write_json(content: Any, path: Path) -> None:
    """Write JSON beside a file and move it into place."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(beside, path)


def _revision() -> str | None:
    """Return the commit of the checkout that the package lies in, with "-dirty" if it was changed; else None."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
