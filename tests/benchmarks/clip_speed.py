"""Pairs of an image and a text that CLIP trains on per second, beside open_clip's towers of the same sizes, in turns.

    python -m tests.benchmarks.clip_speed

Both take the same batch, whose texts fill their length, and do the same work: both towers, the symmetric cross entropy
on joined features, backward, AdamW. Ours beside a plain loop over our own towers is in `step_speed`.
"""

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from genbench.commands.assembly import build
from genbench.conditions.captions import Captions
from genbench.config import compose_config
from genbench.medium import Images
from genbench.methods.optimisation import MatrixAdamW
from tests.benchmarks.turns import DEVICE, in_turns, machine, now

ROUNDS, STEPS, LENGTH = 9, 3, 20
SIZES = {"clip_small": (32, 128), "clip_vit_b32": (224, 8)}
"""Networks, with the side of their images and the size of a batch."""


def ours(network: str, side: int) -> tuple[Any, int]:
    """Return our method, and how many tokens there are."""
    condition = Captions(tokenizer="clip_bpe", length=LENGTH)
    config = compose_config("train", ["method=clip", "data=captioned_digits", f"network={network}"])
    method = build(config.method, "method", medium=Images((3, side, side)), condition=condition)
    return method.to(DEVICE), condition.form.vocabulary


def theirs(method: Any, side: int, vocabulary: int) -> nn.Module:
    """Return open_clip's model of the same sizes."""
    from open_clip import CLIP

    image, text = method.towers.image, method.towers.text
    patches, block = image.patches, text.blocks[0]
    vision = {
        "image_size": side,
        "layers": len(image.blocks),
        "width": patches.out_channels,
        "patch_size": patches.kernel_size[0],
        "head_width": patches.out_channels // image.blocks[0].attention.heads,
    }
    words = {
        "context_length": LENGTH,
        "vocab_size": vocabulary,
        "width": text.positions.shape[1],
        "heads": block.attention.heads,
        "layers": len(text.blocks),
    }
    return CLIP(method.embedding_dim, vision, words, quick_gelu=True).to(DEVICE)


def trained(
    parameters: list[nn.Parameter], features: Callable[[], tuple[Tensor, Tensor, Tensor]], batch: int
) -> Callable[[], float]:
    """Return what takes some steps and returns the pairs per second."""
    optimizer = MatrixAdamW(parameters, weight_decay=0.2, lr=1e-5)
    own = torch.arange(batch, device=DEVICE)

    def measure() -> float:
        began = now()
        for _ in range(STEPS):
            optimizer.zero_grad()
            images, texts, scale = features()
            logits = scale * images @ texts.T
            ((cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2).backward()
            optimizer.step()
        return STEPS * batch / (now() - began)

    return measure


def compare(network: str) -> Any:
    """Compare ours with open_clip's."""
    side, batch = SIZES[network]
    method, vocabulary = ours(network, side)
    other: Any = theirs(method, side, vocabulary)
    count = sum(each.numel() for each in method.towers.parameters())
    assert count == sum(each.numel() for each in other.parameters())
    x = torch.randn(batch, 3, side, side, device=DEVICE)
    rows = torch.randint(1, vocabulary - 2, (batch, LENGTH), device=DEVICE)
    rows[:, -1] = vocabulary - 1

    def open_clips() -> tuple[Tensor, Tensor, Tensor]:
        images, texts = other.encode_image(x), other.encode_text(rows)
        return normalize(images, dim=1), normalize(texts, dim=1), other.logit_scale.exp()

    first = trained([*method.towers.parameters()], lambda: method.towers(x, rows), batch)
    second = trained([*other.parameters()], open_clips, batch)
    return in_turns(first, second, ROUNDS)


def main() -> None:
    """Measure and print a table."""
    print(machine())
    print("| pairs/s of training | GenBench | open_clip | ratio, median (quartiles) |")
    print("| --- | ---: | ---: | ---: |")
    ratios = {}
    for network in SIZES:
        found = compare(network)
        print(f"| {network} | {found} |", flush=True)
        ratios[network] = found.ratio
    print(json.dumps({"clip_speed": ratios}))


if __name__ == "__main__":
    main()
