"""One verb a file: read the configuration, assemble, run. The only room that knows all the others."""

from collections.abc import Callable, Sequence
from importlib import import_module

from omegaconf import DictConfig

_ASK_FOR_OVERRIDES = ("train", "evaluate", "edit", "classify", "import")

_FILES = {"import": "import_weights"}
"""The files of the verbs that are called otherwise: `import` is a word of Python."""


def load(verb: str) -> Callable[[DictConfig, Sequence[str]], float | None]:
    """Return the function that runs a verb on its composed configuration; this imports what the verb needs.

    From then on, CPUs take numbers below the normal range for zero.

    The function takes the overrides that led to the configuration, too: a training and an edit keep them in their
    manifests, an evaluation refuses those that would have no effect. A training returns its monitored score.
    """
    import torch

    # Sharp attention leaves weights below float32's normal range, with which CPUs reckon many times slower. A thread
    # takes the setting from the one that starts it, so it precedes them all.
    torch.set_flush_denormal(True)
    main = import_module(f"genbench.commands.{_FILES.get(verb, verb)}").main

    def run(config: DictConfig, overrides: Sequence[str]) -> float | None:
        score: float | None = main(config, [*overrides]) if verb in _ASK_FOR_OVERRIDES else main(config)
        return score

    return run
