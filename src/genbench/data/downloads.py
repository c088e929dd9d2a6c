"""Downloads that leave nothing behind when they fail."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from genbench.files import nearest_folder


@contextmanager
def fetched(target: Path) -> Iterator[None]:
    """Have a file or folder fetched that is not there yet; if that fails, it and the folders made for it are removed.

    A folder under a mistyped root would look like data, and a file cut short would be taken for the whole one.
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
