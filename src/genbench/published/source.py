"""What a kind of published file must say: whether a file is of its kind, and what its tensors are called here.

Example:
    >>> class Plain(Source):
    ...     title = "a generator under GenBench's own names"
    ...     def recognises(self, archive):
    ...         return isinstance(archive.content, dict) and "project.weight" in archive.content
    ...     def convert(self, archive):
    ...         return Published("dcgan_celeba", {}, {"generator": archive.content})
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.errors import UserError
from genbench.published.reading import read, read_newest

Weights = Mapping[str, Tensor]


class Archive(NamedTuple):
    """What a published file, or a folder of them, holds.

    Attributes:
        path: of the file or folder.
        content: tensors and plain values, in dictionaries and lists as they were saved.
        settings: the JSON files beside the weights, by their names without the suffix.
    """

    path: Path
    content: Any
    settings: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Published:
    """A published model in GenBench's words.

    Attributes:
        experiment: that it corresponds to, as in `experiment=`.
        settings: of the configuration where the file says otherwise than the experiment, by dotted keys.
        weights: state dictionaries by the path of the network in the method, such as "denoiser" or "generators.0". An
            average of a network gets the same weights, unless `averages` has others.
        averages: averaged weights, where a file has both, by the same paths.
        condition: what the model is conditioned on; None if it is unconditional or the experiment's data set says it.
        step: of the training, if the file says it.
        notes: what was taken for granted, since the file does not say it, each a line for whoever imports it.
    """

    experiment: str
    settings: Mapping[str, Any]
    weights: Mapping[str, Weights]
    averages: Mapping[str, Weights] = field(default_factory=dict)
    condition: Condition | None = None
    step: int = 0
    notes: tuple[str, ...] = ()


class Source(ABC):
    """A kind of published file; one class a file in `published/sources/`, chosen by the file's name."""

    title: str
    """What the files are, such as "diffusers' UNet2DModel", for lists and messages."""

    files: str | None = None
    """Names of the files of a folder with a network each, see `reading.read_newest`; None for a file alone."""

    def read(self, path: Path) -> Archive:
        """Return what a file or folder holds, without running anything of it.

        Raises:
            UserError: it can't be read, or holds something that would be run.
        """
        if self.files is not None and path.is_dir():
            return Archive(path, read_newest(path, self.files))
        return Archive(path, read(path))

    @abstractmethod
    def recognises(self, archive: Archive) -> bool:
        """Return whether an archive is of this kind, by the names and shapes of its tensors."""

    @abstractmethod
    def convert(self, archive: Archive) -> Published:
        """Return an archive of this kind in GenBench's words.

        Raises:
            UserError: a tensor is missing, or something in it has no counterpart here.
        """


def renamed(weights: Weights, rules: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Return weights under new names.

    Args:
        weights: by their old names.
        rules: regular expressions for a whole old name, and what replaces it, as in `re.sub`; the first that matches
            holds. A name that is replaced by "" is left out.

    Raises:
        UserError: no rule matches a name.
    """
    patterns = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    found: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        for pattern, replacement in patterns:
            match = pattern.fullmatch(name)
            if match:
                new = match.expand(replacement)
                if new:
                    found[new] = tensor
                break
        else:
            raise UserError(f"the tensor {name} {tuple(tensor.shape)} has no counterpart in this model")
    return found


def numbered_classes(count: int) -> Classes | None:
    """Return the condition of a model of so many classes, which its file does not name; None for none."""
    return Classes([str(number) for number in range(count)]) if count else None


def multipliers_of(maps: Sequence[int], width: int) -> list[float]:
    """Return what a width is multiplied by for the channels at each resolution, a whole number where it is one."""
    return [each // width if each % width == 0 else each / width for each in maps]


def without_prefix(weights: Weights, prefix: str = "module.") -> dict[str, Tensor]:
    """Return weights whose names all begin with a prefix, such as that of DataParallel, without it; others as is."""
    if weights and all(name.startswith(prefix) for name in weights):
        return {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
    return dict(weights)
