"""Where `classify` writes: a folder of its own, as an edit has one.

predictions/<checkpoint>_step<N>_<images or data>_<labels or captions>[_template...][_count<N>]/
    config.yaml      the settings of the command
    manifest.json    the command, revision, versions, machine, the run with its weights' hash
    predictions.csv  each image with its most likely labels, or its nearest captions
    by_class.csv     accuracy for each class, of a labelled data set
    captions.csv     each caption with its nearest images, where captions are matched
    scores.json      accuracy with its interval, or recall
    picture.png      the first images beside their most likely labels
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from genbench.commands.classify_inputs import Images, has_data
from genbench.commands.provenance import another_place, as_name, path_name, short_hash
from genbench.commands.result_folder import ResultFolder
from genbench.config import short_name
from genbench.files import check_can_write
from genbench.runs.fingerprint import as_bytes
from genbench.runs.part_files import Part


class PredictionFiles:
    """Where the parts of some predictions are.

    Args:
        path: their folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.manifest = path / "manifest.json"
        self.predictions = path / "predictions.csv"
        self.by_class = path / "by_class.csv"
        self.captions = path / "captions.csv"
        self.scores = path / "scores.json"
        self.picture = path / "picture.png"

    def all(self) -> Iterator[Path]:
        """Yield all of them; the manifest, which says what the folder is, comes last."""
        yield from (self.predictions, self.by_class, self.captions, self.scores, self.picture, self.config)
        yield self.manifest


class PredictionFolder(ResultFolder):
    """The folder of some predictions.

    Args:
        path: where it is.
        key: the setting that named the place, for messages.
        facts: what the predictions depend on.

    Attributes:
        files: where its parts are.
    """

    what = "prediction"

    def __init__(self, path: Path, key: str, facts: dict[str, Any]) -> None:
        self.files = PredictionFiles(path)
        super().__init__(self.files, key, facts)


def choose_prediction_folder(
    part: Part, config: DictConfig, images: Images, texts: Sequence[str], templates: Sequence[str]
) -> PredictionFolder:
    """Return the folder of what is asked for; within the run folder unless `out` names another.

    Args:
        part: the run.
        config: of `classify`.
        images: to be predicted.
        texts: the labels, or the captions.
        templates: of the labels; none for captions.

    Raises:
        UserError: the place can't be written to.
    """
    kind = "labels" if templates else "captions"
    facts = {
        "checkpoint": config.checkpoint,
        "step": part.step,
        "weights": part.sha256,
        "images": short_name(config.data) if has_data(config) else config.images,
        "split": config.split,
        "count": len(images.names),
        "images_sha256": _digest(images),
        kind: list(texts),
        "templates": list(templates),
    }
    if config.out:
        path, key = Path(config.out), "out"
    else:
        path, key = part.folder.predictions / _name(part, config, texts, templates), "run"
    with another_place(config):
        check_can_write(path, key)
    return PredictionFolder(path, key, facts)


def _name(part: Part, config: DictConfig, texts: Sequence[str], templates: Sequence[str]) -> str:
    named = [config.checkpoint, *([] if config.checkpoint.startswith("step_") else [f"step{part.step}"])]
    named.append(f"data-{short_name(config.data)}" if has_data(config) else path_name("images", config.images))
    named += [] if config.split is None else [config.split]
    named.append(f"{'labels' if templates else 'captions'}-{short_hash(str(list(texts)))}")
    if templates:
        named.append(f"template-{templates[0] if len(templates) == 1 else len(templates)}-{short_hash(str(templates))}")
    return as_name([*named, *([] if config.count is None else [f"count{config.count}"])])


def _digest(images: Images) -> str:
    """Return 16 hexadecimal digits that identify the pixels."""
    digest = hashlib.sha256()
    for image in images.each:
        digest.update(f"{tuple(image.shape)}".encode() + as_bytes(image))
    return digest.hexdigest()[:16]
