"""`train`: make a run folder and train into it, or go on with one."""

import logging
import os
import subprocess
import sys
import tempfile
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_object
from lightning import Callback, Trainer, seed_everything
from lightning.fabric.plugins.environments import SLURMEnvironment
from omegaconf import DictConfig

from genbench import plugins
from genbench.callbacks.clock import Clock
from genbench.callbacks.interruption import Interruption
from genbench.callbacks.online_scores import OnlineScores
from genbench.callbacks.reproducible_steps import ReproducibleSteps
from genbench.callbacks.spacing import what_it_took
from genbench.commands.assembling import assemble, check_steps, check_suits
from genbench.commands.assembly import allow_tf32, build, build_data, build_method, compile_networks
from genbench.commands.devices import check_devices, check_precision, working_strategy
from genbench.commands.encoding import encode_once
from genbench.commands.endings import (
    STOPPED_EARLY,
    end_early,
    explained,
    remember_end,
    stop,
    stopped_early,
    what_next,
    why_no_batch,
)
from genbench.commands.evaluators import build_evaluator
from genbench.commands.initialising import initialise
from genbench.commands.monitored import RESULT, leave_result, monitored_score
from genbench.commands.online_run import shown_online
from genbench.commands.opening import kept_parts, named_parts
from genbench.commands.place import choose_folder, is_first_process, refuse_changed_data, settle
from genbench.commands.processes import end_with_parent, leave, slurm_plugins
from genbench.commands.profiling import check_profiler, make_profiler
from genbench.commands.scoreboard import publish, score_real, way_of_drawing
from genbench.commands.session import Session
from genbench.config import as_words
from genbench.data.base import DataSet
from genbench.data.description import summary
from genbench.errors import TrainingError, UserError
from genbench.files import nearest_folder
from genbench.methods.base import Method
from genbench.runs.checkpoint_files import CheckpointFiles
from genbench.runs.folder import RunFolder
from genbench.runs.lock import locked
from genbench.runs.part_files import Part
from genbench.signatures import parameters_of
from genbench.wording import duration, for_pasting

_PICTURES = {"step": "samples", "interpolation": "interpolations", "nearest": "nearest training samples"}
"""Files of pictures that the last words name, and what they show."""


def main(config: DictConfig, overrides: list[str]) -> float | None:
    """Train what the configuration says, and return the best value of the monitored score, if there is any.

    Args:
        config: composed and checked; where `run` names a folder, that run's own.
        overrides: of Hydra, which led to it.

    Raises:
        UserError: something in it can't be had.
        TrainingError: the training ended before its last step.
    """
    quieten()
    if _starts_processes(config) and HydraConfig.initialized():
        # Lightning starts the other processes by the command line of this one, which is that of the whole sweep.
        return _train_afresh(overrides)
    if config.metrics is not None and "_target_" not in config.metrics:
        # metrics=none, of which an experiment had set some.
        config.metrics = None
    old_folder = None if config.run is None else RunFolder.open(config.run)
    accepts_other_data = False
    if old_folder is not None:
        _check_unfinished(old_folder, config.steps)
        config.run = None
        accepts_other_data = config.pop("accept_changed", False)
    seed_everything(config.seed, verbose=False)
    # Runs of before there was the setting went by torch's own.
    if "tf32" in config:
        allow_tf32(config.tf32)
    # What is refused here leaves no folder behind.
    check_devices(config.trainer)
    check_precision(config.trainer)
    data = build_data(config)
    if old_folder is not None:
        data.number_as(old_folder.read_data())
    kind = get_object(config.method["_target_"])
    parts = named_parts(config.parts or {}, kind) if old_folder is None else kept_parts(old_folder, config)
    method = build_method(config, data, parts={name: part.model for name, part in parts.items()})
    if parts:
        check_suits(method, data)
    check_steps(method, config.steps)
    _accumulate(config, data, method)
    if config.get("compile", False):
        compile_networks(method)
    check_profiler(config.trainer.get("profiler"))
    plugins = [CheckpointFiles(), *slurm_plugins(config)]
    kept = nearest_folder(Path(config.output))

    def choose() -> RunFolder:
        if old_folder is not None:
            refuse_changed_data(old_folder, config, data, accepted=accepts_other_data, method=method)
        if not _is_started_by_others():
            data.prepare_data()
            data.train_dataloader()
        return old_folder or choose_folder(config, data, parts)

    folder = settle(choose)
    if not is_first_process():
        end_with_parent()
    is_new = not folder.path.is_dir() or not any(folder.path.iterdir())
    try:
        with locked(folder.path) if is_first_process() else nullcontext():
            if not _is_done(folder, config.steps, named=old_folder is not None):
                _run(config, folder, data, method, overrides, parts, plugins)
    except UserError as error:
        if is_first_process() and is_new and not isinstance(error, TrainingError):
            folder.discard(kept)
        raise
    score = monitored_score(folder, config) if is_first_process() else None
    leave_result(score)
    leave()
    return score


