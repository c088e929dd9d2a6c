"""Train the digit classifier that GenBench's `*_digits` scores look through, and write its weights.

    python experiments/digit_classifier/train.py --root data

takes about 10 minutes on 2 CPU cores. See README.md beside this file for the accuracy that it reached.
"""

import argparse
import math
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import affine_grid, cross_entropy, grid_sample

from genbench.data.digits import Digits
from genbench.data.mnist import MNIST
from genbench.data.store import SampleStore
from genbench.images import to_float, to_uint8
from genbench.metrics.extractors.digits import DIGITS_WEIGHTS, DigitClassifier

BATCH = 256
EPOCHS = 8
# scikit-learn's 1,442 digits are repeated so that they are about a fifth of what the classifier sees.
DIGITS_REPEATED = 10


def distort(images: Tensor, generator: torch.Generator) -> Tensor:
    """Rotate by up to 12 degrees, scale by up to 12 % and shift by up to 2 pixels; uint8 (B, 1, 28, 28) in and out."""
    angle, scale, *shift = (torch.rand(4, len(images), generator=generator) * 2 - 1).unbind()
    angle, scale = angle * math.radians(12), 1 + 0.12 * scale
    cosine, sine = angle.cos() * scale, angle.sin() * scale
    rows = [torch.stack([cosine, -sine, shift[0] / 7], 1), torch.stack([sine, cosine, shift[1] / 7], 1)]
    grid = affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False)
    # Padding is black, -1 in floats, so the pixels are moved to start at 0 meanwhile.
    return to_uint8(grid_sample(to_float(images) + 1, grid, align_corners=False) - 1)


@torch.no_grad()
def accuracy(classifier: DigitClassifier, store: SampleStore) -> float:
    """Return the share of a split that the classifier gets right."""
    assert store.conditions is not None
    hits = 0
    for images, classes in zip(store.samples.split(1000), store.conditions.split(1000), strict=True):
        hits += int((classifier(images).logits.argmax(1) == classes).sum())
    return hits / len(store)


def main() -> None:
    """Train, report and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default="data", help="folder of MNIST")
    parser.add_argument("--out", type=Path, default=DIGITS_WEIGHTS)
    arguments = parser.parse_args()

    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    mnist, digits = MNIST(arguments.root, download=False), Digits()
    train = [mnist.store("train")] + [digits.store("train")] * DIGITS_REPEATED
    images = torch.cat([store.samples for store in train])
    classes = torch.cat([store.conditions for store in train if store.conditions is not None])

    classifier = DigitClassifier()
    optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=1e-2)
    batches = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=EPOCHS * batches)
    for epoch in range(EPOCHS):
        begin, order = time.monotonic(), torch.randperm(len(images), generator=generator)
        classifier.train()
        for index in order[: batches * BATCH].split(BATCH):
            logits = classifier(distort(images[index], generator)).logits
            loss = cross_entropy(logits, classes[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        classifier.eval()
        scores = {f"{data.name}_test_accuracy": accuracy(classifier, data.store("test")) for data in (mnist, digits)}
        figures = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        print(f"epoch {epoch + 1}: {figures}, {time.monotonic() - begin:.0f} s", flush=True)

    weights = {name: value.contiguous() for name, value in classifier.state_dict().items()}
    save_file(weights, arguments.out, metadata={name: f"{value:.4f}" for name, value in scores.items()})
    print(f"{arguments.out}: {arguments.out.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
