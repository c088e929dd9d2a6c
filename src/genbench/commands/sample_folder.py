"""Where `sample` writes: a folder a set, named by what makes the set differ, in which nothing else lies.

    <checkpoint>_step<N>_seed<S>[_label... or _prompt...][_guidance...][_sampler...][_mask...][_sources...][_back]/
        sample.json   what the set depends on
        images/       000000.png, 000001.png, ...; points as 000000.npy
        grid.png      the first hundred

Image i of a set depends on (seed, i) and on no other image, so a set that was begun is continued, chunk by chunk, and a
larger one continues a smaller one.
"""

import hashlib
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from genbench.commands.opening import OpenRun
from genbench.conditions.base import Conditions
from genbench.conditions.classes import Classes
from genbench.config.words import ASKED
from genbench.data.prepare_progress import human_bytes
from genbench.data.sample_set import SAMPLE_FILE, SAMPLE_IMAGES
from genbench.errors import UserError
from genbench.files import check_can_write, read_json, write_json
from genbench.medium import Medium
from genbench.randomness import CHUNK, chunks
from genbench.runs.moved import first_name

MOST = 1_000_000
"""Images of a set: more files than this make a folder that few programs can open."""

_BLOCK = 4096
"""Bytes of which a file takes whole multiples."""

_LONGEST = 60


