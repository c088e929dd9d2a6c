"""What goes wrong on a machine: one clear message, a status that says so, and a run that can go on.

Short forms of what `make soak` does at length are here too.
"""

import errno
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import SoftFileLease

from genbench.__main__ import main
from genbench.data.digits import Digits
from genbench.errors import UserError
from genbench.runs.folder import RunFolder
from tests.commands.test_train import last_checkpoint, table
from tests.conftest import Train
from tests.soak.growth import watch_training
from tests.soak.kills import RUNS, kill_and_resume
from tests.warm import WarmProcess, start_warm

LONG = [*RUNS["gan"], "steps=1000000", "callbacks.checkpoints.every=20"]
"""A run that does not end by itself."""

Begin = Callable[..., tuple[WarmProcess, Path]]


def parent_of(pid: int) -> int | None:
    """Return a process's parent; None if it has ended."""
    try:
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(parent)


def children_of(pid: int) -> list[int]:
    """Return a process's living children."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if parent_of(int(path.name)) == pid]


@pytest.fixture
def begin(tmp_path: Path) -> Any:
    """Return a function that starts a long run and returns it with its folder, once that holds a checkpoint."""
    started: list[WarmProcess] = []

    def run(*words: str, name: str = "long") -> tuple[WarmProcess, Path]:
        process = start_warm("train", *LONG, f"output={tmp_path}", f"name={name}", *words)
        started.append(process)
        while not (found := list((tmp_path / name).glob("*/checkpoints/last.ckpt"))):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.05)
        return process, found[0].parents[1]

    yield run
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("kind", sorted(RUNS))
def test_killed_runs_end_as_undisturbed_ones(tmp_path: Path, kind: str) -> None:
    result = kill_and_resume(kind, tmp_path, kills=2, steps=400, start=start_warm)
    assert result.differences == []
    assert result.kills > 0


def test_memory_and_files_stay_flat(tmp_path: Path) -> None:
    samples = [sample for sample in watch_training(tmp_path, steps=600, start=start_warm) if sample.step >= 200]
    assert len(samples) >= 3
    first, last = samples[0], samples[-1]
    # Eight scores, grids and checkpoints lie between the two; one file may be open just now.
    assert last.megabytes < first.megabytes + 20
    assert last.open_files <= first.open_files + 2
    assert last.threads <= first.threads + 1


def test_a_run_killed_before_its_first_checkpoint_begins_anew(train: Train) -> None:
    folder = train("steps=6", "callbacks.scores=null", "trainer.log_every_n_steps=2")
    whole = last_checkpoint(folder)
    for file in (folder / "checkpoints").iterdir():
        file.unlink()
    (folder / "manifest.json").write_text("{}")
    assert main(["train", f"run={folder}"]) == 0
    again = last_checkpoint(folder)
    assert all(torch.equal(value, again["state_dict"][name]) for name, value in whole["state_dict"].items())
    assert [row["step"] for row in table(folder)] == ["2", "4", "6"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: bytes(len(content)),
        lambda content: content[:20000] + bytes([content[20000] ^ 1]) + content[20001:],
    ],
    ids=["truncated", "empty", "zeroed", "flipped"],
)
def test_of_a_damaged_checkpoint_the_one_before_is_used(
    train: Train, capsys: pytest.CaptureFixture[str], damage: Callable[[bytes], bytes]
) -> None:
    settings = ["callbacks.checkpoints.every=5", "callbacks.scores=null"]
    folder, whole = train("steps=10", *settings), train("steps=15", *settings, name="whole")
    file = folder / "checkpoints" / "last.ckpt"
    file.write_bytes(damage(file.read_bytes()))
    assert main(["train", f"run={folder}", "steps=15"]) == 0
    said = capsys.readouterr()
    assert f"warning: {file} is damaged" in said.err
    assert f"goes on from {folder / 'checkpoints' / 'previous.ckpt'}" in said.out
    one, two = last_checkpoint(whole), last_checkpoint(folder)
    assert all(torch.equal(value, two["state_dict"][name]) for name, value in one["state_dict"].items())


def test_each_flipped_bit_is_harmless_or_found(train: Train) -> None:
    folder = train("steps=2", "callbacks.scores=null", network="mlp")
    file = folder / "checkpoints" / "last.ckpt"
    whole = file.read_bytes()
    weights = last_checkpoint(folder)["state_dict"]
    found = 0
    for position in range(7, len(whole), len(whole) // 150):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 16]) + whole[position + 1 :])
        try:
            read = RunFolder(folder).load_checkpoint()["state_dict"]
        except UserError:
            found += 1
            continue
        assert all(torch.equal(value, read[name]) for name, value in weights.items())
    # Most of a checkpoint is numbers.
    assert found > 75


def test_a_full_disk_ends_a_run_and_spares_its_checkpoints(begin: Begin, tmp_path: Path) -> None:
    process, folder = begin("callbacks.checkpoints.every=200")
    # As a full disk, for this process alone: no file may become longer than 1,000 bytes.
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1000, 1000))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said.count("genbench:") == 1
    assert "can't be written: File too large" in said
    assert f"go on with: python -m genbench train run={folder}" in said
    assert not list(folder.rglob("*.part"))
    assert last_checkpoint(folder)["global_step"] > 0


def test_a_read_only_folder_is_named(train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("a file is no folder")
    train_words = [*RUNS["gan"], "steps=2", f"output={tmp_path / 'file'}", "name=x"]
    assert main(["train", *train_words]) == 2
    assert "the run folder can't be made" in capsys.readouterr().err


def test_a_loader_that_raises_is_explained(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original = Digits.load

    def load(self: Digits, split: Any) -> Any:
        store = original(self, split)
        batches = [0]

        def batch(*arguments: Any, **settings: Any) -> Any:
            batches[0] += 1
            if batches[0] > 7:
                raise OSError(errno.EIO, "Input/output error", "digits.bin")
            return type(store).batch(store, *arguments, **settings)

        monkeypatch.setattr(store, "batch", batch)
        return store

    monkeypatch.setattr(Digits, "load", load)
    folder = train("steps=50", "callbacks.checkpoints.every=5", "callbacks.scores=null", status=1)
    said = capsys.readouterr().err
    assert "the training stopped at step 7 by OSError: [Errno 5] Input/output error: 'digits.bin'" in said
    assert str(folder / "checkpoints" / "last.ckpt") in said
    assert "Traceback" not in said
    assert "Traceback" in (folder / "error.txt").read_text()
    assert last_checkpoint(folder)["global_step"] == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_a_run_after_a_checkpoint(begin: Begin, number: signal.Signals) -> None:
    process, folder = begin()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    step = last_checkpoint(folder)["global_step"]
    assert f"stopped by {number.name} after step {step}" in said
    assert "Traceback" not in said
    assert not [path for path in folder.rglob("*") if path.name == ".lock" or path.suffix == ".part"]


@pytest.mark.parametrize(
    ("limit", "lifted"),
    [("trainer.max_epochs=1", "trainer.max_epochs=-1"), ("trainer.max_time=00:00:00:01", "trainer.max_time=null")],
)
def test_a_limit_of_the_trainer_ends_a_run_as_a_signal_does(
    train: Train, capsys: pytest.CaptureFixture[str], limit: str, lifted: str
) -> None:
    settings = ["callbacks.scores.every=1000", "callbacks.grid=null", "callbacks.nearest=null"]
    folder = train(limit, "steps=100000", *settings, status=1)
    said = capsys.readouterr()
    step = last_checkpoint(folder)["global_step"]
    if "epochs" in limit:
        assert step == 1442 // 32
    assert f"genbench: {limit} ended the training after {step} of 100000 steps" in said.err
    assert said.err.strip().endswith(f"go on with: python -m genbench train run={folder} {lifted}")
    assert f"trained {step} of 100000 steps" in said.out
    assert RunFolder(folder).read_manifest()["ended"]["how"] == "stopped"
    # Its scores are those of its last step.
    assert [row["step"] for row in table(folder) if row["score/fid_digits"]][-1] == str(step)
    assert (folder / "scores.json").is_file()
    # With the limit it would end at once; lifted, it ends as one that never stopped.
    assert main(["train", f"run={folder}", lifted, f"steps={step + 3}"]) == 0
    whole = train(f"steps={step + 3}", *settings, name="whole")
    one, two = last_checkpoint(whole), last_checkpoint(folder)
    assert two["global_step"] == step + 3
    assert all(torch.equal(value, two["state_dict"][name]) for name, value in one["state_dict"].items())


def test_of_two_commands_on_one_folder_the_second_refuses(begin: Begin, capsys: pytest.CaptureFixture[str]) -> None:
    process, folder = begin()
    assert main(["train", f"run={folder}"]) == 2
    said = capsys.readouterr().err
    assert f"process {process.pid} on {os.uname().nodename}" in said
    process.kill()
    process.wait()
    # What it leaves behind is taken over.
    assert (folder / ".lock").exists()
    done = last_checkpoint(folder)["global_step"]
    assert main(["train", f"run={folder}", f"steps={done + 3}"]) == 0
    assert not (folder / ".lock").exists()


def test_a_lock_of_another_host_is_waited_for(
    train: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("genbench.runs.lock._LEASE", 1.0)
    folder = train("steps=2", "callbacks.scores=null")
    lease = SoftFileLease(folder / ".lock", lease_duration=1.0)
    lease.acquire()
    record = (folder / ".lock").read_text().replace(f"host={os.uname().nodename}", "host=elsewhere")
    lease.release()
    (folder / ".lock").write_text(record)
    assert main(["train", f"run={folder}", "steps=4"]) == 0
    assert "is held from elsewhere: waiting" in capsys.readouterr().err


@pytest.mark.parametrize("victim", ["first", "second"])
def test_of_two_processes_one_is_killed_and_the_other_ends(begin: Begin, victim: str) -> None:
    process, folder = begin("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
    (child,) = children_of(process.pid)
    os.kill(process.pid if victim == "first" else child, signal.SIGKILL)
    begun = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode != 0
    while parent_of(child) is not None:
        assert time.monotonic() - begun < 60
        time.sleep(0.2)
    assert last_checkpoint(folder)["global_step"] > 0


def test_two_processes_stop_at_the_same_step(begin: Begin) -> None:
    process, folder = begin("trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert f"stopped by SIGTERM after step {last_checkpoint(folder)['global_step']}" in said


def test_a_sweep_of_runs_of_two_processes_has_a_folder_each(tmp_path: Path, command_line: Any) -> None:
    words = [*RUNS["gan"], "steps=4", f"output={tmp_path}", "name=two", "seed=0,1"]
    result = command_line("-m", *words, "trainer=ddp", "trainer.devices=2", "trainer.accelerator=cpu")
    assert result.returncode == 0, result.stderr
    folders = list((tmp_path / "two").iterdir())
    assert len(folders) == 2
    assert all(last_checkpoint(folder)["global_step"] == 4 for folder in folders)


def test_a_sweep_begun_again_leaves_what_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        *RUNS["gan"],
        "steps=6",
        f"output={tmp_path}",
        "name=a",
        "sweep=two_seeds",
        "callbacks.checkpoints.every=2",
    ]
    assert main(["-m", *words, "seed=0,1"]) == 0
    first, second = sorted((tmp_path / "two_seeds").iterdir())
    kept = (first / "manifest.json").read_bytes()
    # The second was killed after four of its six steps.
    (second / "checkpoints" / "last.ckpt").unlink()
    (second / "manifest.json").write_text("{}")
    capsys.readouterr()
    assert main(["-m", *words, "seed=0,1,2"]) == 0
    said = capsys.readouterr().out
    assert f"{first} has its 6 steps already: left as it is" in said
    assert f"goes on from {second / 'checkpoints' / 'previous.ckpt'}" in said
    assert len(list((tmp_path / "two_seeds").iterdir())) == 3
    assert (first / "manifest.json").read_bytes() == kept
