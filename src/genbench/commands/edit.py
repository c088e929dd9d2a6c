"""`edit`: do something to images, or to latents, with the model of a run."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from omegaconf import DictConfig
from torch import Tensor

from genbench import plugins
from genbench.abilities import DecodesEmbeddings, FillsIn
from genbench.commands.edit_folder import EditFolder, choose_edit_folder
from genbench.commands.edit_inputs import Gathered, gather
from genbench.commands.edit_records import mean_scores
from genbench.commands.editors import build_editor, editor_class
from genbench.commands.opening import OpenRun, named_parts, open_run
from genbench.config import as_words, short_name
from genbench.data.prepare_progress import QUIET, Progress
from genbench.editing.base import Editor, EditResult, ability_of, edit_chunks
from genbench.editing.masks import hide
from genbench.errors import UserError
from genbench.figures.animation import save_animation
from genbench.figures.captions import under_conditions
from genbench.figures.film import film_strips
from genbench.figures.grid import make_grid, place_beside
from genbench.figures.labelled import labelled_rows
from genbench.files import write_json
from genbench.images import save_image
from genbench.runs.folder import RunFolder, describe_session
from genbench.runs.part_files import Part
from genbench.signatures import parameters_of
from genbench.wording import counted

_SHOWN = 64
"""Edits of the grid."""

_ANIMATED = 16
"""Edits of the animation."""


def main(config: DictConfig, overrides: list[str]) -> None:
    """Write the results of `count` edits, a grid of them, and what they depend on, into a folder.

    Args:
        config: composed and checked.
        overrides: of Hydra, which led to it.

    Raises:
        UserError: the run folder, the editor or a setting does not do, or there is no room.
    """
    kind = editor_class(config.editor)
    ability = ability_of(kind)
    method = RunFolder.open(config.run).read_config().method
    # Trained to fill in images, it does so by its own sampler.
    by_itself = bool(method.get("inpainting"))
    _leave_out_sampler(config, overrides, method, by_itself)
    run = open_run(config, fills_in=ability is FillsIn and not by_itself, suffices=ability)
    parts = named_parts(config.parts or {}, kind)
    editor = build_editor(run, config.editor, {name: part.model.to(run.method.device) for name, part in parts.items()})
    given = gather(run, editor, config)
    # What is decoded of embeddings is guided by them.
    is_guided = given.conditions is not None or isinstance(run.method, DecodesEmbeddings)
    if config.guidance is not None and not is_guided:
        raise UserError(
            f"guidance={config.guidance} has no effect on edits that are asked to show nothing: leave it out"
        )
    folder = choose_edit_folder(run, editor, config, given, parts)
    editor.weights = folder.facts["weights"]
    if folder.is_finished(given.count):
        print(f"they are there already: {folder.files.pictures}")
        return
    command = shlex.join(["python", "-m", "genbench", "edit", *plugins.as_words(), *as_words(overrides)])
    with folder.writing(config, command=command, **describe_session(), source=_describe(run, config, parts)):
        _edit(editor, given, config, folder)
    _say(folder, given.count)


def _leave_out_sampler(config: DictConfig, overrides: Sequence[str], method: DictConfig, by_itself: bool) -> None:
    """Leave out the sampler that an editor brings along where the method has no use for it; what is asked for stays.

    Raises:
        UserError: a method that fills in images by itself is asked to do so by a sampler that does it for any method.
    """
    asked_for = any(line.lstrip("+~").startswith(("sampler=", "sampler.")) for line in overrides)
    if not asked_for and (by_itself or "sampler" not in (parameters_of(method["_target_"]) or {})):
        config.sampler = None
    elif by_itself and config.sampler is not None and config.sampler["_target_"].endswith(".repaint"):
        raise UserError(
            f"{config.run} was trained to fill in images, which sampler=repaint is not for: leave it out, or choose "
            "another sampler, as in sampler=ddim"
        )


def _describe(run: OpenRun, config: DictConfig, parts: Mapping[str, Part]) -> dict[str, Any]:
    """Return which weights are edited with."""
    with run.file.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "run": str(run.folder.path),
        "method": short_name(run.settings.method),
        "checkpoint": config.checkpoint,
        "file": str(run.file.relative_to(run.folder.path)),
        "step": run.step,
        "sha256": sha256,
        **({"parts": {name: part.describe() for name, part in parts.items()}} if parts else {}),
    }


def _edit(editor: Editor, given: Gathered, config: DictConfig, folder: EditFolder) -> None:
    """Make all edits and write what comes of them."""
    scores: dict[str, list[Any]] = {name: [] for name in editor.scores}
    shown: list[EditResult] = []
    with Progress("edits", given.count, quiet=QUIET) as progress:
        for first, result in edit_chunks(editor, given.count, config.seed, given.of):
            for index, picture in enumerate(result.pictures, start=first):
                editor.medium.save(picture, folder.picture(index))
            for index, pictures in enumerate([] if result.intermediate is None else result.intermediate, start=first):
                for number, picture in enumerate(pictures):
                    save_image(picture, folder.intermediate(index, number))
            for index, pictures in enumerate([] if result.beside is None else result.beside.pictures, start=first):
                for number, picture in enumerate(pictures):
                    save_image(picture, folder.beside(index, number))
            for name, values in result.scores.items():
                scores[name] += values.tolist()
            if first < _SHOWN:
                shown.append(result)
            progress.advance(len(result.pictures))
    _show(editor, given, shown, folder)
    if scores:
        protocol = {**folder.facts, "scores": dict(editor.scores)}
        write_json({"values": scores, "protocol": protocol}, folder.files.scores)


def _show(editor: Editor, given: Gathered, results: list[EditResult], folder: EditFolder) -> None:
    """Write the grid, and the animation if there are pictures on the way."""
    pictures = editor.medium.picture(torch.cat([result.pictures for result in results])[:_SHOWN])
    images = None if given.images is None else given.images[: len(pictures)]
    conditions = None if given.shown is None else given.shown[: len(pictures)]
    if results[0].beside is not None:
        beside = [result.beside for result in results if result.beside is not None]
        rows = [pictures for each in beside for pictures in each.pictures][:_SHOWN]
        labels = [texts for each in beside for texts in each.labels][:_SHOWN]
        save_image(labelled_rows(pictures, conditions, rows, labels), folder.files.grid)
        return
    if results[0].intermediate is None:
        save_image(make_grid(under_conditions(_beside(pictures, images, given.mask), conditions)), folder.files.grid)
        return
    frames = torch.cat([result.intermediate for result in results if result.intermediate is not None])[:_SHOWN]
    save_image(film_strips(frames, images, conditions), folder.files.grid)
    animated = frames[:_ANIMATED]
    save_animation([make_grid(animated[:, number]) for number in range(frames.shape[1])], folder.files.animation, 0.12)


def _beside(pictures: Tensor, images: Tensor | None, mask: Tensor | None) -> Tensor:
    """Return results beside what was given: what is known of it on the left and all of it on the right."""
    if images is None:
        return pictures
    return place_beside(images, pictures) if mask is None else place_beside(hide(images, mask), pictures, images)


def _say(folder: EditFolder, count: int) -> None:
    print(f"{counted(count, 'edit')}: {folder.files.pictures}\ngrid: {folder.files.grid}")
    if folder.files.animation.is_file():
        print(f"animation: {folder.files.animation}")
    if scores := mean_scores(folder.files.scores):
        print(f"on average: {scores}")
