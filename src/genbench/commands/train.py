"""`train`: make a run folder and train into it, or go on with one."""

import logging
import os
import time
import warnings
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from lightning import Callback, Trainer, seed_everything
from omegaconf import DictConfig, OmegaConf

from genbench.callbacks.clock import Clock
from genbench.callbacks.online_scores import OnlineScores
from genbench.callbacks.reproducible_steps import ReproducibleSteps
from genbench.commands.assembly import build, build_data, build_method
from genbench.commands.scoreboard import publish, score_real
from genbench.config import check_kinds
from genbench.data.base import ImageData
from genbench.errors import UserError
from genbench.runs import RunFolder

_FOLDER_VARIABLE = "GENBENCH_RUN_FOLDER"
# What may change when a run goes on; anything else would make it another run under the same name.
_FREE_TO_CHANGE = ("steps", "trainer.", "logger.", "data.root", "data.prepared", "data.workers")


def main(config: DictConfig) -> None:
    """Train what the configuration says.

    Raises:
        UserError: something in it can't be had.
        DivergenceError: a loss or a weight is no longer finite.
    """
    overrides = list(HydraConfig.get().overrides.task)
    old_folder = None if config.run is None else RunFolder.open(config.run)
    if old_folder is not None:
        config = _reopen(old_folder, overrides)
    _check_processes(config)
    quieten()

    seed_everything(config.seed, verbose=False)
    data = build_data(config)
    method = build_method(config, data)
    folder = old_folder or _new_folder(config)
    callbacks = [ReproducibleSteps(config.seed), Clock(config.data.batch_size), *_build_callbacks(config)]
    trainer: Trainer = build(
        config.trainer,
        "trainer",
        max_steps=config.steps,
        default_root_dir=str(folder.path),
        logger=_build_loggers(config, folder),
        callbacks=callbacks,
    )
    if trainer.is_global_zero:
        folder.create(config)
        folder.write_manifest(seed=config.seed, **{"resumed_with" if old_folder else "overrides": overrides})
        print(f"run folder: {folder.path}", flush=True)
    trainer.fit(
        method,
        datamodule=data,
        ckpt_path=None if old_folder is None else old_folder.checkpoint("last"),
        weights_only=True,
    )
    if trainer.is_global_zero:
        _finish(trainer, folder, data)


def _new_folder(config: DictConfig) -> RunFolder:
    """Return a folder of its own for this run; the run's other processes find it in the environment."""
    if "LOCAL_RANK" in os.environ and _FOLDER_VARIABLE in os.environ:
        return RunFolder(os.environ[_FOLDER_VARIABLE])
    name = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_seed{config.seed}"
    for attempt in range(1, 1000):
        path = Path(config.output, config.name, name if attempt == 1 else f"{name}_{attempt}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"output={config.output}: the run folder can't be made ({error})") from error
        os.environ[_FOLDER_VARIABLE] = str(path)
        return RunFolder(path)
    raise UserError(f"output={config.output} has no free name like {name}")


def _reopen(folder: RunFolder, overrides: list[str]) -> DictConfig:
    """Return a run's configuration with what may change of it changed."""
    config = folder.read_config()
    for override in OverridesParser.create().parse_overrides(overrides):
        key = override.key_or_group
        if key == "run":
            continue
        if not key.startswith(_FREE_TO_CHANGE):
            raise UserError(
                f"{key} can't change when a run goes on, only steps, trainer.*, logger.* and data.root, .prepared and "
                ".workers can; for other settings begin a new run, without run="
            )
        OmegaConf.update(config, key, override.value(), force_add=True)
    check_kinds(config)
    done = int(folder.load_checkpoint("last").get("global_step", 0))
    if config.steps <= done:
        raise UserError(f"{folder.path} has its {done} steps; to go on ask for more, such as steps={2 * done}")
    return config


def _check_processes(config: DictConfig) -> None:
    several = config.trainer.get("devices", 1) not in (1, "1", "auto") or config.trainer.get("num_nodes", 1) > 1
    if several and HydraConfig.get().mode == RunMode.MULTIRUN:
        raise UserError("-m can't start runs of several processes: start each run by itself, or set trainer.devices=1")


def _build_callbacks(config: DictConfig) -> list[Callback]:
    """Build the callbacks in the order of their names in the configuration, which matters: see `Checkpoints`."""
    return [
        build(node, f"callbacks.{name}")
        for name, node in config.callbacks.items()
        # With metrics=none there is nothing to score with.
        if node is not None and not (config.metrics is None and "evaluator" in node)
    ]


def _build_loggers(config: DictConfig, folder: RunFolder) -> list[Any]:
    return [
        build(node, f"logger.{name}", save_dir=str(folder.path))
        for name, node in config.logger.items()
        if node is not None
    ]


def _finish(trainer: Trainer, folder: RunFolder, data: ImageData) -> None:
    step = trainer.global_step
    clock = next(callback for callback in trainer.callbacks if isinstance(callback, Clock))  # type: ignore[attr-defined]
    folder.add_to_manifest(
        steps=step, images=step * data.batch_size, seconds=round(clock.seconds, 1), data=data.describe()
    )
    online = [callback for callback in trainer.callbacks if isinstance(callback, OnlineScores)]  # type: ignore[attr-defined]
    if online and online[0].latest is not None:
        conditional = bool(trainer.lightning_module.is_conditional)
        real = score_real(online[0].evaluator, data, trainer.strategy.root_device, by_class=conditional)
        publish(online[0].latest, real, folder.scores_file, step=step, checkpoint="last")
    pictures = sorted(folder.samples.glob("step_*.png"))
    if pictures:
        print(f"{len(pictures)} pictures, the last: {pictures[-1]}")
    print(f"trained {step} steps in {clock.seconds:.0f} s: {folder.path}", flush=True)


def quieten() -> None:
    """Leave out what Lightning says at each start and what does not hold here."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    # Our loader begins at the step that the run stands at, so a run may go on in the middle of an epoch.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    # Figures are logged by steps, however many epochs those are.
    warnings.filterwarnings("ignore", message="The number of training batches .* is smaller than the logging interval")
    # The averaged generator is meant to stay in evaluation mode.
    warnings.filterwarnings("ignore", message="Found .* in eval mode at the start of training")
    # Lightning against the newest torch.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.* is deprecated")
