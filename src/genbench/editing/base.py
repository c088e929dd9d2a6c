"""The contract of editors: what they are given, what they return, and how they say which method they work with."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_type_hints

import torch
from torch import Tensor

from genbench.errors import DivergenceError, UserError
from genbench.medium import Medium
from genbench.randomness import CHUNK, Noise

Input = Literal[
    "images",
    "asked images",
    "others",
    "asked others",
    "shots",
    "driver",
    "mask",
    "condition",
    "asked condition",
    "text",
]
"""What an editor may take besides noise.

    images            an image for each edit; unless somebody gives some, those that the method never saw
    asked images      the same, but only if somebody gives some
    others            a second image for each edit; unless somebody gives some, the next of the images
    asked others      the same, but only if somebody gives some: one for all edits, or one for each
    shots             frames of one person, all of them for a single edit
    driver            frames whose poses the results are to have, in their order
    mask              which pixels of images are known
    condition         a row of the method's condition for each edit, if the method is conditional: those that are asked
                      for, else all in turn
    asked condition   the same, but only if it is asked for
    text              what each picture is to show, in words, whatever the method is conditioned on
"""


@dataclass(frozen=True)
class Inputs:
    """What the edits of a call are given, a row each.

    Attributes:
        count: edits.
        images: float32 (count, C, H, W) in [-1, 1], of an editor that takes them.
        others: the same of the second images.
        texts: what pictures are to show, `count` of them, of an editor that takes it.
        mask: 1 where pixels are known and 0 where they are not, float32 (H, W), of an editor that takes it.
        condition: rows (count, ...) of the method's condition, as a method is given them, or None.
        shots: float32 (K, C, H, W) in [-1, 1], of an editor that takes them.
        driver: float32 (T, C, H, W) in [-1, 1], likewise.
    """

    count: int
    images: Tensor | None = None
    mask: Tensor | None = None
    condition: Tensor | None = None
    others: Tensor | None = None
    texts: Sequence[str] | None = None
    shots: Tensor | None = None
    driver: Tensor | None = None


@dataclass(frozen=True)
class Beside:
    """Pictures that are shown beside what an edit ends with, such as a heat map for each word of its prompt.

    Attributes:
        pictures: of each edit as many as it has, uint8 (K, C, H, W), K at least 1.
        labels: what is written below each of them.
    """

    pictures: list[Tensor]
    labels: list[list[str]]


@dataclass(frozen=True)
class EditResult:
    """What came of edits, a row each.

    Attributes:
        pictures: what the edits end with, as the editor's `medium` stores it, (count, ...).
        intermediate: pictures on the way, uint8 (count, T, C, H, W), the first being what the edit begins with and the
            last what it ends with; None of an editor that goes there in one step.
        scores: by the names of the editor's `scores`: a number for each edit, (count,), or for each edit a curve over
            its iterations, (count, K), such as that of a loss.
        beside: pictures that are shown beside those, or None.
    """

    pictures: Tensor
    intermediate: Tensor | None = None
    scores: Mapping[str, Tensor] = field(default_factory=dict)
    beside: Beside | None = None


class Editor(ABC):
    """What is done with a trained model, edit by edit.

    A subclass takes as `method` what it edits with. The annotation of that argument is the ability that it needs, one
    of `genbench.abilities`: a run whose method has not got it is refused. All other arguments are its settings.

    Edit i depends on (seed, i) alone. Edits are made `chunk` at a time, always as many and then cut, since a network's
    rounding may depend on the batch size; each chunk has noise of its own.
    """

    takes: ClassVar[frozenset[Input]] = frozenset()
    """What it is given besides noise; whatever else somebody asks for is refused."""

    scores: Mapping[str, str] = {}
    """What its scores are, with their unit and range, by their names."""

    chunk: int = CHUNK
    """Edits of a call, at most `CHUNK`: less if a single one takes long or much memory."""

    medium: Medium
    """What it returns, which need not be what the method draws."""

    weights: str | None = None
    """Identifies the weights of its method, for what it keeps from one command to the next; None if unknown."""

    @abstractmethod
    def edit(self, inputs: Inputs, *, noise: Noise) -> EditResult:
        """Return the results of `inputs.count` edits.

        Args:
            inputs: what they are given; what the editor does not take is None.
            noise: the only source of random numbers.
        """


def ability_of(editor: type[Editor]) -> Any:
    """Return the protocol that an editor's method must satisfy, the annotation of its argument `method`.

    Raises:
        ValueError: it names none.
    """
    ability = get_type_hints(editor.__init__).get("method")
    if not getattr(ability, "_is_runtime_protocol", False):
        raise ValueError(
            f"{editor.__qualname__}.__init__ must take the argument `method`, annotated by one of genbench.abilities"
        )
    return ability


def check_result(editor: Editor, result: EditResult, count: int, first: int = 0) -> EditResult:
    """Return what an editor returned, after a look whether it is what the contract says.

    Args:
        editor: whose result it is.
        result: of one call.
        count: edits of the call.
        first: number of the first, for the message.

    Raises:
        DivergenceError: a score is not finite.
        UserError: the result breaks the contract.
    """
    name = type(editor).__qualname__
    if not isinstance(result, EditResult):
        raise UserError(f"{name}.edit returned {type(result).__name__}, not an EditResult")
    shape = (count, *editor.medium.shape)
    if tuple(result.pictures.shape) != shape:
        raise UserError(
            f"{name} returned pictures of shape {tuple(result.pictures.shape)}, and its medium says {shape}"
        )
    stored = editor.medium.store(torch.zeros(1, *editor.medium.shape)).dtype
    if result.pictures.dtype != stored:
        raise UserError(f"{name} returned pictures {result.pictures.dtype}, and its medium stores {stored}")
    on_the_way = result.intermediate
    if on_the_way is not None and (
        on_the_way.dtype != torch.uint8 or on_the_way.ndim != 5 or len(on_the_way) != count or not on_the_way.shape[1]
    ):
        raise UserError(
            f"{name} returned intermediate pictures {on_the_way.dtype} of shape {tuple(on_the_way.shape)}, which must "
            f"be uint8 ({count}, T, C, H, W)"
        )
    if result.beside is not None:
        _check_beside(name, result.beside, count)
    if result.scores.keys() != editor.scores.keys():
        raise UserError(f"{name} returned the scores {[*result.scores]}, and its `scores` says {[*editor.scores]}")
    for key, values in result.scores.items():
        if values.ndim not in (1, 2) or len(values) != count:
            raise UserError(
                f"{name} returned the score {key} of shape {tuple(values.shape)}, not ({count},) or ({count}, K)"
            )
        if not values.isfinite().all():
            bad = int((~values.isfinite().view(count, -1).all(1)).nonzero()[0])
            raise DivergenceError(f"{name}: the score {key} of edit {first + bad} is not finite")
    return result


def _check_beside(name: str, beside: Beside, count: int) -> None:
    """Check the pictures that are shown beside results.

    Raises:
        UserError: they break the contract.
    """
    if not len(beside.pictures) == len(beside.labels) == count:
        raise UserError(
            f"{name} returned pictures beside {len(beside.pictures)} edits, and labels of {len(beside.labels)}, not of "
            f"{count}"
        )
    for pictures, labels in zip(beside.pictures, beside.labels, strict=True):
        if pictures.dtype != torch.uint8 or pictures.ndim != 4 or not len(pictures) == len(labels) > 0:
            raise UserError(
                f"{name} returned pictures beside an edit {pictures.dtype} of shape {tuple(pictures.shape)} with "
                f"{len(labels)} labels, which must be uint8 (K, C, H, W) with K labels"
            )


def edit_chunks(
    editor: Editor, count: int, seed: int, inputs: Callable[[Tensor], Inputs]
) -> Iterator[tuple[int, EditResult]]:
    """Yield (index of the first edit, result on the CPU) of all edits, chunk by chunk.

    Args:
        editor: what makes them.
        count: how many.
        seed: of their noise.
        inputs: returns what the edits of some rows (N,) are given.

    Raises:
        UserError: the editor breaks its contract, or a result is out of range or not finite.
    """
    for chunk in range(-(-count // editor.chunk)):
        first = chunk * editor.chunk
        rows = torch.arange(first, first + editor.chunk).clamp_max(count - 1)
        result = check_result(editor, editor.edit(inputs(rows), noise=Noise(seed, chunk)), len(rows), first)
        size = min(editor.chunk, count - first)
        yield (
            first,
            EditResult(
                result.pictures[:size].cpu(),
                None if result.intermediate is None else result.intermediate[:size].cpu(),
                {name: values[:size].cpu() for name, values in result.scores.items()},
                None if result.beside is None else _first(result.beside, size),
            ),
        )


def _first(beside: Beside, size: int) -> Beside:
    return Beside([each.cpu() for each in beside.pictures[:size]], beside.labels[:size])


def fraction_of_range(one: Tensor, other: Tensor) -> Tensor:
    """Return |one - other| of images uint8, any shape, as a fraction of the range of a pixel, float32 in [0, 1]."""
    return (one.float() - other.float()).abs() / 255
