"""What samples and edits of a run depend on: as facts, which tell sets apart, and as the name of a folder."""

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import nn

from genbench.commands.opening import OpenRun
from genbench.conditions.base import Conditions
from genbench.conditions.classes import Classes
from genbench.config.words import ASKED, DRAWN_BY
from genbench.data.prepare_progress import human_bytes
from genbench.errors import UserError
from genbench.medium import Medium
from genbench.parts import frozen_in
from genbench.runs.fingerprint import digest_of, fingerprint

MOST = 1_000_000
"""Files of a folder: with more of them few programs can open it."""

_BLOCK = 4096
"""Bytes of which a file takes whole multiples."""

LEFT_ALONE = "it is left as it is; name another folder by out=FOLDER, or remove it"
"""What is said of a folder that holds something else."""

_LONGEST, _LONGEST_NAME = 60, 200
"""Letters of a part of a folder's name, and of the whole name."""


def facts_of(run: OpenRun, config: DictConfig) -> dict[str, Any]:
    """Return what samples and edits of a run depend on, but for their number, as JSON has it."""
    sampler = run.settings.get("sampler")
    return {
        "checkpoint": config.checkpoint,
        "step": run.step,
        "weights": _fingerprint(run.method),
        "seed": config.seed,
        **{key: _asked(run, key, config[key]) for key in ASKED},
        "prompts": None if config.prompts is None else file_digest(config.prompts),
        **{key: run.settings.method.get(key) for key in DRAWN_BY},
        "sampler": None if sampler is None else OmegaConf.to_container(sampler, resolve=True),
        "sources": config.sources,
    }


def name_parts(run: OpenRun, config: DictConfig, facts: Mapping[str, Any]) -> list[str]:
    """Return the parts of a folder's name that `facts_of` leads to; what is as in the run's training is in none."""
    own = run.folder.read_config()
    parts = [config.checkpoint, *([] if config.checkpoint.startswith("step_") else [f"step{run.step}"])]
    parts.append(f"seed{config.seed}")
    for key in ASKED:
        if facts[key] is not None:
            text = str(facts[key])
            parts.append(f"{key}{text}" if key == "label" else f"{key}-{text}-{short_hash(text)}")
    if facts["prompts"] is not None:
        parts.append(f"prompts-{Path(config.prompts).stem}-{facts['prompts'][:6]}")
    parts += [f"{key}{facts[key]:g}" for key in DRAWN_BY if facts[key] != own.method.get(key)]
    if facts["sampler"] != (None if own.get("sampler") is None else OmegaConf.to_container(own.sampler, resolve=True)):
        parts.append(built_name(facts["sampler"]["_target_"].rpartition(".")[2], facts["sampler"]))
    if config.sources is not None:
        parts.append(path_name("sources", config.sources))
    return parts


def built_name(name: str, node: Mapping[str, Any]) -> str:
    """Return the part of a folder's name that a node of the configuration leads to: `ddim-steps9-eta1.0`."""
    settings = (f"{key}{value}" for key, value in node.items() if not str(key).startswith("_"))
    return "-".join([name, *settings])


def path_name(key: str, path: str) -> str:
    """Return the part of a folder's name that a path leads to: two folders of one name differ in their hash."""
    return f"{key}-{Path(path).stem}-{short_hash(path)}"


def as_name(parts: Iterable[str]) -> str:
    """Return the name of a folder, as any file system takes it."""
    name = "_".join(map(_short, parts))
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}-{short_hash(name)}"


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the keys in which facts differ; earlier versions wrote fewer of them."""
    return sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))


def in_words(keys: Iterable[str], old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """Return how facts differ in some keys, for a message."""
    return ", ".join(f"{key} {_shown(old.get(key))}, not {_shown(new.get(key))}" for key in keys)


def check_space(place: Path, medium: Medium, count: int, already: int = 0) -> None:
    """Refuse samples for which the disk has no room, before one is drawn.

    Args:
        place: the folder where they go.
        medium: what a sample is.
        count: how many there shall be.
        already: how many are there.

    Raises:
        UserError: it has none.
    """
    each = -(-medium.largest_file() // _BLOCK) * _BLOCK
    needed = max(0, count - already) * each
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if needed > free or count > MOST:
        why = f"and {there} has {human_bytes(free)} left" if needed > free else f"more than the {MOST:,} of a folder"
        raise UserError(f"count={count}: so many samples take up to {human_bytes(needed)}, {why}")


@contextmanager
def another_place(config: DictConfig) -> Iterator[None]:
    """Say of what is refused by the place that another can be named, unless it has been."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error) if config.out else f"{error}; name another place by out=FOLDER") from error


def digest(conditions: Conditions | None) -> str | None:
    """Return a fingerprint of conditions; None of none."""
    return None if conditions is None else digest_of(conditions.rows)


def file_digest(path: str | Path) -> str | None:
    """Return a fingerprint of a file's bytes; None if there is no file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if Path(path).is_file() else None


def short_hash(text: str) -> str:
    """Return six digits that tell texts apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _asked(run: OpenRun, key: str, text: str | None) -> str | int | None:
    """Return what a text asks for, however it is written: of a class its number, of others what it reads as."""
    condition = run.method.condition
    if text is None or condition is None:
        return text
    try:
        row = condition.parse(text)
        return int(row) if isinstance(condition, Classes) else condition.describe(row)[0] or text
    except ValueError:
        # It is said, with the remedy, where what is asked for is read.
        return text


def _fingerprint(method: nn.Module) -> str:
    """Return a fingerprint of a method's weights, and of those that it is built on."""
    parts = {f"parts/{name}": fingerprint(part.state_dict()) for name, part in frozen_in(method).items()}
    return fingerprint(method.state_dict() | parts)


def _short(part: str) -> str:
    plain = re.sub(r"[^\w.+-]", "-", part, flags=re.ASCII)
    return plain if len(plain) <= _LONGEST else f"{plain[:40]}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:12]}..."
