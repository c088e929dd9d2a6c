"""Compose a verb's configuration from `conf/`, and say what Hydra found wrong in our words."""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from genbench.config.folder import CONF, groups, options
from genbench.config.paths import resolve_paths
from genbench.config.schemas import register_schemas
from genbench.config.site_settings import apply_site
from genbench.config.suits import SUITS, Choices, chosen_groups, implied_by_choices, implied_by_words
from genbench.errors import UserError, first_line, near
from genbench.plugins import conf_folders
from genbench.signatures import parameters_of


def compose_config(verb: str, overrides: list[str]) -> DictConfig:
    """Return the composed configuration of a verb, its paths resolved.

    What a method or a data set brings along is chosen where `overrides` choose nothing else (see `suits`), and what is
    the same in every command on this machine is set where they set nothing else (see `site_settings`).

    Args:
        verb: whose file of `conf/` it is.
        overrides: in Hydra's syntax; see `words` for what a person writes.

    Raises:
        UserError: a group, key or value is misspelt, or what is chosen does not go together.
    """
    return compose_choices(verb, overrides)[0]


def compose_choices(verb: str, overrides: list[str]) -> tuple[DictConfig, Choices]:
    """Return what `compose_config` returns, and which option of each group was chosen.

    Raises:
        UserError: see there.
    """
    if verb == "train":
        overrides = [*_implied(overrides), *overrides]
    config, choices = _compose(verb, overrides)
    for group in ("method", "data"):
        node = config.get(group)
        if isinstance(node, DictConfig) and SUITS in node:
            with open_dict(node):
                del node[SUITS]
    _leave_out_of_schedule(config, overrides)
    if choices.get("debug") is not None:
        _begin_at_full_rate(config)
    apply_site(config, overrides)
    resolve_paths(config)
    return config, choices


def _leave_out_of_schedule(config: DictConfig, overrides: list[str]) -> None:
    """Leave out what an experiment sets of its learning-rate schedule, where another was chosen that has no use for it.

    What a person set stays, and is refused.
    """
    keys = {line.partition("=")[0].lstrip("+") for line in overrides}
    schedule = OmegaConf.select(config, "method.schedule")
    if "schedule@method.schedule" not in keys or not isinstance(schedule, DictConfig):
        return
    known = parameters_of(str(schedule.get("_target_")))
    for name in map(str, list(schedule)):
        if known is not None and name not in ("_target_", *known) and f"method.schedule.{name}" not in keys:
            with open_dict(schedule):
                del schedule[name]


def _begin_at_full_rate(config: DictConfig) -> None:
    """Leave out a warm-up that is longer than a debugging run."""
    schedule = OmegaConf.select(config, "method.schedule")
    if isinstance(schedule, DictConfig) and schedule.get("warmup_steps", 0) >= config.steps:
        schedule.warmup_steps = 0


def _implied(overrides: list[str]) -> list[str]:
    """Return the overrides that those of a training bring along: none where all is as an experiment has it."""
    chosen = chosen_groups(overrides)
    if not chosen.keys() & {"method", "data", "network"}:
        return []
    by_words = implied_by_words(overrides)
    # What is set may be of a network that is not chosen yet, so only what chooses is composed here.
    choosing = [line for line in overrides if line.partition("=")[0].lstrip("+") in {*chosen, "data.size", "data.name"}]
    config, choices = _compose("train", [*by_words, *choosing])
    return [*by_words, *implied_by_choices([*by_words, *overrides], choices, config)]


def _compose(verb: str, overrides: list[str]) -> tuple[DictConfig, Choices]:
    """Return what Hydra composes, and which option of each group it chose."""
    register_schemas()
    try:
        with _apart_from_a_sweep(), initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose(verb, [*overrides, *searched()], return_hydra_config=True)
    # Hydra checks the kind of some values by raising what it may.
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError, TypeError) as error:
        raise UserError(_explain(error, verb, overrides)) from error
    choices = dict(config.hydra.runtime.choices)
    with read_write(config), open_dict(config):
        del config["hydra"]
    return config, choices


def searched() -> list[str]:
    """Return the override that has Hydra look into the folders of plug-ins too; none where there are none."""
    paths = ",".join(f'"file://{path}"' for path in conf_folders())
    return [f"hydra.searchpath=[{paths}]"] if paths else []


@contextmanager
def _apart_from_a_sweep() -> Iterator[None]:
    """Put Hydra's own state aside: within a sweep it is composing already, and refuses to do so twice."""
    state = GlobalHydra.instance()
    before, state.hydra = state.hydra, None
    try:
        yield
    finally:
        state.hydra = before


def _explain(error: Exception, verb: str, overrides: list[str]) -> str:
    """Turn Hydra's words into ours: what is wrong and what is near."""
    text = str(error)
    if found := re.search(r"Could not find '(.+?)/([^/']*)'", text):
        group, name = found.groups()
        return f"there is no {group} {name!r}{near(name, options(group))}"
    if found := re.search(r"Could not (?:override|append|delete from config)[^']*'(.+?)'", text):
        key, _, node = found[1].partition("@")
        if node:
            return f"{key}= has no effect here: it chooses {node}, which this method does not have"
        return f"there is no key {key!r}{_near_key(key, verb, overrides)}"
    if found := re.search(r"You must specify '(.+?)'", text):
        return f"{verb} needs {found[1]}=...{near('', options(found[1]))}"
    if re.search(r"No match in the defaults list", text):
        key_found = re.search(r"override '?\+?([\w/@.]+)", text)
        name = key_found[1] if key_found else text
        return f"there is no group {name!r}{near(name, groups())}"
    if found := re.search(r"Key '(\w+)' (?:is not in struct|not in '\w+')", text):
        return f"there is no key {found[1]!r}{_near_key(found[1], verb, overrides)}"
    # OmegaConf says first that a value did not fit, then, in the cause, why.
    said = first_line(error).removeprefix("Error merging override ")
    return f"{said}: {first_line(error.__cause__)}" if error.__cause__ else said


def _near_key(key: str, verb: str, overrides: list[str]) -> str:
    """Look for keys like this one in what the verb composes without any value set."""
    known_groups = set(groups())
    chosen = [line for line in overrides if line.partition("=")[0].lstrip("+~") in known_groups]
    if chosen == overrides:
        # It is no value but a configuration file that names the key; asking again would give the same answer.
        return ""
    config, _ = _compose(verb, chosen)
    group, dot, _ = key.partition(".")
    if dot and group in known_groups and group in config and config[group] is None:
        return f": say which {group} it is of, too, {group}=NAME {key}=..."
    return near_key(key, config)


def near_key(key: str, config: DictConfig) -> str:
    """Return "; did you mean ...?" for keys of a configuration like this one, or its first keys where none is."""
    known = list(_keys(config))
    found = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
    if not found:
        last = key.rpartition(".")[2]
        ends = difflib.get_close_matches(last, [name.rpartition(".")[2] for name in known], n=1, cutoff=0.6)
        found = [name for name in known if ends and name.rpartition(".")[2] == ends[0]][:3]
    if found:
        return f"; did you mean {' or '.join(found)}?"
    return f"; there is {', '.join(str(name) for name in config)}"


def _keys(config: DictConfig, path: str = "") -> Iterator[str]:
    for key in map(str, config):
        if key.startswith("_"):
            continue
        yield f"{path}{key}"
        value: Any = config._get_node(key)
        if isinstance(value, DictConfig) and not value._is_interpolation() and not value._is_missing():
            yield from _keys(value, f"{path}{key}.")
