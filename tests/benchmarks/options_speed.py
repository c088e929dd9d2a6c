"""What each setting that may make steps faster does, beside the same run without it, in turns.

make bench
"""

import json

from genbench.commands.assembly import build_data
from genbench.commands.train import quieten
from genbench.config import compose_config
from tests.benchmarks.step_speed import genbench_steps
from tests.benchmarks.turns import Comparison, in_turns

ROUNDS, STEPS = 3, 20

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


def compare(base: list[str], with_it: list[str], without: list[str], rounds: int = ROUNDS) -> Comparison:
    """Compare a run with a setting with one without."""
    ours, other = (compose_config("train", [*base, *settings]) for settings in (with_it, without))
    data = build_data(ours)
    # What compiling takes at the first step is spent, and kept on disk, before.
    genbench_steps(ours, data, 1)
    return in_turns(lambda: genbench_steps(ours, data, STEPS), lambda: genbench_steps(other, data, STEPS), rounds)


def main() -> None:
    """Measure and print a table."""
    quieten()
    print("| method, setting | steps/s with | without | ratio, median (range) |")
    print("| --- | ---: | ---: | ---: |")
    figures = {}
    for (method, setting), settings in OPTIONS.items():
        found = compare(*settings)
        print(f"| {method}, {setting} | {found} |", flush=True)
        figures[f"{method}, {setting}"] = found.ratio
    print(json.dumps({"options_speed": figures}))


if __name__ == "__main__":
    main()
