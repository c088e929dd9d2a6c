"""The run on Weights & Biases, from its first session to its end."""

from collections.abc import Iterator
from contextlib import contextmanager

from lightning import Trainer
from omegaconf import DictConfig, OmegaConf

from genbench.callbacks.interruption import Interruption
from genbench.commands.session import Session
from genbench.config import short_name, tags_of
from genbench.data.base import DataSet
from genbench.logs.wandb_run import WandbRun
from genbench.runs.folder import RunFolder


@contextmanager
def shown_online(
    trainer: Trainer,
    folder: RunFolder,
    config: DictConfig,
    data: DataSet,
    interruption: Interruption,
    session: Session,
) -> Iterator[None]:
    """Open the run there, if one of the loggers asks for it, and close it as the training ends: well, stopped, failed.

    It is grouped by method and data set and tagged by experiment and sweep; the configuration stands there with the
    manifest: code revision, versions, machine.

    Raises:
        UserError: W&B can't be reached, or knows no key.
    """
    if not trainer.is_global_zero:
        yield
        return
    loggers = [logger for logger in trainer.loggers if isinstance(logger, WandbRun)]
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    settings = {str(key): value for key, value in content.items()}
    for logger in loggers:
        logger.begin(
            settings | {"manifest": session.describe()},
            group=f"{short_name(config.method)}/{data.name}",
            tags=tags_of(config),
        )
    try:
        yield
    except BaseException:
        for logger in loggers:
            logger.end("failed", {})
        raise
    pictures = {"grid": folder.pictures("step")[-1:], "checkpoint": folder.newest_checkpoints()[:1]}
    scores = [folder.scores_file] if folder.scores_file.is_file() else []
    for logger in loggers:
        logger.end(
            "finished" if interruption.received is None else "stopped",
            {kind: files for kind, files in (pictures | {"scores": scores}).items() if files},
        )
