"""What edits are given, gathered from the command line: images, a mask, conditions, texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from genbench.commands.asked import asked, asked_texts, is_asked
from genbench.commands.opening import OpenRun
from genbench.conditions.base import Conditions
from genbench.config import short_name
from genbench.config.words import ASKED
from genbench.data.sample_set import open_frames, open_samples
from genbench.editing.base import Editor, Inputs
from genbench.editing.masks import MASKS, read_mask
from genbench.errors import UserError
from genbench.figures.captions import Shown, Texts
from genbench.images import to_float
from genbench.medium import Images
from genbench.metrics.conditions import held_out

_OF_CONDITIONS = (*ASKED, "prompts", "sources")
_KEYS = {
    "images": ("images",),
    "asked images": ("images",),
    "others": ("others",),
    "asked others": ("others",),
    "shots": ("images",),
    "driver": ("driver",),
    "mask": ("mask",),
    "condition": _OF_CONDITIONS,
    "asked condition": _OF_CONDITIONS,
    "text": ("prompt", "prompts"),
}
"""The keys of `edit` that feed each input of an editor."""

_FRAMES = {"shots": "images", "driver": "driver"}
"""The inputs that are frames, and the keys that name them."""


@dataclass(frozen=True)
class Gathered:
    """What all edits are given; see `editing.base.Inputs`.

    Attributes:
        count: edits.
        images: uint8 (count, C, H, W), or None.
        others: the second images, likewise.
        mask: float32 (H, W), or None.
        conditions: `count` of them, or None.
        texts: `count` of them, or None.
        shots: uint8 (K, C, H, W), or None.
        driver: uint8 (T, C, H, W), or None.
    """

    count: int
    images: Tensor | None = None
    mask: Tensor | None = None
    conditions: Conditions | None = None
    others: Tensor | None = None
    texts: Sequence[str] | None = None
    shots: Tensor | None = None
    driver: Tensor | None = None

    @property
    def shown(self) -> Shown | None:
        """What is written below pictures, or stands beside them."""
        return self.conditions if self.texts is None else Texts(self.texts)

    def of(self, rows: Tensor) -> Inputs:
        """Return what some edits are given."""
        images, others = (
            None if each is None else Images(each.shape[1:]).load(each[rows]) for each in (self.images, self.others)
        )
        shots, driver = (None if each is None else to_float(each) for each in (self.shots, self.driver))
        conditions = None if self.conditions is None else self.conditions[rows].load()
        texts = None if self.texts is None else [self.texts[row] for row in rows.tolist()]
        return Inputs(len(rows), images, self.mask, conditions, others, texts, shots, driver)


def gather(run: OpenRun, editor: Editor, config: DictConfig) -> Gathered:
    """Return what an editor takes; of images or sources there may be fewer than `count`.

    Raises:
        UserError: something is missing or does not do, or the editor has no use for it.
    """
    _refuse_others(editor, config)
    takes, count = editor.takes, int(config.count)
    images = others = mask = conditions = texts = None
    shots, driver = (_frames(run, config, key) if name in takes else None for name, key in _FRAMES.items())
    if shots is not None:
        count = 1
    if "images" in takes or ("asked images" in takes and config.images is not None):
        images = _images(run, config)
        count = len(images)
    if "others" in takes and images is not None:
        others = _others(run, config, images)
    if "asked others" in takes and config.others is not None:
        others = _others_for(run, config, count)
    if "mask" in takes:
        if config.mask is None:
            raise UserError(
                f"editor={short_name(config.editor)} needs mask=...: {', '.join(MASKS)}, or a black and white picture"
            )
        mask = read_mask(config.mask, *run.method.medium.shape[1:])
    if "condition" in takes or ("asked condition" in takes and is_asked(config)):
        conditions = asked(run, _without_texts(config) if "text" in takes else config, count)
        count = count if conditions is None else len(conditions)
    if "text" in takes:
        texts = asked_texts(config, count)
    images, others = (None if each is None else each[:count] for each in (images, others))
    return Gathered(count, images, mask, conditions, others, texts, shots, driver)


def _without_texts(config: DictConfig) -> DictConfig:
    """Return the configuration without the texts that are not of the method's condition."""
    return cast(DictConfig, OmegaConf.merge(config, {"prompt": None, "prompts": None}))


def _refuse_others(editor: Editor, config: DictConfig) -> None:
    known = {key for name in editor.takes for key in _KEYS[name]}
    for key in dict.fromkeys(key for keys in _KEYS.values() for key in keys):
        if config[key] is not None and key not in known:
            taken = " and ".join(f"{key}=" for key in ("images", "others", "driver", "mask") if key in known)
            raise UserError(
                f"{key}={config[key]} has no effect: editor={short_name(config.editor)} "
                + (f"takes {taken}" if taken else f"takes no {key}")
            )


def _others(run: OpenRun, config: DictConfig, images: Tensor) -> Tensor:
    """Return the second images, as many as the first; unless somebody gives some, of each the next one.

    Raises:
        UserError: they are not as many.
    """
    if config.others is None:
        if len(images) == 1:
            raise UserError("one image has no next one that it could lead to: give others=DIR, or several images")
        return images.roll(-1, 0)
    others = _given_images(run, config, "others")
    if len(others) != len(images):
        raise UserError(f"others={config.others} has {len(others)} images for {len(images)}: give as many")
    return others


def _others_for(run: OpenRun, config: DictConfig, count: int) -> Tensor:
    """Return the second images that somebody gives: one for all edits, or one for each.

    Raises:
        UserError: there are others than that.
    """
    others = _given_images(run, config, "others")
    if len(others) not in (1, count):
        raise UserError(f"others={config.others} has {len(others)} images for {count} edits: give one, or as many")
    return others.expand(count, -1, -1, -1)


def _frames(run: OpenRun, config: DictConfig, key: str) -> Tensor:
    """Return the frames that a key names, in natural order, of any size: they are prepared as the run's images were.

    Raises:
        UserError: nothing names them, or they can't be read.
    """
    if config[key] is None:
        raise UserError(
            f"editor={short_name(config.editor)} needs images=..., a picture or a folder of pictures of one person, "
            "and driver=..., a folder of pictures whose poses it takes"
        )
    return open_frames(Path(config[key]), run.method.medium.shape, run.data.preparation, key)


def _images(run: OpenRun, config: DictConfig) -> Tensor:
    """Return somebody's own images, at most `count`, or the first that the method never saw."""
    medium = run.method.medium
    if not isinstance(medium, Images):
        raise UserError(f"editor={short_name(config.editor)} edits images, and {run.folder.path} draws none")
    if config.images is None:
        run.data.prepare_data()
        return run.data.store(held_out(run.data)).samples[: config.count]
    return _given_images(run, config, "images")


def _given_images(run: OpenRun, config: DictConfig, key: str) -> Tensor:
    """Return the images that a key of the configuration names, at most `count`."""
    shape = run.method.medium.shape
    opened = open_samples(Path(config[key]), shape[0])
    if tuple(opened.shape[1:]) != shape:
        raise UserError(f"{key}={config[key]} are of {tuple(opened.shape[1:])}, and {run.folder.path} draws {shape}")
    return opened[: config.count]
