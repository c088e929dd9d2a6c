"""`evaluate`: score a run."""

from omegaconf import DictConfig

from genbench.commands.assembly import build, build_data, choose_device, restore_method
from genbench.commands.scoreboard import publish
from genbench.runs import RunFolder


def main(config: DictConfig) -> None:
    """Score a checkpoint under the run's own protocol, print a table and write `scores.json`.

    Raises:
        UserError: the run folder or a setting does not do.
    """
    folder = RunFolder.open(config.run)
    settings = folder.read_config()
    device = choose_device(config.device)
    data = build_data(settings)
    method = restore_method(folder, settings, data, config.checkpoint, device)
    evaluator = build(settings.metrics, "metrics", count=config.count, seed=config.seed)

    data.prepare_data()
    evaluator.set_reference(data.store("train").images, data.name, "train")
    scores = evaluator.score_method(method.sample, device)
    real = evaluator.score_images(data.store("test").images)
    publish(scores, real, folder.scores_file, checkpoint=config.checkpoint)
    print(f"scores: {folder.scores_file}")
