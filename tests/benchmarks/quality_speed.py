"""Quality after equal seconds: GenBench's experiments beside scripts as tutorials have them, on the same images.

    make quality DATA=DIR        # or: python -m tests.benchmarks.quality_speed --seconds 300 data.root=DIR

Both train for as many seconds of the wall clock, from their first step on, in one process, one after the other; drawing
is not counted. Their samples, as many of each, are scored by the digit classifier's Frechet distance to the training
images as they are distributed, at 28 pixels.
"""

import argparse
import json
from typing import Any

import torch
from lightning import Callback, Trainer

from genbench.commands.assembly import build_data
from genbench.commands.train import quieten
from genbench.config import compose_config
from genbench.images import to_uint8
from genbench.metrics.evaluator import Evaluator
from genbench.sampling import sample_set
from tests.benchmarks.step_speed import settings, train
from tests.benchmarks.turns import DEVICE, machine, now
from tests.benchmarks.tutorial_scripts import SCRIPTS

EXPERIMENTS: dict[str, list[str]] = {
    "gan": ["experiment=gan_mnist", "network=mlp", "data.size=28"],
    "dcgan": ["experiment=gan_mnist"],
    "wgan_gp": ["experiment=wgan_gp_mnist"],
    # The experiment of laptops, at the script's size.
    "ddpm": ["experiment=ddpm_mnist16", "data.size=28"],
}
"""What stands beside each script."""


class Deadline(Callback):
    """End a training after so many seconds from its first step, and draw.

    Args:
        seconds: of the wall clock.
        samples: how many are drawn.

    Attributes:
        steps: those taken.
        images: the samples, uint8.
    """

    def __init__(self, seconds: float, samples: int) -> None:
        self._seconds = seconds
        self._samples = samples
        self._began = 0.0
        self.steps = 0
        self.images = torch.empty(0)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Start with the first step."""
        self._began = self._began or now()

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        """Look at the watch."""
        if not trainer.should_stop and now() - self._began >= self._seconds:
            self.steps = trainer.global_step
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, module: Any) -> None:
        """Draw from the averaged weights, at once: the training's method is not kept."""
        self.images = sample_set(module.sample, self._samples, 0, module.medium)


def ours(words: list[str], seconds: float, samples: int) -> tuple[torch.Tensor, int]:
    """Return samples of an experiment after so many seconds, uint8, and its steps."""
    config = settings(words)
    data = build_data(config)
    data.store("train")
    deadline = Deadline(seconds, samples)
    train(config, data, deadline)
    return deadline.images, deadline.steps


def theirs(name: str, images: torch.Tensor, seconds: float, samples: int) -> tuple[torch.Tensor, int]:
    """Return samples of a script after so many seconds, uint8, and its steps."""
    torch.manual_seed(0)
    with DEVICE:
        script = SCRIPTS[name](images.to(DEVICE))
        began, steps = now(), 0
        while not steps or now() - began < seconds:
            script.step()
            steps += 1
        return to_uint8(script.draw(samples)).cpu(), steps


def compare(
    names: list[str], seconds: float, samples: int, words: list[str], data: str = "mnist"
) -> dict[str, dict[str, float]]:
    """Return both distances, their ratio and the steps of each, by the scripts' names.

    Args:
        names: of the scripts.
        seconds: of each training.
        samples: of each.
        words: settings of the data and of all our experiments, such as `data.root=DIR`.
        data: the data set of all.
    """
    of_data = [word for word in words if word.startswith("data.")]
    reference = build_data(compose_config("train", [f"data={data}", "data.size=28", *of_data]))
    evaluator = Evaluator(samples, scores=["fid"])
    evaluator.set_reference(reference, device=DEVICE)
    images = reference.store("train").samples[:]
    figures = {}
    for name in names:
        # The experiments' own data set is MNIST.
        chosen = [*EXPERIMENTS[name], *([] if data == "mnist" else [f"data={data}"]), *words]
        (mine, my_steps), (other, other_steps) = ours(chosen, seconds, samples), theirs(name, images, seconds, samples)
        one, two = (evaluator.score_images(each, DEVICE).values["fid_digits"] for each in (mine, other))
        steps = {"steps": my_steps, "script_steps": other_steps}
        figures[name] = {"genbench": one, "script": two, "ratio": one / two, **steps}
        cells = f"{one:.3g} | {two:.3g} | {one / two:.2f} | {my_steps}, {other_steps}"
        print(f"| {name}: `{' '.join(EXPERIMENTS[name])}` | {cells} |", flush=True)
    return figures


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Quality after equal seconds, beside tutorials' scripts.")
    parser.add_argument("--seconds", type=float, default=300.0, help="of each training")
    parser.add_argument("--samples", type=int, default=2000, help="scored of each")
    parser.add_argument("--only", nargs="+", choices=list(SCRIPTS), default=list(SCRIPTS), help="some of the scripts")
    arguments, words = parser.parse_known_args()
    quieten()
    print(machine())
    print(f"| fid_digits after {arguments.seconds:.0f} s | GenBench | script | ratio | steps: GenBench, script |")
    print("| --- | ---: | ---: | ---: | --- |")
    print(json.dumps({"quality_speed": compare(arguments.only, arguments.seconds, arguments.samples, words)}))


if __name__ == "__main__":
    main()
