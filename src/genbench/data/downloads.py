"""Downloads that clean up after a failure."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genbench.files import nearest_folder


@contextmanager
def fetched(target: Path) -> Iterator[None]:
    """Guard the download of a missing file or folder: on failure it and the folders made for it are removed.

    Otherwise a folder under a mistyped root would look like data, and a truncated file like a complete one.
    """
    there, kept = target.exists(), nearest_folder(target.parent)
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):
                shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
                for folder in target.parents:
                    if folder == kept:
                        break
                    folder.rmdir()
        raise
