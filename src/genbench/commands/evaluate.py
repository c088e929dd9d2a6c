"""`evaluate`: score a run, its checkpoints, two runs beside each other, or anyone's samples."""

from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from genbench.commands.assembly import OpenRun, build, build_data, choose_device, open_run
from genbench.commands.processes import Processes
from genbench.commands.scoreboard import compare, publish, score_real, write_curve
from genbench.config import CONF, check_kinds
from genbench.data.base import ImageData
from genbench.data.sample_set import open_samples
from genbench.errors import UserError
from genbench.methods.base import HasLikelihood, TranslatesBack
from genbench.metrics.conditions import held_out, plan_conditions
from genbench.metrics.evaluator import Evaluator, Scores
from genbench.metrics.features import FeatureSet
from genbench.metrics.likelihood import likelihood_scores
from genbench.metrics.reference import refuse_one_picture
from genbench.runs import RunFolder


def main(config: DictConfig) -> None:
    """Score what the configuration names, print a table and write `scores.json`.

    Raises:
        UserError: the run folder, the samples or a setting does not do.
    """
    if (config.run is None) == (config.images is None):
        raise UserError("evaluate needs either run=FOLDER, or images=PATH with data=..., such as data=cifar10")
    with Processes() as processes:
        if config.images is not None:
            _score_images(config, processes)
        elif config.against is not None:
            _score_two(config, processes)
        elif config.checkpoint == "all":
            _score_curve(config, processes)
        else:
            _score_run(config, processes)


def _score_run(config: DictConfig, processes: Processes) -> None:
    run = open_run(config)
    evaluator = _evaluator(config, run)
    _set_reference(evaluator, run.data, run.method.device, processes)
    drawn, protocol = _draw(evaluator, run, processes)
    if processes.rank == 0:
        path = Path(config.out) if config.out else run.folder.scores_file
        scores = _with_translation(evaluator, run, evaluator.score(drawn, protocol))
        scores = _with_likelihood(config, run, scores)
        real = score_real(evaluator, run.data, run.method.device, by_class=run.method.is_conditional)
        facts = {"step": run.step, "checkpoint": config.checkpoint, "seconds_per_image": evaluator.seconds_per_image}
        publish(scores, real, path, **facts)


def _score_curve(config: DictConfig, processes: Processes) -> None:
    folder = RunFolder.open(config.run)
    rows: list[dict[str, Any]] = []
    evaluator: Evaluator | None = None
    for name in folder.kept_checkpoints():
        run = open_run(_changed(config, checkpoint=name))
        if evaluator is None:
            evaluator = _evaluator(config, run)
            _set_reference(evaluator, run.data, run.method.device, processes)
        drawn, protocol = _draw(evaluator, run, processes)
        if processes.rank == 0:
            scores = _with_translation(evaluator, run, evaluator.score(drawn, protocol))
            rows.append({"step": run.step, **scores.values})
    if processes.rank == 0:
        write_curve(rows, Path(config.out) if config.out else folder.path / "scores_by_step.csv")


def _score_two(config: DictConfig, processes: Processes) -> None:
    """Score two runs by the first one's protocol: same reference, same count, same noise."""
    first, second = open_run(config), open_run(_changed(config, run=config.against))
    evaluator = _evaluator(config, first)
    _set_reference(evaluator, first.data, first.method.device, processes)
    if first.data.image_shape != second.data.image_shape or first.data.name != second.data.name:
        raise UserError(
            f"{first.folder.path} is of {first.data.name} {first.data.image_shape} and {second.folder.path} of "
            f"{second.data.name} {second.data.image_shape}: runs compare on the same images"
        )
    drawn = [_draw(evaluator, run, processes) for run in (first, second)]
    if processes.rank == 0:
        path = Path(config.out) if config.out else first.folder.path / "comparison.json"
        compare(evaluator, drawn[0], drawn[1], (str(first.folder.path), str(second.folder.path)), path)


def _score_images(config: DictConfig, processes: Processes) -> None:
    if not isinstance(config.data, DictConfig) or "_target_" not in config.data:
        raise UserError("images=PATH needs the data set to compare with, such as data=cifar10 data.root=DIR")
    device = choose_device(config.device)
    data = build_data(config)
    reference = data.undivided()
    images = open_samples(Path(config.images).expanduser(), data.image_shape[0])
    settings = config.metrics if config.metrics is not None else OmegaConf.load(CONF / "metrics" / "full.yaml")
    evaluator: Evaluator = build(settings, "metrics", **({"count": config.count} if config.count else {}))
    _set_reference(evaluator, data, device, processes)
    if processes.rank == 0 and tuple(images.shape[1:]) != tuple(data.image_shape):
        print(
            f"note: the samples are {tuple(images.shape[1:])} and the reference is {data.image_shape}: "
            "a score across sizes measures the resize too"
        )
    scores = evaluator.score_images(images, device, rank=processes.rank, world_size=processes.count)
    scores.protocol["reference_images"] = reference
    if processes.rank == 0:
        samples = Path(config.images)
        path = Path(config.out) if config.out else samples.with_name(f"{samples.name}.scores.json")
        publish(scores, score_real(evaluator, data, device), path, images=config.images)


def _evaluator(config: DictConfig, run: OpenRun) -> Evaluator:
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
    return evaluator


def _set_reference(evaluator: Evaluator, data: ImageData, device: torch.device, processes: Processes) -> None:
    processes.one_after_the_other(data.prepare_data)
    evaluator.set_reference(data, device=device, rank=processes.rank, world_size=processes.count)


def _draw(evaluator: Evaluator, run: OpenRun, processes: Processes) -> tuple[FeatureSet, dict[str, Any]]:
    """Draw a run's images in feature space, and say what else belongs to the protocol."""
    conditions: Tensor | None = None
    protocol: dict[str, Any] = {"seed": evaluator.seed}
    if run.settings.get("sampler") is not None:
        protocol["sampler"] = OmegaConf.to_container(run.settings.sampler, resolve=True)
        if run.method.is_conditional:
            protocol["guidance"] = run.settings.method.guidance
    if run.method.is_conditional:
        conditions, protocol["conditions"] = plan_conditions(run.data, evaluator.count)
    device = run.method.device
    drawn = evaluator.draw(run.method.sample, device, processes.rank, processes.count, conditions)
    refuse_one_picture(drawn, str(run.folder.path))
    return drawn, protocol


def _with_translation(evaluator: Evaluator, run: OpenRun, scores: Scores) -> Scores:
    """Add to the scores of a set those of its translations one by one, where there are any."""
    if run.data.source_shape is None:
        return scores
    back = run.method.sample_back if isinstance(run.method, TranslatesBack) else None
    translation = evaluator.score_translation(run.method.sample, back, run.data, held_out(run.data))
    return Scores(scores.values | translation.values, scores.protocol | translation.protocol)


def _with_likelihood(config: DictConfig, run: OpenRun, scores: Scores) -> Scores:
    """Add bits/dim of held-out images, if they are asked for."""
    if config.likelihood is None:
        return scores
    if not isinstance(run.method, HasLikelihood):
        raise UserError(f"{run.folder.path} is of a method that can't say how likely images are: leave out likelihood=")
    seed = scores.protocol["seed"]
    values, protocol = likelihood_scores(run.method, run.data, held_out(run.data), count=config.likelihood, seed=seed)
    return Scores(scores.values | values, scores.protocol | protocol)


def _changed(config: DictConfig, **values: str) -> DictConfig:
    copy = config.copy()
    copy.update(values)
    return copy
