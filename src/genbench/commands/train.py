"""`train`: make a run folder and train into it, or go on with one."""

import logging
import os
import secrets
import subprocess
import sys
import warnings
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from lightning import Callback, Trainer, seed_everything
from lightning.fabric.plugins.environments import SLURMEnvironment
from omegaconf import DictConfig, OmegaConf

from genbench.callbacks.clock import Clock
from genbench.callbacks.interruption import Interruption
from genbench.callbacks.online_scores import OnlineScores
from genbench.callbacks.reproducible_steps import ReproducibleSteps
from genbench.callbacks.spacing import what_it_took
from genbench.checkpoint_files import CheckpointFiles
from genbench.commands.assembly import build, build_data, build_method, compile_networks
from genbench.commands.endings import explained, remember_end, stop
from genbench.commands.online_run import shown_online
from genbench.commands.place import FREE_TO_CHANGE, choose_folder, is_first_process
from genbench.commands.processes import end_with_parent, leave, slurm_plugins
from genbench.commands.profiling import check_profiler, make_profiler
from genbench.commands.scoreboard import publish, score_real, way_of_drawing
from genbench.config import check_kinds
from genbench.data.base import ImageData
from genbench.errors import TrainingError, UserError
from genbench.methods.base import GenerativeMethod
from genbench.run_lock import locked
from genbench.runs import RunFolder
from genbench.signatures import parameters_of
from genbench.wording import duration


def main(config: DictConfig) -> None:
    """Train what the configuration says.

    Raises:
        UserError: something in it can't be had.
        TrainingError: the training ended before its last step.
    """
    quieten()
    overrides = list(HydraConfig.get().overrides.task)
    if _starts_processes(config) and HydraConfig.get().mode == RunMode.MULTIRUN:
        # Lightning starts the other processes by the command line of this one, which is that of the whole sweep.
        return _train_afresh(overrides)
    if config.metrics is not None and "_target_" not in config.metrics:
        # metrics=none, of which an experiment had set some.
        config.metrics = None
    old_folder = None if config.run is None else RunFolder.open(config.run)
    if old_folder is not None:
        config = _reopen(old_folder, overrides)
    seed_everything(config.seed, verbose=False)
    # What is refused here leaves no folder behind.
    data = build_data(config)
    method = build_method(config, data)
    if config.get("compile", False):
        compile_networks(method)
    check_profiler(config.trainer.get("profiler"))
    plugins = [CheckpointFiles(), *slurm_plugins(config)]
    folder = old_folder or choose_folder(config)
    if not is_first_process():
        end_with_parent()
    with locked(folder.path) if is_first_process() else nullcontext():
        try:
            _train(config, folder, overrides, data, method, plugins)
        except TrainingError as error:
            remember_end(folder, error)
            raise
    leave()


def _train(
    config: DictConfig,
    folder: RunFolder,
    overrides: list[str],
    data: ImageData,
    method: GenerativeMethod,
    plugins: list[Any],
) -> None:
    if folder.finished_steps() >= config.steps:
        print(f"{folder.path} has its {config.steps} steps already: left as it is", flush=True)
        return
    begun = folder.config_file.is_file()
    checkpoint = folder.resume_point(config.steps) if begun else None
    interruption = Interruption()
    callbacks = [ReproducibleSteps(config.seed), Clock(config.data.batch_size), *build_callbacks(config), interruption]
    run_id = folder.read_manifest().get("id") or secrets.token_hex(4)
    trainer: Trainer = build(
        config.trainer,
        "trainer",
        max_steps=config.steps,
        default_root_dir=str(folder.path),
        logger=_build_loggers(config, folder, run_id),
        callbacks=callbacks,
        plugins=plugins,
        profiler=make_profiler(config.trainer.get("profiler"), folder.path),
    )
    with explained(trainer, folder):
        if trainer.is_global_zero:
            folder.create(config)
            session = {"resumed_with" if begun else "overrides": overrides}
            folder.write_manifest(id=run_id, seed=config.seed, ended=None, **session)
            if begun:
                print(f"goes on from {checkpoint}" if checkpoint else "no checkpoint was written yet: begins anew")
            print(f"run folder: {folder.path}", flush=True)
        with shown_online(trainer, folder, config, data, interruption):
            trainer.fit(method, datamodule=data, ckpt_path=checkpoint, weights_only=True)
            if interruption.received is None and trainer.is_global_zero:
                _finish(trainer, folder, data)
    if interruption.received is not None:
        stop(trainer, folder, interruption.received)


