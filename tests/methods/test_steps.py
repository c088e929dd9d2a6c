"""The one optimisation step: accumulated, clipped, scheduled and averaged, for one network and for two."""

import csv
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.plugins.precision import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import DataLoader

from genbench.__main__ import main
from genbench.batch import Batch
from genbench.config import compose_config
from genbench.methods.base import Method
from tests.commands.test_train import assert_same, last_checkpoint
from tests.warm import run_together

QUIET = ["metrics=none", "callbacks.grid=null", "callbacks.nearest=null", "trainer.accelerator=cpu"]
SGD = [
    word
    for player in ("generator_optimizer", "discriminator_optimizer")
    for word in (f"method.{player}._target_=torch.optim.SGD", f"~method.{player}.betas", f"method.{player}.lr=0.002")
]
CYCLEGAN = [
    "experiment=cyclegan_digits", "data.domains=digits_tilted", "data.size=8", "network.generator.width=4",
    "network.generator.blocks=1", "network.discriminator.width=4", "network.discriminator.layers=1",
    "method.pool_size=0", "trainer.precision=64-true", *SGD, *QUIET,
]  # fmt: skip
"""Two networks that draw no noise and have no BatchNorm."""

GAN = [
    "experiment=gan_digits", "network=mlp", "network.generator.hidden=[16]", "network.discriminator.hidden=[16]",
    "method.latent_dim=4", "data.size=8", "data.batch_size=8", *QUIET,
]  # fmt: skip


