"""A sweep that searches: its settings are drawn, and each run's monitored score says where to look next."""

import time
from importlib.util import find_spec
from pathlib import Path

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from genbench.config import as_overrides
from genbench.config.suits import chosen_value
from genbench.errors import UserError
from genbench.score_names import better

_OPTUNA = ("optuna", "search")


def check_sweeper(overrides: list[str]) -> None:
    """Check that what `hydra/sweeper=` names is installed here.

    Raises:
        UserError: it is not.
    """
    sweeper = chosen_value("hydra/sweeper", overrides)
    if sweeper in _OPTUNA and (
        find_spec("hydra_plugins") is None or find_spec("hydra_plugins.hydra_optuna_sweeper") is None
    ):
        raise UserError(f"hydra/sweeper={sweeper} takes hydra-optuna-sweeper: pip install 'genbench[search]'")


def search_overrides(overrides: list[str], config: DictConfig) -> list[str]:
    """Return what a search is launched with besides: its direction, which follows from the score, and its folder.

    Raises:
        UserError: the runs have no score to be searched by.
    """
    if chosen_value("hydra/sweeper", overrides) not in _OPTUNA:
        return []
    callbacks = config.get("callbacks") or {}
    if config.get("metrics") is None or callbacks.get("scores") is None or callbacks.get("checkpoints") is None:
        raise UserError(
            "a search goes by callbacks.checkpoints.monitor, and these runs make no scores: choose metrics=digits or "
            "inception, and keep callbacks.scores and callbacks.checkpoints"
        )
    best = better(str(callbacks["checkpoints"].monitor).removeprefix("score/"))
    folder = Path(config.output, "sweeps", time.strftime("%Y-%m-%d_%H-%M-%S"))
    own = {
        "hydra.sweeper.direction": "maximize" if best == "max" else "minimize",
        "hydra.sweep.dir": str(folder),
    }
    given = {line.partition("=")[0] for line in overrides}
    return as_overrides([f"{key}={value}" for key, value in own.items() if key not in given], multirun=False)


def say_best(overrides: list[str], config: DictConfig) -> None:
    """Print the best run of a search that has come to its end."""
    if chosen_value("hydra/sweeper", overrides) not in _OPTUNA:
        return
    folder = OverridesParser.create().parse_override(
        next(line for line in reversed(overrides) if line.startswith("hydra.sweep.dir="))
    )
    results = Path(str(getattr(folder.value(), "text", folder.value()))) / "optimization_results.yaml"
    if results.is_file():
        found = yaml.safe_load(results.read_text())
        settings = " ".join(f"{key.lstrip('+')}={value}" for key, value in found.get("best_params", {}).items())
        print(f"best {config.callbacks.checkpoints.monitor}: {found.get('best_value'):.4g} with {settings}\n{results}")
