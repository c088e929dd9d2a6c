"""GenBench's U-Net and DDIM beside diffusers', on the same card in the same minutes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from genbench.randomness import CHUNK, Noise
from tests.benchmarks.accelerator import sampling
from tests.benchmarks.accelerator.form import Form
from tests.benchmarks.accelerator.numerics import float32_products
from tests.benchmarks.accelerator.subjects import SUBJECTS
from tests.benchmarks.peers_speed import images_per_second, steps_per_second
from tests.benchmarks.turns import DEVICE, Comparison, in_turns


def rows(form: Form) -> dict[str, Callable[[], dict[str, Any]]]:
    """Return a training step and sampling, in both usual precisions."""
    return {
        "U-Net step, bf16": partial(step, form, half=True),
        "DDIM, bf16": partial(ddim, form, half=True),
        "U-Net step, TF32": partial(step, form, half=False),
        "DDIM, TF32": partial(ddim, form, half=False),
    }


def step(form: Form, *, half: bool) -> dict[str, Any]:
    """Compare forwards, backwards and Adam of both networks."""
    method, peer = _both(form)
    ours = method.denoiser.train()
    shape = (SUBJECTS["DDPM, 32"].data(form).batch_size, *method.medium.shape)
    steps = 2 if form.tiny else 10
    with _numbers(half):
        found = in_turns(
            lambda: steps_per_second(ours, ours, shape, steps),
            lambda: steps_per_second(peer.train(), lambda x, t: peer(x, (999 * t).long()).sample, shape, steps),
            3 if form.tiny else 5,
        )
    return {"unit": "steps/s", **_figures(found, ours, peer)}


def ddim(form: Form, *, half: bool) -> dict[str, Any]:
    """Compare a chunk of images as arrays, which is what both make before a file is written."""
    from diffusers import DDIMPipeline, DDIMScheduler

    method, peer = _both(form)
    calls = 4 if form.tiny else 50
    pipeline = DDIMPipeline(peer.eval(), DDIMScheduler())
    pipeline.set_progress_bar_config(disable=True)
    with _numbers(half):
        found = in_turns(
            lambda: images_per_second(lambda: method.sample(CHUNK, noise=Noise(0)).cpu(), CHUNK),
            lambda: images_per_second(
                lambda: pipeline(batch_size=CHUNK, num_inference_steps=calls, output_type="np").images, CHUNK
            ),
            3,
        )
    return {"unit": "images/s", **_figures(found, method.denoiser, peer)}


@contextmanager
def _numbers(half: bool) -> Iterator[None]:
    """Compute in bfloat16 where autocast does, or in TF32; weights are cast anew for each use, as they move."""
    with float32_products(True), torch.autocast(DEVICE.type, torch.bfloat16, enabled=half, cache_enabled=False):
        yield


def _both(form: Form) -> tuple[Any, Any]:
    """Return DDPM that draws by DDIM, and diffusers' network of the same configuration."""
    from diffusers import UNet2DModel

    config = SUBJECTS["DDPM, 32"].config(form).network.denoiser
    method = sampling.build("ddim", form, f"sampler.steps={4 if form.tiny else 50}")
    channels, _, side = method.medium.shape
    attended = [side >> level in config.attention for level in range(len(config.multipliers))]
    peer = UNet2DModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=config.blocks,
        block_out_channels=[config.width * multiplier for multiplier in config.multipliers],
        norm_num_groups=min(32, config.width),
        # One head, as ours.
        attention_head_dim=config.width * config.multipliers[-1],
        dropout=config.dropout,
        down_block_types=["AttnDownBlock2D" if here else "DownBlock2D" for here in attended],
        up_block_types=["AttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attended)],
    )
    # Ours has its channels last by default.
    return method, peer.to(DEVICE, memory_format=torch.channels_last)


def _figures(found: Comparison, ours: torch.nn.Module, peer: torch.nn.Module) -> dict[str, Any]:
    sizes = [sum(parameter.numel() for parameter in network.parameters()) for network in (ours, peer)]
    return {
        "GenBench": found.ours,
        "diffusers": found.other,
        "ratio": found.ratio,
        "quartiles": f"{found.low:.2f} to {found.high:.2f}",
        "parameters": sizes[0],
        "diffusers' parameters": sizes[1],
    }
