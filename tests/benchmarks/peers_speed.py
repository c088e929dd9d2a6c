"""GenBench beside what people would use in its place, at as many parameters, in turns.

Its U-Net and DDIM stand beside those of diffusers, DCGAN beside a script as tutorials have it.

make bench
"""

import json
from typing import Any

import torch
from torch.optim import Adam

from genbench.commands.assembly import build_data, build_method
from genbench.commands.train import quieten
from genbench.config import compose_config
from genbench.randomness import Noise
from tests.benchmarks.dcgan_script import dcgan_script
from tests.benchmarks.step_speed import InTurns, settings, train
from tests.benchmarks.turns import DEVICE, Comparison, in_turns, machine, now

ROUNDS, STEPS, CALLS, IMAGES = 9, 12, 20, 64
SIDE = 16


def ours() -> Any:
    """Return DDPM with the small U-Net."""
    config = compose_config("train", ["experiment=ddpm_digits", f"sampler.steps={CALLS}"])
    return build_method(config, build_data(config)).to(DEVICE)


def theirs(parameters: int) -> Any:
    """Return diffusers' U-Net of the same levels, blocks and attention, as wide as comes nearest in parameters."""
    from diffusers import UNet2DModel

    def make(width: int) -> Any:
        return UNet2DModel(
            sample_size=SIDE,
            in_channels=1,
            out_channels=1,
            layers_per_block=1,
            block_out_channels=(width, 2 * width, 2 * width),
            norm_num_groups=8,
            # One head of attention, as ours; by itself it takes one for each eight channels.
            attention_head_dim=2 * width,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        )

    widths = {width: abs(_size(make(width)) - parameters) for width in range(16, 72, 8)}
    return make(min(widths, key=lambda width: widths[width]))


def _size(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def steps_per_second(
    network: torch.nn.Module, predict: Any, shape: tuple[int, ...] = (IMAGES, 1, SIDE, SIDE), steps: int = STEPS
) -> float:
    """Return steps/s of the network alone on images of a shape: forwards, backwards, Adam."""
    optimizer = Adam(network.parameters(), 1e-4)
    x, t = torch.randn(shape, device=DEVICE), torch.rand(shape[0], device=DEVICE)
    begin = 0.0
    for index in range(steps + 2):
        if index == 2:
            begin = now()
        loss = (predict(x, t) - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return steps / (now() - begin)


def images_per_second(draw: Any, images: int = IMAGES) -> float:
    """Return how many images are drawn in a second."""
    begin = now()
    draw()
    return images / (now() - begin)


def dcgan(overrides: list[str]) -> Comparison:
    """Compare the paper's DCGAN at half its width, on digits at 64 pixels, with the script, in steps/s."""
    words = ["experiment=dcgan_lsun", "data=digits", "data.size=64", "data.batch_size=64"]
    widths = [f"network.{player}.width=64" for player in ("generator", "discriminator")]
    config = settings([*words, *widths, *overrides])
    data = build_data(config)
    step, parameters = dcgan_script(data.store("train").samples[:], data.batch_size, 100, 64, DEVICE)
    method: Any = build_method(config, data)
    if parameters != _size(method.generator) + _size(method.discriminator):
        raise AssertionError("the script's networks are not as large as GenBench's")
    turns = InTurns(step, rounds=4, length=10)
    train(config, data, turns)
    return turns.comparison()


def main() -> None:
    """Measure and print a table."""
    from diffusers import DDIMPipeline, DDIMScheduler

    quieten()
    print(machine())
    method = ours()
    network = method.denoiser
    peer = theirs(_size(network)).to(DEVICE)
    pipeline = DDIMPipeline(peer, DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    print(f"parameters: GenBench {_size(network):,}, diffusers {_size(peer):,}")
    print("| | GenBench | peer | ratio, median (quartiles) |")
    print("| --- | ---: | ---: | ---: |")
    step = in_turns(
        lambda: steps_per_second(network.train(), network),
        lambda: steps_per_second(peer.train(), lambda x, t: peer(x, (999 * t).long()).sample),
        ROUNDS,
    )
    print(f"| U-Net steps/s, {IMAGES} images of {SIDE} x {SIDE} | {step} |", flush=True)
    # Images as arrays, which is what both make before a file is written.
    draw = in_turns(
        lambda: images_per_second(lambda: method.eval().sample(IMAGES, noise=Noise(0))),
        lambda: images_per_second(
            lambda: pipeline(batch_size=IMAGES, num_inference_steps=CALLS, output_type="np").images
        ),
        ROUNDS,
    )
    print(f"| images/s by DDIM, {CALLS} calls | {draw} |", flush=True)
    fresh, reused = dcgan([]), dcgan(["method.reuse_samples=true"])
    print(f"| DCGAN steps/s | {fresh} |")
    print(f"| DCGAN steps/s, method.reuse_samples=true as the script does | {reused} |")
    figures = {"unet_step": step, "ddim": draw, "dcgan": fresh, "dcgan_reused": reused}
    print(json.dumps({"peers_speed": {name: found.ratio for name, found in figures.items()}}))


if __name__ == "__main__":
    main()
