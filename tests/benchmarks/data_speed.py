"""Images per second of GenBench's loader beside torchvision's items and a DataLoader, in one run."""

import json
import time

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import normalize, to_tensor

from genbench.data.loader import BatchLoader
from genbench.data.store import ImageStore

COUNT, BATCH = 20_000, 128


class Items(Dataset[tuple[torch.Tensor, int]]):
    """Images one by one, converted as torchvision's MNIST with ToTensor and Normalize converts them."""

    def __init__(self, images: torch.Tensor) -> None:
        from PIL import Image

        self.images = [Image.fromarray(image[0].numpy()) for image in images]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return normalize(to_tensor(self.images[index]), [0.5], [0.5]), 0


def main() -> None:
    """Measure one epoch of each."""
    images = torch.randint(0, 256, (COUNT, 1, 28, 28), dtype=torch.uint8)
    loaders = {
        "genbench": BatchLoader(ImageStore(images, torch.zeros(COUNT)), BATCH),
        "torchvision": DataLoader(Items(images), BATCH, shuffle=True),
    }
    speeds = {}
    for name, loader in loaders.items():
        begin = time.perf_counter()
        count = sum(len(batch[0]) for batch in loader)
        speeds[name] = count / (time.perf_counter() - begin)
        print(f"{name}: {speeds[name]:,.0f} images/s")
    print(json.dumps({"data_speed": speeds}))


if __name__ == "__main__":
    main()
