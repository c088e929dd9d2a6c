"""Which scores can be had of a set, and the fewest images that each takes."""

from dataclasses import replace

import pytest

from genbench.errors import UserError
from genbench.metrics import choosing
from genbench.metrics.score import Setting
from genbench.metrics.scores import make_scores, names_by

PLENTY = Setting(generated=500, reference=500, dimensions=64, class_count=10, labelled=True, has_targets=True)
SETTINGS = {"kid_subset_size": 50, "neighbours": 3}
SCORES = {score.name: score for score in make_scores(names_by("default"), SETTINGS)}


def too_few(name: str, setting: Setting) -> str | None:
    return SCORES[name].too_few(setting)


def unsuited(name: str, setting: Setting) -> str | None:
    return SCORES[name].unsuited(setting)


def choose(asked: list[str] | None, setting: Setting, *, strict: bool) -> tuple[list[str], dict[str, str]]:
    """Return the names of the chosen scores, and why others are left out."""
    scores = [SCORES[name] for name in (SCORES if asked is None else asked)]
    chosen, left_out = choosing.choose(scores, asked or (), lambda score: setting, strict=strict)
    return [score.name for score in chosen], left_out


OF_BOTH = {"fid": 2, "kid": 50, "neighbours": 4, "moments": 2, "mmd": 2, "c2st": 5}
OF_GENERATED = {"is": 10, "fid_infinity": 68}


def test_of_plenty_all_can_be_had() -> None:
    assert choose(None, PLENTY, strict=True) == (list(SCORES), {})
    assert choose(["kid", "fid"], PLENTY, strict=True) == (["kid", "fid"], {})


@pytest.mark.parametrize(("name", "least"), OF_BOTH.items())
def test_some_take_images_of_both_sets(name: str, least: int) -> None:
    few = least - 1
    assert too_few(name, replace(PLENTY, generated=least, reference=least)) is None
    reason = too_few(name, replace(PLENTY, generated=few))
    assert reason is not None
    assert f"at least {least} of each" in reason
    assert reason.endswith(f"there are {few} samples and 500 real images")
    assert ("kid_subset_size" in reason) is (name == "kid")
    reason = too_few(name, replace(PLENTY, reference=few))
    assert reason is not None
    assert reason.endswith(f"there are 500 samples and {few} real images")
    # Before the reference is known.
    assert too_few(name, replace(PLENTY, reference=None)) is None
    assert str(too_few(name, replace(PLENTY, generated=few, reference=None))).endswith(f"there are {few} samples")


@pytest.mark.parametrize(("name", "least"), OF_GENERATED.items())
def test_some_take_samples_alone(name: str, least: int) -> None:
    assert too_few(name, replace(PLENTY, generated=least, reference=1)) is None
    assert f"at least {least} samples, and there are {least - 1}" in str(
        too_few(name, replace(PLENTY, generated=least - 1))
    )


def test_some_mean_nothing_here() -> None:
    def left(**facts: object) -> set[str]:
        return {name for name in SCORES if unsuited(name, replace(PLENTY, **facts))}  # type: ignore[arg-type]

    assert left() == set()
    assert left(class_count=0) == {"is", "modes", "agreement"}
    assert left(class_count=1000) == {"modes", "agreement"}
    assert left(labelled=False) == {"by_class", "agreement"}
    assert left(labelled=None) == set()


def test_what_was_asked_for_by_name_is_an_error_or_left_out() -> None:
    poor = replace(PLENTY, generated=9, labelled=False)
    with pytest.raises(UserError, match=r"^metrics\.scores=is: it takes at least 10 .*; by_class: it takes a cond"):
        choose(["fid", "is", "by_class"], poor, strict=True)
    names, reasons = choose(["fid", "is", "by_class"], poor, strict=False)
    assert names == ["fid"]
    assert set(reasons) == {"is", "by_class"}
    # What was not asked for is only left out where it might be had of more.
    names, reasons = choose(None, poor, strict=True)
    assert set(reasons) == {"is", "kid", "fid_infinity"}
    assert set(names) == set(SCORES) - set(reasons) - {"by_class", "agreement"}
