"""The edits of a run as plain data, for the report: nothing is built."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from genbench.errors import UserError, first_line
from genbench.files import read_json
from genbench.runs.edit_files import EditFiles


@dataclass(frozen=True)
class EditRecord:
    """What the folder of an edit says of itself.

    Attributes:
        name: of the folder.
        command: that makes it again.
        settings: its configuration, as YAML.
        scores: the mean of each score over its edits, in words.
        grid: a picture of the results.
        animation: one that moves, or None.
    """

    name: str
    command: str
    settings: str
    scores: str
    grid: Path
    animation: Path | None


def find_edits(folder: Path) -> list[EditFiles]:
    """Return the edits in the folder of a run that holds them."""
    if not folder.is_dir():
        return []
    return [EditFiles(path) for path in sorted(folder.iterdir()) if (path / "manifest.json").is_file()]


def is_edit(path: Path) -> bool:
    """Whether a folder is that of an edit, which has the files of a run and is none."""
    files = EditFiles(path)
    if not (files.manifest.is_file() and files.pictures.is_dir()):
        return False
    try:
        return "edit" in read_json(files.manifest)
    except UserError:
        return False


def read_edits(folders: Iterable[EditFiles], problems: list[str]) -> list[EditRecord]:
    """Return the edits that are finished.

    Args:
        folders: of edits.
        problems: to which is added what can't be read.
    """
    records = []
    for files in folders:
        try:
            manifest = read_json(files.manifest)
            if "finished" in manifest:
                records.append(
                    EditRecord(
                        name=files.path.name,
                        command=str(manifest["command"]),
                        settings=files.config.read_text(encoding="utf-8"),
                        scores=mean_scores(files.scores),
                        grid=files.grid,
                        animation=files.animation if files.animation.is_file() else None,
                    )
                )
        except UserError as error:
            problems.append(str(error))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problems.append(f"{files.path} is damaged: {first_line(error)}")
    return records


def mean_scores(file: Path) -> str:
    """Return the mean of each score in a file over its edits, in words; of a curve that of its last values.

    Raises:
        UserError: the file can't be read.
    """
    if not file.is_file():
        return ""
    values = read_json(file)["values"]
    lasts = {name: [one[-1] if isinstance(one, list) else one for one in each] for name, each in values.items()}
    return ", ".join(f"{name} {statistics.fmean(each):.4g}" for name, each in lasts.items())
