"""Where `edit` writes: a folder of its own, as a run has one.

    <editor>-<settings>_<checkpoint>_step<N>_seed<S>[_label...][_sampler...][_mask...][_images...]_count<N>/
        config.yaml    the settings of the command
        manifest.json  the command, revision, versions, machine, the run with the checkpoint's hash
        pictures/      00000.png, 00001.png, ...: what each edit ends with
        intermediate/  00000/000.png, 001.png, ...: pictures on the way, if there are any
        grid.png       what the first edits begin with and end with
        animation.gif  the pictures on the way of the first edits, if there are any
        scores.json    the scores of each edit, and what they mean

It is whole only when its manifest says "finished": one that was cut short is begun anew by the same command.
"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from genbench.commands.edit_inputs import Gathered
from genbench.commands.opening import OpenRun
from genbench.commands.provenance import (
    LEFT_ALONE,
    another_place,
    as_name,
    built_name,
    check_space,
    differing,
    digest,
    facts_of,
    file_digest,
    in_words,
    name_parts,
    path_name,
)
from genbench.config import short_name
from genbench.editing.base import Editor
from genbench.editing.masks import MASKS
from genbench.errors import UserError
from genbench.files import check_can_write, nearest_folder, read_json, write_json, written_whole
from genbench.medium import Medium
from genbench.runs.edit_files import EditFiles
from genbench.runs.fingerprint import digest_of
from genbench.runs.part_files import Part


class EditFolder:
    """The folder of some edits.

    Args:
        path: where it is.
        key: the setting that named the place, for messages.
        facts: what the edits depend on.
        medium: what a result is.

    Attributes:
        files: where its parts are.
        facts: what the edits depend on.
    """

    def __init__(self, path: Path, key: str, facts: Mapping[str, Any], medium: Medium) -> None:
        self.files = EditFiles(path)
        self._medium = medium
        self._place = f"{key}={path}" if key == "out" else str(path)
        self.facts = dict(facts)
        self._kept = nearest_folder(path)
        self._begun = time.monotonic()

    def picture(self, index: int) -> Path:
        """Return the file of a result."""
        return self.files.pictures / f"{index:05d}{self._medium.suffix}"

    def intermediate(self, index: int, number: int) -> Path:
        """Return the file of a picture on the way."""
        return self.files.intermediate / f"{index:05d}" / f"{number:03d}.png"

    def is_finished(self, count: int) -> bool:
        """Whether all of these very edits are there.

        Raises:
            UserError: it holds something else, which is left as it is.
        """
        path = self.files.path
        if not path.exists():
            return False
        if not self.files.manifest.is_file():
            if not path.is_dir() or any(not child.name.endswith(".part") for child in path.iterdir()):
                raise UserError(f"{self._place} is neither empty nor an edit: {LEFT_ALONE}")
            return False
        manifest = read_json(self.files.manifest)
        facts = manifest.get("edit")
        if not isinstance(facts, dict):
            raise UserError(f"{self._place} is neither empty nor an edit: {LEFT_ALONE}")
        if names := differing(facts, self.facts):
            raise UserError(f"{self._place} holds another edit, of {in_words(names, facts, self.facts)}: {LEFT_ALONE}")
        return "finished" in manifest and all(self.picture(index).is_file() for index in range(count))

    def begin(self, config: DictConfig, **described: Any) -> None:
        """Make the folder, without what an edit that was cut short left, and write what is known before the work."""
        self._remove()
        self.files.path.mkdir(parents=True, exist_ok=True)
        write_json({"edit": self.facts, **described}, self.files.manifest)
        with written_whole(self.files.config) as beside:
            beside.write_text(yaml.safe_dump(OmegaConf.to_container(config, resolve=True), sort_keys=False))

    def finish(self) -> None:
        """Say that all is there."""
        done = {"seconds": round(time.monotonic() - self._begun, 1), "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        write_json(read_json(self.files.manifest) | done, self.files.manifest)

    def discard(self) -> None:
        """Remove what was written, and the folders that were made for it."""
        self._remove()
        for folder in (self.files.path, *self.files.path.parents):
            if folder == self._kept:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def _remove(self) -> None:
        for path in self.files.all():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def choose_edit_folder(
    run: OpenRun, editor: Editor, config: DictConfig, given: Gathered, parts: Mapping[str, Part]
) -> EditFolder:
    """Return the folder of the edits that are asked for; within the run folder unless `out` names another.

    Raises:
        UserError: there is no room for them, or the place can't be written to.
    """
    facts = _facts(run, editor, config, given) | {name: part.sha256 for name, part in _keyed(parts).items()}
    if config.out:
        path, key = Path(config.out), "out"
    else:
        path, key = run.folder.edits / _name(run, config, facts, parts), "run"
    with another_place(config):
        check_can_write(path, key)
        check_space(path, editor.medium, given.count)
    return EditFolder(path, key, facts, editor.medium)


def _facts(run: OpenRun, editor: Editor, config: DictConfig, given: Gathered) -> dict[str, Any]:
    return {
        "editor": OmegaConf.to_container(config.editor, resolve=True),
        "count": given.count,
        **facts_of(run, config),
        "mask": None if config.mask is None else _mask(config.mask),
        "images": config.images,
        "images_sha256": None if given.images is None else digest_of(given.images),
        "conditions_sha256": digest(given.conditions),
        "chunk": editor.chunk,
    }


def _keyed(parts: Mapping[str, Part]) -> dict[str, Part]:
    return {f"parts.{name}": part for name, part in parts.items()}


def _name(run: OpenRun, config: DictConfig, facts: Mapping[str, Any], parts: Mapping[str, Part]) -> str:
    named = [built_name(short_name(config.editor), config.editor), *name_parts(run, config, facts)]
    named += [f"{name}-{short_name(part.settings.method)}-{part.sha256[:6]}" for name, part in parts.items()]
    if config.mask is not None:
        own = "" if facts["mask"] == config.mask else f"-{facts['mask'][:6]}"
        named.append(f"mask-{Path(config.mask).stem}{own}")
    if config.images is not None:
        named.append(path_name("images", config.images))
    return as_name([*named, f"count{facts['count']}"])


def _mask(name: str) -> str | None:
    """Return the name of a part, or what tells a picture from others."""
    return name if name in MASKS else file_digest(name)
