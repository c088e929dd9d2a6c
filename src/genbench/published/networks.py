"""Archives of networks that were saved in a file each, such as netG.pth beside netD.pth."""

import re
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import torch
from torch import Tensor

from genbench.errors import UserError
from genbench.published.reading import tensors_of
from genbench.published.source import Archive, Weights, without_prefix


def networks_of(archive: Archive, names: str) -> dict[str, Weights]:
    """Return the state dictionaries of an archive by the part of their files' names that says which network it is.

    Args:
        archive: of a file, or with the contents of a folder's files by their names.
        names: regular expression for a file's name without the suffix, whose group "network" is that part. A single
            file of another name is the network "".
    """
    content = archive.content
    files = {archive.path.stem: content} if is_weights(content) else content
    found: dict[str, Weights] = {}
    if isinstance(files, Mapping) and all(is_weights(each) for each in files.values()):
        for name, weights in files.items():
            match = re.fullmatch(names, name)
            found[match["network"] if match else ""] = without_prefix(weights)
    return found


def is_weights(content: object) -> TypeGuard[Weights]:
    """Return whether something is a state dictionary: tensors by their names, at least one."""
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(name, str) and isinstance(each, Tensor) for name, each in content.items())
    )


def state_of(content: object) -> dict[str, Tensor]:
    """Return the state dictionary of a file, which Lightning keeps beside other things; {} where there is none."""
    return tensors_of(content.get("state_dict", content) if isinstance(content, Mapping) else content)


def tensor_of(weights: Weights, name: str) -> Tensor:
    """Return a tensor by its name.

    Raises:
        UserError: it is missing.
    """
    if name not in weights:
        raise UserError(f"the tensor {name} is missing: the file is truncated, or of another network")
    return weights[name]


def last_index(weights: Weights, prefix: str) -> int:
    """Return the largest number after a prefix among the names of tensors, such as 12 of "main.12.weight".

    Raises:
        UserError: no name begins like that.
    """
    numbers = [int(match[1]) for name in weights if (match := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name))]
    if not numbers:
        raise UserError(f"no tensor is called {prefix}.0 or the like: the file is truncated, or of another network")
    return max(numbers)


def rules_of(places: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the rules of `renamed` that give each layer's tensors the name of another layer."""
    return [(re.escape(old) + r"\.(\w+)", rf"{new}.\1") for old, new in places.items()]


def joined(weights: Weights, several: Sequence[str], one: str) -> dict[str, Tensor]:
    """Return weights in which layers side by side, such as those of q, k and v, are one, their rows in this order.

    Args:
        weights: of the network.
        several: what the layers are called, after the last dot but one of their tensors' names.
        one: what takes the place of such a name and the dot after it.
    """
    found = dict(weights)
    for name in weights:
        place, _, kind = name.rpartition(".")
        outer, _, layer = place.rpartition(".")
        if layer == several[0]:
            found[f"{outer}.{one}{kind}"] = torch.cat([found.pop(f"{outer}.{each}.{kind}") for each in several])
    return found
