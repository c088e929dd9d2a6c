"""What is the same in every command on a machine: a small file of its user, and variables of the environment.

    # ~/.config/genbench/config.yaml
    data.root: ~/data
    output: /scratch/me/outputs
    logger.wandb.entity: my-team
    hydra.launcher.partition: gpu

A variable wins over the file, and the command line over both. An entry that a command has no use for, as SLURM's
partition has none in a run of this machine, is left out of it.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf import DictConfig, OmegaConf

from genbench.errors import UserError, first_line, near

SITE_SETTINGS = {
    "data.root": "the folder of the data",
    "data.prepared": "where prepared stores are written",
    "data.workers": "processes that decode",
    "output": "where run folders are made",
    "metrics.weights": "file of an extractor's weights",
    "metrics.cache": "where features of references are kept",
    "device": "what sample, edit and evaluate run on",
    "trainer.accelerator": "what trainings run on",
    "entity": "the user or team on Weights & Biases, of dashboard",
    "project": "the project on Weights & Biases, of dashboard",
    "logger.wandb.entity": "the user or team on Weights & Biases, of trainings",
    "logger.wandb.project": "the project on Weights & Biases, of trainings",
    "hydra.launcher.partition": "SLURM's partition",
    "hydra.launcher.account": "SLURM's account",
    "hydra.launcher.gpus_per_node": "GPUs that SLURM is asked for",
    "hydra.launcher.cpus_per_task": "cores that SLURM is asked for",
    "hydra.launcher.timeout_min": "SLURM's time limit in minutes",
}
"""What may stand there, and what it means."""

VARIABLES = {"GENBENCH_DATA": "data.root", "GENBENCH_OUTPUT": "output"}


class SiteSetting(NamedTuple):
    """A setting of this machine.

    Attributes:
        key: which.
        value: to what it is set.
        source: the file or variable that says so.
    """

    key: str
    value: Any
    source: str


def site_file() -> Path:
    """Return the file, which need not be there: in `$XDG_CONFIG_HOME`, or else in `~/.config`."""
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(folder, "genbench", "config.yaml")


def read_site() -> list[SiteSetting]:
    """Return what the file and the variables set.

    Raises:
        UserError: the file can't be read, or sets what it can't.
    """
    file = site_file()
    found: dict[str, SiteSetting] = {}
    if file.is_file():
        for key, value in _flat(_content(file)):
            if key not in SITE_SETTINGS:
                raise UserError(f"{file} can't set {key!r}{near(key, SITE_SETTINGS)}")
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise UserError(f"{file}: {key} must be a text or a number, not {value!r}")
            found[key] = SiteSetting(key, value, str(file))
    for name, key in VARIABLES.items():
        if os.environ.get(name):
            found[key] = SiteSetting(key, os.environ[name], f"${name}")
    return list(found.values())


def apply_site(config: DictConfig, overrides: Iterable[str]) -> None:
    """Set in a composed configuration what the site sets and the overrides don't.

    Raises:
        UserError: see `read_site`.
    """
    said = _keys(overrides)
    for setting in read_site():
        parent, _, name = setting.key.rpartition(".")
        node = OmegaConf.select(config, parent) if parent else config
        if setting.key not in said and isinstance(node, DictConfig) and name in list(node.keys()):
            OmegaConf.update(config, setting.key, setting.value)


def launcher_overrides(overrides: list[str]) -> list[str]:
    """Return what the site sets of the launcher that overrides choose, in Hydra's syntax."""
    if not any(line.partition("=")[0] == "hydra/launcher" for line in overrides):
        return []
    said = _keys(overrides)
    return [
        f"{setting.key}={setting.value}"
        for setting in read_site()
        if setting.key.startswith("hydra.launcher.") and setting.key not in said
    ]


def _keys(overrides: Iterable[str]) -> set[str]:
    return {line.partition("=")[0].lstrip("+") for line in overrides}


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} can't be read: {first_line(error)}") from error
    if content is not None and not isinstance(content, dict):
        raise UserError(f"{file} must hold lines such as data.root: ~/data")
    return content or {}


def _flat(content: dict[Any, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value
