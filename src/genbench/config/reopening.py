"""The configuration of a run that goes on: its own, with what may change of it changed."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from genbench.config.composing import compose_config, near_key
from genbench.config.effects import check_keys, check_parts
from genbench.config.folder import options
from genbench.config.kinds import check_kinds
from genbench.config.paths import resolve_paths
from genbench.config.schemas import as_first_key
from genbench.config.trainer import PLACEMENT
from genbench.errors import UserError
from genbench.runs.folder import RunFolder
from genbench.signatures import parameters_of

FREE_TO_CHANGE = ("steps", "trainer.", "logger.", "data.root", "data.prepared", "data.workers", "method.latents_in")
"""What may change when a run goes on, keys and what keys begin with; anything else would make it another run."""

ACCEPT_CHANGED = "data.accept_changed"
"""What lets a run go on with other images than it began with, whatever its data set."""

_GROUPS = ("trainer", "logger")
"""The groups of which another option may be chosen when a run goes on."""


def reopen(overrides: list[str]) -> DictConfig:
    """Return the configuration of the run that `run=` names, with the other overrides in it.

    It is the run's own that says which keys there are; `config.run` is its folder, and `config.accept_changed` whether
    it may see other images than it began with.

    Raises:
        UserError: there is no such run, or something can't change for it.
    """
    parsed = {override.key_or_group: override for override in OverridesParser.create().parse_overrides(overrides)}
    folder = RunFolder.open(str(parsed.pop("run").value()))
    config = folder.read_config()
    for group in _GROUPS:
        if group in parsed:
            _choose(config, group, str(parsed.pop(group).value()))
    accepts = parsed.pop(ACCEPT_CHANGED).value() if ACCEPT_CHANGED in parsed else False
    _check_accumulation(config, parsed)
    if not isinstance(accepts, bool):
        raise UserError(f"{ACCEPT_CHANGED} must be true or false, not {accepts!r}")
    for key, override in parsed.items():
        _check_free(config, key)
        OmegaConf.update(config, key, override.value(), force_add=True)
    if "steps" in parsed:
        config.steps = as_first_key("train", "steps", config.steps)
        if config.steps < 1:
            raise UserError(f"steps must be at least 1, not {config.steps}")
    check_keys(parsed, multirun=False)
    check_parts(config, "logger")
    check_kinds(config)
    config.run = str(folder.path)
    config.accept_changed = accepts
    resolve_paths(config)
    return config


def _choose(config: DictConfig, group: str, name: str) -> None:
    """Put another option of a group into a configuration; of a trainer only where it runs, all else is the run's."""
    if name not in options(group):
        raise UserError(f"{group}={name} names no file of conf/{group}: choose {', '.join(options(group))}")
    chosen = compose_config("train", [f"{group}={name}"])[group]
    if group == "trainer":
        kept = {key: value for key, value in config.trainer.items() if key not in PLACEMENT}
        chosen = {**{key: value for key, value in chosen.items() if key in PLACEMENT}, **kept}
    config[group] = chosen


def _check_accumulation(config: DictConfig, parsed: dict[str, Override]) -> None:
    """Check that a step stays of as many images: the step at which a run stands says which it has seen."""
    key = "trainer.accumulate_grad_batches"
    before = config.trainer.get("accumulate_grad_batches", 1)
    if key in parsed and parsed[key].value() != before:
        raise UserError(
            f"{parsed[key].input_line} has no effect here: when a run goes on its steps stay of as many images as they "
            f"were, {key}={before}; for others begin a new run, without run="
        )


def _check_free(config: DictConfig, key: str) -> None:
    parent = key.rpartition(".")[0]
    node = OmegaConf.select(config, parent) if parent else config
    name = key.rpartition(".")[2]
    target = node.get("_target_") if isinstance(node, DictConfig) else None
    is_free = _is_free(key) and parent != "" and (target is None or name in (parameters_of(target) or {name}))
    if not isinstance(node, DictConfig) or not (name in node or is_free):
        raise UserError(f"there is no key {key!r} in the run's configuration{near_key(key, config)}")
    if not _is_free(key):
        raise UserError(
            f"{key} can't change when a run goes on, only steps, trainer, trainer.*, logger, logger.*, "
            "data.root, .prepared, .workers and .accept_changed, and method.latents_in can; for other "
            "settings begin a new run, without run="
        )


def _is_free(key: str) -> bool:
    return any(key.startswith(free) if free.endswith(".") else key == free for free in FREE_TO_CHANGE)
