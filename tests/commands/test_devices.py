"""What a training is to run on is asked for before anything starts."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator
from omegaconf import OmegaConf

from genbench.__main__ import main
from genbench.commands.devices import check_devices, check_precision
from genbench.errors import UserError

CommandLine = Callable[..., subprocess.CompletedProcess[str]]

PLAIN = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto"}


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that sets how many GPUs there seem to be."""

    def set_count(count: int) -> None:
        monkeypatch.setattr(CUDAAccelerator, "is_available", staticmethod(lambda: count > 0))
        monkeypatch.setattr(CUDAAccelerator, "auto_device_count", staticmethod(lambda: count))
        monkeypatch.setattr(MPSAccelerator, "is_available", staticmethod(lambda: False))

    return set_count


@pytest.mark.parametrize(
    ("count", "settings", "message"),
    [
        (0, {"devices": 2}, "trainer.devices=2 is several processes, which takes trainer=ddp"),
        (0, {"num_nodes": 2}, "trainer.num_nodes=2 is several processes"),
        (0, {"devices": 0}, "trainer.devices=0: this machine has"),
        (0, {"devices": "many"}, "give a number, a list of them such as [0,1], or auto"),
        (0, {"devices": [0, 1]}, "trainer.devices=[0, 1]"),
        (0, {"accelerator": "gpuu"}, "there is no such accelerator; did you mean gpu"),
        (0, {"accelerator": "gpu"}, "this machine has none; it has cpu"),
        (0, {"accelerator": "cuda"}, "this machine has none"),
        (0, {"strategy": "dddp"}, "there is no such strategy; did you mean ddp"),
        (2, {"accelerator": "gpu", "devices": 3, "strategy": "ddp"}, "this machine has 2 of accelerator cuda"),
        (2, {"accelerator": "gpu", "devices": [0, 2], "strategy": "ddp"}, "this machine has 2"),
        (2, {"accelerator": "auto", "devices": "auto"}, "several processes"),
        (2, {"accelerator": "gpu", "devices": -1}, "several processes"),
    ],
)
def test_what_is_not_there_is_named(gpus: Any, count: int, settings: dict[str, Any], message: str) -> None:
    gpus(count)
    with pytest.raises(UserError) as refused:
        check_devices(OmegaConf.create(PLAIN | settings))
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("count", "settings"),
    [
        (0, {}),
        (0, {"accelerator": "auto"}),
        (0, {"devices": 4, "strategy": "ddp_find_unused_parameters_true"}),
        (0, {"devices": "2", "strategy": "ddp"}),
        (2, {"accelerator": "gpu", "devices": 2, "strategy": "ddp"}),
        (2, {"accelerator": "auto", "devices": [1]}),
        (2, {"accelerator": "cuda", "devices": "0,1", "strategy": "ddp"}),
        (2, {"accelerator": "auto", "devices": 1}),
    ],
)
def test_what_is_there_is_taken(gpus: Any, count: int, settings: dict[str, Any]) -> None:
    gpus(count)
    check_devices(OmegaConf.create(PLAIN | settings))


def test_plain_ddp_is_the_one_that_knows_of_unused_networks(command_line: CommandLine, tmp_path: Path) -> None:
    words = ["data=digits", "network=mlp", "data.size=8", "steps=2", "metrics=none", "trainer.accelerator=cpu"]
    done = command_line(*words, "trainer.strategy=ddp", f"output={tmp_path}")
    assert done.returncode == 0, done.stderr


def test_a_refused_training_leaves_nothing_and_tells_of_no_run_folder(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    nowhere = tmp_path / "not there"
    for words, message in (
        (["trainer.devices=2"], "takes trainer=ddp"),
        (["data=mnist", f"data.root={nowhere}", "data.download=false"], "MNIST is not complete"),
        (["data.batch_size=100000"], "data.batch_size must be from 1 to the 1442 training images"),
        (["trainer.max_time=soon"], "trainer: "),
        (["method=pix2pix", "data=digits", "data.size=32"], "takes pairs of images"),
    ):
        assert main(["steps=1", "trainer.accelerator=cpu", *words]) == 2
        said = capsys.readouterr()
        assert message in said.err
        assert (len(said.err.strip().splitlines()), said.out) == (1, "")
        assert not list(Path.cwd().iterdir())
        assert not nowhere.exists()


@pytest.mark.parametrize("precision", ["16-true", "bf16-true"])
def test_weights_in_half_precision_are_refused(precision: str) -> None:
    with pytest.raises(UserError, match=rf"trainer\.precision={precision} rounds weights"):
        check_precision(OmegaConf.create({"precision": precision}))
    for other in ("32-true", "bf16-mixed", "16-mixed", 32):
        check_precision(OmegaConf.create({"precision": other}))
    check_precision(OmegaConf.create({}))
