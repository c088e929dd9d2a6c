"""Which scores can be computed for a set, known before any sample is drawn."""

from collections.abc import Callable, Container, Iterable

from genbench.errors import UserError
from genbench.metrics.score import Score, Setting


def choose(
    scores: Iterable[Score], named: Container[str], setting_of: Callable[[Score], Setting], *, strict: bool
) -> tuple[list[Score], dict[str, str]]:
    """Return the scores to compute, and those that can't be, with the reasons.

    Args:
        scores: those that may be computed.
        named: the names of those that were requested; others are dropped without a word where they don't apply.
        setting_of: what is known about the set and its reference in the features of a score's extractor.
        strict: whether it is an error if a requested score can't be computed.

    Raises:
        UserError: a requested score can't be computed.
    """
    chosen: list[Score] = []
    left_out: dict[str, str] = {}
    for score in scores:
        setting = setting_of(score)
        unsuited = score.unsuited(setting)
        reason = unsuited or score.too_few(setting)
        if reason is None:
            chosen.append(score)
        elif unsuited is None or score.name in named:
            left_out[score.name] = reason
    refused = {name: reason for name, reason in left_out.items() if name in named}
    if strict and refused:
        raise UserError(f"metrics.scores={listed(refused)}: leave it out")
    return chosen, left_out


def listed(reasons: dict[str, str]) -> str:
    """Return scores with the reasons why they can't be computed, in one line."""
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
