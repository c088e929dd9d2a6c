"""Which of a data set's conditions a method takes."""

from typing import TypeVar

from genbench.conditions.base import Condition

Kind = TypeVar("Kind", bound=Condition)


def chosen(conditional: bool, condition: Condition | None) -> Condition | None:
    """Return the data's condition, or None for a method that is to be unconditional.

    Raises:
        ValueError: the data has none.
    """
    if conditional and condition is None:
        raise ValueError("conditional=true takes data with a condition, such as the classes of data=mnist")
    return condition if conditional else None


def expect(condition: Condition | None, kind: type[Kind], message: str) -> Kind:
    """Return the data's condition, which must be of a kind.

    Raises:
        ValueError: it is of another, or there is none; with this message.
    """
    if not isinstance(condition, kind):
        raise ValueError(message)
    return condition
