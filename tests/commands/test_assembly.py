"""What a method is given of its data, and what it does not ask for."""

import pytest

from genbench.commands.assembly import build_data, build_method
from genbench.conditions.base import Condition
from genbench.conditions.classes import Classes
from genbench.config import check
from genbench.data.base import DataSet, Split
from genbench.data.prepared import MissingDataError
from genbench.data.store import SampleStore
from genbench.errors import UserError
from genbench.medium import Images
from tests.kinds import classes

DDPM = ["method=ddpm", "data=digits", "network.denoiser.width=8"]


class Elsewhere(DataSet):
    """A data set whose files are not on this machine, without which nobody knows its classes."""

    name = "elsewhere"
    medium = Images((1, 16, 16))

    def __init__(self) -> None:
        super().__init__(8, 0)

    @property
    def condition(self) -> Condition | None:  # type: ignore[override]
        raise MissingDataError("the files are elsewhere")

    def load(self, split: Split) -> SampleStore:
        raise MissingDataError("the files are elsewhere")


def test_an_unconditional_method_is_built_without_the_files() -> None:
    assert build_method(check("train", DDPM), Elsewhere()).condition is None
    with pytest.raises(MissingDataError, match="elsewhere"):
        build_method(check("train", [*DDPM, "method.conditional=true"]), Elsewhere())


def test_what_a_run_folder_kept_stands_for_what_the_files_would_say() -> None:
    method = build_method(check("train", [*DDPM, "method.conditional=true"]), Elsewhere(), condition=classes(3))
    assert isinstance(method.condition, Classes)
    assert len(method.condition.names) == 3


def test_captions_of_what_a_method_does_not_look_at_are_refused() -> None:
    for words in (["experiment=gan_digits"], ["experiment=ddpm_digits"]):
        config = check("train", [*words, "data.captions='the digit {}'"])
        with pytest.raises(UserError, match=r"data\.captions=the digit {} has no effect"):
            build_method(config, build_data(config))