def train(output: Path, name: str, *words: str) -> Path:
    assert main(["train", *words, f"output={output}", f"name={name}"]) == 0
    (folder,) = (output / name).iterdir()
    return folder


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def assert_near(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}")


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train with whole batches of 12."""
    output = tmp_path_factory.mktemp("large")
    return train(output, "large", *CYCLEGAN, "data.batch_size=12", "steps=4", "trainer.log_every_n_steps=1")


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_accumulated_gradients_are_those_of_the_large_batch(large: Path, tmp_path: Path, parts: int) -> None:
    words = [f"data.batch_size={12 // parts}", f"trainer.accumulate_grad_batches={parts}", "steps=4"]
    small = train(tmp_path, "small", *CYCLEGAN, *words, "trainer.log_every_n_steps=1")
    one, two = last_checkpoint(large), last_checkpoint(small)
    assert one["global_step"] == two["global_step"] == 4
    assert_near(one["state_dict"], two["state_dict"])
    # The figures are means over the parts, and as many images were seen.
    for whole, accumulated in zip(rows(large), rows(small), strict=True):
        for name in whole:
            if name.startswith(("loss/", "gradient/")) or name in ("step", "images"):
                assert float(accumulated[name]) == pytest.approx(float(whole[name]), rel=1e-4, abs=1e-6), name
    assert json.loads((small / "manifest.json").read_text())["images"] == 48


def test_several_processes_accumulate_as_one_trains(large: Path, tmp_path: Path, free_port: int) -> None:
    words = [
        *CYCLEGAN, "data.batch_size=6", "trainer.accumulate_grad_batches=2", "steps=4", f"output={tmp_path}",
        "name=two", "trainer=ddp", "trainer.devices=2",
    ]  # fmt: skip
    run_together(["-m", "genbench", "train", *words], 2, free_port)
    (two,) = (tmp_path / "two").iterdir()
    assert_near(last_checkpoint(large)["state_dict"], last_checkpoint(two)["state_dict"])


def test_an_accumulating_run_is_resumed_to_the_bit_and_keeps_its_parts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*GAN, "trainer.accumulate_grad_batches=3", "method.ema_start=2", "method.ema_every=2", "method.clip=0.5"]
    # 1,442 images in steps of 24 are epochs of 60 steps.
    whole, parted = train(tmp_path, "whole", *words, "steps=64"), train(tmp_path, "parted", *words, "steps=59")
    for refused in ("1", "4"):
        assert main(["train", f"run={parted}", "steps=64", f"trainer.accumulate_grad_batches={refused}"]) == 2
        assert "trainer.accumulate_grad_batches=3" in capsys.readouterr().err
    assert main(["train", f"run={parted}", "steps=64", "trainer.accumulate_grad_batches=3"]) == 0
    one, two = last_checkpoint(whole), last_checkpoint(parted)
    for part in ("state_dict", "optimizer_states"):
        assert_same(one[part], two[part], part)
    assert json.loads((parted / "manifest.json").read_text())["images"] == 64 * 24


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trainer.accumulate_grad_batches=2", "method.reuse_samples=true"], "reuse_samples takes a whole batch"),
        (["trainer.accumulate_grad_batches=0"], "trainer.accumulate_grad_batches must be at least 1, not 0"),
        (["trainer.accumulate_grad_batches=two"], "must be a whole number"),
        (["trainer.accumulate_grad_batches={a:2}"], "must be a whole number"),
        (["trainer.accumulate_grad_batches=1000"], "times data.batch_size=8 must be from 1 to the 1442"),
        (["method.clip=-1"], "method.clip must be at least 0"),
        (["method.ema_every=0"], "method.ema_every must be at least 1"),
        (["method.ema_start=-1"], "method.ema_start must be at least 0"),
        (["method.ema_warmup=3"], "method.ema_warmup must be true or false"),
        (["method.schedule=cosine"], "schedule=cosine"),
        (["schedule=cosin"], "there is no schedule 'cosin'; did you mean cosine?"),
        (["schedule=cosine", "schedule.steps=2", "steps=3"], "goes beyond method.schedule.steps=2"),
        (["schedule=cosine", "schedule.every=2"], "there is no key 'method.schedule.every'"),
        (["schedule=cosine", "schedule.warmup_steps=20", "steps=10"], "more than schedule.warmup_steps=20"),
        (["schedule=step_decay", "schedule.gamma=0"], "method.schedule.gamma must be more than 0"),
        (["method.warmup_steps=20"], "did you mean method.schedule.warmup_steps"),
        (["trainer.gradient_clip_val=1"], "set method.clip="),
    ],
)
def test_settings_that_do_not_do(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *GAN, "steps=2", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said.strip().splitlines()) == 1
    assert not Path("outputs").exists()


def moved(before: dict[str, Tensor], after: dict[str, Tensor], network: str) -> float:
    names = [name for name in before if name.startswith(f"{network}.") and "running" not in name]
    return float(torch.stack([(after[name] - before[name]).square().sum() for name in names]).sum().sqrt())


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_each_network_moves_by_its_clipped_gradient_at_most(tmp_path: Path, network: str) -> None:
    """A step of plain gradient descent is as long as the rate times the gradient."""
    words = [*CYCLEGAN, "data.batch_size=4", "callbacks.checkpoints.keep=1", "trainer.log_every_n_steps=1", "steps=2"]
    folder = train(tmp_path, "clipped", *words, "method.clip=0.01", "schedule=constant")
    states = [
        torch.load(folder / "checkpoints" / f"step_000000{step}.ckpt", weights_only=True)["state_dict"]
        for step in (1, 2)
    ]
    assert moved(*states, network) == pytest.approx(0.002 * 0.01, rel=1e-3)
    # What is logged is the norm before.
    assert all(float(row[f"gradient/{network}"]) > 0.01 for row in rows(folder))


def test_both_rates_follow_the_schedule_and_are_logged(tmp_path: Path) -> None:
    words = [*GAN, "steps=8", "trainer.log_every_n_steps=1", "method.discriminator_optimizer.lr=0.001"]
    folder = train(tmp_path, "run", *words, "schedule=linear_decay", "schedule.warmup_steps=2")
    factors = [0.5, 1.0, *(1 - step / 7 for step in range(1, 7))]
    for network, rate in (("generator", 2e-4), ("discriminator", 1e-3)):
        logged = [float(row[f"learning_rate/{network}"]) for row in rows(folder)]
        assert logged == pytest.approx([rate * factor for factor in factors])
    # Nothing of the schedule is in a checkpoint but the rates of the last step.
    assert not last_checkpoint(folder)["lr_schedulers"]


def test_a_schedule_is_resumed_to_the_bit_and_not_beyond_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*GAN, "schedule=cosine", "schedule.steps=9", "schedule.warmup_steps=2"]
    whole, parted = train(tmp_path, "whole", *words, "steps=9"), train(tmp_path, "parted", *words, "steps=4")
    assert main(["train", f"run={parted}", "steps=9"]) == 0
    for part in ("state_dict", "optimizer_states"):
        assert_same(last_checkpoint(whole)[part], last_checkpoint(parted)[part], part)
    capsys.readouterr()
    assert main(["train", f"run={parted}", "steps=10"]) == 2
    assert "after which the learning rate is 0" in capsys.readouterr().err


def test_help_explains_the_chosen_schedule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help", "method=ddpm", "schedule=linear_decay"]) == 0
    said = capsys.readouterr().out
    assert "or schedule=constant, cosine, step_decay, warmup" in said
    assert "method.schedule.constant_steps" in said


def test_an_experiments_schedule_gives_way_to_a_chosen_one() -> None:
    config = compose_config("train", ["experiment=ddgan_digits", "schedule@method.schedule=constant"])
    assert dict(config.method.schedule) == {
        "_target_": "genbench.methods.learning_rates.Constant", "warmup_steps": 0
    }  # fmt: skip


@pytest.mark.parametrize(("size", "parts", "sizes"), [(6, 3, [2, 2, 2]), (7, 3, [3, 2, 2]), (2, 5, [1, 1])])
def test_a_batch_is_split_in_order_and_without_empty_parts(size: int, parts: int, sizes: list[int]) -> None:
    batch = Batch(torch.arange(size).float(), torch.arange(size))
    split = batch.split(parts)
    assert [len(part.x) for part in split] == sizes
    assert torch.equal(torch.cat([part.x for part in split]), batch.x)
    assert all(torch.equal(part.x, part.pair()[1].float()) for part in split)
    assert all(part.condition is None for part in Batch(batch.x, None).split(parts))


class Linear(Method):
    """A method of one linear layer, which is trained to give 0."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Linear(4, 3)
        self.optimise("network", self.network, partial(torch.optim.SGD, lr=1.0))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        self.take_step("network", lambda part: (self.network(part.x).square().sum(1).mean(), {}), batch)
        return self.finish_step()


