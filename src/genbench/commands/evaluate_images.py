"""`evaluate images=`: score somebody's samples against a data set, other images, or a file of statistics."""

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from genbench.commands.assembly import build_data, choose_device
from genbench.commands.evaluators import build_evaluator
from genbench.commands.processes import Processes
from genbench.commands.scoreboard import publish, saving, score_real
from genbench.config import CONF
from genbench.data.given import WHOLE, GivenImages
from genbench.data.sample_set import open_samples
from genbench.errors import UserError
from genbench.metrics.evaluator import FEWEST
from genbench.metrics.features import Watch
from genbench.runs.trust import check_names


def score_images(config: DictConfig, processes: Processes, path: Path, watch: Watch) -> None:
    """Score the images that `config.images` names, and write their scores.

    Args:
        config: of `evaluate`.
        processes: that divide the work.
        path: the `scores.json` to add them to.
        watch: shows the progress.

    Raises:
        UserError: there are too few images, or there is no reference.
    """
    settings: Any = config.metrics if config.metrics is not None else OmegaConf.load(CONF / "metrics" / "full.yaml")
    check_names(OmegaConf.to_container(settings), "metrics")
    device = choose_device(config.device)
    data, split, facts = _named_reference(config, settings)
    channels = None if data is None else data.medium.shape[0]
    images = open_samples(Path(config.images), channels, config.count)
    if len(images) < FEWEST:
        few = "one image" if len(images) == 1 else f"{len(images)} images"
        raise UserError(f"images={config.images}: scores take at least {FEWEST} images, and {few} would be scored")
    evaluator = build_evaluator(settings, "metrics", named=settings.get("scores") is not None, count=len(images))
    evaluator.watch = watch
    if data is None and not settings.get("reference") and evaluator.scores.compare:
        raise UserError(
            "images=PATH needs the data set to compare with, such as data=cifar10 data.root=DIR, or other images by "
            "images_reference=PATH"
        )
    if config.images_reference is not None and not evaluator.scores.compare:
        raise UserError("images_reference= has no effect: none of metrics.scores compares with a reference")
    # Without images to compare with, what a sample is, the samples say themselves.
    data = data or GivenImages(Path(config.images), "images")
    processes.one_after_the_other(data.prepare_data)
    evaluator.set_reference(data, split, device=device, rank=processes.rank, world_size=processes.count)
    if processes.rank == 0 and tuple(images.shape[1:]) != tuple(data.medium.shape):
        print(
            f"note: the samples are {tuple(images.shape[1:])} and the reference is {data.medium.shape}: "
            "a score across sizes measures the resize too"
        )
    scores = evaluator.score_images(images, device, rank=processes.rank, world_size=processes.count)
    scores.protocol.update(facts)
    if processes.rank == 0:
        real = score_real(evaluator, data, device)
        with saving(path):
            publish(scores, real, path, images=config.images)


def _named_reference(config: DictConfig, settings: Any) -> tuple[Any, str, dict[str, Any]]:
    """Return the data of the reference, the split of it, and what else the protocol says of it.

    The data are None where no images are named.

    Raises:
        UserError: two references are named.
    """
    is_data = isinstance(config.data, DictConfig) and "_target_" in config.data
    if config.images_reference is not None:
        for key, given in (("data", is_data), ("metrics.reference", settings.get("reference") is not None)):
            if given:
                raise UserError(f"images_reference= and {key}= both name a reference: give one of them")
        data = GivenImages(Path(config.images_reference), "images_reference")
        if len(data) < 2:
            raise UserError(f"images_reference={config.images_reference} holds one image: a reference takes at least 2")
        return data, WHOLE, {}
    if not is_data:
        return None, WHOLE, {}
    found = build_data(config)
    words = found.undivided()
    return found, "train", {} if settings.get("reference") else {"reference_images": words}
