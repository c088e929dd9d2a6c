"""`make mutants`: which mutants are made, how many of each source, and what the page says of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.mutants.child import Ended
from tests.mutants.explained import explanations
from tests.mutants.page import Session, render
from tests.mutants.planted import PLANTED
from tests.mutants.results import Result
from tests.mutants.rooms import ROOMS, ROOT, UNFIT, files_of_tests, sources_of

KILLED = Result(
    "trust", "src/genbench/trust.py", 0, 7, "x = 1", "x = 2", "killed", "tests/test_trust.py::test_x", 3, 0.5
)


def test_the_rooms_have_sources_and_tests_and_no_source_is_in_two() -> None:
    sources = [source for room in ROOMS.values() for source in sources_of(room)]
    assert len(sources) == len(set(sources)) > 60
    for room in ROOMS.values():
        assert sources_of(room)
        assert all((ROOT / file).exists() for file in (*files_of_tests(room), *UNFIT))


@pytest.mark.parametrize("fault", PLANTED, ids=lambda fault: fault.what)
def test_planted_faults_are_about_what_the_sources_say(fault: object) -> None:
    assert (ROOT / fault.source).read_text().count(fault.old) == 1  # type: ignore[attr-defined]
    file, _, name = fault.test.partition("::")  # type: ignore[attr-defined]
    assert f"def {name.partition('[')[0]}(" in (ROOT / file).read_text()


def test_explanations_are_about_what_the_sources_say() -> None:
    for (source, before, _), (kind, why) in explanations().items():
        lines = " ".join(line.strip() for line in (ROOT / source).read_text().splitlines())
        assert before in lines, f"{source} no longer says: {before}"
        assert kind in ("equivalent", "text", "speed", "untested")
        assert why


def test_the_page_counts_and_shows_what_survived(tmp_path: Path) -> None:
    survived = replace(KILLED, index=1, after="x = 3", outcome="survived", test="")
    false = replace(KILLED, index=2, after="x = 4", test="tests/test_trust.py::test_that_always_fails")
    hung = replace(KILLED, index=3, after="x = 5", outcome="timed out", test="")
    planted = [(PLANTED[0], Ended("failed", PLANTED[0].test)), (PLANTED[1], Ended("passed"))]
    page = render([KILLED, survived, false, hung], Session("4", 0, 40, 100, kept=1), planted, [false.test], 120)
    assert "`make mutants MUTANTS=4 SEED=0 AGAIN=1`" in page
    assert "| trust | 4 | 1 | 1 | 2 | 50.0% |" in page
    assert "`src/genbench/trust.py:7`, not explained yet\n\n```diff\n- x = 1\n+ x = 3" in page
    assert "+ x = 4" in page
    assert "+ x = 2" not in page
    assert f"{PLANTED[0].what} | killed |" in page
    assert f"{PLANTED[1].what} | **survived** |" in page


def test_a_source_is_changed_where_it_computes_and_each_change_is_one() -> None:
    pytest.importorskip("mutmut", reason="make mutants installs it")
    from tests.mutants.operators import Source
    from tests.mutants.plan import spread

    source = Source("src/genbench/runs/trust.py")
    drawn = source.draw(40, seed=1)
    assert drawn == source.draw(40, seed=1) != source.draw(40, seed=2)
    mutants = [mutant for mutant in map(source.mutant, drawn) if mutant]
    assert len(mutants) > 35
    for mutant in mutants:
        assert mutant.before != mutant.after
        assert "raise UserError" not in mutant.before
        assert mutant.code != source.text

    sizes = {"large": 900, "small": 90, "tiny": 2}
    assert spread(sizes, None) == sizes
    shares = spread(sizes, 100)
    assert shares["tiny"] == 2
    assert sum(shares.values()) == pytest.approx(100, abs=2)
    assert shares["large"] > 5 * shares["small"]
