"""Statistics of a reference from a file: the mean and the covariance of its features, as others publish them."""

import hashlib
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch

from genbench.errors import UserError, first_line
from genbench.metrics.features import FeatureSet

_LAYOUTS = "mu (D,) and sigma (D, D), as pytorch-fid and EDM write them"


def read_statistics(path: Path, dimensions: int, class_count: int) -> FeatureSet:
    """Return the reference of a file, with neither features nor logits of single images.

    Args:
        path: an `.npz` with `mu` (D,) and `sigma` (D, D).
        dimensions: D, of the extractor that it is to be used with.
        class_count: classes of that extractor.

    Raises:
        UserError: it is no such file, or of another number of dimensions.
    """
    mean, covariance = (torch.from_numpy(array) for array in _read(path))
    if tuple(mean.shape) != (dimensions,) or tuple(covariance.shape) != (dimensions, dimensions):
        raise UserError(
            f"metrics.reference={path} has mu {tuple(mean.shape)} and sigma {tuple(covariance.shape)}, and the "
            f"features of metrics.extractor have {dimensions} dimensions: choose the extractor that made the file"
        )
    if not (mean.isfinite().all() and covariance.isfinite().all()):
        raise UserError(f"metrics.reference={path} holds NaN or infinite values")
    if not torch.allclose(covariance, covariance.T, rtol=1e-4, atol=1e-6 * float(covariance.abs().max())):
        raise UserError(f"metrics.reference={path}: sigma is not symmetric, so it is no covariance")
    return FeatureSet(mean, covariance, torch.empty(0, dimensions), torch.empty(0, class_count), count=0)


def warn_of_protocol(path: Path) -> None:
    """Say that nobody knows how the statistics of a file were made."""
    print(
        f"genbench: warning: metrics.reference={path} does not record how its statistics were made (extractor, resize, "
        "number of images): the scores are right only if it was in the same way as here",
        file=sys.stderr,
        flush=True,
    )


def hash_statistics(path: Path) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a file.

    Raises:
        UserError: it can't be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise UserError(f"metrics.reference={path} can't be read: {error.strerror}") from error


def check_statistics(path: Path) -> None:
    """Check that a file may be one of statistics, before anything else is done.

    Raises:
        UserError: it is not.
    """
    if path.suffix in (".pkl", ".pickle"):
        raise UserError(
            f"metrics.reference={path}: a pickle can run code as it is opened; convert it to an .npz with "
            f"{_LAYOUTS}, by numpy.savez where you trust it"
        )
    if path.suffix != ".npz":
        raise UserError(f"metrics.reference={path} must be an .npz with {_LAYOUTS}")
    _read(path)


def _read(path: Path) -> list[np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as content:
            missing = [name for name in ("mu", "sigma") if name not in content.files]
            if missing:
                raise UserError(
                    f"metrics.reference={path} has no {' and no '.join(missing)}, only {', '.join(content.files)}: it "
                    f"must hold {_LAYOUTS}"
                )
            arrays = [content[name] for name in ("mu", "sigma")]
    except OSError as error:
        raise UserError(f"metrics.reference={path} can't be read: {error.strerror or first_line(error)}") from error
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise UserError(f"metrics.reference={path} can't be read: {first_line(error)}") from error
    if not all(np.issubdtype(array.dtype, np.floating) for array in arrays):
        raise UserError(f"metrics.reference={path}: mu and sigma must be floating-point numbers")
    return [array.astype(np.float64) for array in arrays]
