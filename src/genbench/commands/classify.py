"""`classify`: predict the labels of images from the labels' names, or match images with captions."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from genbench import plugins
from genbench.abilities import EmbedsTexts
from genbench.commands.assembly import choose_device
from genbench.commands.classify_folder import choose_prediction_folder
from genbench.commands.classify_inputs import (
    Images,
    check_request,
    read_captions,
    read_images,
    read_labels,
    read_templates,
)
from genbench.commands.classify_tables import write_predictions, write_retrieval
from genbench.commands.opening import open_part
from genbench.config import as_words, short_name
from genbench.data.prepare_progress import QUIET, Progress
from genbench.errors import UserError
from genbench.figures.grid import make_grid
from genbench.figures.zero_shot import bars_beside
from genbench.images import save_image, to_uint8
from genbench.runs.folder import RunFolder, describe_session
from genbench.runs.part_files import Part
from genbench.text.templates import fill
from genbench.zero_shot import classifier_weights, embed_images, embed_texts

_SHOWN = 16
"""Images of the picture, evenly spaced among all: those of a labelled set are often in the order of their classes."""


def main(config: DictConfig, overrides: list[str]) -> None:
    """Write what a run predicts of images into a folder, and print it.

    Args:
        config: composed and checked.
        overrides: of Hydra, which led to it.

    Raises:
        UserError: the run folder or a setting does not do, something is missing, or the model lacks a word.
    """
    check_request(config)
    captions = None if config.captions is None else read_captions(config.captions)
    templates = [] if captions else read_templates(config)
    part = _open(config)
    images, classes = read_images(config)
    texts = captions or read_labels(config, classes)
    device = choose_device(config.device)
    folder = choose_prediction_folder(part, config, images, texts, templates)
    if folder.has_finished():
        print(f"they are there already: {folder.files.path}")
        return
    part.model.to(device)
    features = _text_features(part, texts, templates)
    command = shlex.join(["python", "-m", "genbench", "classify", *plugins.as_words(), *as_words(overrides)])
    with folder.writing(config, command=command, **describe_session(), source=_describe(part)):
        places = torch.linspace(0, len(images.names) - 1, min(_SHOWN, len(images.names))).long()
        seen, shown = _image_features(part.model, images, set(places.tolist()))
        if captions:
            write_retrieval(folder.files, images, captions, seen @ features.T)
        else:
            probabilities = torch.softmax(part.model.logit_scale * seen @ features.T, dim=1)
            write_predictions(folder.files, images, texts, probabilities)
            truth = None if images.truth is None else images.truth[places].tolist()
            save_image(make_grid(bars_beside(shown, texts, probabilities[places], truth)), folder.files.picture)
    print(f"in {folder.files.path}")


def _open(config: DictConfig) -> Part:
    """Return the run, which must embed texts.

    Raises:
        UserError: it does not, or there is no such run or checkpoint.
    """
    run = RunFolder.open(config.run)
    place = run.path if config.checkpoint == "last" else run.checkpoint(config.checkpoint)
    return open_part("run", str(place), EmbedsTexts)


def _describe(part: Part) -> dict[str, Any]:
    return {"method": short_name(part.settings.method), **part.describe()}


def _text_features(part: Part, texts: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Return a unit vector for each text (K, D): of a label the mean over its templates.

    Raises:
        UserError: the vocabulary lacks a word, or a text is too long.
    """
    try:
        if not templates:
            return embed_texts(part.model, texts)
        features = classifier_weights(part.model, texts, templates)
        _check_differ(part, texts, templates[0])
        return features
    except ValueError as error:
        keys = "labels= and template=" if templates else "captions="
        raise UserError(f"{keys} can't be read by {part.folder.path}: {error}") from error


def _check_differ(part: Part, labels: Sequence[str], template: str) -> None:
    """Check that no two labels are the same tokens to a run, such as words that differ in capitals only.

    Raises:
        UserError: two are; the message names them.
    """
    first: dict[tuple[int, ...], str] = {}
    for label in labels:
        tokens = tuple(part.model.condition.parse(fill(template, label))[0].tolist())
        if (other := first.setdefault(tokens, label)) != label:
            raise UserError(
                f"the labels {other!r} and {label!r} are the same text to {part.folder.path}: name one otherwise by "
                "labels=[...]"
            )


def _image_features(model: EmbedsTexts, images: Images, places: set[int]) -> tuple[Tensor, list[Tensor]]:
    """Return a unit vector for each image, (N, D), and the images at some places, uint8 (C, H, W), in order."""
    kept: list[Tensor] = []
    with Progress("images", len(images.names), quiet=QUIET) as progress:

        def watched() -> Iterator[Tensor]:
            done = 0
            for batch in images.batches():
                kept.extend(to_uint8(x) for place, x in enumerate(batch, done) if place in places)
                yield batch
                done += len(batch)
                progress.advance(len(batch))

        return embed_images(model, watched()), kept
