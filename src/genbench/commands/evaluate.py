"""`evaluate`: score a run, its checkpoints, two runs beside each other, or anyone's samples."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from genbench.abilities import Draws, EmbedsTexts
from genbench.commands.evaluate_images import score_images
from genbench.commands.evaluators import build_evaluator
from genbench.commands.opening import OpenRun, open_run
from genbench.commands.processes import Processes
from genbench.commands.scoreboard import compare, publish, saving, score_real, way_of_drawing, write_curve
from genbench.conditions.base import Conditions
from genbench.config import check_kinds
from genbench.config.words import DRAWN_BY
from genbench.data.prepare_progress import QUIET, Progress
from genbench.errors import UserError
from genbench.files import check_can_write
from genbench.medium import Embeddings
from genbench.metrics.conditions import held_out, plan
from genbench.metrics.evaluator import FEWEST, Evaluator, Scores
from genbench.metrics.features import Advance, Watch
from genbench.metrics.material import Material, Origin
from genbench.metrics.reference import refuse_one_picture
from genbench.runs.folder import RunFolder
from genbench.runs.score_file import read_comparisons, read_scores
from genbench.runs.trust import check_names

_OF_RUNS = (
    "seed",
    "split",
    *DRAWN_BY,
    "sampler",
    "checkpoint",
    "against",
    "likelihood",
    "metrics.seed",
    "metrics.count",
)
"""Settings that say nothing of images that are there."""

_OF_TRAINING = ("data.batch_size", "data.seed", "data.shuffle", "data.flip", "data.jitter", "data.test_every")
"""Settings of a reference that say nothing of its images, which are all of the folder."""

_NO_OTHER_SCORES = {"_target_": f"{Evaluator.__module__}.{Evaluator.__name__}", "count": FEWEST, "scores": []}
"""The evaluator of a run without scores: of its likelihood alone, and of what is always computed."""

_OF_DRAWING = ("count", "split", "likelihood")
"""Settings that say nothing of a run that draws no samples."""


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
    if config.images_reference is not None and config.images is None:
        raise UserError("images_reference= goes with images=; a run is scored against its own data set")
    refuse_idle(config, overrides)
    path = _target(config)
    with Processes() as processes:
        if config.images is not None:
            score_images(config, processes, path, _watch(processes))
        elif config.against is not None:
            _score_two(config, processes, path)
        elif config.checkpoint == "all":
            _score_curve(config, processes, path)
        else:
            _score_run(config, processes, path)


def refuse_idle(config: DictConfig, overrides: list[str]) -> None:
    """Refuse what would have no effect on what is scored, and let metrics=none stand for the likelihood alone.

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
    else:
        if {"metrics=none", "metrics=null"} & {*overrides}:
            if config.likelihood is None:
                raise UserError(
                    "metrics=none leaves nothing to do: choose metrics=full, inception or digits, or likelihood=N"
                )
            config.metrics = _NO_OTHER_SCORES
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
    run = _open(config)
    evaluator = evaluator_of(config, run, processes)
    drawn = draw(evaluator, run, processes, config.split)
    if processes.rank == 0:
        scores = evaluator.score(*drawn)
        by_class = run.method.condition is not None
        real = score_real(evaluator, run.data, run.method.device, by_class=by_class, split=config.split)
        facts = {"step": run.step, "checkpoint": config.checkpoint, "seconds_per_image": evaluator.seconds_per_image}
        with saving(path):
            publish(scores, real, path, **facts)


def _score_curve(config: DictConfig, processes: Processes, path: Path) -> None:
    folder = RunFolder.open(config.run)
    curve: list[tuple[int, str, Scores]] = []
    evaluator: Evaluator | None = None
    for name in folder.kept_checkpoints():
        run = _open(_changed(config, checkpoint=name))
        evaluator = evaluator or evaluator_of(config, run, processes)
        drawn = draw(evaluator, run, processes, config.split)
        if processes.rank == 0:
            curve.append((run.step, name, evaluator.score(*drawn)))
    if processes.rank == 0:
        with saving(path):
            write_curve(curve, path, None if config.out else folder.scores_file)


def _score_two(config: DictConfig, processes: Processes, path: Path) -> None:
    """Score two runs by the first one's protocol: same reference, same count, same noise."""
    first, second = _open(config), _open(_changed(config, run=config.against))
    evaluator = evaluator_of(config, first, processes)
    if first.data.medium.shape != second.data.medium.shape or first.data.name != second.data.name:
        raise UserError(
            f"{first.folder.path} is of {first.data.name} {first.data.medium.shape} and {second.folder.path} of "
            f"{second.data.name} {second.data.medium.shape}: runs compare on the same images"
        )
    drawn = [draw(evaluator, run, processes, config.split) for run in (first, second)]
    if processes.rank == 0:
        with saving(path):
            compare(evaluator, drawn[0], drawn[1], (str(first.folder.path), str(second.folder.path)), path)


