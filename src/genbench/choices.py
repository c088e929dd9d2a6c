"""Settings that are one of a few words."""

from typing import get_args


def expect_choice(name: str, value: object, choices: object) -> None:
    """Check that a setting has one of a Literal's values.

    Raises:
        ValueError: it has none.
    """
    if value not in get_args(choices):
        raise ValueError(f"{name} must be {' or '.join(get_args(choices))}, not {value!r}")
