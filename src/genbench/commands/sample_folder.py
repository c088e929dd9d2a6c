"""Where `sample` writes: a folder a set, named by what makes the set differ, in which nothing else lies.

    <checkpoint>_step<N>_seed<S>[_label...|_prompt...][_guidance...|_truncation...][_sampler...][_sources...][_back]/
        sample.json   what the set depends on
        images/       000000.png, 000001.png, ...; points as 000000.npy
        grid.png      the first hundred

Image i of a set depends on (seed, i) and on no other image, so a set that was begun is continued, chunk by chunk, and a
larger one continues a smaller one.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from genbench.commands.opening import OpenRun
from genbench.commands.provenance import (
    LEFT_ALONE,
    another_place,
    as_name,
    check_space,
    differing,
    digest,
    facts_of,
    in_words,
    name_parts,
)
from genbench.conditions.base import Conditions
from genbench.data.sample_set import SAMPLE_FILE, SAMPLE_IMAGES
from genbench.errors import UserError
from genbench.files import check_can_write, read_json, write_json
from genbench.medium import Medium
from genbench.randomness import CHUNK, chunks


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
        if not isinstance(facts, dict) or differing(facts, self._facts):
            return False
        pattern = r"\d{6}" + re.escape(self._medium.suffix)
        return any(re.fullmatch(pattern, name) and int(name[:6]) >= count for name in self._names())

    def check_space(self, count: int) -> None:
        """Refuse a set for which the disk has no room, before a sample is drawn.

        Raises:
            UserError: it has none, or the place can't be written to.
        """
        check_can_write(self.path, self._key)
        check_space(self.path, self._medium, count, already=len(self._names()))

    def begin(self, count: int, conditions: Conditions | None) -> set[int]:
        """Make the folder ready for a set, and return the chunks of which all images are there.

        Raises:
            UserError: it holds something else, which is left as it is.
        """
        names = self._names()
        expected = {self.sample(index).name for index in range(count)}
        begun = read_json(self._file) if self._file.is_file() else None
        if begun is None and self.path.is_dir() and any(self.path.iterdir()):
            raise UserError(f"{self._place} is neither empty nor a set of `sample`: {LEFT_ALONE}")
        if begun is not None:
            self._compare(begun, conditions)
        if others := sorted(names - expected):
            more = f"more than count={count} images, such as" if others[0][:6].isdigit() else "something else,"
            raise UserError(f"{self._place} holds {more} {others[0]}: {LEFT_ALONE}")
        self.images.mkdir(parents=True, exist_ok=True)
        for part in self.images.glob("[0-9]*.part"):
            part.unlink()
        # The old picture would be that of fewer images.
        self.grid.unlink(missing_ok=True)
        write_json({"facts": self._facts, "count": count, "conditions_sha256": digest(conditions)}, self._file)
        return {
            chunk
            for chunk, size in chunks(count)
            if all(self.sample(chunk * CHUNK + index).name in names for index in range(size))
        }

    def _names(self) -> set[str]:
        try:
            found = {path.name for path in self.images.iterdir()}
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise UserError(f"{self._place} can't be read: {error.strerror}") from error
        return {name for name in found if not name.startswith(".") and not name.endswith(".part")}

    def _compare(self, begun: Mapping[str, Any], conditions: Conditions | None) -> None:
        facts, count = begun.get("facts"), begun.get("count")
        if not isinstance(facts, dict) or not isinstance(count, int):
            raise UserError(f"{self._file} is damaged: {LEFT_ALONE}")
        if names := differing(facts, self._facts):
            how = in_words(names, facts, self._facts)
            raise UserError(f"{self._place} holds another set, of {how}: {LEFT_ALONE}")
        so_far = None if conditions is None else conditions[:count]
        if (so_far is None or len(so_far) == count) and digest(so_far) != begun.get("conditions_sha256"):
            raise UserError(f"{self._place} holds a set of other sources or classes: {LEFT_ALONE}")


def choose_sample_folder(run: OpenRun, config: DictConfig) -> SampleFolder:
    """Return the folder of the set that is asked for; within the run folder unless `out` names another.

    Fewer images than are there already get a folder of their own, since a folder is what is scored.

    Raises:
        UserError: there is no room for the set, or its place can't be written to.
    """
    facts = facts_of(run, config) | {"back": bool(config.back), "chunk": CHUNK}
    # A method need not draw what its data has: a prior draws embeddings.
    medium = run.data.medium if config.back else run.method.medium
    if config.out:
        folder = SampleFolder(Path(config.out), "out", facts, medium)
    else:
        name = as_name([*name_parts(run, config, facts), *(["back"] if config.back else [])])
        folder = SampleFolder(run.folder.samples / name, "run", facts, medium)
        if folder.holds_more_than(config.count):
            folder = SampleFolder(run.folder.samples / f"{name}_first{config.count}", "run", facts, medium)
    with another_place(config):
        folder.check_space(config.count)
    return folder
