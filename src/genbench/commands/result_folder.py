"""A folder with the results of one command, as `edit` and `classify` write it: nothing in it is ever replaced.

It is whole only when its manifest says "finished": one that was cut short is begun anew by the same command.
"""

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol

import yaml
from omegaconf import DictConfig, OmegaConf

from genbench.commands.provenance import LEFT_ALONE, differing, in_words
from genbench.errors import UserError
from genbench.files import nearest_folder, read_json, write_json, written_whole


class ResultFiles(Protocol):
    """Where the parts of such a folder are."""

    path: Path
    config: Path
    manifest: Path

    def all(self) -> Iterator[Path]:
        """Yield all of them; the manifest, which says what the folder is, comes last."""
        ...


class ResultFolder:
    """The folder of one command's results.

    Args:
        files: where its parts are.
        key: the setting that named the place, for messages.
        facts: what the results depend on.
    """

    what: ClassVar[str]
    """What the results are, in a word: the key of the facts in the manifest, too."""

    an: ClassVar[str] = "a"
    """The article before that word."""

    def __init__(self, files: ResultFiles, key: str, facts: Mapping[str, Any]) -> None:
        self._files = files
        self._place = f"{key}={files.path}" if key == "out" else str(files.path)
        self.facts = dict(facts)
        self._kept = nearest_folder(files.path)
        self._begun = time.monotonic()

    @contextmanager
    def writing(self, config: DictConfig, **facts: Any) -> Iterator[None]:
        """Begin, let the results be written, and finish; what was cut short by an error is discarded.

        Args:
            config: the settings of the command.
            facts: what else the manifest has.

        Raises:
            UserError: the folder can't be written, or what is done meanwhile raised it.
        """
        try:
            self.begin(config, **facts)
            yield
            self.finish()
        except (OSError, UserError) as error:
            with suppress(OSError):
                self.discard()
            if isinstance(error, UserError):
                raise
            raise UserError(f"{self._files.path} can't be written: {error.strerror or error}") from error

    def has_finished(self) -> bool:
        """Whether these very results are there.

        Raises:
            UserError: it holds something else, which is left as it is.
        """
        path = self._files.path
        if not path.exists():
            return False
        foreign = UserError(f"{self._place} is neither empty nor {self.an} {self.what}: {LEFT_ALONE}")
        if not self._files.manifest.is_file():
            if not path.is_dir() or any(not child.name.endswith(".part") for child in path.iterdir()):
                raise foreign
            return False
        manifest = read_json(self._files.manifest)
        facts = manifest.get(self.what)
        if not isinstance(facts, dict):
            raise foreign
        if names := differing(facts, self.facts):
            how = in_words(names, facts, self.facts)
            raise UserError(f"{self._place} holds another {self.what}, of {how}: {LEFT_ALONE}")
        return "finished" in manifest

    def begin(self, config: DictConfig, **described: Any) -> None:
        """Make the folder, without what was cut short, and write what is known before the work."""
        self._remove()
        self._files.path.mkdir(parents=True, exist_ok=True)
        write_json({self.what: self.facts, **described}, self._files.manifest)
        with written_whole(self._files.config) as beside:
            beside.write_text(yaml.safe_dump(OmegaConf.to_container(config, resolve=True), sort_keys=False))

    def finish(self) -> None:
        """Say that all is there."""
        done = {"seconds": round(time.monotonic() - self._begun, 1), "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}
        write_json(read_json(self._files.manifest) | done, self._files.manifest)

    def discard(self) -> None:
        """Remove what was written, and the folders that were made for it."""
        self._remove()
        for folder in (self._files.path, *self._files.path.parents):
            if folder == self._kept:
                return
            try:
                folder.rmdir()
            except OSError:
                return

    def _remove(self) -> None:
        for path in self._files.all():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
