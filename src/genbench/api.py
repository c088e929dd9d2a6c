"""GenBench from Python: open a run, draw samples, score them.

The words that follow a run are those of the command line, with the same meanings, checks and messages:

    from genbench import api

    run = api.open_run("outputs/gan_digits/RUN", "checkpoint=best")
    images = api.sample(run, "count=16", "seed=3")
    scores = api.score(run, "count=1000")

Where a command line ends with a message, a `genbench.errors.UserError` is raised that has it.
"""

from pathlib import Path

from omegaconf import DictConfig
from torch import Tensor

from genbench import config
from genbench.abilities import EmbedsTexts
from genbench.commands import opening
from genbench.commands.asked import asked
from genbench.commands.evaluate import draw, evaluator_of, refuse_idle, refuse_unsuited
from genbench.commands.opening import OpenRun
from genbench.commands.processes import Processes
from genbench.commands.sample import drawing
from genbench.errors import UserError
from genbench.metrics.evaluator import Scores
from genbench.sampling import sample_set

_OF_OPENING = ("checkpoint", "device", "sampler", "guidance", "data")
"""The keys that belong to opening a run."""

_OF_COMMANDS = ("run", "images", "images_reference", "against", "out")
"""Keys of the verbs that have no effect here: nothing is written, and the run is given."""


def open_run(path: str | Path, *words: str) -> OpenRun:
    """Return a run: its `method` with the averaged weights, its `data`, its `settings`, the `step`.

    Args:
        path: of the run folder.
        words: `checkpoint=`, `device=`, `sampler=`, `guidance=` or `data.root=`, as of `python -m genbench evaluate`.

    Raises:
        UserError: the folder or a word does not do.
    """
    for word in words:
        if _key(word) not in _OF_OPENING:
            raise UserError(f"{word} is not for open_run, which takes {', '.join(f'{key}=' for key in _OF_OPENING)}")
    # Of the verbs it is `evaluate` that lets a run's data be elsewhere.
    return opening.open_run(_composed("evaluate", path, words), suffices=EmbedsTexts)


def sample(run: OpenRun, *words: str) -> Tensor:
    """Return the samples that `sample` would write, on the CPU: uint8 images (N, C, H, W), or points (N, M, D).

    Args:
        run: an open one.
        words: `count=`, `seed=`, `label=`, `prompt=`, ..., as of `python -m genbench sample`.

    Raises:
        UserError: a word does not do, or the run draws no samples.
    """
    _refuse_opening(words)
    opening.must_draw(run.folder, run.method)
    asked_for = _composed("sample", run.folder.path, words)
    conditions = asked(run, asked_for, asked_for.count)
    draw_samples, medium = drawing(run, asked_for)
    count = asked_for.count if conditions is None else len(conditions)
    return sample_set(draw_samples, count, asked_for.seed, medium, conditions)


def score(run: OpenRun, *words: str) -> Scores:
    """Return the scores that the verb `evaluate` would print: their `values` by name, with their `protocol`.

    Args:
        run: an open one.
        words: `count=`, `seed=`, `metrics=`, `likelihood=`, ..., as of `python -m genbench evaluate`.

    Raises:
        UserError: a word does not do.
    """
    _refuse_opening(words)
    asked_for = _composed("evaluate", run.folder.path, words)
    refuse_idle(asked_for, list(words))
    refuse_unsuited(asked_for, run)
    processes = Processes()
    evaluator = evaluator_of(asked_for, run, processes)
    return evaluator.score(*draw(evaluator, run, processes, asked_for.split))


def _composed(verb: str, path: str | Path, words: tuple[str, ...]) -> DictConfig:
    return config.check(verb, config.as_overrides([f"run={path}", *words], multirun=False))


def _refuse_opening(words: tuple[str, ...]) -> None:
    for word in words:
        if _key(word) in _OF_OPENING:
            raise UserError(f"{word} is for open_run: open the run with it")
        if _key(word) in _OF_COMMANDS:
            raise UserError(f"{word} has no effect here: it is of the command line")


def _key(word: str) -> str:
    return word.partition("=")[0].partition(".")[0]
