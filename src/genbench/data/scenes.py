"""Scenes of coloured digits on a coloured background with captions, composed from real digits, no download.

Example:
    python -m genbench experiment=clip_scenes data.source=mnist data.root=~/data
"""

from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from genbench.choices import expect_choice
from genbench.conditions.captions import captions_of
from genbench.conditions.classes import Classes
from genbench.data.base import DataSet, Split
from genbench.data.digits import Digits
from genbench.data.mnist import MNIST
from genbench.data.scene_pictures import Placed, glyphs, paint
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images
from genbench.randomness import derive_seed
from genbench.text.scenes import (
    COLOURS,
    RELATIONS,
    SIZES,
    WORDINGS,
    Scene,
    Thing,
    caption,
    examples,
    is_unseen,
)
from genbench.text.tokenizer import TokenizerName

Source = Literal["digits", "mnist"]
Labels = Literal["captions", "digit", "colour", "background"]

_SPLITS = ("train", "test", "unseen")
_SIDES = (32, 64)

_NUMBERS = 16
"""Random numbers of a scene. Changing it changes every scene."""

_COLOURS, _RELATIONS, _SIZES = list(COLOURS), list(RELATIONS), list(SIZES)
_PAIRS = len(_COLOURS) * 10
_UNSEEN = [pair for pair in range(_PAIRS) if is_unseen(*divmod(pair, len(_COLOURS)))]
_SEEN = [pair for pair in range(_PAIRS) if pair not in _UNSEEN]


class Drawn(NamedTuple):
    """What N scenes show, by numbers; of the second digit also where there is none.

    Attributes:
        second: whether there is a second digit, bool (N,).
        digits: of both, (N, 2).
        colours: of both, by their numbers in `COLOURS`, (N, 2).
        sizes: of both, in `SIZES`, (N, 2).
        ground: the background's colour, (N,).
        relation: of the first to the second, in `RELATIONS`, (N,).
        wording: of the caption, in `WORDINGS`, (N,).
        free: what decides about digit images and places, from [0, 1), (N, 7).
    """

    second: np.ndarray
    digits: np.ndarray
    colours: np.ndarray
    sizes: np.ndarray
    ground: np.ndarray
    relation: np.ndarray
    wording: np.ndarray
    free: np.ndarray