@pytest.mark.parametrize("scaled", [False, True])
def test_parts_of_different_sizes_weigh_as_their_images(scaled: bool) -> None:
    """Seven images in three parts, also with the scaled losses of half precision: a step is that of the seven."""
    found = []
    for parts in (1, 3):
        method = Linear()
        method.accumulate(parts)
        plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
        # Only the scale is under test.
        plugin.autocast_context_manager = lambda: torch.autocast("cpu", enabled=False)  # type: ignore[method-assign]
        trainer = Trainer(
            accelerator="cpu", max_steps=2, max_epochs=-1, log_every_n_steps=1, plugins=[plugin] if scaled else None,
            logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        batch = Batch(torch.linspace(-1, 1, 28).view(7, 4), None)
        trainer.fit(method, DataLoader([batch, batch], batch_size=None))
        found.append([*method.network.parameters(), trainer.callback_metrics["loss/network"]])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(torch.as_tensor(one), torch.as_tensor(other), rtol=1e-5, atol=1e-6)


def test_the_network_declared_first_takes_a_step_in_every_batch() -> None:
    class Idle(Linear):
        def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
            return self.finish_step()

    trainer = Trainer(
        accelerator="cpu", max_steps=2, max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="a step must count once"):
        trainer.fit(Idle(), DataLoader([Batch(torch.zeros(2, 4), None)], batch_size=None))


def test_a_method_that_steps_by_hand_can_not_be_divided() -> None:
    method = Linear()
    method._optimised = {}
    method.accumulate(1)
    with pytest.raises(ValueError, match=r"data\.batch_size"):
        method.accumulate(2)
