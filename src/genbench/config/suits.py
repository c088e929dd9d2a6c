"""What goes with what: a method brings a network and a sampler that suit the images' size, a data set its scores.

The file of a method or a data set says so under `_suits_`, which is no setting and is taken out when all is composed:

    _suits_:
      network: {unet_small: 0, unet: 48, unet_large: null}   # from so many pixels a side; null: on request
      sampler: {ddim: 0}

What somebody chooses wins, then what an experiment chooses. A network that no method names, such as one's own, is left
to try.
"""

import re
from collections.abc import Iterable
from typing import Any

from omegaconf import DictConfig

from genbench.config.folder import bases, groups, options, own_content
from genbench.errors import UserError

SUITS = "_suits_"

Choices = dict[str, Any]
"""Which option of each group was chosen."""

DEFAULT_METHOD, DEFAULT_DATA = "gan", "digits"


def implied_by_words(overrides: Iterable[str]) -> list[str]:
    """Return the experiment that stands for a method or a data set which were chosen without one.

    It is the experiment of that name, `ddpm_digits`, with its settings; where there is none, none. A method that takes
    other data than digits brings some.
    """
    chosen = chosen_groups(overrides)
    if "experiment" in chosen or not chosen.keys() & {"method", "data"}:
        return []
    method = chosen.get("method", DEFAULT_METHOD)
    brought = next(iter(suited("method", method).get("data", {})), None)
    data = chosen.get("data") or brought or DEFAULT_DATA
    name = f"{method}_{data}"
    if name in options("experiment") and ("data" not in chosen or own_choice(name, "data") == data):
        return [f"experiment={name}"]
    return ["~experiment", *([f"data={data}"] if brought and "data" not in chosen else [])]


def implied_by_choices(overrides: Iterable[str], choices: Choices, config: DictConfig) -> list[str]:
    """Return the network, the sampler, the scores and the name that the chosen method and data bring along.

    Args:
        overrides: all that were given, and what they imply by themselves.
        choices: which option of each group they lead to.
        config: what is composed of them, as far as they choose.

    Raises:
        UserError: a network was chosen that the method can't be built with.
    """
    chosen = chosen_groups(overrides)
    method, data = str(choices["method"]), str(choices["data"])
    experiment = choices.get("experiment")
    fitting = suited("method", method)
    size = config.data.get("size", 0)
    implied = []
    if "network" in chosen:
        _check_pair(method, chosen["network"])
    elif fitting and (experiment is None or choices.get("network") not in fitting["network"]):
        of_data = suited("data", data).get("network", {})
        both = {name: least for name, least in of_data.items() if name in fitting["network"]}
        implied.append(_choice("network", both or fitting["network"], size))
    sampler, samplers = choices.get("sampler"), fitting.get("sampler", {})
    if "sampler" not in chosen and (experiment is None or (sampler is not None) != bool(samplers)):
        implied.append(_choice("sampler", samplers, size))
    scores = suited("data", data).get("metrics")
    if scores and "data" in chosen and not any(line.lstrip("+~").startswith("metrics") for line in overrides):
        implied.append(_choice("metrics", scores, size))
    if not any(re.match(r"\+*(name=|debug=true)", line) for line in overrides):
        own = [own_choice(experiment, group) for group in ("method", "data")]
        if own != [method, data]:
            implied.append(f"name={method}_{config.data.get('name') or data}")
    return implied


def chosen_groups(overrides: Iterable[str]) -> dict[str, str]:
    """Return the options that overrides choose, by the names of their groups."""
    pairs = (line.partition("=") for line in overrides)
    known = set(groups())
    return {key.lstrip("+"): value for key, _, value in pairs if key.lstrip("+") in known}


def chosen_value(key: str, overrides: Iterable[str]) -> str | None:
    """Return what overrides set a key to, as they write it; None where they don't."""
    return next(
        (value for line in overrides for name, _, value in [line.partition("=")] if name.lstrip("+") == key), None
    )


def suited(group: str, name: str) -> dict[str, dict[str, int | None]]:
    """Return what an option's file, or one that it begins with, says under `_suits_`; {} where none does."""
    return next((found for base in bases(group, name) if (found := own_content(group, base).get(SUITS))), {})


def _choice(group: str, fitting: dict[str, int | None], size: Any) -> str:
    """Return the override that chooses what fits images of a size, or takes the group out where nothing does."""
    pixels = size if isinstance(size, int) else 0
    least = {name: least for name, least in fitting.items() if least is not None and least <= pixels}
    return f"{group}={max(least, key=lambda name: least[name])}" if least else f"~{group}"


def _check_pair(method: str, network: str) -> None:
    fitting = suited("method", method).get("network", {})
    goes_with = [name for name in options("method") if network in suited("method", name).get("network", {})]
    if fitting and goes_with and network not in fitting:
        raise UserError(
            f"network={network} does not go with method={method}, which takes {', '.join(fitting)}; it goes with "
            f"method={', '.join(goes_with)}"
        )


def own_choice(experiment: Any, group: str) -> str | None:
    """Return what an experiment chooses of a group."""
    for base in bases("experiment", str(experiment)) if experiment else []:
        for entry in own_content("experiment", base).get("defaults", []):
            if isinstance(entry, dict) and f"override /{group}" in entry:
                return str(entry[f"override /{group}"])
    return None
