"""`evaluate`: score a run, its checkpoints, two runs beside each other, or anyone's samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from genbench.abilities import HasLikelihood, TranslatesBack
from genbench.commands.assembly import build, build_data, choose_device
from genbench.commands.opening import OpenRun, open_run
from genbench.commands.processes import Processes
from genbench.commands.scoreboard import compare, publish, score_real, way_of_drawing, write_curve
from genbench.conditions.base import Conditions
from genbench.conditions.source_images import SourceImages
from genbench.config import CONF, check_kinds
from genbench.data.base import DataSet
from genbench.data.prepare_progress import Progress
from genbench.data.sample_set import open_samples
from genbench.errors import UserError
from genbench.files import check_can_write
from genbench.medium import Images
from genbench.metrics.conditions import held_out, plan_conditions
from genbench.metrics.evaluator import FEWEST, Evaluator, Scores
from genbench.metrics.features import Advance, FeatureSet, Watch
from genbench.metrics.likelihood import likelihood_scores
from genbench.metrics.reference import refuse_one_picture
from genbench.runs.folder import RunFolder
from genbench.runs.score_file import read_comparisons, read_scores

_OF_RUNS = ("seed", "guidance", "sampler", "checkpoint", "against", "likelihood", "metrics.seed", "metrics.count")
"""Settings that say nothing of images that are there."""

_OF_TRAINING = ("data.batch_size", "data.seed", "data.shuffle", "data.flip", "data.jitter", "data.test_every")
"""Settings of a reference that say nothing of its images, which are all of the folder."""

_QUIET = 5.0
"""Seconds of work that say nothing of how far they are where there is no terminal."""


def main(config: DictConfig, overrides: list[str]) -> None:
    """Score what the configuration names, print a table and write `scores.json`.

    Args:
        config: composed and checked.
        overrides: of Hydra, which led to it.

    Raises:
        UserError: the run folder, the samples or a setting does not do, or the scores can't be written.
    """
    if (config.run is None) == (config.images is None):
        raise UserError("evaluate needs either run=FOLDER, or images=PATH with data=..., such as data=cifar10")
    _refuse_idle(config, overrides)
    path = _target(config)
    with Processes() as processes:
        if config.images is not None:
            _score_images(config, processes, path)
        elif config.against is not None:
            _score_two(config, processes, path)
        elif config.checkpoint == "all":
            _score_curve(config, processes, path)
        else:
            _score_run(config, processes, path)


@contextmanager
def _saving(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"the scores above could not be saved: {path}: {error.strerror}") from error


def _refuse_idle(config: DictConfig, overrides: list[str]) -> None:
    """Refuse what would have no effect on what is scored.

    Raises:
        UserError: there is something of the kind.
    """
    set_here = {override.lstrip("+").partition("=")[0] for override in overrides}
    if config.run is not None and "data.seed" in set_here:
        raise UserError("data.seed= has no effect here: it is of the order of a training")
    if config.count is not None and "metrics.count" in set_here:
        raise UserError("count= and metrics.count= say the same: give one of them")
    if config.images is not None:
        if "metrics=null" in overrides or "metrics=none" in overrides:
            raise UserError("metrics=none leaves nothing to do: choose metrics=full, inception or digits")
        idle: tuple[str, ...] = (*_OF_RUNS, *_OF_TRAINING)
        what = f"images={config.images}, which are drawn already (count=N takes the first N)"
    elif config.against is not None or config.checkpoint == "all":
        idle = ("likelihood",)
        what = "several sets of weights: score one run and one checkpoint by it"
    else:
        return
    for key in idle:
        if any(name == key or name.startswith(f"{key}.") for name in set_here):
            raise UserError(f"{key}= has no effect on {what}: leave it out")


def _target(config: DictConfig) -> Path:
    """Return the file that scores are written to, after a look whether it can be written.

    Raises:
        UserError: it can't, or is something else.
    """
    if config.images is not None:
        images = Path(config.images)
        path = images.with_name(f"{images.name}.scores.json")
    elif config.against is not None:
        path = Path(config.run) / "comparison.json"
    else:
        path = Path(config.run) / ("scores_by_step.csv" if config.checkpoint == "all" else "scores.json")
    key = "out" if config.out else "run" if config.run is not None else "images"
    if config.out:
        path = Path(config.out)
        if path.is_dir():
            raise UserError(f"out={path} is a folder: name a file for the scores, such as out={path / 'scores.json'}")
        if config.checkpoint != "all" or config.against is not None:
            read, what = (read_comparisons, "comparisons") if config.against is not None else (read_scores, "scores")
            try:
                read(path)
            except UserError as error:
                raise UserError(f"out={path} is there and is no file of {what}: name another ({error})") from error
    try:
        check_can_write(path.parent, key)
    except UserError as error:
        raise UserError(f"{error}; name another place for the scores by out=FILE") from error
    return path


def _score_run(config: DictConfig, processes: Processes, path: Path) -> None:
    run = open_run(config)
    evaluator = _evaluator(config, run, processes)
    _set_reference(evaluator, run.data, run.method.device, processes)
    drawn, protocol = _draw(evaluator, run, processes)
    if processes.rank == 0:
        scores = _with_translation(evaluator, run, evaluator.score(drawn, protocol))
        scores = _with_likelihood(config, run, scores)
        real = score_real(evaluator, run.data, run.method.device, by_class=run.method.condition is not None)
        facts = {"step": run.step, "checkpoint": config.checkpoint, "seconds_per_image": evaluator.seconds_per_image}
        with _saving(path):
            publish(scores, real, path, **facts)


def _score_curve(config: DictConfig, processes: Processes, path: Path) -> None:
    folder = RunFolder.open(config.run)
    curve: list[tuple[int, str, Scores]] = []
    evaluator: Evaluator | None = None
    for name in folder.kept_checkpoints():
        run = open_run(_changed(config, checkpoint=name))
        if evaluator is None:
            evaluator = _evaluator(config, run, processes)
            _set_reference(evaluator, run.data, run.method.device, processes)
        drawn, protocol = _draw(evaluator, run, processes)
        if processes.rank == 0:
            curve.append((run.step, name, _with_translation(evaluator, run, evaluator.score(drawn, protocol))))
    if processes.rank == 0:
        with _saving(path):
            write_curve(curve, path, None if config.out else folder.scores_file)


def _score_two(config: DictConfig, processes: Processes, path: Path) -> None:
    """Score two runs by the first one's protocol: same reference, same count, same noise."""
    first, second = open_run(config), open_run(_changed(config, run=config.against))
    evaluator = _evaluator(config, first, processes)
    if first.data.medium.shape != second.data.medium.shape or first.data.name != second.data.name:
        raise UserError(
            f"{first.folder.path} is of {first.data.name} {first.data.medium.shape} and {second.folder.path} of "
            f"{second.data.name} {second.data.medium.shape}: runs compare on the same images"
        )
    _set_reference(evaluator, first.data, first.method.device, processes)
    drawn = [_draw(evaluator, run, processes) for run in (first, second)]
    if processes.rank == 0:
        with _saving(path):
            compare(evaluator, drawn[0], drawn[1], (str(first.folder.path), str(second.folder.path)), path)


