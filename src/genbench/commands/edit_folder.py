"""Where `edit` writes: a folder of its own, as a run has one.

<editor>-<settings>_<checkpoint>_step<N>_seed<S>[_label...][_sampler...][_mask...][_images...]_count<N>/
    config.yaml    the settings of the command
    manifest.json  the command, revision, versions, machine, the run with the checkpoint's hash
    pictures/      00000.png, 00001.png, ...: what each edit ends with
    intermediate/  00000/000.png, 001.png, ...: pictures on the way, if there are any
    beside/        00000/000.png, 001.png, ...: pictures that belong to each, such as heat maps, if there are any
    grid.png       what the first edits begin with and end with
    animation.gif  the pictures on the way of the first edits, if there are any
    scores.json    the scores of each edit, and what they mean
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from genbench.commands.edit_inputs import Gathered
from genbench.commands.opening import OpenRun
from genbench.commands.provenance import (
    another_place,
    as_name,
    built_name,
    check_space,
    digest,
    facts_of,
    file_digest,
    name_parts,
    path_name,
)
from genbench.commands.result_folder import ResultFolder
from genbench.config import short_name
from genbench.editing.base import Editor
from genbench.editing.masks import MASKS
from genbench.files import check_can_write
from genbench.medium import Medium
from genbench.runs.edit_files import EditFiles
from genbench.runs.fingerprint import digest_of
from genbench.runs.part_files import Part


class EditFolder(ResultFolder):
    """The folder of some edits.

    Args:
        path: where it is.
        key: the setting that named the place, for messages.
        facts: what the edits depend on.
        medium: what a result is.

    Attributes:
        files: where its parts are.
    """

    what, an = "edit", "an"

    def __init__(self, path: Path, key: str, facts: Mapping[str, Any], medium: Medium) -> None:
        self.files = EditFiles(path)
        super().__init__(self.files, key, facts)
        self._medium = medium

    def picture(self, index: int) -> Path:
        """Return the file of a result."""
        return self.files.pictures / f"{index:05d}{self._medium.suffix}"

    def intermediate(self, index: int, number: int) -> Path:
        """Return the file of a picture on the way."""
        return self.files.intermediate / f"{index:05d}" / f"{number:03d}.png"

    def beside(self, index: int, number: int) -> Path:
        """Return the file of a picture that is shown beside a result."""
        return self.files.beside / f"{index:05d}" / f"{number:03d}.png"

    def is_finished(self, count: int) -> bool:
        """Whether all of these very edits are there.

        Raises:
            UserError: it holds something else, which is left as it is.
        """
        return self.has_finished() and all(self.picture(index).is_file() for index in range(count))


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
        "images_sha256": _digest(given.images if given.shots is None else given.shots),
        "others_sha256": _digest(given.others),
        "driver_sha256": _digest(given.driver),
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
    named += [path_name(key, config[key]) for key in ("images", "others", "driver") if config[key] is not None]
    return as_name([*named, f"count{facts['count']}"])


def _digest(images: Tensor | None) -> str | None:
    return None if images is None else digest_of(images)


def _mask(name: str) -> str | None:
    """Return the name of a part, or what tells a picture from others."""
    return name if name in MASKS else file_digest(name)