def _run(
    config: DictConfig,
    folder: RunFolder,
    data: DataSet,
    method: Method,
    overrides: list[str],
    parts: dict[str, Part],
    plugins: list[Any],
) -> None:
    session = Session(config, folder, data, method, overrides, parts)
    if config.get("init") is not None and session.checkpoint is None:
        session.facts["initialised"] = initialise(method, config.init)
    if config.steps:
        _train(config, folder, data, method, session, plugins)
    elif is_first_process():
        assemble(folder, data, method, session)


def _train(
    config: DictConfig, folder: RunFolder, data: DataSet, method: Method, session: Session, plugins: list[Any]
) -> None:
    interruption = Interruption()
    callbacks = [ReproducibleSteps(config.seed), Clock(data.images_per_step), *build_callbacks(config), interruption]
    trainer: Trainer = build(
        config.trainer,
        "trainer",
        max_steps=config.steps,
        accumulate_grad_batches=1,
        strategy=working_strategy(config.trainer.get("strategy", "auto")),
        default_root_dir=str(folder.path),
        logger=_build_loggers(config, folder, session.run_id),
        callbacks=[session.opening, *callbacks],
        plugins=plugins,
        profiler=make_profiler(config.trainer.get("profiler"), folder.path),
    )
    why_in_each_step = encode_once(data, method)
    try:
        with explained(trainer, folder):
            if trainer.is_global_zero:
                print("\n".join(summary(data.describe())), flush=True)
                if why_in_each_step:
                    print(f"samples are encoded in each step, not once: {why_in_each_step}", flush=True)
            with shown_online(trainer, folder, config, data, interruption, session):
                trainer.fit(method, datamodule=data, ckpt_path=session.checkpoint, weights_only=True)
                if interruption.received is None and trainer.is_global_zero:
                    _finish(trainer, folder, data, session)
        if interruption.received is not None:
            stop(trainer, folder, interruption.received)
        elif trainer.is_global_zero and trainer.global_step < config.steps and stopped_early(trainer) is None:
            end_early(trainer, folder, config.trainer)
    except TrainingError as error:
        if session.is_written:
            remember_end(folder, error)
        raise


def _is_done(folder: RunFolder, steps: int, *, named: bool) -> bool:
    """Whether a run has nothing left to do, which is said: one that was stopped early goes on only if it is named."""
    ended = folder.read_manifest().get("ended")
    if folder.is_finished(steps):
        print(f"{folder.path} has its {steps} steps already: left as it is", flush=True)
    elif not named and isinstance(ended, dict) and ended.get("how") == STOPPED_EARLY:
        print(f"{folder.path} was stopped early ({ended['why']}): left as it is", flush=True)
    else:
        return False
    return True


def _accumulate(config: DictConfig, data: DataSet, method: Method) -> None:
    """Let steps be of several batches; Lightning itself leaves that to methods that optimise by hand."""
    data.accumulated = config.trainer.get("accumulate_grad_batches", 1)
    try:
        method.accumulate(data.accumulated)
    except ValueError as error:
        raise UserError(f"trainer.accumulate_grad_batches={data.accumulated}: {error}") from error


def _train_afresh(overrides: list[str]) -> float | None:
    """Train one run of a sweep in an interpreter of its own, and return its monitored score."""
    words = [sys.executable, "-m", "genbench", "train", *plugins.as_words(), *as_words(overrides)]
    with tempfile.NamedTemporaryFile("r", suffix=".txt") as result:
        status = subprocess.run(words, check=False, env=os.environ | {RESULT: result.name}).returncode
        if status:
            raise TrainingError(f"the run {' '.join(overrides)} ended with status {status}")
        score = result.read()
    return float(score) if score else None


