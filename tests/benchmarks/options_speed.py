"""What each setting that may make steps faster does, beside the same run without it, in turns.

make bench
"""

import json

from omegaconf import DictConfig

from genbench.commands.assembly import build_data
from genbench.commands.train import quieten
from genbench.data.base import DataSet
from tests.benchmarks.step_speed import Stopwatch, settings, train
from tests.benchmarks.turns import Comparison, in_turns, machine

ROUNDS, WARM_UP, STEPS = 5, 30, 50

_GAN = ["experiment=gan_mnist", "data=digits"]
_WGAN_GP = ["experiment=wgan_gp_mnist", "data=digits"]
_DDPM = ["experiment=ddpm_digits"]
_FUSED = [f"+method.{player}_optimizer.fused=true" for player in ("generator", "discriminator")]

OPTIONS = {
    # The default is left to stand on the side that is measured.
    ("gan", "channels_last"): (_GAN, ["channels_last=true"], ["channels_last=false"]),
    ("ddpm", "channels_last"): (_DDPM, ["channels_last=true"], ["channels_last=false"]),
    ("gan", "compile"): (_GAN, ["compile=true"], []),
    ("wgan_gp", "compile"): (_WGAN_GP, ["compile=true"], []),
    ("ddpm", "compile"): (_DDPM, ["compile=true"], []),
    ("gan", "bf16-mixed"): (_GAN, ["trainer.precision=bf16-mixed"], []),
    ("ddpm", "bf16-mixed"): (_DDPM, ["trainer.precision=bf16-mixed"], []),
    ("gan", "fused optimizers"): (_GAN, _FUSED, []),
    ("gan", "reuse_samples"): (_GAN, ["method.reuse_samples=true"], []),
    ("wgan_gp", "joint_pass"): (_WGAN_GP, ["method.joint_pass=true"], []),
}


def steps_per_second(config: DictConfig, data: DataSet) -> float:
    """Return how many steps a second a training takes after its warm-up."""
    watch = Stopwatch(WARM_UP, STEPS)
    train(config, data, watch)
    return watch.steps_per_second


def compare(base: list[str], with_it: list[str], without: list[str], rounds: int = ROUNDS) -> Comparison:
    """Compare a run with a setting with one without."""
    ours, other = (settings([*base, *chosen]) for chosen in (with_it, without))
    data = build_data(ours)
    return in_turns(lambda: steps_per_second(ours, data), lambda: steps_per_second(other, data), rounds)


def main() -> None:
    """Measure and print a table."""
    quieten()
    print(machine())
    print("| method, setting | steps/s with | without | ratio, median (quartiles) |")
    print("| --- | ---: | ---: | ---: |")
    figures = {}
    for (method, setting), overrides in OPTIONS.items():
        found = compare(*overrides)
        print(f"| {method}, {setting} | {found} |", flush=True)
        figures[f"{method}, {setting}"] = found.ratio
    print(json.dumps({"options_speed": figures}))


if __name__ == "__main__":
    main()