def _score_images(config: DictConfig, processes: Processes, path: Path) -> None:
    if not isinstance(config.data, DictConfig) or "_target_" not in config.data:
        raise UserError("images=PATH needs the data set to compare with, such as data=cifar10 data.root=DIR")
    device = choose_device(config.device)
    data = build_data(config)
    reference = data.undivided()
    images = open_samples(Path(config.images), data.image_shape[0], config.count)
    if len(images) < FEWEST:
        few = "one image" if len(images) == 1 else f"{len(images)} images"
        raise UserError(f"images={config.images}: scores take at least {FEWEST} images, and {few} would be scored")
    settings = config.metrics if config.metrics is not None else OmegaConf.load(CONF / "metrics" / "full.yaml")
    evaluator: Evaluator = build(settings, "metrics", count=len(images))
    evaluator.watch = _watch(processes)
    _set_reference(evaluator, data, device, processes)
    if processes.rank == 0 and tuple(images.shape[1:]) != tuple(data.image_shape):
        print(
            f"note: the samples are {tuple(images.shape[1:])} and the reference is {data.image_shape}: "
            "a score across sizes measures the resize too"
        )
    scores = evaluator.score_images(images, device, rank=processes.rank, world_size=processes.count)
    scores.protocol["reference_images"] = reference
    if processes.rank == 0:
        real = score_real(evaluator, data, device)
        with _saving(path):
            publish(scores, real, path, images=config.images)