class SampleFolder:
    """The folder of a set.

    Args:
        path: where it is.
        key: the setting that named the place, for messages.
        facts: what the set depends on, but for how many samples it has.
        medium: what a sample is.
    """

    def __init__(self, path: Path, key: str, facts: Mapping[str, Any], medium: Medium) -> None:
        self.path = path
        self._medium = medium
        self.images = path / SAMPLE_IMAGES
        self.grid = path / "grid.png"
        self._key = key
        self._place = f"{key}={path}" if key == "out" else str(path)
        self._facts = dict(facts)
        self._file = path / SAMPLE_FILE

    def sample(self, index: int) -> Path:
        """Return the file of a sample."""
        return self.images / f"{index:06d}{self._medium.suffix}"

    def holds_more_than(self, count: int) -> bool:
        """Whether more images of this very set are there."""
        if not self._file.is_file():
            return False
        facts = read_json(self._file).get("facts")
        if not isinstance(facts, dict) or self._differing(facts):
            return False
        pattern = r"\d{6}" + re.escape(self._medium.suffix)
        return any(re.fullmatch(pattern, name) and int(name[:6]) >= count for name in self._names())

    def check_space(self, count: int) -> None:
        """Refuse a set for which the disk has no room, before a sample is drawn.

        Raises:
            UserError: it has none, or the place can't be written to.
        """
        check_can_write(self.path, self._key)
        each = -(-self._medium.largest_file() // _BLOCK) * _BLOCK
        needed = max(0, count - len(self._names())) * each
        there = next(place for place in (self.path, *self.path.absolute().parents) if place.exists())
        free = shutil.disk_usage(there).free
        if needed > free or count > MOST:
            why = (
                f"and {there} has {human_bytes(free)} left" if needed > free else f"more than the {MOST:,} of a folder"
            )
            raise UserError(f"count={count}: so many samples take up to {human_bytes(needed)}, {why}")

    def begin(self, count: int, conditions: Conditions | None) -> set[int]:
        """Make the folder ready for a set, and return the chunks of which all images are there.

        Raises:
            UserError: it holds something else, which is left as it is.
        """
        names = self._names()
        expected = {self.sample(index).name for index in range(count)}
        begun = read_json(self._file) if self._file.is_file() else None
        if begun is None and self.path.is_dir() and any(self.path.iterdir()):
            raise UserError(f"{self._place} is neither empty nor a set of `sample`: {self._remedy}")
        if begun is not None:
            self._compare(begun, conditions)
        if others := sorted(names - expected):
            more = f"more than count={count} images, such as" if others[0][:6].isdigit() else "something else,"
            raise UserError(f"{self._place} holds {more} {others[0]}: {self._remedy}")
        self.images.mkdir(parents=True, exist_ok=True)
        for part in self.images.glob("[0-9]*.part"):
            part.unlink()
        # The old picture would be that of fewer images.
        self.grid.unlink(missing_ok=True)
        write_json({"facts": self._facts, "count": count, "conditions_sha256": _digest(conditions)}, self._file)
        return {
            chunk
            for chunk, size in chunks(count)
            if all(self.sample(chunk * CHUNK + index).name in names for index in range(size))
        }

    @property
    def _remedy(self) -> str:
        return "it is left as it is; name another folder by out=FOLDER, or remove it"

    def _names(self) -> set[str]:
        try:
            found = {path.name for path in self.images.iterdir()}
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise UserError(f"{self._place} can't be read: {error.strerror}") from error
        return {name for name in found if not name.startswith(".") and not name.endswith(".part")}

    def _differing(self, facts: Mapping[str, Any]) -> list[str]:
        """Return the keys in which the facts of a set differ from this one's; earlier versions wrote fewer of them."""
        return sorted(key for key in facts.keys() | self._facts.keys() if facts.get(key) != self._facts.get(key))

    def _compare(self, begun: Mapping[str, Any], conditions: Conditions | None) -> None:
        facts, count = begun.get("facts"), begun.get("count")
        if not isinstance(facts, dict) or not isinstance(count, int):
            raise UserError(f"{self._file} is damaged: {self._remedy}")
        if names := self._differing(facts):
            said = ", ".join(f"{name} {_shown(facts.get(name))}, not {_shown(self._facts.get(name))}" for name in names)
            raise UserError(f"{self._place} holds another set, of {said}: {self._remedy}")
        so_far = None if conditions is None else conditions[:count]
        if (so_far is None or len(so_far) == count) and _digest(so_far) != begun.get("conditions_sha256"):
            raise UserError(f"{self._place} holds a set of other sources or classes: {self._remedy}")


def choose_sample_folder(run: OpenRun, config: DictConfig) -> SampleFolder:
    """Return the folder of the set that is asked for; within the run folder unless `out` names another.

    Fewer images than are there already get a folder of their own, since a folder is what is scored.

    Raises:
        UserError: there is no room for the set, or its place can't be written to.
    """
    facts, medium = _facts(run, config), run.data.medium
    if config.out:
        folder = SampleFolder(Path(config.out), "out", facts, medium)
    else:
        name = _name(run, config, facts)
        folder = SampleFolder(run.folder.samples / name, "run", facts, medium)
        if folder.holds_more_than(config.count):
            folder = SampleFolder(run.folder.samples / f"{name}_first{config.count}", "run", facts, medium)
    try:
        folder.check_space(config.count)
    except UserError as error:
        raise UserError(str(error) if config.out else f"{error}; name another place by out=FOLDER") from error
    return folder


def _facts(run: OpenRun, config: DictConfig) -> dict[str, Any]:
    """Return what identifies a set among others of the same run, as JSON has it."""
    sampler = run.settings.get("sampler")
    mask = None if config.mask is None else Path(config.mask)
    return {
        "checkpoint": config.checkpoint,
        "step": run.step,
        "weights": _fingerprint(run.method),
        "seed": config.seed,
        **{key: _asked(run, key, config[key]) for key in ASKED},
        "prompts": None if config.prompts is None else _file_digest(config.prompts),
        "guidance": run.settings.method.get("guidance"),
        "sampler": None if sampler is None else OmegaConf.to_container(sampler, resolve=True),
        "mask": config.mask if mask is None or not mask.is_file() else hashlib.sha256(mask.read_bytes()).hexdigest(),
        "sources": config.sources,
        "back": bool(config.back),
        "chunk": CHUNK,
    }


def _name(run: OpenRun, config: DictConfig, facts: Mapping[str, Any]) -> str:
    own = run.folder.read_config()
    parts = [config.checkpoint, *([] if config.checkpoint.startswith("step_") else [f"step{run.step}"])]
    parts.append(f"seed{config.seed}")
    for key in ASKED:
        if facts[key] is not None:
            text = str(facts[key])
            parts.append(f"{key}{text}" if key == "label" else f"{key}-{text}-{_short_hash(text)}")
    if facts["prompts"] is not None:
        parts.append(f"prompts-{Path(config.prompts).stem}-{facts['prompts'][:6]}")
    if facts["guidance"] != own.method.get("guidance"):
        parts.append(f"guidance{facts['guidance']:g}")
    if facts["sampler"] != (None if own.get("sampler") is None else OmegaConf.to_container(own.sampler, resolve=True)):
        settings = {key: value for key, value in facts["sampler"].items() if not key.startswith("_")}
        words = [facts["sampler"]["_target_"].rpartition(".")[2], *(f"{key}{value}" for key, value in settings.items())]
        parts.append("-".join(words))
    if config.mask is not None:
        parts.append(
            f"mask-{Path(config.mask).stem}" + (f"-{facts['mask'][:6]}" if facts["mask"] != config.mask else "")
        )
    if config.sources is not None:
        parts.append(f"sources-{Path(config.sources).stem}-{_short_hash(facts['sources'])}")
    if config.back:
        parts.append("back")
    return "_".join(map(_short, parts))


def _short(part: str) -> str:
    """Return a part of a name as any file system takes it."""
    plain = re.sub(r"[^\w.+-]", "-", part, flags=re.ASCII)
    return plain if len(plain) <= _LONGEST else f"{plain[:40]}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"


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


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:6]


def _file_digest(path: str) -> str | None:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16] if Path(path).is_file() else None


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[:12]}..."


def _fingerprint(method: nn.Module) -> str:
    """Return a fingerprint of a method's weights."""
    digest = hashlib.sha256()
    for name, value in sorted((first_name(name), value) for name, value in method.state_dict().items()):
        digest.update(name.encode())
        if isinstance(value, Tensor):
            digest.update(_bytes(value))
    return digest.hexdigest()[:16]


def _digest(conditions: Conditions | None) -> str | None:
    return None if conditions is None else hashlib.sha256(_bytes(conditions.rows)).hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
