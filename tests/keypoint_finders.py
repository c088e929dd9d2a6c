"""A finder of key points whose places are known."""

import torch
from torch import Tensor, nn

from genbench.medium import Images


class Middles(nn.Module):
    """Finds two key points: the mean place of brightness, and of darkness."""

    keypoint_count = 2

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.medium = Images(shape)
        self.weight = nn.Parameter(torch.ones(()))

    def find_keypoints(self, x: Tensor) -> Tensor:
        places = torch.linspace(-1, 1, x.shape[-1])
        found = []
        for weight in ((x.mean(1) + 1.01) ** 4, (1.01 - x.mean(1)) ** 4):
            share = weight / weight.sum((1, 2), keepdim=True)
            found.append(torch.stack([(share.sum(1) * places).sum(1), (share.sum(2) * places).sum(1)], 1))
        return torch.stack(found, dim=1)
