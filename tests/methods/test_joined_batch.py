"""Gradients of several processes are those of one process on the joined batch."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.commands.test_train import last_checkpoint
from tests.soak.kills import RUNS
from tests.warm import run_together

SGD = {
    "gan": [
        word
        for player in ("generator_optimizer", "discriminator_optimizer")
        for word in (f"method.{player}._target_=torch.optim.SGD", f"~method.{player}.betas", f"method.{player}.lr=1.0")
    ],
    "ddpm": [
        "method.optimizer._target_=torch.optim.SGD",
        "method.optimizer.lr=1.0",
        "schedule.warmup_steps=0",
        "method.clip=0",
        "network.denoiser.dropout=0.0",
    ],
    "clip": [
        "method.optimizer._target_=torch.optim.SGD",
        "~method.optimizer.betas",
        "~method.optimizer.eps",
        "method.optimizer.weight_decay=0",
        "method.optimizer.lr=1.0",
        "schedule=constant",
    ],
}
"""A step of SGD at rate 1 moves the weights by the gradient itself."""

WORDS = RUNS | {
    # Without BatchNorm, whose statistics are those of each process; a batch holds captions twice.
    "clip": [
        "experiment=clip_captioned_digits", "network=clip_small", "network.image_tower.width=16",
        "network.image_tower.layers=1", "network.text_tower.width=16", "data.size=8", "trainer.accelerator=cpu",
    ],
}  # fmt: skip
"""What is trained."""


def weights_after_a_step(folder: Path, kind: str, processes: int, port: int) -> dict[str, Tensor]:
    words = [
        *WORDS[kind], "data.batch_size=12", *SGD[kind], "steps=1", f"output={folder}", f"name=of_{processes}",
        "trainer=ddp", f"trainer.devices={processes}",
    ]  # fmt: skip
    run_together(["-m", "tests.methods.joined_batch", *words], processes, port, Path(__file__).parents[2])
    # Whoever launches, a run has one folder.
    (run,) = (folder / f"of_{processes}").iterdir()
    state: dict[str, Tensor] = last_checkpoint(run)["state_dict"]
    return state


@pytest.mark.parametrize(("kind", "counts"), [("gan", (2, 3)), ("ddpm", (3,)), ("clip", (2, 3))])
def test_gradients_of_several_processes_are_those_of_one(
    tmp_path: Path, free_port: int, kind: str, counts: tuple[int, ...]
) -> None:
    one = weights_after_a_step(tmp_path, kind, 1, free_port)
    for count in counts:
        several = weights_after_a_step(tmp_path, kind, count, free_port)
        assert several.keys() == one.keys()
        for name, value in one.items():
            torch.testing.assert_close(
                several[name], value, rtol=0, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
            )
