"""What `classify` is given, read from the command line: images, the labels with their templates, or captions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, ListConfig
from torch import Tensor

from genbench.commands.assembly import build_data
from genbench.data.base import DataSet
from genbench.data.folders import IMAGE_ENDINGS
from genbench.data.sample_set import Pictures, open_samples
from genbench.data.sources import FolderSource
from genbench.errors import UserError
from genbench.files import read_lines
from genbench.images import to_float
from genbench.metrics.conditions import held_out
from genbench.text.templates import as_words, check_templates

_BATCH = 64

_TEMPLATE = "a photo of a {}"

IMAGENET = "imagenet"
"""The name of OpenAI's 80 templates."""


@dataclass(frozen=True)
class Images:
    """Images of any sizes.

    Attributes:
        names: of their files, or their numbers.
        each: uint8 (C, H, W), C 1 or 3.
        truth: the number of each one's class, int64 (N,); None if unknown.
    """

    names: list[str]
    each: Iterable[Tensor]
    truth: Tensor | None = None

    def batches(self) -> Iterator[Tensor]:
        """Yield batches (B, C, H, W) in [-1, 1], in order; those of a batch are of one size."""
        waiting: list[Tensor] = []
        for image in islice(self.each, len(self.names)):
            if waiting and (image.shape != waiting[0].shape or len(waiting) == _BATCH):
                yield to_float(torch.stack(waiting))
                waiting = []
            waiting.append(image)
        yield to_float(torch.stack(waiting))


def check_request(config: DictConfig) -> None:
    """Check that what is asked for goes together, before anything is opened.

    Raises:
        UserError: something is missing, or has no effect.
    """
    is_data = has_data(config)
    if is_data == (config.images is not None):
        said = "both name images: give one of them" if is_data else "name what to predict: give one of them"
        raise UserError(f"images=PATH and data=NAME {said}")
    if is_data and config.captions is not None:
        raise UserError("captions= are matched with images=PATH, line by line: leave out data=, or captions=")
    if config.split is not None and not is_data:
        raise UserError(f"split={config.split} has no effect without data=NAME")
    if config.labels is not None and config.captions is not None:
        raise UserError("labels= are predicted, and captions= are matched: give one of them")
    if config.template is not None and config.captions is not None:
        raise UserError("template= is for labels=, and has no effect on captions=: leave it out")
    if not is_data and config.labels is None and config.captions is None:
        raise UserError("there are no labels: give labels=[cat,dog], or captions=FILE with the caption of each image")
    if config.count is not None and config.count < 1:
        raise UserError(f"count={config.count}: it is at least 1")


def has_data(config: DictConfig) -> bool:
    """Whether a data set is named."""
    return isinstance(config.data, DictConfig) and "_target_" in config.data


def read_images(config: DictConfig) -> tuple[Images, list[str] | None]:
    """Return the images, and the names of their classes if they are of a labelled data set.

    Raises:
        UserError: there are none, or fewer than `count`, or they have no classes.
    """
    if has_data(config):
        return _of_data(build_data(config), config)
    path = Path(config.images)
    if path.suffix.lower() in IMAGE_ENDINGS and path.is_file():
        if config.count is not None and config.count > 1:
            raise UserError(f"count={config.count}: images={path} is one image")
        opened: Tensor | Pictures = Pictures(FolderSource(path.parent, [path.name]), 3)
    else:
        is_array = path.suffix in (".npz", ".npy")
        opened = open_samples(path, None if is_array else 3, config.count)
        if is_array and opened.shape[1] not in (1, 3):
            raise UserError(f"images={path} have {opened.shape[1]} channels: grey images have 1, and colour images 3")
    names = opened.names if isinstance(opened, Pictures) else list(map(str, range(len(opened))))
    return Images(names, opened), None


def _of_data(data: DataSet, config: DictConfig) -> tuple[Images, list[str]]:
    if data.class_names is None:
        raise UserError(f"{data.name} has no classes to predict: give images=PATH labels=[...] in place of data=")
    data.prepare_data()
    split: Any = config.split or held_out(data)
    store = data.labelled(split)
    assert store.conditions is not None
    count = len(store) if config.count is None else config.count
    if count > len(store):
        raise UserError(f"count={count}: {data.name} {split} has {len(store):,} images")
    images = Images(list(map(str, range(count))), _Rows(store.samples, count), store.conditions[:count])
    return images, [as_words(name) for name in data.class_names]


class _Rows:
    """The first samples of a store, one by one."""

    def __init__(self, samples: Any, count: int) -> None:
        self._samples, self._count = samples, count

    def __iter__(self) -> Iterator[Tensor]:
        """Yield each (C, H, W)."""
        for first in range(0, self._count, _BATCH):
            yield from self._samples[first : min(first + _BATCH, self._count)]


def read_labels(config: DictConfig, classes: list[str] | None) -> list[str]:
    """Return the labels, which are the names of the classes unless `labels` names them.

    Raises:
        UserError: they are empty, twice there, or not as many as the classes.
    """
    if config.labels is None:
        assert classes is not None
        return classes
    labels = [text.strip() for text in _several(config.labels)]
    if not labels or not all(labels):
        raise UserError("labels= has an empty label: it takes texts such as labels=[cat,dog]")
    if twice := [label for number, label in enumerate(labels) if label in labels[:number]]:
        raise UserError(f"labels= names {twice[0]!r} twice")
    if classes is not None and len(labels) != len(classes):
        raise UserError(
            f"labels= names {len(labels)} labels, and the data set has {len(classes)} classes, in this order: "
            f"{', '.join(classes)}"
        )
    return labels


def read_templates(config: DictConfig) -> list[str]:
    """Return the templates of labels.

    Raises:
        UserError: one has no place for the label, or OpenAI's can't be found.
    """
    given = [_TEMPLATE] if config.template is None else _several(config.template)
    if given == [IMAGENET]:
        return _imagenet_templates()
    try:
        return check_templates(given)
    except ValueError as error:
        raise UserError(f"template: {error}; the names of templates are: {IMAGENET}") from error


def _imagenet_templates() -> list[str]:
    try:
        from open_clip.zero_shot_metadata import OPENAI_IMAGENET_TEMPLATES
    except ImportError as error:
        raise UserError(f"template={IMAGENET} takes open_clip_torch: pip install 'genbench[clip]'") from error
    return [template("{}") for template in OPENAI_IMAGENET_TEMPLATES]


def read_captions(path: str) -> list[str]:
    """Return the lines of a file of captions; empty lines at its end do not count.

    Raises:
        UserError: it can't be read, is empty, or has an empty line before another.
    """
    try:
        lines = [line.strip() for line in read_lines(Path(path))]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"captions={path} can't be read as a text file: {error}") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise UserError(f"captions={path} holds no line of text")
    if "" in lines:
        raise UserError(f"captions={path}: line {lines.index('') + 1} is empty, and line i is the caption of image i")
    return lines


def _several(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | ListConfig) else [str(value)]
