"""The settings of each `_target_`: that the class has them, that they are of its kinds, and that they are in range."""

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from genbench.config.ranges import check_range
from genbench.errors import UserError, first_line, like, near
from genbench.signatures import Choice, parameters_of

_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", list: "a list", None: "null"}


def check_kinds(config: Any, path: str = "") -> None:
    """Check the settings of each `_target_` against the class's own signature, and all numbers against their ranges.

    Args:
        config: a node of a configuration; values and lists of values are looked at, too.
        path: its key.

    Raises:
        UserError: a setting is unknown to the class, of the wrong kind or out of range, or refers to what is not there.
    """
    try:
        _check(config, path)
    except OmegaConfBaseException as error:
        raise UserError(first_line(error)) from error


def _check(config: Any, path: str) -> None:
    if isinstance(config, ListConfig):
        for index in range(len(config)):
            _check(config[index], f"{path}[{index}]")
    if not isinstance(config, DictConfig):
        check_range(path, config)
        return
    if config._is_none() or config._is_missing():
        return
    target = config.get("_target_", None)
    known = parameters_of(target) if isinstance(target, str) else None
    for key in map(str, config):
        full_key = f"{path}.{key}" if path else key
        if known is not None and not key.startswith("_"):
            if key not in known:
                raise UserError(f"{full_key}: {target} has no setting {key!r}{near(key, known)}")
            if known[key].part is not None:
                raise UserError(f"{full_key} is another run: give parts.{key}=RUN")
            _check_value(config[key], known[key].kinds, full_key)
        # What refers to another place is checked there, by the name that a person knows it by.
        if not OmegaConf.is_missing(config, key) and not OmegaConf.is_interpolation(config, key):
            _check(config[key], full_key)


def _check_value(value: Any, kinds: tuple[Any, ...] | None, key: str) -> None:
    if kinds is None or (isinstance(value, DictConfig) and "_target_" in value):
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
    choices = list(dict.fromkeys(str(kind.value) for kind in kinds if isinstance(kind, Choice)))
    others = [kind for kind in kinds if not isinstance(kind, Choice)]
    # To Python an int is no float; to a person it is a number.
    names = [_NAMES.get(kind, str(kind)) for kind in others if (kind, float) != (int, float) or float not in kinds]
    if choices:
        wanted = " or ".join(["one of " + ", ".join(choices), *names])
        # Those that there are were named already.
        raise UserError(f"{key} must be {wanted}, not {value!r}{like(str(value), choices)}")
    raise UserError(f"{key} must be {' or '.join(names)}, not {value!r}")