def _train_afresh(overrides: list[str]) -> None:
    """Train one run of a sweep in an interpreter of its own."""
    status = subprocess.run([sys.executable, "-m", "genbench", "train", *overrides], check=False).returncode
    if status:
        raise TrainingError(f"the run {' '.join(overrides)} ended with status {status}")


def _starts_processes(config: DictConfig) -> bool:
    """Whether Lightning will start other processes for this run, as it does unless SLURM or torchrun has."""
    several = config.trainer.get("devices", 1) not in (1, "1") or config.trainer.get("num_nodes", 1) > 1
    return several and not SLURMEnvironment.detect() and "TORCHELASTIC_RUN_ID" not in os.environ


def _reopen(folder: RunFolder, overrides: list[str]) -> DictConfig:
    """Return a run's configuration with what may change of it changed."""
    config = folder.read_config()
    for override in OverridesParser.create().parse_overrides(overrides):
        key = override.key_or_group
        if key == "run":
            continue
        if not key.startswith(FREE_TO_CHANGE):
            raise UserError(
                f"{key} can't change when a run goes on, only steps, trainer.*, logger.* and data.root, .prepared and "
                ".workers can; for other settings begin a new run, without run="
            )
        OmegaConf.update(config, key, override.value(), force_add=True)
    check_kinds(config)
    done = folder.finished_steps()
    if config.steps <= done:
        raise UserError(f"{folder.path} has its {done} steps; to go on ask for more, such as steps={2 * done}")
    return config


def build_callbacks(config: DictConfig) -> list[Callback]:
    """Build the callbacks in the order of their names in the configuration, which matters: see `Checkpoints`."""
    return [
        build(node, f"callbacks.{name}")
        for name, node in config.callbacks.items()
        # With metrics=none there is nothing to score with.
        if node is not None and not (config.metrics is None and "evaluator" in node)
    ]


def _build_loggers(config: DictConfig, folder: RunFolder, run_id: str) -> list[Any]:
    loggers = []
    for name, node in config.logger.items():
        if node is not None:
            known = parameters_of(node["_target_"]) or {}
            same_run = {"id": run_id} if "id" in known else {}
            loggers.append(build(node, f"logger.{name}", save_dir=str(folder.path), **same_run))
    return loggers


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
        drawn = way_of_drawing(folder.read_config(), conditional=conditional)
        scores = replace(online[0].latest, protocol=online[0].latest.protocol | drawn)
        speed = online[0].evaluator.seconds_per_image
        publish(scores, real, folder.scores_file, step=step, checkpoint="last", seconds_per_image=speed)
    print(f"trained {step} steps in {duration(clock.seconds)}: {folder.path}")
    print(what_it_took(trainer, clock.seconds))
    for stem, what in (("step", "samples"), ("interpolation", "walks"), ("nearest", "nearest training images")):
        for picture in folder.pictures(stem)[-1:]:
            print(f"{what}: {picture}")
    print("what next:")
    print(f"  python -m genbench sample run={folder.path} count=64 seed=3")
    print(f"  python -m genbench evaluate run={folder.path} metrics=full")
    print(f"  python -m genbench report runs={folder.path}", flush=True)


def quieten() -> None:
    """Leave out what Lightning and torch say at each start and what does not hold here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Our loader begins at the step that the run stands at, so a run may go on in the middle of an epoch.
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")
    # Figures are logged by steps, however many epochs those are.
    warnings.filterwarnings("ignore", message="The number of training batches .* is smaller than the logging interval")
    # The averaged generator is meant to stay in evaluation mode.
    warnings.filterwarnings("ignore", message="Found .* in eval mode at the start of training")
    # A laptop may have SLURM's programs too.
    warnings.filterwarnings("ignore", message="The `srun` command is available on your system but is not used")
    # What a sampled set's numbers come from is seeded between two compiled graphs, as it is to be.
    warnings.filterwarnings("ignore", message="(?s)Dynamo does not know how to trace .*Generator.manual_seed")
    # Lightning against the newest torch.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.* is deprecated")
