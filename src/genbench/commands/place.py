"""Where a run lives: one folder for all its processes, and the same one when it comes again."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from genbench.commands.initialising import read_weights
from genbench.commands.processes import Processes
from genbench.conditions.classes import Classes
from genbench.config.reopening import FREE_TO_CHANGE
from genbench.data.base import DataSet
from genbench.data.description import differences
from genbench.errors import UserError
from genbench.methods.base import Method
from genbench.runs.folder import RunFolder
from genbench.runs.part_files import Part

_FOLDER_VARIABLE = "GENBENCH_RUN_FOLDER"

_NOT_ITSELF = ("trainer", "logger", "output", "run", "sweep")


def is_first_process() -> bool:
    """Whether this process writes for the run, by what its launcher left in the environment."""
    return not getattr(rank_zero_only, "rank", 0)


def settle(choose: Callable[[], RunFolder]) -> RunFolder:
    """Return the run folder that the first process chooses, in all processes of the run.

    Raises:
        UserError: the first process refuses.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ or SLURMEnvironment.detect():
        return RunFolder(Processes().join().agree(lambda: str(choose().path)))
    if not is_first_process() and _FOLDER_VARIABLE in os.environ:
        return RunFolder(os.environ[_FOLDER_VARIABLE])
    folder = choose()
    # The processes that Lightning starts for this run find it here.
    os.environ[_FOLDER_VARIABLE] = str(folder.path)
    return folder


def choose_folder(config: DictConfig, data: DataSet, parts: Mapping[str, Part] | None = None) -> RunFolder:
    """Return the folder of a run, which may be there already.

    With `sweep=NAME` it follows from the run's settings and its data, and within a job of SLURM by the job as well, so
    that what is submitted or requeued again goes on where it was. Otherwise each call makes a folder of its own.

    Raises:
        UserError: it can't be made, or the data can't be read.
    """
    # Also where no folder is named by it: what can't be read leaves none behind.
    seen = data.describe()["sha256"]
    job = SLURMEnvironment.job_id()
    if config.sweep is not None:
        return RunFolder(
            Path(config.output, config.sweep, f"{config.name}_seed{config.seed}_{settings_hash(config, seen, parts)}")
        )
    if job is not None:
        own = settings_hash(config, seen, parts)
        return RunFolder(Path(config.output, config.name, f"job{job}_seed{config.seed}_{own}"))
    return RunFolder(_new_folder(config))


def refuse_changed_data(
    folder: RunFolder, config: DictConfig, data: DataSet, *, accepted: bool, method: Method
) -> None:
    """Compare the data that there are with those that a run began with.

    Args:
        folder: of the run.
        config: as it would go on.
        data: that it would go on with.
        accepted: whether other images will do.
        method: as it was built of these data.

    Raises:
        UserError: they differ, and that was not accepted, or is more than the method can take.
    """
    before, now = folder.read_data(), data.describe()
    found = differences(before, now)
    by_class = isinstance(getattr(method, "condition", None), Classes)
    fits = not by_class or _count_of(before.get("classes")) == _count_of(now.get("classes"))
    if not found or (accepted and fits):
        return
    place = f"data.root={config.data.root}" if "root" in config.data else data.name
    remedy = (
        "or set data.accept_changed=true to go on with these all the same"
        if fits
        else "or begin a new run: the networks of this one are built for the number of its classes"
    )
    raise UserError(
        f"{folder.path} began with other images than {place} has now: {'; '.join(found)}. Give it those that it began "
        f"with, {remedy}"
    )


def _count_of(classes: object) -> int:
    return len(classes) if isinstance(classes, list) else 0


def settings_hash(config: DictConfig, data: str, parts: Mapping[str, Part] | None = None) -> str:
    """Return eight letters that identify a run's settings, wherever and on whatever it runs.

    Args:
        config: the run's.
        data: what identifies the images that it sees.
        parts: what it is built on, which counts by its weights wherever they are.
    """
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
    itself["data"]["sha256"] = data
    # Runs of before there were parts keep their names.
    itself.pop("parts", None)
    if (init := itself.pop("init", None)) is not None:
        itself["init"] = read_weights(init)[2]["sha256"]
    if parts:
        itself["parts"] = {name: part.sha256 for name, part in parts.items()}
    # Without it, names are those that runs of before have.
    if (accumulated := content["trainer"].get("accumulate_grad_batches", 1)) != 1:
        itself["accumulated"] = accumulated
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