def _open(config: DictConfig) -> OpenRun:
    """Return a run that draws samples, or that embeds images and texts.

    Raises:
        UserError: it does neither, or see `refuse_unsuited`.
    """
    run = open_run(config, suffices=EmbedsTexts)
    refuse_unsuited(config, run)
    return run


def refuse_unsuited(config: DictConfig, run: OpenRun) -> None:
    """Refuse a split that a run's data do not have, and what would have no effect on what the run does.

    Raises:
        UserError: there is something of the kind.
    """
    if config.split is not None and config.split not in run.data.splits:
        raise UserError(f"split={config.split}: {run.data.name} has no such split, only {', '.join(run.data.splits)}")
    if isinstance(getattr(run.method, "medium", None), Embeddings):
        raise UserError(f"{run.folder.path} draws embeddings, which have no scores: score what it is a part of")
    idle = next((key for key in _OF_DRAWING if config[key] is not None), None)
    if idle is not None and not isinstance(run.method, Draws):
        raise UserError(f"{idle}= has no effect on {run.folder.path}, which draws no samples: leave it out")
    if "candidates" in (config.metrics or {}) and not isinstance(run.method, EmbedsTexts):
        raise UserError(
            f"metrics.candidates= has no effect on {run.folder.path}, which embeds no images and texts: leave it out"
        )


def _watch(processes: Processes) -> Watch:
    """Return what shows how far the looking at images is, in the first process."""

    @contextmanager
    def watch(name: str, total: int, rank: int, world_size: int) -> Iterator[Advance]:
        if processes.rank != 0:
            yield lambda count: None
            return
        with Progress(name, -(-total // world_size), quiet=QUIET) as progress:
            yield progress.advance

    return watch


def evaluator_of(config: DictConfig, run: OpenRun, processes: Processes) -> Evaluator:
    """Build the evaluator: the run's own, the run's own with some settings changed, or another one."""
    metrics = config.metrics if config.metrics is not None and "_target_" in config.metrics else None
    draws = isinstance(run.method, Draws)
    if metrics is None and (run.settings.metrics is None or not draws):
        if config.likelihood is None and draws:
            raise UserError(
                f"{run.folder.path} was trained with metrics=none: choose metrics=inception, full or digits, or "
                "likelihood=N"
            )
        metrics = OmegaConf.merge(_NO_OTHER_SCORES, config.metrics or {})
        check_kinds(metrics, "metrics")
    elif metrics is None:
        metrics = OmegaConf.merge(run.settings.metrics, config.metrics or {})
        check_kinds(metrics, "metrics")
    check_names(OmegaConf.to_container(metrics, resolve=True), "metrics")
    changed = {name: config[name] for name in ("count", "seed", "likelihood") if config[name] is not None}
    named = "scores" in (config.metrics or {})
    evaluator = build_evaluator(metrics, "metrics", named=named, **changed)
    evaluator.scores.add_always()
    evaluator.watch = _watch(processes)
    return evaluator


class Drawn(NamedTuple):
    """What `Evaluator.score` takes."""

    material: Material
    protocol: dict[str, Any]


def draw(evaluator: Evaluator, run: OpenRun, processes: Processes, split: str | None = None) -> Drawn:
    """Draw a run's samples for an evaluator's scores, against its own reference, and say what else is protocol.

    Args:
        evaluator: whose scores.
        run: that draws, or that embeds images and texts, of which there are no samples.
        processes: that divide the work.
        split: whose conditions; None for the held-out one.
    """
    conditions: Conditions | None = None
    rows = None
    draws = isinstance(run.method, Draws)
    conditional = draws and run.method.condition is not None
    protocol = {"seed": evaluator.seed, **way_of_drawing(run.settings, conditional=conditional)}
    if split is not None:
        protocol["split"] = split
    processes.one_after_the_other(run.data.prepare_data)
    if conditional:
        planned = plan(run.method, run.data, evaluator.count, split=split)
        conditions, rows, protocol["conditions"] = planned.conditions, planned.rows, planned.description
    device, place = run.method.device, (processes.rank, processes.count)
    origin = Origin(run.method, run.data, split or held_out(run.data), rows)
    if not evaluator.has_reference:
        evaluator.set_reference(run.data, device=device, rank=place[0], world_size=place[1], origin=origin)
    if not draws:
        return Drawn(Material(0, origin=origin, seed=evaluator.seed), protocol)
    drawn = evaluator.draw(run.method.sample, device, *place, conditions, origin)
    for part in drawn.features.values():
        refuse_one_picture(part, str(run.folder.path))
    return Drawn(drawn, protocol)


def _changed(config: DictConfig, **values: str) -> DictConfig:
    copy = config.copy()
    copy.update(values)
    return copy
