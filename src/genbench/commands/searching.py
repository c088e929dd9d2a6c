"""A sweep that searches: its settings are drawn, and each run's monitored score says where to look next."""

from importlib.util import find_spec

from omegaconf import DictConfig

from genbench.config.suits import chosen_value
from genbench.errors import UserError
from genbench.logs.vocabulary import better

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
    """Return the direction of a search, which follows from the monitored score, unless it is given.

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
    if any(line.startswith("hydra.sweeper.direction=") for line in overrides):
        return []
    best = better(str(callbacks["checkpoints"].monitor).removeprefix("score/"))
    return [f"hydra.sweeper.direction={'maximize' if best == 'max' else 'minimize'}"]
