"""Small runs of this process that others are built on, and their settings."""

from pathlib import Path

import torch
from torch import Tensor

from genbench.__main__ import main

TINY = [
    "data=digits",
    "data.size=8",
    "data.batch_size=32",
    "trainer.accelerator=cpu",
    "callbacks.grid=null",
    "callbacks.nearest=null",
    "callbacks.scores=null",
]
CLASSIFIER = ["method=noisy_classifier", *TINY, "metrics=none", "network.classifier.width=8"]
GUIDED = "method=guided_by_classifier"
UNET = ["network.denoiser.width=8", "network.denoiser.multipliers=[1]", "network.denoiser.attention=[]"]


def run_of(folder: Path, name: str, *words: str) -> Path:
    """Train in this process and return the run folder."""
    assert main([*words, f"output={folder}", f"name={name}"]) == 0
    (run,) = (folder / name).iterdir()
    return run


def weights_of(run: Path) -> dict[str, Tensor]:
    """Return the tensors of a run's last checkpoint."""
    found: dict[str, Tensor] = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return found
