"""Models that other models are built on: a frozen autoencoder, a classifier, the base of a cascade.

A method or an editor names what it needs of a part by an argument that is annotated with an ability:

    def __init__(self, first_stage: Frozen[Autoencodes], ...)

and the command line says which run it is: `parts.first_stage=RUN`.
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn

T = TypeVar("T")


class _Mark:
    """What tells a part's annotation from others at run time."""


FROZEN = _Mark()

Frozen = Annotated[T, FROZEN]
"""The annotation of a part: a model with the ability `T`, in evaluation mode, without gradients of its weights."""


def freeze(model: nn.Module, sha256: str | None = None) -> None:
    """Put a model into evaluation mode for good, and keep its weights from being trained.

    Gradients still pass through it to its inputs, as guidance needs them.

    Args:
        model: the part.
        sha256: of its weights, see `hashes_in`; None if unknown.
    """
    model.eval().requires_grad_(False)
    model.__dict__["train"] = lambda mode=True: model
    model.__dict__["is_part"] = True
    model.__dict__["part_sha256"] = sha256


def follow(fn: Callable[[Tensor], Tensor], models: Iterable[nn.Module]) -> None:
    """Move or convert models as `fn` does a tensor; for an `_apply` of what they are no modules of."""
    for model in models:
        # Not the function itself: Lightning's modules remember where they are when they are asked to move.
        own = next(model.parameters(), torch.empty(0))
        model.to(fn(torch.empty(0, dtype=own.dtype, device=own.device)))


def is_frozen(value: object) -> bool:
    """Whether an object is a model that `freeze` froze."""
    return isinstance(value, nn.Module) and value.__dict__.get("is_part", False)


def frozen_in(module: nn.Module) -> dict[str, Any]:
    """Return the frozen models that a module is built on, which are none of its modules, by their names."""
    return {name: value for name, value in module.__dict__.items() if is_frozen(value)}


def hashes_in(module: nn.Module) -> dict[str, str]:
    """Return the hashes of the weights of all frozen models that a module is built on, "name" or "name/inner"."""
    found: dict[str, str] = {}
    for name, model in frozen_in(module).items():
        if (sha256 := model.__dict__.get("part_sha256")) is not None:
            found[name] = sha256
        found |= {f"{name}/{inner}": own for inner, own in hashes_in(model).items()}
    return found


def hash_of(model: object) -> str | None:
    """Return the hash of a frozen model's weights; None if it is unknown."""
    return getattr(model, "__dict__", {}).get("part_sha256")


def parts_of(kind: Any) -> dict[str, tuple[type, bool]]:
    """Return the parts that a class names in its `__init__` and those of its bases: ability, and whether it must be."""
    found: dict[str, tuple[type, bool]] = {}
    for base in reversed(kind.__mro__ if isinstance(kind, type) else ()):
        init: Any = base.__dict__.get("__init__")
        if init is None or base is object:
            continue
        try:
            hints = get_type_hints(init, include_extras=True)
        except (NameError, TypeError):
            # A class of torch or Lightning whose annotations can't be resolved names no part.
            continue
        for name, hint in hints.items():
            sides = get_args(hint) if get_origin(hint) is not Annotated else (hint,)
            for side in sides:
                if get_origin(side) is Annotated and FROZEN in side.__metadata__:
                    found[name] = side.__origin__, type(None) not in sides
    return found
