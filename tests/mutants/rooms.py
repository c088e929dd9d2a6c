"""What is mutated, by which tests it should be found, and what is left out: the one place that names paths.

Left out, and why: error messages, warnings and what is printed (texts for a person; that the error is raised is
mutated and tested), docstrings, type annotations and aliases (they compute nothing), and enums. Nothing else is.
"""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = Path("src/genbench")
WORK = ROOT / ".mutants"
"""Copies of the sources, what was measured and the results of each mutant: not kept in the repository."""


@dataclass(frozen=True)
class Room:
    """A part of the sources, and the tests that know it."""

    sources: tuple[str, ...]
    """Globs below `SOURCES`."""

    tests: tuple[str, ...]
    """Files and folders below `tests`; of these, the tests that reach a mutated line are run."""


_LOADING = tuple(f"data/test_{name}.py" for name in ("shuffling", "digits", "augmentation", "folders", "shards"))
_SCORINGS = ("commands/test_sample_and_evaluate.py", "test_sampling.py")
_TRAININGS = ("commands/test_adversarial_family.py", "commands/test_denoising_family.py", "commands/test_train.py")

ROOMS = {
    "losses": Room(("losses.py",), ("test_losses.py", "methods")),
    "diffusion": Room(("diffusion/*.py",), ("diffusion", "methods")),
    "methods": Room(("methods/**/*.py",), ("methods", "test_sampling.py", *_TRAININGS)),
    "networks": Room(("networks/*.py",), ("networks", "methods")),
    "editing": Room(
        ("editing/*.py", "interpolation.py"), ("editing", "test_interpolation.py", "commands/test_edit.py")
    ),
    "sampling": Room(("sampling.py",), ("test_sampling.py", "metrics", "commands/test_sample.py")),
    "randomness": Room(("randomness.py",), ("test_sampling.py", "data/test_shuffling.py", "methods")),
    "loader": Room(("data/loader.py", "data/shuffling.py"), _LOADING),
    "metrics": Room(("metrics/*.py",), ("metrics", "commands/test_evaluate.py", *_SCORINGS)),
    "trust": Room(("runs/trust.py",), ("runs/test_trust.py",)),
    "run folders": Room(
        ("runs/folder.py", "runs/lock.py", "files.py", "runs/checkpoint_files.py"),
        ("runs", "test_files.py",
         "commands/test_going_on.py", "commands/test_data_of_runs.py", "commands/test_train.py"),
    ),
}  # fmt: skip

DEFINITIONS = "tests/config/test_defaults.py"
"""Looks at signatures, and so at lines that no call reaches; it is a test file of every room."""

UNFIT = ("tests/methods/test_joined_batch.py", "tests/test_nothing_lost.py")
"""Test files that are not used: what they test runs in processes of their own, for minutes."""

COPIED = ("src", "tests", "conf", "experiments", "slurm", "docs", "pyproject.toml", "Makefile", "README.md")
"""What the tests read of the project."""


def sources_of(room: Room) -> list[str]:
    """Return the files of a room, relative to the root."""
    found = {file.relative_to(ROOT) for glob in room.sources for file in (ROOT / SOURCES).glob(glob)}
    return sorted(str(file) for file in found)


def files_of_tests(room: Room) -> list[str]:
    """Return the test files of a room, relative to the root, in the order of their closeness."""
    found: dict[str, None] = {}
    for name in room.tests:
        path = ROOT / "tests" / name
        files = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
        found |= dict.fromkeys(str(file.relative_to(ROOT)) for file in files)
    return [file for file in (*found, DEFINITIONS) if file not in UNFIT]


def mirror_of(source: str) -> str:
    """Return the name of the test file that mirrors a source."""
    path = Path(source).relative_to(SOURCES)
    return str(Path("tests") / path.parent / f"test_{path.name}")
