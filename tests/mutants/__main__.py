"""Mutants of the sources, each tried against the tests that reach it; writes docs/mutants.md.

make mutants                                400 of them, drawn at random by SEED (0)
make mutants MUTANTS=all                    each one: a night
make mutants ONLY=src/genbench/losses.py    MUTANTS of one source, or of several with blanks between; no page
make mutants AGAIN=1                        the same, but what was killed or is explained is not tried again
"""

import argparse
import time
from typing import Any

from tests.mutants.child import Ended, changed, compile_tests, prepare, run_tests
from tests.mutants.operators import Mutant
from tests.mutants.page import PAGE, Session, render
from tests.mutants.plan import Plan
from tests.mutants.planted import PLANTED, plant
from tests.mutants.reach import Reach, Test
from tests.mutants.results import Result, Results
from tests.mutants.rooms import ROOMS, WORK, files_of_tests


def main() -> None:
    """Do as the command line says."""
    options = _parse()
    begun = time.monotonic()
    WORK.mkdir(exist_ok=True)
    plan = Plan(options.only.split(), None if options.mutants == "all" else int(options.mutants), options.seed)
    file = Results("only" if options.only else f"seed-{options.seed}")
    results = plan.only_survivors(file.read()) if options.again else []
    kept = len(results)
    file.begin(results)
    files_of = {room: files_of_tests(ROOMS[room]) for room in plan.rooms}
    files = sorted({file for those in files_of.values() for file in those})
    prepare()
    reach = Reach(files)
    compile_tests(files)
    planted = [(fault, plant(fault)) for fault in PLANTED]
    for number, (room, mutant) in enumerate(plan.mutants(), 1):
        tests = reach.tests_for(mutant.source, mutant.lines, files_of[room], options.budget)
        result = _try(room, mutant, tests)
        results.append(result)
        file.add(result)
        killed = sum(one.outcome != "survived" for one in results)
        by = result.test or f"{result.tests} tests"
        print(f"{number}/{len(plan)} {result.outcome} in {result.seconds:.0f} s by {by}: {mutant.source}:{mutant.line}")
        if result.outcome == "survived":
            print(f"  - {mutant.before}\n  + {mutant.after}")
        print(f"  {killed / len(results):.1%} found", flush=True)
    if not options.only:
        session = Session(options.mutants, options.seed, options.budget, sum(plan.sizes.values()), kept)
        PAGE.write_text(render(results, session, planted, _false_alarms(results), time.monotonic() - begun))
        print(f"written: {PAGE}")


def _parse() -> Any:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mutants", default="400", help="how many, or all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="sources, with blanks between")
    parser.add_argument(
        "--budget", type=float, default=40.0, help="seconds of tests for a mutant, as they took unchanged"
    )
    parser.add_argument("--again", action="store_true", help="keep what was killed the last time, or is explained")
    return parser.parse_args()


def _try(room: str, mutant: Mutant, tests: list[Test]) -> Result:
    ended = Ended("none")
    if tests:
        # Five times what it took, and time for what others did before it: what is slower hangs.
        limits = {test.name: 15 + 5 * test.seconds for test in tests}
        with changed(mutant.source, mutant.code):
            ended = run_tests(limits)
    outcome = {"failed": "killed", "timed out": "timed out"}.get(ended.status, "survived")
    test = ended.first_failed if outcome == "killed" else ""
    facts = (mutant.source, mutant.index, mutant.line, mutant.before, mutant.after)
    return Result(room, *facts, outcome, test, len(tests), round(ended.seconds, 1))


def _false_alarms(results: list[Result]) -> list[str]:
    """Return the tests that killed a mutant, but fail on the unchanged sources too when they are run by themselves."""
    killers = sorted({one.test for one in results if "::" in one.test})
    failed = []
    for file in sorted({test.partition("::")[0] for test in killers}):
        own = [test for test in killers if test.startswith(f"{file}::")]
        while own:
            ended = run_tests(dict.fromkeys(own, 120.0))
            if ended.status == "passed":
                break
            failed.append(ended.first_failed)
            own = own[own.index(ended.first_failed) + 1 :] if ended.first_failed in own else []
    return failed


if __name__ == "__main__":
    main()
