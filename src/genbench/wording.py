"""How numbers and commands are put for people, the same everywhere."""

import shlex
from pathlib import Path

from genbench import plugins


def shown(path: Path) -> str:
    """Return a path as one names it in the working directory: relative where it lies in it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def for_pasting(verb: str, **settings: object) -> str:
    """Return a command of GenBench to paste into a shell, its settings quoted where a shell asks for it."""
    words = (f"{key}={value}" for key, value in settings.items())
    return shlex.join(["python", "-m", "genbench", verb, *plugins.as_words(), *words])


def duration(seconds: float) -> str:
    """Return a length of time as a person says it, in at most two units: 1 h 34 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((index for index, (value, _) in enumerate(parts) if value), 3)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2] if value or unit == parts[first][1])


def counted(count: int, what: str) -> str:
    """Return how many there are of something, whose plural ends in s."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def shortened(text: str, most: int = 60) -> str:
    """Return a text for a message, cut to `most` characters, with an ellipsis, if it has more."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
