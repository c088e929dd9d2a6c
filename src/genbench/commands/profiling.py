"""Where the time of a training goes, if one asks."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from lightning.pytorch.profilers import AdvancedProfiler, PassThroughProfiler, Profiler, PyTorchProfiler, SimpleProfiler

from genbench.errors import UserError

_PROFILERS = {"simple": SimpleProfiler, "advanced": AdvancedProfiler, "pytorch": PyTorchProfiler}


class Unprofiled(PassThroughProfiler):
    """Measure nothing, and cost nothing.

    Lightning asks for a context around each hook of each callback, some eighty a step, and its own that measures
    nothing builds a generator for each.
    """

    _NOTHING: AbstractContextManager[None] = nullcontext()

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Return the same empty context every time."""
        return self._NOTHING


def check_profiler(name: str | None) -> None:
    """Check what `trainer.profiler` says.

    Raises:
        UserError: there is no such profiler.
    """
    if name not in (None, *_PROFILERS):
        raise UserError(f"trainer.profiler={name} is none of {', '.join(_PROFILERS)}")


def make_profiler(name: str | None, folder: Path) -> Profiler:
    """Return the profiler of a name, which writes into a folder; for None one that does nothing."""
    return Unprofiled() if name is None else _PROFILERS[name](dirpath=folder, filename="profile")
