"""Which scores can be computed for a set, known before any image is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

from genbench.errors import UserError
from genbench.metrics.extrapolation import fewest_samples
from genbench.metrics.scores import FOLDS, IS_SPLITS, MODES, SCORES


@dataclass(frozen=True)
class Setting:
    """What is known about a set and its reference before any image is drawn.

    Attributes:
        generated: images of the set whose features are kept.
        reference: the same for the reference; None if not known yet.
        dimensions: of a feature vector.
        class_count: classes that the extractor knows.
        labelled: whether both sets have classes; None if not known yet.
        kid_subset_size: images of a subset of KID.
        neighbours: k of precision, recall, density and coverage.
    """

    generated: int
    reference: int | None
    dimensions: int
    class_count: int
    labelled: bool | None
    kid_subset_size: int
    neighbours: int


def unsuited(name: str, setting: Setting) -> str | None:
    """Return why a score does not apply, however many images there are; None if it does."""
    if name == "is" and not setting.class_count:
        return "this extractor has no classes"
    if name in ("modes", "agreement") and setting.class_count != MODES:
        # Inception has a thousand classes, which are not the modes of any data set here.
        return f"it counts the {MODES} digits, which are not this extractor's classes"
    if name in ("by_class", "agreement") and setting.labelled is False:
        return "it takes a conditional method and a reference with classes"
    return None


def too_few(name: str, setting: Setting) -> str | None:
    """Return why a score can't be computed from so many images; None if it can."""
    of_both = {
        "fid": 2, "kid": setting.kid_subset_size, "neighbours": setting.neighbours + 1, "moments": 2, "mmd": 2,
        "c2st": FOLDS,
    }  # fmt: skip
    of_generated = {"is": IS_SPLITS, "fid_infinity": fewest_samples(setting.dimensions)}
    if setting.generated < of_generated.get(name, 0):
        return f"it takes at least {of_generated[name]:,} samples, and there are {setting.generated:,}"
    least = of_both.get(name, 0)
    if setting.generated < least or (setting.reference is not None and setting.reference < least):
        real = "" if setting.reference is None else f" and {setting.reference:,} real images"
        hint = " (metrics.kid_subset_size)" if name == "kid" else ""
        return f"it takes at least {least:,} of each{hint}, and there are {setting.generated:,} samples{real}"
    return None


def choose(asked: Sequence[str] | None, setting: Setting, *, strict: bool) -> tuple[list[str], dict[str, str]]:
    """Return the scores to compute, and those that can't be, with the reasons.

    Args:
        asked: scores by name; all that apply if None.
        setting: what is known about the sets.
        strict: whether it is an error if a score requested by name can't be computed.

    Raises:
        UserError: a requested score can't be computed.
    """
    names = asked if asked is not None else [name for name in SCORES if not unsuited(name, setting)]
    reasons = {name: unsuited(name, setting) or too_few(name, setting) for name in names}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    if strict and left_out and asked is not None:
        raise UserError(f"metrics.scores={listed(left_out)}: leave it out")
    return [name for name in names if name not in left_out], left_out


def listed(reasons: dict[str, str]) -> str:
    """Return scores with the reasons why they can't be computed, in one line."""
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
