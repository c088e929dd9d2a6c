"""The settings of a verb for `VERB --help`: meaning and choices as `conf/` and the classes have them."""

import re
import textwrap
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from genbench.config.comments import Setting, read_settings, settings_of
from genbench.config.composing import compose_choices
from genbench.config.folder import CONF, describe, options
from genbench.config.words import OF_METHOD
from genbench.errors import UserError
from genbench.signatures import Choice, meanings_of, parameters_of

_WIDEST, _LINE = 24, 110


def describe_settings(verb: str, meaning: str, overrides: list[str]) -> str:
    """Return a verb's settings, a line each: key, value, meaning.

    The values are those that the overrides lead to, so `train method=ddpm --help` is about that method.

    Args:
        verb: which.
        meaning: what it does.
        overrides: in Hydra's syntax.

    Raises:
        UserError: an override can't be had.
    """
    text = (CONF / f"{verb}.yaml").read_text(encoding="utf-8")
    groups = {
        group: said for group, said in re.findall(r"^  - (\w+):[^#\n]*#? ?(.*)$", text, re.MULTILINE) if options(group)
    }
    try:
        config, choices = compose_choices(verb, overrides)
    except UserError:
        if overrides:
            raise
        # A group must be chosen before there is a configuration.
        config, choices = OmegaConf.create(), {}
    lines = [f"{verb}: {meaning}", "", "settings:"]
    own = read_settings(CONF / f"{verb}.yaml").values()
    lines += _table(config, "", [setting for setting in own if "." not in setting.key and setting.key not in groups])
    for group, said in groups.items():
        lines += ["", *_describe_group(group, said, config, choices.get(group))]
    for key, name in choices.items():
        group, _, node = key.partition("@")
        if node and name is not None:
            word = group if group in OF_METHOD else key
            lines += ["", *_describe_group(group, "", config, name, word=word, node=node)]
    if verb == "train":
        lines += ["", "trainer.NAME=... may be any other argument of Lightning's Trainer that has an effect here."]
        lines += ["hydra/launcher=slurm with -m submits each run to SLURM: see slurm/README.md."]
    return "\n".join(lines)


def _describe_group(
    group: str, said: str, config: DictConfig, name: str | None, *, word: str = "", node: str = ""
) -> list[str]:
    """Describe the option of this name; `word` chooses it and `node` is its place, where they differ from the group."""
    word, node = word or group, node or group
    others = [other for other in options(group) if other != name]
    if name is None:
        return [f"{word}=...: {said or 'one of the following'}", *_wrapped(f"  {word}=", others)]
    lines = [f"{word}={name}: {describe(group, name)}".rstrip(": ")]
    lines += _wrapped(f"  or {word}=", others) if others else []
    return lines + (
        [] if group in ("experiment", "debug") else _table(config, node, [*settings_of(group, name).values()])
    )


def _wrapped(begin: str, names: list[str]) -> list[str]:
    return textwrap.wrap(", ".join(names), _LINE, initial_indent=begin, subsequent_indent=" " * len(begin))


def _table(config: DictConfig, group: str, settings: list[Setting]) -> list[str]:
    rows = []
    for setting in settings:
        key = f"{group}.{setting.key}" if group else setting.key
        value = _value(config, key, setting)
        if value is not None:
            rows.append((key, value, _meaning(config, key, setting)))
    keys = max((len(key) for key, _, _ in rows), default=0)
    values = min(max((len(value) for _, value, _ in rows), default=0), _WIDEST)
    return [f"  {key:{keys}}  {value:{values}}  {meaning}".rstrip() for key, value, meaning in rows]


def _value(config: DictConfig, key: str, setting: Setting) -> str | None:
    """Return what a setting is set to; None of a node, or of what the configuration does not have."""
    parent, _, name = key.rpartition(".")
    node: Any = OmegaConf.select(config, parent) if parent else config
    if not isinstance(node, DictConfig) or name not in list(node.keys()):
        return setting.value or None if not config else None
    if OmegaConf.is_missing(node, name):
        return "(needed)"
    value = node[name]
    if isinstance(value, DictConfig):
        return None if value else "{}"
    return _written(value)


def _written(value: Any) -> str:
    """Return a value as a command line has it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return "[" + ",".join(map(_written, value)) + "]" if isinstance(value, ListConfig) else str(value)


def _meaning(config: DictConfig, key: str, setting: Setting) -> str:
    """Return what the file says of a setting, or else its class, and the values that the class admits."""
    parent, _, name = key.rpartition(".")
    target = OmegaConf.select(config, f"{parent}._target_") if parent else None
    said = setting.comment or (meanings_of(target).get(name, "") if isinstance(target, str) else "")
    return "; ".join(part for part in (said, _choices(config, key, said)) if part)


def _choices(config: DictConfig, key: str, comment: str) -> str:
    """Return the values that a class admits for a setting, where it names them and the comment does not."""
    parent, _, name = key.rpartition(".")
    target = OmegaConf.select(config, f"{parent}._target_") if parent else None
    parameter = (parameters_of(target) or {}).get(name) if isinstance(target, str) else None
    found = [str(kind.value) for kind in (parameter.kinds if parameter else None) or () if isinstance(kind, Choice)]
    value = str(OmegaConf.select(config, key))
    return "" if all(choice in comment or choice == value for choice in found) else f"one of {', '.join(found)}"
