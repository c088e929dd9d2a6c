"""What the JSON file of a CLIP may say: settings that are read, and those of which one value alone is built here."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from genbench.errors import UserError


class Rule(NamedTuple):
    """Which values of a setting are accepted.

    Attributes:
        accepts: whether a value is one of them.
        takes: what they are, for messages.
    """

    accepts: Callable[[Any], bool]
    takes: str


def only(*values: Any) -> Rule:
    """Return the rule of a setting that is not built here: its usual values, or null."""
    # True is no 1, and False no 0.
    return Rule(
        lambda value: value is None or any(value == each and type(value) is type(each) for each in values),
        " or ".join(map(repr, values)) if values else "null",
    )


def _is_whole(value: Any) -> bool:
    return type(value) is int and value > 0


WHOLE = Rule(_is_whole, "a whole number from 1 on")
TRUTH = Rule(lambda value: value is None or isinstance(value, bool), "true or false")
SIZE = Rule(
    lambda value: value is None or _is_whole(value) or (isinstance(value, list) and all(map(_is_whole, value))),
    "a whole number from 1 on, or two",
)
LAYERS = Rule(
    lambda value: _is_whole(value) or (isinstance(value, list) and len(value) == 4 and all(map(_is_whole, value))),
    "a whole number from 1 on, or four for a ResNet",
)
ANY = Rule(lambda value: True, "anything")
"""Of no effect on what the towers built here compute."""


def check_settings(found: Any, rules: Mapping[str, Rule], where: str, *, others: bool = False) -> None:
    """Check that each setting has a value that leads to the network that is built here.

    Args:
        found: the settings, as a JSON file has them.
        rules: by the settings' names.
        where: the file and the part of it, for messages.
        others: whether settings without a rule are accepted.

    Raises:
        UserError: one has another value, or is unknown; the message names it.
    """
    if not isinstance(found, Mapping):
        raise UserError(f"{where} holds no names and values, but {found!r}")
    for key, value in found.items():
        rule = rules.get(key)
        if rule is None and not others:
            raise UserError(f"{where} has {key}={value!r}, which is unknown: only plain CLIPs of OpenAI's can be read")
        if rule is not None and not rule.accepts(value):
            raise UserError(f"{where} has {key}={value!r}: only CLIPs with {rule.takes} can be read")


def check_agrees(said: Any, actual: Any, key: str, where: str) -> None:
    """Check that the file says of a size what the tensors' shapes say; None is nothing said.

    Raises:
        UserError: it does not.
    """
    if said is not None and said != actual:
        raise UserError(
            f"{where} has {key}={said!r}, and the weights beside it have {actual!r}: it is the file of another model"
        )
