"""Where a run lives: one folder for all its processes, and the same one when it comes again."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from genbench.commands.processes import Processes
from genbench.config.reopening import FREE_TO_CHANGE
from genbench.errors import UserError
from genbench.runs import RunFolder

_FOLDER_VARIABLE = "GENBENCH_RUN_FOLDER"

_NOT_ITSELF = ("trainer", "logger", "output", "run", "sweep")


def is_first_process() -> bool:
    """Whether this process writes for the run, by what its launcher left in the environment."""
    return not getattr(rank_zero_only, "rank", 0)


def choose_folder(config: DictConfig) -> RunFolder:
    """Return the folder of a run, which may be there already.

    With `sweep=NAME` it is told by the run's settings, and within a job of SLURM by the job as well, so that what is
    submitted or requeued again goes on where it was. Otherwise each call makes a folder of its own.

    Raises:
        UserError: it can't be made.
    """
    settings = f"seed{config.seed}_{settings_hash(config)}"
    job = SLURMEnvironment.job_id()
    if config.sweep is not None:
        return RunFolder(Path(config.output, config.sweep, f"{config.name}_{settings}"))
    if job is not None:
        return RunFolder(Path(config.output, config.name, f"job{job}_{settings}"))
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return RunFolder(Processes().join().agree(lambda: str(_new_folder(config))))
    if not is_first_process() and _FOLDER_VARIABLE in os.environ:
        return RunFolder(os.environ[_FOLDER_VARIABLE])
    path = _new_folder(config)
    # The processes that Lightning starts for this run find it here.
    os.environ[_FOLDER_VARIABLE] = str(path)
    return RunFolder(path)


def withdraw(folder: RunFolder, output: str) -> None:
    """Take back a folder in which nothing was trained, and what was made for it below `output`."""
    if not is_first_process() or folder.checkpoints.exists():
        return
    shutil.rmtree(folder.path, ignore_errors=True)
    os.environ.pop(_FOLDER_VARIABLE, None)
    for parent in (*folder.path.parents,):
        if not parent.is_relative_to(output) or any(parent.iterdir()):
            break
        parent.rmdir()


def settings_hash(config: DictConfig) -> str:
    """Return eight letters that tell a run's settings from others', wherever and on whatever it runs."""
    content = OmegaConf.to_container(config, resolve=True)
    assert isinstance(content, dict)
    itself = {key: value for key, value in content.items() if key not in _NOT_ITSELF}
    itself["data"] = {
        key: value for key, value in (itself["data"] or {}).items() if f"data.{key}" not in FREE_TO_CHANGE
    }
    # Where an evaluator keeps and finds its files changes nothing.
    evaluators = [itself["metrics"], *((node or {}).get("evaluator") for node in itself["callbacks"].values())]
    for evaluator in evaluators:
        for key in ("cache", "weights"):
            (evaluator or {}).pop(key, None)
    return hashlib.sha256(json.dumps(itself, sort_keys=True).encode()).hexdigest()[:8]


def _new_folder(config: DictConfig) -> Path:
    name = f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_seed{config.seed}"
    for attempt in range(1, 1000):
        path = Path(config.output, config.name, name if attempt == 1 else f"{name}_{attempt}")
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UserError(f"output={config.output}: the run folder can't be made ({error})") from error
        return path
    raise UserError(f"output={config.output} has no free name like {name}")
