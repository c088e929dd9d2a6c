"""What the largest experiments need of a GPU, from one step of each at full size on a CPU, and arithmetic.

    python -m tests.benchmarks.capacity

Weights, optimizer states and averages are counted; activations are what autograd keeps of one image, in float32, the
difference between a step of two images and a step of one; FLOPs are counted too. The rest is arithmetic with the
stated rates.
"""

import json
import tempfile
import time
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from genbench.commands.assembly import build_method
from genbench.commands.train import quieten
from genbench.config import compose_config
from genbench.methods.base import GenerativeMethod
from genbench.runs.checkpoint_files import CheckpointFiles
from tests.benchmarks.noise_data import NoiseData

EXPERIMENTS = {
    "ddpm_lsun": [],
    "improved_ddpm_lsun": [],
    # R1 comes in every tenth step; a step without it is the usual one.
    "ddgan_lsun": ["method.r1=0"],
}
GPUS = 8
FLOPS = 60e12
"""A second, of one GPU on these networks: an eighth of the dense TF32 rate of an H100 (495e12), a careful guess."""
LINK = 200e9
"""Bytes a second that a GPU sends to its neighbour by NVLink, of an H100's 450e9 each way."""


class Kept:
    """The most bytes that autograd keeps for a backward pass, while its hooks are on."""

    def __init__(self) -> None:
        self._storages: dict[int, int] = {}
        self._going_back = False
        self.most = 0

    def pack(self, tensor: Tensor) -> Tensor:
        """Note what is kept."""
        if self._going_back:
            self._storages, self._going_back = {}, False
        storage = tensor.untyped_storage()
        self._storages[storage.data_ptr()] = storage.nbytes()
        self.most = max(self.most, sum(self._storages.values()))
        return tensor

    def unpack(self, tensor: Tensor) -> Tensor:
        """Note that the backward pass has begun."""
        self._going_back = True
        return tensor


def one_step(experiment: str, images: int, *watching: AbstractContextManager[Any]) -> tuple[GenerativeMethod, Trainer]:
    """Return a method and its trainer after one step of so many images, watched by what is entered for its time."""
    config = compose_config("train", [f"experiment={experiment}", "data.root=none", *EXPERIMENTS[experiment]])
    size = config.data.get("size", 64)
    data = NoiseData((3, size, size), images)
    method = build_method(config, data)
    trainer = Trainer(
        max_steps=1, max_epochs=-1, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, plugins=[CheckpointFiles()],
    )  # fmt: skip
    with ExitStack() as stack:
        for each in watching:
            stack.enter_context(each)
        trainer.fit(method, datamodule=data)
    return method, trainer


def kept_by(experiment: str, images: int) -> float:
    """Return the most bytes that autograd keeps in a step of so many images."""
    kept = Kept()
    one_step(experiment, images, torch.autograd.graph.saved_tensors_hooks(kept.pack, kept.unpack))
    return kept.most


def needs(experiment: str) -> dict[str, Any]:
    """Return what an experiment needs on `GPUS` GPUs."""
    counter = FlopCounterMode(display=False)
    method, trainer = one_step(experiment, 1, counter)
    flops = float(counter.get_total_flops())
    # What does not grow with the images, such as weights, drops out of the difference.
    activations = kept_by(experiment, 2) - kept_by(experiment, 1)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        trainer.save_checkpoint(Path(folder) / "last.ckpt")
        seconds, size = time.monotonic() - begun, (Path(folder) / "last.ckpt").stat().st_size
    batch = compose_config(
        "train", [f"experiment={experiment}", "data.root=none", *EXPERIMENTS[experiment]]
    ).data.batch_size
    trained = sum(value.numel() for value in method.parameters() if value.requires_grad)
    # Weights, averages and optimizer states as they are in the checkpoint; gradients, and DDP's copy of them.
    fixed = size + 2 * 4 * trained
    share = batch / GPUS
    compute = share * flops / FLOPS
    traffic = 2 * (GPUS - 1) / GPUS * 4 * trained
    return {
        "parameters": trained,
        "batch": batch,
        "fixed_gb": fixed / 1e9,
        "activations_gb_an_image": activations / 1e9,
        "gb_a_gpu": (fixed + share * activations) / 1e9,
        "tflop_an_image": flops / 1e12,
        "seconds_a_step": compute,
        "images_a_second": batch / compute,
        "traffic_gb_a_step": traffic / 1e9,
        "traffic_seconds": traffic / LINK,
        "checkpoint_gb": size / 1e9,
        "checkpoint_seconds_here": seconds,
    }


def main() -> None:
    """Print a line of JSON an experiment."""
    quieten()
    for experiment in EXPERIMENTS:
        print(json.dumps({"experiment": experiment, **needs(experiment)}), flush=True)


if __name__ == "__main__":
    main()