class Scenes(DataSet):
    """Pictures of one or two digits, each of a colour and a size, with what they show and a caption of it.

    Scene i of a split depends on (`scene_seed`, split, i) alone. The scenes of `test` and `unseen` are of digit images
    that training never shows. Those of `unseen` also have a digit in a colour that the other two splits never show, see
    `text.scenes.is_unseen`. A digit never has the background's colour, and two digits of a scene are different ones or
    of different colours.

    Args:
        source: where the digit images are from: "digits", scikit-learn's, or "mnist".
        root: folder of MNIST, see `data.mnist`; scikit-learn's digits need none.
        size: side in pixels, 32 or 64.
        count: training scenes.
        held_out: scenes of `test`, and as many of `unseen`.
        most_digits: of a scene: 2, which half of them have, or 1.
        scene_seed: of the scenes.
        labels: what a scene is labelled with: "captions"; or the class of its "digit", the digit's "colour", or that of
            the "background", of scenes of one digit alone.
        tokenizer: of the captions, see `text.tokenizer`.
        download: whether missing files of MNIST may be downloaded.
        batch_size: images of a batch over all processes.
        seed: seed of the training order.

    Raises:
        UserError: an argument is out of range.
    """

    name = "scenes"

    def __init__(
        self,
        source: Source = "digits",
        root: str = "data",
        size: int = 32,
        count: int = 20_000,
        held_out: int = 2_000,
        most_digits: int = 2,
        scene_seed: int = 0,
        labels: Labels = "captions",
        tokenizer: TokenizerName = "words",
        download: bool = True,
        batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, seed)
        expect_choice("data.source", source, Source)
        expect_choice("data.labels", labels, Labels)
        if labels != "captions" and tokenizer != "words":
            raise UserError(f"data.tokenizer={tokenizer} has no effect with data.labels={labels}")
        for key, value, least in (("count", count, 1), ("held_out", held_out, 1), ("scene_seed", scene_seed, 0)):
            if value < least:
                raise UserError(f"data.{key} must be at least {least}, not {value}")
        if most_digits not in (1, 2):
            raise UserError(f"data.most_digits must be 1 or 2, not {most_digits}")
        if size not in _SIDES:
            raise UserError(f"data.size must be {' or '.join(map(str, _SIDES))} pixels, not {size}")
        self.medium = Images((3, size, size))
        self._size, self._seed = size, scene_seed
        self._has_two = most_digits == 2 and labels == "captions"
        self._counts = {"train": count, "test": held_out, "unseen": held_out}
        # At the size that they are distributed in.
        self._digits: DataSet = Digits(size=8) if source == "digits" else MNIST(root, download=download)
        self._captions = captions_of(examples(), tokenizer)
        self._shown: Labels = labels
        names = [str(digit) for digit in range(10)] if labels == "digit" else list(COLOURS)
        self.condition = self._captions if labels == "captions" else Classes(names)

    @property
    def splits(self) -> tuple[Split, ...]:
        """The training scenes, held-out ones, and ones of pairs of digit and colour that training never shows."""
        return _SPLITS

    def prepare_data(self) -> None:
        """Look for MNIST's files."""
        self._digits.prepare_data()

    def scenes(self, split: Split) -> list[Scene]:
        """Return what each picture of a split shows, with nothing left open."""
        return _scenes(self._draw(split))

    def load(self, split: Split) -> SampleStore:
        """Return the pictures of a split, uint8 (N, 3, size, size), with tokens of captions (N, length), or classes."""
        drawn = self._draw(split)
        if self._shown != "captions":
            classes = {"digit": drawn.digits[:, 0], "colour": drawn.colours[:, 0], "background": drawn.ground}
            return self._store(drawn, split, torch.from_numpy(classes[self._shown]))
        texts = [caption(scene, WORDINGS[number]) for scene, number in zip(_scenes(drawn), drawn.wording, strict=True)]
        return self._store(drawn, split, self._captions.encode(texts))

    def _store(self, drawn: Drawn, split: Split, rows: Tensor) -> SampleStore:
        """Return the pictures of scenes with rows of the condition."""
        colours = torch.tensor(list(COLOURS.values()))
        layers = self._layers(drawn, self._digits.store("train" if split == "train" else "test"), colours)
        pictures = paint(colours[torch.from_numpy(drawn.ground)], self._size, layers)
        return SampleStore(pictures, rows, condition=self.condition)

    def _draw(self, split: Split) -> Drawn:
        # Numbers follow each other row by row, so scene i does not depend on how many there are.
        generator = np.random.default_rng(derive_seed("data", self._seed, _SPLITS.index(split)))
        numbers = generator.random((self._counts[split], _NUMBERS))
        if not self._has_two:
            # The first number says whether there is a second digit.
            numbers[:, 0] = 1 - numbers[:, 0] / 2
        return draw_scenes(numbers, unseen=split == "unseen")

    def _layers(self, drawn: Drawn, digits: SampleStore, colours: Tensor) -> list[Placed]:
        """Return the digits of scenes where they are, those of one place and size in each."""
        assert digits.conditions is not None
        images = self._digit_images(drawn, digits.conditions[:].numpy())
        tops, lefts = self._places(drawn)
        layers = []
        for place in range(2):
            for number, side in enumerate(self._sides):
                is_there = drawn.second if place else np.ones_like(drawn.second)
                chosen = np.flatnonzero(is_there & (drawn.sizes[:, place] == number))
                used, which = np.unique(images[chosen, place], return_inverse=True)
                shapes = glyphs(digits.samples[torch.from_numpy(used)][:, 0], side)
                scene = torch.from_numpy(chosen)
                colour = colours[torch.from_numpy(drawn.colours[chosen, place])]
                top, left = (torch.from_numpy(each[chosen, place]) for each in (tops, lefts))
                layers.append(Placed(scene, shapes[torch.from_numpy(which)], top, left, colour))
        return layers

    @property
    def _sides(self) -> list[int]:
        return [round(fraction * self._size) for fraction in SIZES.values()]

    def _digit_images(self, drawn: Drawn, classes: np.ndarray) -> np.ndarray:
        """Return the rows (N, 2) of the digit images."""
        order = np.argsort(classes, kind="stable")
        counts = np.bincount(classes, minlength=10)
        starts = np.cumsum(counts) - counts
        rows: np.ndarray = order[starts[drawn.digits] + _whole(drawn.free[:, :2], counts[drawn.digits])]
        return rows

    def _places(self, drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
        """Return the first row and the first column of each digit, (N, 2) each.

        One digit is anywhere. Of two each is anywhere in its half of the picture along the axis of their relation, and
        across it both are about as far.
        """
        margin, half = self._size // 32, self._size // 2
        sides = np.array(self._sides)[drawn.sizes]
        alone = margin + _whole(drawn.free[:, 2:4], self._size - 2 * margin - sides[:, :1] + 1)
        is_second = np.array([False, True])
        behind = is_second == np.isin(drawn.relation, [_RELATIONS.index("left of"), _RELATIONS.index("above")])[:, None]
        along = behind * half + margin + _whole(drawn.free[:, 2:4], half - 2 * margin - sides + 1)
        base = _whole(drawn.free[:, 4:5], self._size - 2 * margin - sides.min(1, keepdims=True) + 1)
        across = base + _whole(drawn.free[:, 5:7], self._size // 8 + 1) - self._size // 16
        across = margin + across.clip(0, self._size - 2 * margin - sides)
        is_across = np.isin(drawn.relation, [_RELATIONS.index("left of"), _RELATIONS.index("right of")])[:, None]
        two = drawn.second[:, None]
        tops = np.where(two, np.where(is_across, across, along), alone[:, :1])
        lefts = np.where(two, np.where(is_across, along, across), alone[:, 1:])
        return tops, lefts


def draw_scenes(numbers: np.ndarray, *, unseen: bool) -> Drawn:
    """Return what scenes show.

    Args:
        numbers: of each scene, uniform in [0, 1), (N, 16).
        unseen: whether each has a pair of digit and colour that training never shows; otherwise none has.
    """
    others = np.arange(_PAIRS) if unseen else np.array(_SEEN)
    first = np.array(_UNSEEN if unseen else _SEEN)[_whole(numbers[:, 1], len(_UNSEEN if unseen else _SEEN))]
    # Any other pair than the first.
    second = _whole(numbers[:, 2], len(others) - 1)
    second = others[second + (second >= np.searchsorted(others, first))]
    pairs = np.stack([first, second], 1)
    if unseen:
        # With two digits, either may be the unseen one.
        swapped = (numbers[:, 0] < 0.5) & (numbers[:, 3] < 0.5)
        pairs[swapped] = pairs[swapped, ::-1]
    digits, colours = np.divmod(pairs, len(_COLOURS))
    is_two = numbers[:, 0] < 0.5
    free = np.ones((len(numbers), len(_COLOURS)), dtype=bool)
    free[np.arange(len(free)), colours[:, 0]] = False
    free[np.flatnonzero(is_two), colours[is_two, 1]] = False
    nth = _whole(numbers[:, 4], free.sum(1))
    ground = ((free.cumsum(1) == nth[:, None] + 1) & free).argmax(1)
    return Drawn(
        second=is_two,
        digits=digits,
        colours=colours,
        sizes=_whole(numbers[:, 5:7], len(_SIZES)),
        ground=ground,
        relation=_whole(numbers[:, 7], len(_RELATIONS)),
        wording=_whole(numbers[:, 8], len(WORDINGS)),
        free=numbers[:, 9:],
    )


def _whole(numbers: np.ndarray, below: int | np.ndarray) -> np.ndarray:
    """Return uniform whole numbers from 0 to `below` - 1 for uniform ones in [0, 1)."""
    found: np.ndarray = (numbers * below).astype(np.int64)
    return found


def _scenes(drawn: Drawn) -> list[Scene]:
    columns = zip(
        *(each.tolist() for each in (drawn.second, drawn.digits, drawn.colours, drawn.sizes)),
        drawn.ground.tolist(),
        drawn.relation.tolist(),
        strict=True,
    )
    return [
        Scene(
            tuple(_thing(*one) for one in zip(digits, colours, sizes, strict=True))[: 2 if second else 1],
            _RELATIONS[relation] if second else None,
            _COLOURS[ground],
        )
        for second, digits, colours, sizes, ground, relation in columns
    ]


@cache
def _thing(digit: int, colour: int, size: int) -> Thing:
    return Thing(digit, _COLOURS[colour], _SIZES[size])
