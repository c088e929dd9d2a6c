"""Our sbatch files and Hydra's launcher on a real SLURM."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.commands.test_train import assert_same, last_checkpoint
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import TINY, Submit


def wait_for(found: Callable[[], Any], seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < end, f"{seconds} s are over"
        time.sleep(0.1)
    return value


def the_run(name: str) -> Path:
    """Return the one folder of a run of this name."""
    (folder,) = Path("outputs", name).iterdir()
    return folder


def test_two_tasks_on_one_node_and_on_two_train_the_same(cluster: Cluster, submit: Submit) -> None:
    jobs = {}
    for name, options in {
        "node": ("--nodes=1", "--ntasks-per-node=2"),
        "nodes": ("--nodes=2", "--ntasks-per-node=1"),
    }.items():
        jobs[name] = submit("train.sbatch", *TINY, "steps=30", f"name={name}", options=options)
        assert cluster.wait(jobs[name]) == ["COMPLETED"], Path(f"slurm-{jobs[name]}.out").read_text()
    one, two = (last_checkpoint(the_run(name)) for name in jobs)
    assert_same(one["state_dict"], two["state_dict"], "state_dict")
    assert_same(one["optimizer_states"], two["optimizer_states"], "optimizer_states")
    # Both tasks took part.
    assert "devices: 2" in (the_run("node") / "config.yaml").read_text()
    assert "num_nodes: 2" in (the_run("nodes") / "config.yaml").read_text()


def test_a_signal_ahead_of_the_end_requeues_the_job_which_goes_on(cluster: Cluster, submit: Submit) -> None:
    whole = submit("train.sbatch", *TINY, "steps=5000", "name=whole")
    assert cluster.wait(whole) == ["COMPLETED"]

    job = submit("train.sbatch", *TINY, "steps=5000", "name=requeued")
    wait_for(lambda: list(Path("outputs", "requeued").glob("*/checkpoints/last.ckpt")))
    cluster.run("scancel", "--signal=USR1", job)
    assert cluster.wait(job) == ["COMPLETED"]

    said = Path(f"slurm-{job}.out").read_text()
    assert "stopped by SIGUSR1 after step" in said
    assert "goes on from" in said
    one, two = last_checkpoint(the_run("whole")), last_checkpoint(the_run("requeued"))
    assert two["global_step"] == 5000
    for part in ("state_dict", "optimizer_states"):
        assert_same(one[part], two[part], part)


def test_a_cancelled_job_ends_at_once_and_can_go_on(cluster: Cluster, submit: Submit) -> None:
    job = submit("train.sbatch", *TINY, "steps=100000", "name=cancelled", options=("--nodes=2", "--ntasks-per-node=1"))
    wait_for(lambda: list(Path("outputs", "cancelled").glob("*/checkpoints/last.ckpt")))
    cluster.run("scancel", job)
    begun = time.monotonic()
    assert cluster.wait(job) == ["CANCELLED"]
    assert time.monotonic() - begun < 30
    folder = the_run("cancelled")
    done = last_checkpoint(folder)["global_step"]
    assert done > 0

    go_on = [sys.executable, "-m", "genbench", "train", f"run={folder}", f"steps={done + 5}"]
    # On this machine without SLURM, and by one process.
    result = subprocess.run(
        [*go_on, "trainer.devices=1", "trainer.num_nodes=1"], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert last_checkpoint(folder)["global_step"] == done + 5


def test_a_sweep_file_is_an_array_that_leaves_what_is_finished(cluster: Cluster, submit: Submit) -> None:
    lines = [f"{' '.join(TINY)} steps=20 seed={seed} name='swept'" for seed in (0, 1)]
    Path("two_seeds.txt").write_text("\n".join([lines[0], "# a comment", lines[1]]) + "\n")
    first = submit("sweep.sbatch", "two_seeds.txt", options=("--array=1-3",))
    assert cluster.wait(first) == ["COMPLETED"] * 3
    folders = sorted(Path("outputs", "two_seeds").iterdir())
    assert [json.loads((folder / "manifest.json").read_text())["seed"] for folder in folders] == [0, 1]
    before = [(folder / "manifest.json").read_bytes() for folder in folders]

    again = submit("sweep.sbatch", "two_seeds.txt", options=("--array=1-3",))
    assert cluster.wait(again) == ["COMPLETED"] * 3
    assert sorted(Path("outputs", "two_seeds").iterdir()) == folders
    assert [(folder / "manifest.json").read_bytes() for folder in folders] == before
    assert "left as it is" in Path(f"slurm-{again}_1.out").read_text()


def test_hydras_launcher_makes_an_array_of_a_sweep(cluster: Cluster) -> None:
    command = [sys.executable, "-m", "genbench", "-m", *TINY, "steps=20", "seed=0,1", "name=launched"]
    launcher = ["hydra/launcher=slurm", "hydra.launcher.timeout_min=10"]
    two_each = ["trainer=ddp", "trainer.devices=2", "trainer.num_nodes=1"]
    result = subprocess.run(
        [*command, *launcher, *two_each],
        env=cluster.environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    folders = sorted(Path("outputs", "launched").iterdir())
    assert sorted(json.loads((folder / "manifest.json").read_text())["seed"] for folder in folders) == [0, 1]
    assert [last_checkpoint(folder)["global_step"] for folder in folders] == [20, 20]


def test_a_search_sends_its_runs_as_jobs(cluster: Cluster) -> None:
    command = [sys.executable, "-m", "genbench", "-m", *TINY, "steps=20", "sweep=searched"]
    scored = ["metrics=digits", "metrics.count=64", "callbacks.scores.max_fraction=1"]
    rate = "method.generator_optimizer.lr"
    search = [
        "hydra/sweeper=search",
        "hydra.sweeper.n_trials=2",
        "hydra.sweeper.n_jobs=2",
        f"{rate}=interval(1e-4,1e-2)",
    ]
    result = subprocess.run(
        [*command, *scored, *search, "hydra/launcher=slurm", "hydra.launcher.timeout_min=10"],
        env=cluster.environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    runs = list(Path("outputs", "searched").iterdir())
    found = [json.loads((run / "scores.json").read_text())["values"]["fid_digits"] for run in runs]
    assert f"best score/fid: {min(found):.4g} with {rate}=" in result.stdout


def test_a_run_that_fails_in_its_job_fails_the_sweep(cluster: Cluster) -> None:
    command = [sys.executable, "-m", "genbench", "-m", *TINY, "steps=20", "data.batch_size=16,100000", "name=failed"]
    result = subprocess.run(
        [*command, "hydra/launcher=slurm", "hydra.launcher.timeout_min=10"],
        env=cluster.environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert result.returncode == 1, result.stdout + result.stderr
    assert "genbench: data.batch_size must be from 1 to the 1442 training images, not 100000" in result.stderr
    assert "Traceback" not in result.stderr
    # The other one has run.
    assert 20 in [last_checkpoint(file.parents[1])["global_step"] for file in Path("outputs").rglob("last.ckpt")]


def test_tasks_that_do_not_fit_the_run_are_named(cluster: Cluster, submit: Submit) -> None:
    options = ("--nodes=1", "--ntasks-per-node=2")
    job = submit("train.sbatch", *TINY, "steps=5", "name=misfit", "trainer.devices=1", options=options)
    assert cluster.wait(job) == ["FAILED"]
    said = Path(f"slurm-{job}.out").read_text()
    assert "has 2 tasks, and the run asks for 1 x 1 processes" in said
    assert "Traceback" not in said
