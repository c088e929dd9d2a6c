"""`evaluate`: score a run."""

from omegaconf import DictConfig

from genbench.commands.assembly import build, open_run
from genbench.commands.scoreboard import publish, score_real
from genbench.errors import UserError


def main(config: DictConfig) -> None:
    """Score a checkpoint under the run's own protocol, print a table and write `scores.json`.

    Raises:
        UserError: the run folder or a setting does not do.
    """
    folder, settings, data, method, step = open_run(config)
    changed = {name: config[name] for name in ("count", "seed") if config[name] is not None}
    if settings.metrics is None:
        raise UserError(f"{folder.path} was trained with metrics=none: there is no score that suits its images")
    evaluator = build(settings.metrics, "metrics", **changed)

    data.prepare_data()
    evaluator.set_reference(data.store("train").images, data.name, "train")
    scores = evaluator.score_method(method.sample, method.device)
    publish(scores, score_real(evaluator, data), folder.scores_file, step=step, checkpoint=config.checkpoint)
    print(f"scores: {folder.scores_file}")
