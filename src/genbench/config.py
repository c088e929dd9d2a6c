"""Compose a configuration and check it, before anything heavy is imported.

Hydra composes `conf/`; what Hydra can't know, the settings of each `_target_`, is read from the class itself.
"""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import MISSING, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genbench.errors import UserError, first_line, near
from genbench.runs import RunFolder
from genbench.signatures import Choice, parameters_of

_PACKAGED = Path(__file__).with_name("conf")
CONF = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "conf"
"""The folder of configurations: within an installed package, or at the top of the checkout."""


@dataclass
class TrainSchema:
    """The keys of `train.yaml` that are no groups."""

    name: str = MISSING
    seed: int = MISSING
    steps: int = MISSING
    run: str | None = None
    output: str = MISSING
    sweep: str | None = None
    channels_last: bool = MISSING
    compile: bool = False
    tf32: bool = MISSING
    data: Any = MISSING
    network: Any = MISSING
    method: Any = MISSING
    sampler: Any = None
    metrics: Any = MISSING
    trainer: Any = MISSING
    logger: Any = MISSING
    callbacks: Any = MISSING


@dataclass
class SampleSchema:
    """The keys of `sample.yaml`."""

    run: str = MISSING
    checkpoint: str = MISSING
    count: int = MISSING
    seed: int = MISSING
    label: Any = None
    sources: str | None = None
    back: bool = False
    device: str = MISSING
    out: str | None = None
    sampler: Any = None
    guidance: float | None = None
    mask: str | None = None


@dataclass
class EvaluateSchema:
    """The keys of `evaluate.yaml`."""

    run: str | None = None
    images: str | None = None
    against: str | None = None
    checkpoint: str = MISSING
    count: int | None = None
    seed: int | None = None
    device: str = MISSING
    out: str | None = None
    data: Any = None
    metrics: Any = None
    sampler: Any = None
    guidance: float | None = None
    likelihood: int | None = None


@dataclass
class PrepareSchema:
    """The keys of `prepare.yaml`."""

    data: Any = MISSING
    split: str | None = None


@dataclass
class ReportSchema:
    """The keys of `report.yaml`."""

    runs: Any = MISSING
    out: str = MISSING


@dataclass
class DashboardSchema:
    """The keys of `dashboard.yaml`."""

    entity: str | None = None
    project: str = MISSING
    out: str | None = None


def register_schemas() -> None:
    """Make the schemas known to Hydra."""
    store = ConfigStore.instance()
    store.store(name="train_schema", node=TrainSchema)
    store.store(name="sample_schema", node=SampleSchema)
    store.store(name="evaluate_schema", node=EvaluateSchema)
    store.store(name="prepare_schema", node=PrepareSchema)
    store.store(name="report_schema", node=ReportSchema)
    store.store(name="dashboard_schema", node=DashboardSchema)


def options(group: str) -> list[str]:
    """Return the names that a group of `conf/` offers, sorted."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def short_name(node: Any) -> str:
    """Return the short name of what a node of the configuration builds, that of its file: `wgan_gp`."""
    return str(node["_target_"]).split(".")[-2]


def tags_of(config: DictConfig) -> list[str]:
    """Return by what a run is found among others: its experiment and its sweep."""
    return [str(tag) for tag in dict.fromkeys((config.name, config.get("sweep"))) if tag is not None]


def for_its_own_data(verb: str, overrides: list[str]) -> list[str]:
    """Let `train run=FOLDER data.root=DIR` pass: the run's own data set and metrics may have other keys than ours."""
    if verb not in ("train", "evaluate") or not any(override.startswith("run=") for override in overrides):
        return overrides
    groups = {override.partition("=")[0] for override in overrides}
    its_own = tuple(f"{group}." for group in ("data", "metrics") if group not in groups)
    return [f"++{override}" if override.startswith(its_own) else override for override in overrides]


def for_a_sweep(overrides: list[str]) -> list[str]:
    """Let `-m experiment=gan_mnist,vae_mnist data.root=DIR` pass, which `check` has found right for each run.

    Hydra first composes a sweep without what is swept, and there `data` may know no `root`.
    """
    return [f"++{override}" if re.match(r"(?!hydra\.)\w+\.[\w.]+=", override) else override for override in overrides]