def _starts_processes(config: DictConfig) -> bool:
    """Whether Lightning will start other processes for this run, as it does unless SLURM or torchrun has."""
    several = config.trainer.get("devices", 1) not in (1, "1") or config.trainer.get("num_nodes", 1) > 1
    return several and not _is_started_by_others()


def _is_started_by_others() -> bool:
    """Whether this is one of several processes that SLURM, torchrun or Lightning started for the run."""
    return SLURMEnvironment.detect() or "TORCHELASTIC_RUN_ID" in os.environ or not is_first_process()


def _check_unfinished(folder: RunFolder, steps: int) -> None:
    done = folder.finished_steps()
    if "imported" in folder.read_manifest():
        raise UserError(
            f"{folder.path} holds published weights without the state of an optimizer: begin a run with them by "
            f"init={folder.path}"
        )
    if not steps:
        raise UserError(f"{folder.path} is assembled from its parts: there is nothing to train")
    if steps <= done:
        raise UserError(f"{folder.path} has its {done} steps; to go on ask for more, such as steps={2 * done}")


def build_callbacks(config: DictConfig) -> list[Callback]:
    """Build the callbacks in the order of their names in the configuration, which matters: see `Checkpoints`."""
    found: list[Callback] = []
    for name, node in config.callbacks.items():
        # With metrics=none there is nothing to score with.
        if node is None or (config.metrics is None and "evaluator" in node):
            continue
        given = {"evaluator": build_evaluator(node.evaluator, "metrics")} if "evaluator" in node else {}
        rest = {key: value for key, value in node.items() if key != "evaluator"}
        found.append(build(rest, f"callbacks.{name}", **given))
    return found


def _build_loggers(config: DictConfig, folder: RunFolder, run_id: str) -> list[Any]:
    loggers = []
    for name, node in config.logger.items():
        if node is not None:
            known = parameters_of(node["_target_"]) or {}
            same_run = {"id": run_id} if "id" in known else {}
            loggers.append(build(node, f"logger.{name}", save_dir=str(folder.path), **same_run))
    return loggers


def _finish(trainer: Trainer, folder: RunFolder, data: DataSet, session: Session) -> None:
    step = trainer.global_step
    if not session.has_begun:
        raise UserError(f"nothing was trained: {why_no_batch(trainer)}")
    session.write()
    clock = next(callback for callback in trainer.callbacks if isinstance(callback, Clock))  # type: ignore[attr-defined]
    folder.add_to_manifest(steps=step, images=step * data.images_per_step, seconds=round(clock.seconds, 1))
    online = [callback for callback in trainer.callbacks if isinstance(callback, OnlineScores)]  # type: ignore[attr-defined]
    if online and online[0].latest is not None:
        conditional = getattr(trainer.lightning_module, "condition", None) is not None
        real = score_real(online[0].evaluator, data, trainer.strategy.root_device, by_class=conditional)
        drawn = way_of_drawing(folder.read_config(), conditional=conditional)
        scores = replace(online[0].latest, protocol=online[0].latest.protocol | drawn)
        speed = online[0].evaluator.seconds_per_image
        publish(scores, real, folder.scores_file, step=step, checkpoint="last", seconds_per_image=speed)
    done = f"{step} steps" if step == trainer.max_steps else f"{step} of {trainer.max_steps} steps"
    print(f"trained {done} in {duration(clock.seconds)}: {folder.path}")
    reason = stopped_early(trainer)
    if reason is not None:
        folder.add_to_manifest(ended={"how": STOPPED_EARLY, "why": reason})
        print(f"stopped early: {reason}; go on all the same with: {for_pasting('train', run=folder.path)}")
    print(what_it_took(trainer, clock.seconds))
    for stem, what in _PICTURES.items():
        for picture in folder.pictures(stem)[-1:]:
            print(f"{what}: {picture}")
    what_next(folder, trainer.lightning_module)


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
    # A limit of the time was lifted, as the run's own last words advise.
    warnings.filterwarnings("ignore", message=r"Be aware that when using `ckpt_path`, callbacks .*\['Timer'\]")
    # Lightning against the newest torch.
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.* is deprecated")
