"""The layouts of published U-Nets, written down: the names and shapes of their tensors.

Outputs can't be compared in a test, since the authors' code is on no package index.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

Layout = Iterator[tuple[str, tuple[int, ...]]]


def filled(layout: Layout, device: str = "cpu") -> dict[str, Tensor]:
    """Return random weights of a layout; on `device="meta"` names and shapes alone."""
    torch.manual_seed(0)
    return {name: torch.randn(shape, device=device) * shape[-1] ** -0.5 for name, shape in layout}


def layer(name: str, *shape: int) -> Layout:
    """Yield a layer's weight and bias."""
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def openai(
    width: int,
    multipliers: Sequence[float],
    blocks: int,
    attends: Sequence[bool],
    outputs: int | None,
    *,
    adaptive: bool = True,
    resamples: bool = False,
    classes: int = 0,
    classifies: int = 0,
    side: int = 0,
    channels_in: int = 3,
) -> Layout:
    """Yield the layout of improved-diffusion's and guided-diffusion's U-Nets, or of the classifier.

    Args:
        width: `num_channels`.
        multipliers: of the width.
        blocks: `num_res_blocks`.
        attends: which resolutions have self-attention.
        outputs: channels of the output; None for a classifier.
        adaptive: `use_scale_shift_norm`.
        resamples: `resblock_updown`.
        classes: of a class-conditional denoiser.
        classifies: classes of a classifier.
        side: of a classifier's lowest resolution.
        channels_in: of the image that it takes; an upsampler's is beside a small one.
    """
    embedding = 4 * width
    maps = [int(width * each) for each in multipliers]

    def block(name: str, channels_in: int, channels: int) -> Layout:
        yield from layer(f"{name}.in_layers.0", channels_in)
        yield from layer(f"{name}.in_layers.2", channels, channels_in, 3, 3)
        yield from layer(f"{name}.emb_layers.1", (2 if adaptive else 1) * channels, embedding)
        yield from layer(f"{name}.out_layers.0", channels)
        yield from layer(f"{name}.out_layers.3", channels, channels, 3, 3)
        if channels_in != channels:
            yield from layer(f"{name}.skip_connection", channels, channels_in, 1, 1)

    def attention(name: str, channels: int) -> Layout:
        yield from layer(f"{name}.norm", channels)
        yield from layer(f"{name}.qkv", 3 * channels, channels, 1)
        yield from layer(f"{name}.proj_out", channels, channels, 1)

    def resampled(name: str, channels: int, layer_name: str) -> Layout:
        if resamples:
            yield from block(name, channels, channels)
        else:
            yield from layer(f"{name}.{layer_name}", channels, channels, 3, 3)

    yield from layer("time_embed.0", embedding, width)
    yield from layer("time_embed.2", embedding, embedding)
    if classes:
        yield "label_emb.weight", (classes, embedding)
    yield from layer("input_blocks.0.0", maps[0], channels_in, 3, 3)
    channels, skips, number = maps[0], [maps[0]], 1
    for level, wide in enumerate(maps):
        for _ in range(blocks):
            yield from block(f"input_blocks.{number}.0", channels, wide)
            if attends[level]:
                yield from attention(f"input_blocks.{number}.1", wide)
            channels, number = wide, number + 1
            skips.append(channels)
        if level < len(maps) - 1:
            yield from resampled(f"input_blocks.{number}.0", channels, "op")
            skips.append(channels)
            number += 1
    yield from block("middle_block.0", channels, channels)
    yield from attention("middle_block.1", channels)
    yield from block("middle_block.2", channels, channels)
    yield from layer("out.0", channels if outputs is None else maps[0])
    if outputs is None:
        yield "out.2.positional_embedding", (channels, side**2 + 1)
        yield from layer("out.2.qkv_proj", 3 * channels, channels, 1)
        yield from layer("out.2.c_proj", classifies, channels, 1)
        return
    yield from layer("out.2", outputs, maps[0], 3, 3)
    number = 0
    for level, wide in reversed(list(enumerate(maps))):
        for index in range(blocks + 1):
            yield from block(f"output_blocks.{number}.0", channels + skips.pop(), wide)
            if attends[level]:
                yield from attention(f"output_blocks.{number}.1", wide)
            if level and index == blocks:
                yield from resampled(f"output_blocks.{number}.{1 + attends[level]}", wide, "conv")
            channels, number = wide, number + 1


def ho(width: int, multipliers: Sequence[int], attends: Sequence[bool]) -> Layout:
    """Yield the layout of pytorch_diffusion's files, of two blocks at each resolution."""
    maps, embedding = [width * each for each in multipliers], 4 * width

    def block(name: str, channels_in: int, channels: int) -> Layout:
        yield from layer(f"{name}.norm1", channels_in)
        yield from layer(f"{name}.conv1", channels, channels_in, 3, 3)
        yield from layer(f"{name}.temb_proj", channels, embedding)
        yield from layer(f"{name}.norm2", channels)
        yield from layer(f"{name}.conv2", channels, channels, 3, 3)
        if channels_in != channels:
            yield from layer(f"{name}.nin_shortcut", channels, channels_in, 1, 1)

    def attention(name: str, channels: int) -> Layout:
        yield from layer(f"{name}.norm", channels)
        for part in ("q", "k", "v", "proj_out"):
            yield from layer(f"{name}.{part}", channels, channels, 1, 1)

    yield from layer("temb.dense.0", embedding, width)
    yield from layer("temb.dense.1", embedding, embedding)
    yield from layer("conv_in", width, 3, 3, 3)
    channels, skips = width, [width]
    for level, wide in enumerate(maps):
        for number in range(2):
            yield from block(f"down.{level}.block.{number}", channels, wide)
            if attends[level]:
                yield from attention(f"down.{level}.attn.{number}", wide)
            channels = wide
            skips.append(channels)
        if level < len(maps) - 1:
            yield from layer(f"down.{level}.downsample.conv", wide, wide, 3, 3)
            skips.append(channels)
    yield from block("mid.block_1", channels, channels)
    yield from attention("mid.attn_1", channels)
    yield from block("mid.block_2", channels, channels)
    for level, wide in reversed(list(enumerate(maps))):
        for number in range(3):
            yield from block(f"up.{level}.block.{number}", channels + skips.pop(), wide)
            if attends[level]:
                yield from attention(f"up.{level}.attn.{number}", wide)
            channels = wide
        if level:
            yield from layer(f"up.{level}.upsample.conv", wide, wide, 3, 3)
    yield from layer("norm_out", width)
    yield from layer("conv_out", 3, width, 3, 3)