def check(verb: str, overrides: list[str], multirun: bool, complete: bool = True) -> None:
    """Compose what was asked for and check it, each value of a sweep in its turn; `complete` asks for all values.

    Raises:
        UserError: a group, key or value is misspelt or of the wrong kind.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(overrides)
    except HydraException as error:
        raise UserError(f"can't be read as key=value: {first_line(error)}") from error
    if multirun:
        # The first value of each sweep together, then every other value by itself: as many as there are values, not
        # as many as there are runs.
        swept = [list(override.sweep_string_iterator()) if override.is_sweep_override() else [] for override in parsed]
        first = [
            f"{override.get_key_element()}={values[0]}" if values else str(override.input_line)
            for override, values in zip(parsed, swept, strict=True)
        ]
        _check_one(verb, first, complete)
        for index, values in enumerate(swept):
            for value in values[1:]:
                _check_one(
                    verb, [*first[:index], f"{parsed[index].get_key_element()}={value}", *first[index + 1 :]], complete
                )
        return
    for override in parsed:
        if override.is_sweep_override():
            raise UserError(f"{override.input_line} names several values: add -m to run one after the other")
        if override.key_or_group in _groups() and override.value() is None and not override.is_delete():
            known = ", ".join(options(override.key_or_group))
            raise UserError(f"{override.input_line} names no file of conf/{override.key_or_group}: choose {known}")
    _check_one(verb, overrides, complete)


def compose_config(verb: str, overrides: list[str]) -> DictConfig:
    """Return the composed configuration of a verb.

    Raises:
        UserError: a group, key or value is misspelt.
    """
    register_schemas()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose(verb, overrides)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(_explain(error, verb, overrides)) from error


def check_kinds(config: Any, path: str = "") -> None:
    """Check the settings of each `_target_` against the class's own signature.

    Raises:
        UserError: a setting is unknown to the class or of the wrong kind.
    """
    if isinstance(config, ListConfig):
        for index in range(len(config)):
            check_kinds(config._get_node(index), f"{path}[{index}]")
    if not isinstance(config, DictConfig) or config._is_none() or config._is_missing():
        return
    target = config.get("_target_", None)
    known = parameters_of(target) if isinstance(target, str) else None
    for key in map(str, config):
        full_key = f"{path}.{key}" if path else key
        if known is not None and not key.startswith("_"):
            if key not in known:
                raise UserError(f"{full_key}: {target} has no setting {key!r}{near(key, known)}")
            _check_value(config[key], known[key].kinds, full_key)
        if not OmegaConf.is_missing(config, key):
            check_kinds(config[key], full_key)


def _check_one(verb: str, overrides: list[str], complete: bool) -> None:
    config = compose_config(verb, overrides)
    if verb == "train" and config.run is not None:
        # What the run's own data set knows is checked when its configuration is read.
        config.data = None
    try:
        check_kinds(config)
    except OmegaConfBaseException as error:
        raise UserError(first_line(error)) from error
    missing = sorted(OmegaConf.missing_keys(config))
    if missing and complete:
        raise UserError(f"{verb} needs {', '.join(f'{key}=...' for key in missing)}")
    for key in ("run", "against"):
        if config.get(key):
            RunFolder.open(config[key])
    for key, least in (("steps", 1), ("count", 1), ("seed", 0), ("likelihood", 1), ("guidance", 0)):
        value = config.get(key)
        if value is not None and value < least:
            raise UserError(f"{key} must be at least {least}, not {value}")


def _check_value(value: Any, kinds: tuple[Any, ...] | None, key: str) -> None:
    if kinds is None or isinstance(value, DictConfig):
        return
    for kind in kinds:
        if isinstance(kind, Choice):
            fits = value == kind.value
        elif kind is None:
            fits = value is None
        elif kind is list:
            fits = isinstance(value, ListConfig)
        else:
            # To Python a bool is an int; to a person it is not.
            fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if fits:
            return
    choices = [str(kind.value) for kind in kinds if isinstance(kind, Choice)]
    others = [kind for kind in kinds if not isinstance(kind, Choice)]
    # To Python an int is no float; to a person it is a number.
    names = [_NAMES.get(kind, str(kind)) for kind in others if (kind, float) != (int, float) or float not in kinds]
    if choices:
        wanted = " or ".join(["one of " + ", ".join(choices), *names])
        raise UserError(f"{key} must be {wanted}, not {value!r}{near(str(value), choices)}")
    raise UserError(f"{key} must be {' or '.join(names)}, not {value!r}")


_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list", None: "null"}


def _explain(error: Exception, verb: str, overrides: list[str]) -> str:
    """Turn Hydra's words into ours: what is wrong and what is near."""
    text = str(error)
    if found := re.search(r"Could not find '(.+?)/([^/']*)'", text):
        group, name = found.groups()
        return f"there is no {group} {name!r}{near(name, options(group))}"
    if found := re.search(r"Could not override '(.+?)'", text):
        key = found[1].split("@")[0]
        return f"there is no key {key!r}{_near_key(key, verb, overrides)}"
    if found := re.search(r"You must specify '(.+?)'", text):
        return f"{verb} needs {found[1]}=...{near('', options(found[1]))}"
    if found := re.search(r"No match in the defaults list", text):
        key = re.search(r"override '?\+?([\w/@.]+)", text)
        return f"there is no group {key[1] if key else text!r}{near(key[1] if key else '', _groups())}"
    # OmegaConf says first that a value did not fit, then, in the cause, why.
    said = first_line(error).removeprefix("Error merging override ")
    return f"{said}: {first_line(error.__cause__)}" if error.__cause__ else said


def _near_key(key: str, verb: str, overrides: list[str]) -> str:
    """Look for keys like this one in what the verb composes without any value set."""
    groups = set(_groups())
    chosen = [line for line in overrides if line.partition("=")[0].lstrip("+~") in groups]
    if chosen == overrides:
        # It is no value but a configuration file that names the key; asking again would give the same answer.
        return ""
    config = compose_config(verb, chosen)
    known = list(_keys(config))
    near = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    if not near:
        last = key.rpartition(".")[2]
        ends = difflib.get_close_matches(last, [name.rpartition(".")[2] for name in known], n=1, cutoff=0.6)
        near = [name for name in known if ends and name.rpartition(".")[2] == ends[0]][:3]
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there is {', '.join(str(name) for name in config)}"


def _keys(config: DictConfig, path: str = "") -> Iterator[str]:
    for key in map(str, config):
        yield f"{path}{key}"
        value = config._get_node(key)
        if isinstance(value, DictConfig) and not value._is_interpolation() and not value._is_missing():
            yield from _keys(value, f"{path}{key}.")


def _groups() -> list[str]:
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())