def _watch(processes: Processes) -> Watch:
    """Return what shows how far the looking at images is, in the first process."""

    @contextmanager
    def watch(name: str, total: int, rank: int, world_size: int) -> Iterator[Advance]:
        if processes.rank != 0:
            yield lambda count: None
            return
        with Progress(name, -(-total // world_size), quiet=_QUIET) as progress:
            yield progress.advance

    return watch


def _evaluator(config: DictConfig, run: OpenRun, processes: Processes) -> Evaluator:
    """Build the evaluator: the run's own, the run's own with some settings changed, or another one."""
    metrics = config.metrics if config.metrics is not None and "_target_" in config.metrics else None
    if metrics is None:
        if run.settings.metrics is None:
            raise UserError(
                f"{run.folder.path} was trained with metrics=none: choose metrics=inception, full or digits"
            )
        metrics = OmegaConf.merge(run.settings.metrics, config.metrics or {})
        check_kinds(metrics, "metrics")
    changed = {name: config[name] for name in ("count", "seed") if config[name] is not None}
    evaluator: Evaluator = build(metrics, "metrics", **changed)
    evaluator.watch = _watch(processes)
    return evaluator


def _set_reference(evaluator: Evaluator, data: DataSet, device: torch.device, processes: Processes) -> None:
    processes.one_after_the_other(data.prepare_data)
    evaluator.set_reference(data, device=device, rank=processes.rank, world_size=processes.count)


def _draw(evaluator: Evaluator, run: OpenRun, processes: Processes) -> tuple[FeatureSet, dict[str, Any]]:
    """Draw a run's images in feature space, and say what else belongs to the protocol."""
    conditions: Conditions | None = None
    conditional = run.method.condition is not None
    protocol = {"seed": evaluator.seed, **way_of_drawing(run.settings, conditional=conditional)}
    if conditional:
        conditions, protocol["conditions"] = plan_conditions(run.method, run.data, evaluator.count)
    device = run.method.device
    drawn = evaluator.draw(run.method.sample, device, processes.rank, processes.count, conditions)
    refuse_one_picture(drawn, str(run.folder.path))
    return drawn, protocol


def _with_translation(evaluator: Evaluator, run: OpenRun, scores: Scores) -> Scores:
    """Add to the scores of a set those of its translations one by one, where there are any."""
    if not isinstance(run.method.condition, SourceImages):
        return scores
    back = run.method.sample_back if isinstance(run.method, TranslatesBack) else None
    translation = evaluator.score_translation(run.method, back, run.data, held_out(run.data))
    return replace(scores, values=scores.values | translation.values, protocol=scores.protocol | translation.protocol)


def _with_likelihood(config: DictConfig, run: OpenRun, scores: Scores) -> Scores:
    """Add bits/dim of held-out images, if they are asked for."""
    if config.likelihood is None:
        return scores
    if not isinstance(run.data.medium, Images):
        raise UserError(f"likelihood= is of images of 256 levels, and {run.folder.path} draws others: leave it out")
    if not isinstance(run.method, HasLikelihood):
        raise UserError(f"{run.folder.path} is of a method that can't say how likely images are: leave out likelihood=")
    seed = scores.protocol["seed"]
    values, protocol = likelihood_scores(run.method, run.data, held_out(run.data), count=config.likelihood, seed=seed)
    return replace(scores, values=scores.values | values, protocol=scores.protocol | protocol)


def _changed(config: DictConfig, **values: str) -> DictConfig:
    copy = config.copy()
    copy.update(values)
    return copy
