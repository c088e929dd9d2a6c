"""What `sample` and `edit` are asked to show: by words on the command line, or by images, or all in turn."""

import sys
from pathlib import Path

import torch
from omegaconf import DictConfig
from torch import Tensor

from genbench.abilities import TranslatesBack
from genbench.commands.opening import OpenRun
from genbench.conditions.base import Condition, Conditions
from genbench.conditions.source_images import SourceImages
from genbench.config import short_name
from genbench.config.words import ASKED
from genbench.data.sample_set import open_samples
from genbench.errors import UserError
from genbench.files import read_lines
from genbench.images import first_of_each
from genbench.metrics.conditions import conditions_in_turn, first_held_out, held_out
from genbench.wording import shortened

_KEYS = (*ASKED, "prompts", "sources")


def is_asked(config: DictConfig) -> bool:
    """Whether something is asked for."""
    return any(config[key] is not None for key in _KEYS)


def asked(run: OpenRun, config: DictConfig, count: int) -> Conditions | None:
    """Return what each of `count` samples is to show; None of an unconditional method.

    Of somebody's own sources there are only as many as there are, if they are fewer.

    Raises:
        UserError: something is asked for that the method does not know.
    """
    condition = run.method.condition
    _refuse_others(run, config)
    if condition is None:
        return None
    key = _key(condition)
    if condition.sources is not None and (config.sources is not None or config.get("back", False)):
        return _sources(run, config, count)
    if condition.sources is not None and config.get(key) is not None:
        return _held_out_sources(run, config, count)
    if key == "prompt" and config.prompts is not None:
        rows = torch.cat(
            [
                _parse(run, condition, line, f"prompts={config.prompts}, line {number}: {shortened(line)}")
                for number, line in _lines(config.prompts)
            ]
        )
        return Conditions(condition, rows[torch.arange(count) % len(rows)])
    if key in ASKED and config[key] is not None:
        if key == "prompt" and not config[key].strip():
            print("genbench: the prompt is empty: images are drawn of no caption", file=sys.stderr)
        row = _parse(run, condition, config[key], f"{key}={shortened(config[key])}")
        return Conditions(condition, row.repeat_interleave(count, 0))
    if condition.examples(1) is None:
        run.data.prepare_data()
    return conditions_in_turn(run.method, run.data, count)


def asked_texts(config: DictConfig, count: int) -> list[str]:
    """Return what each of `count` edits is to show, in words, whatever the method is conditioned on.

    Raises:
        UserError: nothing is said, or twice.
    """
    _refuse_both(config)
    if config.prompts is not None:
        lines = [line for _, line in _lines(config.prompts)]
        return [lines[index % len(lines)] for index in range(count)]
    if config.prompt is None or not config.prompt.strip():
        raise UserError(f"editor={short_name(config.editor)} needs prompt=TEXT, or prompts=FILE with a text per line")
    return [config.prompt] * count


def _key(condition: Condition) -> str:
    """Return the word that asks for it; "sources" for what is said by images alone."""
    return condition.key if condition.key in (*ASKED, "sources") else "condition"


def _parse(run: OpenRun, condition: Condition, text: str, where: str) -> Tensor:
    try:
        row = condition.parse(text)
        condition.check(condition.load(row), 1)
        return row
    except ValueError as error:
        raise UserError(f"{where}: {error} (run={run.folder.path})") from error


def _lines(path: str) -> list[tuple[int, str]]:
    """Return the lines of a file that are not blank, with their numbers from 1 on."""
    try:
        lines = [(number, line.strip()) for number, line in enumerate(read_lines(Path(path)), 1)]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"prompts={path} can't be read as a text file: {error}") from error
    lines = [(number, line) for number, line in lines if line]
    if not lines:
        raise UserError(f"prompts={path} holds no line of text")
    return lines


def _refuse_others(run: OpenRun, config: DictConfig) -> None:
    """Refuse keys that are of another kind of condition."""
    condition, path = run.method.condition, run.folder.path
    translates, back = condition is not None and condition.sources is not None, config.get("back", False)
    if (config.sources is not None or back) and not translates:
        useless = "sources= and back=" if "back" in config else "sources=; what is edited is named by images="
        raise UserError(f"{path} is of a method that translates no images: it has no use for {useless}")
    if back and not isinstance(run.method, TranslatesBack):
        raise UserError(f"{path} is of a method that knows no way back: only back=false does")
    own = None if condition is None else _key(condition)
    for key in (*ASKED, "prompts"):
        if config[key] is None or key == own or (key == "prompts" and own == "prompt"):
            continue
        words = [f"{each}=" for each in dict.fromkeys(([own] if own else []) + (["sources"] if translates else []))]
        takes = f"one that takes {' and '.join(words)}" if words else "unconditional"
        raise UserError(f"{key}={config[key]} has no effect: the method of {path} is {takes}")
    if own == "prompt":
        _refuse_both(config)


def _refuse_both(config: DictConfig) -> None:
    if config.prompt is not None and config.prompts is not None:
        raise UserError("prompt= and prompts= ask for different things: give one of them")


def _sources(run: OpenRun, config: DictConfig, count: int) -> Conditions:
    """Return somebody's own images as what is asked for, at most `count`; or, of the way back, held-out ones."""
    method, back = run.method, config.get("back", False)
    condition = SourceImages(method.medium.shape) if back else method.condition
    assert condition is not None
    if config.sources is None:
        run.data.prepare_data()
        images = run.data.store(held_out(run.data)).samples[:count]
        return Conditions(condition, images[torch.arange(count) % len(images)])
    sources = condition.sources
    assert isinstance(sources, SourceImages)
    opened = open_samples(Path(config.sources), sources.shape[0], key="sources")
    if tuple(opened.shape[1:]) != sources.shape:
        raise UserError(
            f"sources={config.sources} are of {opened.shape[1:]}, and {run.folder.path} takes {sources.shape}"
        )
    return Conditions(condition, condition.of_sources(opened[:count], _asked_of(run, config, condition))[:count])


def _held_out_sources(run: OpenRun, config: DictConfig, count: int) -> Conditions:
    """Return the first different sources that the method never saw, at most `count`, with what a person asks for."""
    condition = run.method.condition
    assert condition is not None
    run.data.prepare_data()
    images, looked_at, there = torch.empty(0), count, count
    # Paired data has a source several times, once for each of its targets.
    while len(images) < count and there == looked_at:
        looked_at *= 4
        found = first_held_out(run.method, run.data, looked_at)
        shown = found.picture()
        assert shown is not None
        images, there = shown[first_of_each(shown)], len(found)
    return Conditions(condition, condition.of_sources(images[:count], _asked_of(run, config, condition)))


def _asked_of(run: OpenRun, config: DictConfig, condition: Condition) -> Tensor | None:
    """Return the row of what a person wants made of source images; None if nothing is said."""
    key = _key(condition)
    if key == "sources" or config[key] is None:
        return None
    return _parse(run, condition, config[key], f"{key}={shortened(config[key])}")
