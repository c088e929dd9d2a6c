"""What can be asked of methods that find the pose of an image, or that draw a person in a given pose."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from genbench.medium import Medium


@runtime_checkable
class FindsKeypoints(Protocol):
    """The ability to find key points of an image."""

    medium: Medium

    keypoint_count: int
    """P, how many."""

    def find_keypoints(self, x: Tensor) -> Tensor:
        """Return key points (B, P, 2), (x, y) in [-1, 1], of images (B, C, H, W) in [-1, 1]."""
        ...


@runtime_checkable
class Animates(Protocol):
    """The ability to draw a person, who is shown by some frames, in other poses."""

    medium: Medium

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        ...

    def find_keypoints(self, x: Tensor) -> Tensor:
        """Return the pose of images (B, C, H, W) in [-1, 1]: key points (B, P, 2)."""
        ...

    def draw_pose(self, points: Tensor) -> Tensor:
        """Return pictures (B, 3, H, W) in [-1, 1] of poses (B, P, 2)."""
        ...

    def portrait(self, shots: Tensor, *, steps: int = 0) -> Callable[[Tensor], Tensor]:
        """Return what draws a person in poses (B, P, 2), as images (B, C, H, W) in [-1, 1].

        Args:
            shots: frames of the person (K, C, H, W) in [-1, 1].
            steps: by which a copy of the model is trained further on these frames; 0: as it is.
        """
        ...
