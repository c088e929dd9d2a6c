"""One cluster for all tests of SLURM, and what their jobs have in common."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, why_not
from tests.soak.kills import RUNS

SBATCH = Path(__file__).parents[2] / "slurm"

TINY = [*RUNS["gan"], "callbacks.checkpoints.every=200", "output=outputs"]
"""Settings of runs whose steps take a millisecond."""

Submit = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    for item in items:
        if Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.slurm)
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes of two cores, of which a job may take more than there are."""
    running = Cluster(tmp_path_factory.mktemp("slurm"))
    # A job begins in the folder that it was submitted from, with the environment of who did.
    running.environment |= {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    yield running
    running.stop()


@pytest.fixture
def submit(cluster: Cluster) -> Submit:
    """Return a function that submits one of our sbatch files from the working directory and returns the job's id."""

    def run(file: str, *words: str, options: tuple[str, ...] = ()) -> str:
        said = cluster.run("sbatch", "--parsable", "--cpus-per-task=1", *options, SBATCH / file, *words)
        return re.match(r"\d+", said)[0]  # type: ignore[index]

    return run
