"""Compose a configuration and check it, before anything heavy is imported.

Hydra composes `conf/`; what Hydra can't know, the settings of each `_target_`, is read from the class itself. A command
line goes through here in this order: `words` (what is taken as it is), `composing` (with `suits` and `site_settings`),
`kinds` and `ranges`, `effects`.
"""

from typing import Any

from omegaconf import DictConfig

from genbench.config.checking import check, for_a_sweep
from genbench.config.composing import compose_config, searched
from genbench.config.folder import CONF, check_shadows, options
from genbench.config.kinds import check_kinds
from genbench.config.schemas import register_schemas
from genbench.config.words import as_overrides, as_words

__all__ = [
    "CONF",
    "as_overrides",
    "as_words",
    "check",
    "check_kinds",
    "check_shadows",
    "compose_config",
    "for_a_sweep",
    "options",
    "register_schemas",
    "searched",
    "short_name",
    "tags_of",
]


def short_name(node: Any) -> str:
    """Return the short name of what a node of the configuration builds, that of its file: `wgan_gp`."""
    return str(node["_target_"]).split(".")[-2]


def tags_of(config: DictConfig) -> list[str]:
    """Return by what a run is found among others: its experiment and its sweep."""
    return [str(tag) for tag in dict.fromkeys((config.name, config.get("sweep"))) if tag is not None]
