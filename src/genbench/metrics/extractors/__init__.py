"""Extractors, one file each, found by the name of the file.

A file has a function `load` that returns the `Extractor`; it is given what it asks for by name: `weights`, the file of
`metrics.weights`, and `medium`, what a sample is. Nothing here imports torch until an extractor is loaded.
"""

import importlib
from typing import TYPE_CHECKING, Any

from genbench.errors import UserError, near
from genbench.signatures import modules_of, parameters_of

if TYPE_CHECKING:
    from genbench.medium import Medium
    from genbench.metrics.extractor import Extractor


OF_RUN = "run:"
"""What `metrics.extractor` begins with where it names a run; whoever opens runs makes an extractor of it."""


def names() -> list[str]:
    """Return the extractors that can be chosen by name."""
    return modules_of(__name__)


def check_extractor(setting: str) -> None:
    """Check that a setting names an extractor.

    Raises:
        UserError: there is no such extractor.
    """
    if setting not in names() and not setting.startswith(OF_RUN):
        raise UserError(
            f"metrics.extractor must be one of {', '.join(names())} or {OF_RUN}FOLDER, not "
            f"{setting!r}{near(setting, names())}"
        )


def needs_medium(setting: "str | Extractor") -> bool:
    """Return whether an extractor can be loaded only once it is known what a sample is."""
    return isinstance(setting, str) and "medium" in (parameters_of(f"{__name__}.{setting}.load") or {})


def load_extractor(
    setting: "str | Extractor", weights: str | None = None, medium: "Medium | None" = None
) -> "Extractor":
    """Return the extractor that `metrics.extractor` asks for: the only place that knows how.

    Args:
        setting: the name of a file of this folder, or an extractor that is there already, as a `_target_` makes one.
        weights: file of the weights; None for the extractor's own.
        medium: what a sample is; for the extractors that ask for it.

    Raises:
        UserError: there is no such extractor, its weights are not available, or it takes none.
    """
    if not isinstance(setting, str):
        if weights is not None:
            raise UserError(f"metrics.weights has no effect: {type(setting).__name__} is an extractor of its own")
        return setting
    check_extractor(setting)
    if setting.startswith(OF_RUN):
        raise UserError(f"metrics.extractor={setting} is of a run, which must be opened first")
    asked = parameters_of(f"{__name__}.{setting}.load") or {}
    given: dict[str, Any] = {"weights": weights, "medium": medium}
    if weights is not None and "weights" not in asked:
        raise UserError(f"metrics.weights has no effect: metrics.extractor={setting} takes none")
    load = importlib.import_module(f"{__name__}.{setting}").load
    extractor: Extractor = load(**{name: given[name] for name in asked})
    return extractor
